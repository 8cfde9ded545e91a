"""Texts that a script writes to a file or gives to another program: here-documents, and what `echo` puts there."""

from __future__ import annotations

import re

from v5lint.patterns import pattern
from v5lint.scripts.script import Mention, braced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.scripts.script import Access, Block, Script

_SETS = pattern(
    r"""(?:^|\\n|;|&&)[ \t]*(?:(?:export|ENV|-|Environment=|set|-[ ]name:|\$env:)[ \t]*)?["']?
    (?P<name>[A-Za-z_]\w*)[ \t]*[=:][ \t]*(?P<value>[^\r\n;&]*)""",
    re.MULTILINE | re.VERBOSE,
)
#: A key of JSON, or of a dict: `{"env_vars": {"NAME": "value"}}`.
_KEYS = pattern(r"""["'](?P<name>[A-Za-z_]\w*)["'][ \t]*:[ \t]*["'](?P<value>[^"'\r\n]*)""")
_NAMES = pattern(
    r"(?:^[ \t]*-[ \t]+name:|\{\s*[\"']?name[\"']?[ \t]*[:=])[ \t]*[\"']?(?P<name>[A-Za-z_]\w*)", re.MULTILINE
)
#: What a program of Python sets: `python - <<EOF`.
_PYTHON = pattern(r"\bos\.environ\[[\"'](?P<name>[A-Za-z_]\w*)[\"']\][ \t]*=(?!=)[ \t]*(?P<value>[^\r\n#]*)")


def read_into(script: Script, start: int, end: int, block: Block, *, access: Access = "text") -> None:
    """Take in the variables that a text sets, in whatever language; they are told by the form of their lines.

    Args:
        script: what takes what is found.
        start: where the text begins.
        end: where it ends.
        block: the blocks that it stands in.
        access: how they are set.
    """
    _read(script, start, end, block, access, (_SETS, _NAMES, _KEYS, _PYTHON))


def read_python(script: Script, start: int, end: int, block: Block) -> None:
    """Take in what a program of Python in a text sets in its own environment."""
    _read(script, start, end, block, "set", (_PYTHON,))
    _read(script, start, end, block, "text", (_NAMES, _KEYS))


def _read(
    script: Script, start: int, end: int, block: Block, access: Access, forms: tuple[re.Pattern[str], ...]
) -> None:
    text = script.text[start:end]
    for form in forms:
        for found in form.finditer(text):
            value = found.groupdict().get("value")
            value = braced(value.strip().strip("\"'\\")) if value is not None else None
            script.mentions.append(Mention(found["name"], start + found.start("name"), access, block, value=value))
