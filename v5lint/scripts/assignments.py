"""What files of settings have in common: tables of variables, which are told by what they are called."""

from __future__ import annotations

import re

from v5lint.patterns import pattern
from v5lint.scripts.script import Mention, braced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.scripts.script import Access, Script, Span

#: What holds the environment of a program: `env`, `set_env`, `containerEnv`, `terminal.integrated.env.linux`.
_ENVIRONMENT = pattern(
    r"(?:\A|[_.-])(?:env|envs|environ|environment|variables|vars|env_?vars)(?:\.(?:linux|osx|windows))?\Z"
    r"|[eE]nv(?:ironment)?(?:[Vv]ar(?:iable)?s?|s)?\Z"
)

#: A variable in another value: `$X`, `${X}`, `{env:X}` of tox, `{{env.X}}` of mise, `${localEnv:X}` of VS Code.
_READ = pattern(
    r"\$\{?(?P<a>[A-Z]\w+)|\{env:(?P<b>[A-Z]\w+)|\benv\.(?P<c>[A-Z]\w+)|\$\{(?:local)?[eE]nv:(?P<d>[A-Z]\w+)"
)

#: What is taken for a variable.
NAME = r"[A-Z][A-Z0-9_]+"


class Table:
    """A table of variables: what one of its entries sets holds beside the others.

    Attributes:
        name: what it is called.
        block: as of Mention.
    """

    __slots__ = ("block", "name")

    def __init__(self, script: Script, name: str) -> None:
        self.name = name
        self.block = (script.block(),)


def assign(script: Script, table: Table, name: str, start: int, value: str | None, removal: Span | None = None) -> None:
    """Note that a table sets a variable.

    Args:
        script: where it is noted.
        table: the table.
        name: the variable.
        start: the place of its name.
        value: what it is set to; None where that is not known.
        removal: as of Mention.
    """
    access: Access = "set" if is_environment(table.name) else "text"
    written = braced(value.strip().strip("\"'")) if value is not None else None
    script.mentions.append(Mention(name, start, access, table.block, value=written, removal=removal))


def is_environment(table: str) -> bool:
    """Whether what is called so holds the environment of a program."""
    return _ENVIRONMENT.search(table) is not None


def note_reads(script: Script) -> None:
    """Note what the values of a whole file read, outside of its comments."""
    known = {each.start for each in script.mentions}
    for found in _READ.finditer(script.text):
        which = next(name for name, text in found.groupdict().items() if text is not None)
        at = found.start(which)
        if at not in known and not any(start <= at < end for start, end in script.silent):
            script.mentions.append(Mention(found[which], at, "outside" if which == "d" else "read", ()))


def line_of(text: str, start: int, end: int) -> Span:
    """The whole lines that a span is in, with the end of the last one."""
    first = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    last = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|\Z)").match(text, end)
    assert last is not None
    return first, last.end()
