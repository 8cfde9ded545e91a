"""Runs the snippets of a JSON file one after another and prints how each ends, as a JSON list on the last line.

    python snippets.py FILE

A snippet ends with the message of the exception that it raises, or with the `repr` of its variable `result`.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path


def outcome(code: str) -> str:
    namespace: dict[str, object] = {"__name__": "__main__"}
    try:
        exec(code, namespace)
    except Exception as error:
        return "".join(traceback.format_exception_only(type(error), error)).strip()
    return repr(namespace.get("result"))


outcomes = [outcome(code) for code in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))]
print()
print(json.dumps(outcomes))
