"""Runs a script as ``python SCRIPT`` would, and writes the message of the exception that ends it, if one does.

    python driver.py MESSAGE_FILE SCRIPT

A traceback cannot be told from the messages that hold tracebacks themselves; the exception can.
"""

from __future__ import annotations

import runpy
import sys
import traceback
from pathlib import Path
from types import TracebackType

message_file, script = Path(sys.argv[1]), sys.argv[2]


def write_message(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    message = "".join(traceback.format_exception_only(kind, error))
    message_file.write_text(message, encoding="utf-8")
    sys.__excepthook__(kind, error, trace)


sys.excepthook = write_message
sys.argv = [script]
sys.path.insert(0, str(Path(script).resolve().parent))
runpy.run_path(script, run_name="__main__")
