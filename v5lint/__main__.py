"""`python -m v5lint`."""

from __future__ import annotations

import sys

from v5lint.cli import main

sys.exit(main())
