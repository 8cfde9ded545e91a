"""Procfiles of Heroku, foreman and honcho: `web: NAME=value python app.py`, a command of a shell in each line."""

from __future__ import annotations

import re

from v5lint.patterns import pattern
from v5lint.scripts import shell
from v5lint.scripts.script import Script

_LINE = pattern(r"^[ \t]*(?:(?P<comment>\#[^\r\n]*)|[\w-]+[ \t]*:(?P<command>[^\r\n]*))", re.MULTILINE)


def read(text: str) -> Script:
    """See `v5lint.scripts.read_script`."""
    script = Script(text)
    for found in _LINE.finditer(text):
        if found["comment"] is not None:
            script.silent.append(found.span("comment"))
        else:
            shell.read_into(script, found.start("command"), found.end("command"), (script.block(),))
    return script
