"""`python -m v5lint.runtime`, where the folder of the scripts is not on the path."""

from __future__ import annotations

import sys

from v5lint.runtime.cli import main

sys.exit(main())
