"""JSON with comments: the environments of containers, debuggers and tasks: `"containerEnv": {"NAME": "value"}`."""

from __future__ import annotations

import re

from v5lint.patterns import pattern
from v5lint.scripts import commands
from v5lint.scripts.assignments import NAME, Table, assign, is_environment, line_of, note_reads
from v5lint.scripts.script import Command, Script, Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.scripts.script import Mention, Span

#: Lists that are the words of a command.
_LISTS = frozenset({"command", "entryPoint", "args"})

_COMMA = pattern(r"\s*,")
_TOKENS = pattern(
    r'(?P<comment>//[^\r\n]*|/\*(?s:.*?)\*/)|(?<!\\)"(?P<string>(?:[^"\\\r\n]|\\.)*)"(?P<colon>\s*:)?'
    r"|(?P<open>[\[{])|(?P<close>[\]}])"
)


class _Object:
    """An object or list that is open.

    Attributes:
        table: the table that its entries are of.
        start: the place of its bracket.
        keys: how many keys it has so far.
        named: the variable that `{"name": "NAME", "value": "..."}` names, and its place.
        mention: what such an object sets.
        words: those of a list that is a command.
        program: what such an object starts, as VS Code's `launch.json` has it beside `args`.
        args: what it is started with.
    """

    __slots__ = ("args", "keys", "mention", "named", "program", "start", "table", "words")

    def __init__(self, table: Table, start: int) -> None:
        self.table = table
        self.start = start
        self.keys = 0
        self.named: tuple[str, int] | None = None
        self.mention: Mention | None = None
        self.words: list[Word] = []
        self.program: Word | None = None
        self.args: list[Word] = []


def read(text: str) -> Script:
    """See `v5lint.scripts.read_script`."""
    script = Script(text)
    around = [_Object(Table(script, ""), 0)]  # what is open; what stands in a list is called as the list is
    key, place = "", 0
    for found in _TOKENS.finditer(text):
        at = around[-1]
        if found["comment"] is not None:
            script.silent.append(found.span())
        elif found["open"] is not None:
            around.append(_Object(Table(script, key) if key else at.table, found.start()))
            key = ""
        elif found["close"] is not None:
            commands.read_words(script, at.words)
            if at.words and at.table.name == "args" and len(around) > 1:
                around[-2].args = at.words
            if at.program is not None and at.args:
                script.commands.append(Command([at.program, *at.args], ()))
            if at.mention is not None and at.keys == 2:
                at.mention.removal = _removal(text, at.start, found.end())
            del around[-1 if len(around) > 1 else 1 :]
            key = ""
        elif found["colon"] is not None:
            key, place = found["string"], found.start("string")
            at.keys += 1
        elif key:
            if key == "program":  # the folder of the file is `.vscode`
                at.program = Word(found["string"].replace("${workspaceFolder}", ".."), *found.span("string"))
            if commands.is_command(key):
                commands.read_text(script, *found.span("string"))
            if re.fullmatch(NAME, key):
                assign(script, at.table, key, place, found["string"], _removal(text, place - 1, found.end()))
            elif key in ("name", "key", "Name") and re.fullmatch(NAME, found["string"]):
                at.named = found["string"], found.start("string")
            elif key in ("value", "Value") and at.named is not None:
                assign(script, at.table, *at.named, found["string"])
                at.mention = script.mentions[-1]
            key = ""
        elif at.table.name in _LISTS:
            at.words.append(Word(found["string"], *found.span("string")))
        elif is_environment(at.table.name):
            name, equal, value = found["string"].partition("=")
            if equal and re.fullmatch(NAME, name):
                removal = _removal(text, found.start(), found.end())
                assign(script, at.table, name, found.start("string"), value, removal)
    note_reads(script)
    return script


def _removal(text: str, start: int, end: int) -> Span | None:
    """What is taken out with an entry: it and one comma, in whole lines where it stands alone in them.

    Args:
        text: the file.
        start: where the entry begins.
        end: where it ends.

    Returns:
        None where it is the only one, or a comment stands between it and its comma.
    """
    following = _COMMA.match(text, end)
    if following is None:
        before = text[:start].rstrip()
        return (len(before) - 1, end) if before.endswith(",") else None
    line, stop = line_of(text, start, following.end())
    if text[line:start].strip() or text[following.end() : stop].strip():
        rest = text[following.end() : stop]
        return start, following.end() + len(rest) - len(rest.lstrip(" \t"))
    return line, stop
