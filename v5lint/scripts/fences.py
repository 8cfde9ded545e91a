"""What a shell is told in the fences of a Markdown file: one script, each fence of which ends what it begins.

Read is the text that `v5lint.formats.markdown` makes of them, with BETWEEN between two fences.
"""

from __future__ import annotations

from v5lint.scripts import shell
from v5lint.scripts.magics import BETWEEN
from v5lint.scripts.script import Script


def read(text: str) -> Script:
    """See `v5lint.scripts`."""
    script = Script(text)
    at = 0
    for part in text.split(f"\n{BETWEEN}\n"):
        shell.read_into(script, at, at + len(part), ())
        at += len(part) + len(BETWEEN) + 2
    return script
