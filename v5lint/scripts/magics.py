"""The magics and shell lines of a notebook: `%env`, `!pip install`, cells of `%%bash`, and of Databricks' `%sh`.

Read is the text that `v5lint.formats.notebook` makes of them: the lines in their order, with BETWEEN between two cells.
"""

from __future__ import annotations

from v5lint.patterns import pattern
from v5lint.scripts import shell
from v5lint.scripts.script import Mention, Script, braced

#: The line between two cells.
BETWEEN = "# \u241e"

_ENV = pattern(r"[ \t]*%(?:set_)?env[ \t]+(?P<name>[A-Za-z_]\w*)(?:[ \t]*=[ \t]*|[ \t]+)(?P<value>\S[^\r\n]*)")
_SHELL = pattern(r"[ \t]*(?:[\w, \t]+=[ \t]*)?(?:!{1,2}|%(?=(?:pip|conda|mamba|uv)\b)|%s[xc][ \t]+|%system[ \t]+)")
_SHELL_CELL = pattern(r"[ \t]*(?:%%(?:bash|sh|zsh|(?:script|!)[ \t]+\S*(?:ba|z)?sh)\b|%sh\s*$)")
_WRITTEN_CELL = pattern(r"[ \t]*%%(?:write)?file[ \t]+(?:-a[ \t]+)?\S+\.(?:sh|bash)[ \t]*$")
_PROSE_CELL = pattern(r"[ \t]*(?:%md(?:-sandbox)?|%%(?:markdown|html|latex|svg))\b")
_OTHER_CELL = pattern(r"[ \t]*(?:%%(?!time|capture|prun|memit|mprun|lprun|snakeviz)\w|%(?:fs|r|scala|sql)\s*$)")


def read(text: str) -> Script:
    """See `v5lint.scripts`."""
    script = Script(text)
    at = 0
    is_skipped = False
    while at < len(text):
        stop = text.find("\n", at)
        stop = len(text) if stop < 0 else stop
        line = text[at:stop]
        if line == BETWEEN:
            is_skipped = False
        elif is_skipped:
            pass
        elif _SHELL_CELL.match(line):
            end = _end_of_cell(text, stop)
            shell.read_into(script, min(stop + 1, end), end, (script.block(),))
            stop = end
        elif _WRITTEN_CELL.match(line):
            end = _end_of_cell(text, stop)
            shell.read_into(script, min(stop + 1, end), end, (script.block(),), text=True)
            stop = end
        elif _PROSE_CELL.match(line):
            end = _end_of_cell(text, stop)
            script.silent.append((at, end))
            stop = end
        elif _OTHER_CELL.match(line):
            is_skipped = True
        elif (found := _ENV.match(line)) is not None:
            value = braced(found["value"].strip().strip("\"'"))
            script.mentions.append(Mention(found["name"], at + found.start("name"), "set", (), value=value))
        elif (found := _SHELL.match(line)) is not None:
            end = _end(text, stop)
            shell.read_into(script, at + found.end(), end, (script.block(),))
            stop = end
        at = stop + 1
    return script


def _end_of_cell(text: str, stop: int) -> int:
    end = text.find(f"\n{BETWEEN}", stop)
    return len(text) if end < 0 else end


def _end(text: str, stop: int) -> int:
    """The end of a line, and of those that it goes on in."""
    while text[stop - 1 : stop] == "\\" and stop < len(text):
        following = text.find("\n", stop + 1)
        stop = len(text) if following < 0 else following
    return stop
