"""`python -m v5lint`."""

from __future__ import annotations

import os
import sys

if sys.path and not getattr(sys.flags, "safe_path", False) and os.path.abspath(sys.path[0]) == os.getcwd():
    # `-m` puts the working folder first: an `ast.py` or `typing.py` in the repository to be linted would be run.
    del sys.path[0]

from v5lint.cli import main

sys.exit(main())
