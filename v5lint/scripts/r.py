"""R: `Sys.setenv(NAME = "value")`, `withr::with_envvar(c(NAME = "value"), ...)`, `Sys.getenv("NAME")`."""

from __future__ import annotations

from v5lint.patterns import pattern
from v5lint.scripts import commands
from v5lint.scripts.assignments import NAME
from v5lint.scripts.script import Mention, Script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.scripts.script import Access

#: A string, which goes on to the end where nothing ends it.
_STRING = r""""(?:[^"\\]|\\.)*(?:"|\Z)|'(?:[^'\\]|\\.)*(?:'|\Z)"""

#: Comments, names of arguments (which may be quoted), strings, brackets with what stands before them.
_TOKENS = pattern(
    r"(?P<comment>\#[^\r\n]*)"
    rf"|(?P<quote>[\"'`]?)\b(?P<name>{NAME})(?P=quote)\s*=(?!=)\s*(?P<value>{_STRING})?"
    rf"|(?P<string>{_STRING})"
    r"|(?:(?<![\w.:])(?P<called>[\w.:]+)[ \t]*)?(?P<open>[(\[{])|(?P<close>[)\]}])"
)

#: Functions that set what their arguments say.
_SETS: dict[str, Access] = {
    "Sys.setenv": "set",
    "local_envvar": "set",
    "with_envvar": "set",
}

#: Functions that are given names.
_READS: dict[str, Access] = {"Sys.getenv": "read", "Sys.unsetenv": "unset"}

#: What only puts values together.
_TOGETHER = frozenset({"", "c", "list"})


def read(text: str) -> Script:
    """See `v5lint.scripts.read_script`."""
    script = Script(text)
    around: list[str] = []  # the functions in whose arguments a place is
    for found in _TOKENS.finditer(text):
        if found["comment"] is not None:
            script.silent.append(found.span())
        elif found["open"] is not None:
            called = (found["called"] or "").rpartition(":")[2]
            around.append(around[-1] if called in _TOGETHER and around and found["open"] == "(" else called)
        elif found["close"] is not None:
            del around[-1:]
        elif not around:
            continue
        elif found["name"] is not None and (access := _SETS.get(around[-1])) is not None:
            value = found["value"][1:-1] if found["value"] is not None else None
            script.mentions.append(Mention(found["name"], found.start("name"), access, (), value=value))
        elif found["string"] is not None and around[-1] == "system":
            commands.read_text(script, found.start("string") + 1, found.end("string") - 1)
        elif found["string"] is not None and (access := _READS.get(around[-1])) is not None:
            script.mentions.append(Mention(found["string"][1:-1], found.start("string") + 1, access, ()))
    return script
