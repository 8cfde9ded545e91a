"""Code through the command line, for the tests of many generated lines."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from v5lint.cli import main


def found(code: str, select: str, *options: str) -> list[tuple[int, str, str]]:
    """Lint one file.

    Args:
        code: the file.
        select: the codes that run, separated by commas.
        options: further options.

    Returns:
        Row, code and message of each finding, in order.
    """
    with tempfile.TemporaryDirectory() as folder:
        file, report = Path(folder) / "case.py", Path(folder) / "report.json"
        file.write_text(code, encoding="utf-8")
        main(
            [
                str(file),
                "--isolated",
                "--select",
                select,
                "--output-format",
                "json",
                "--output-file",
                str(report),
                *options,
            ]
        )
        said = json.loads(report.read_text(encoding="utf-8"))
    return [(each["location"]["row"], each["code"], each["message"]) for each in said]
