"""INI files: `setenv` of tox, `env` of pytest, `environment` of supervisord."""

from __future__ import annotations

import re

from v5lint.patterns import pattern
from v5lint.scripts import commands
from v5lint.scripts.assignments import NAME, Table, assign, is_environment, line_of, note_reads
from v5lint.scripts.script import Mention, Script

_COMMENT = pattern(r"^[ \t]*[#;][^\r\n]*|(?<=[ \t])#[^\r\n]*", re.MULTILINE)
_SECTION = pattern(r"\[([^\]]+)\]")
_OPTION = pattern(r"([\w.-]+)[ \t]*[=:]")

#: One of the variables of an option; before it tox names its environments, and pytest-env how it is set.
_PAIR = pattern(
    rf"(?:(?<=[=:,\s])|^)(?:[\w{{}},!-]+:[ \t]*)?(?P<name>{NAME})[ \t]*=[ \t]*(?P<value>\"[^\"]*\"|'[^']*'|[^\r\n,]*)"
)

#: The options of tox that hand variables on.
_PASSES = frozenset({"passenv", "pass_env"})


def read(text: str) -> Script:
    """See `v5lint.scripts.read_script`."""
    script = Script(text)
    script.silent += [found.span() for found in _COMMENT.finditer(text)]
    section, option = Table(script, ""), Table(script, "")
    at = 0
    for line in text.splitlines(keepends=True):
        start, at = at, at + len(line)
        said = next((first for first, last in script.silent if start <= first < at), at)
        code = text[start:said]
        if (header := _SECTION.match(code)) is not None:
            section, option = Table(script, header[1]), Table(script, "")
        elif code[:1].strip() and (found := _OPTION.match(code)) is not None:
            option = Table(script, found[1])
            if re.fullmatch(NAME, option.name) and not is_environment(option.name):
                assign(script, section, option.name, start, code[found.end() :], line_of(text, start, start))
            else:
                _values(script, option, start + found.end(), said, is_line=False)
        elif code.strip():
            _values(script, option, start, said, is_line=True)
    note_reads(script)
    return script


def _values(script: Script, option: Table, start: int, end: int, *, is_line: bool) -> None:
    """What a line says of the variables of an option.

    Args:
        script: where it is noted.
        option: the option.
        start: where the value begins.
        end: where it ends.
        is_line: whether it stands in a line of its own.
    """
    text = script.text
    if commands.is_command(option.name):
        commands.read_text(script, start, end)
    if option.name in _PASSES:
        for found in re.compile(NAME).finditer(text, start, end):
            script.mentions.append(Mention(found[0], found.start(), "pass", ()))
    elif is_environment(option.name):
        pairs = [*_PAIR.finditer(text, start, end)]
        for found in pairs:
            removal = line_of(text, start, start) if is_line and len(pairs) == 1 else None
            assign(script, option, found["name"], found.start("name"), found["value"], removal)
