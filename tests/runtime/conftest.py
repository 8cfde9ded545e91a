from __future__ import annotations

import pytest

for _library in ("torch", "transformers", "peft"):
    pytest.importorskip(_library, reason=f"the runtime's tests need {_library}: pip install v5lint[runtime]")
