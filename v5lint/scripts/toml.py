"""TOML: tables of variables, as `[env]`, `env = { NAME = "value" }` and `env = ["NAME=value"]`."""

from __future__ import annotations

import re

from v5lint.patterns import pattern
from v5lint.scripts import commands
from v5lint.scripts.assignments import NAME, Table, assign, line_of, note_reads
from v5lint.scripts.script import Script

_STRING = r'"""(?s:.*?)"""|\'\'\'(?s:.*?)\'\'\'|(?<!\\)"(?:[^"\\\r\n]|\\.)*"|\'[^\'\r\n]*\''

#: What the text is made of: strings, comments, headers of tables, keys, and what opens and closes.
_TOKENS = pattern(
    rf"(?P<string>{_STRING})|(?P<comment>\#[^\r\n]*)"
    rf"|^[ \t]*\[\[?(?P<header>[^\]\r\n]+)\]"
    rf"|(?P<key>(?:[\w-]+|\"[^\"\r\n]+\"|'[^'\r\n]+')(?:[ \t]*\.[ \t]*(?:[\w-]+|\"[^\"\r\n]+\"))*)[ \t]*=(?!=)"
    r"|(?P<open>[\[{])|(?P<close>[\]}])",
    re.MULTILINE,
)
_PAIR = pattern(rf"(?:[A-Z]:)*(?P<name>{NAME})[ \t]*=(?P<value>.*)", re.DOTALL)
_VALUE = pattern(rf"[ \t]*(?P<text>{_STRING})")


def read(text: str) -> Script:
    """See `v5lint.scripts.read_script`."""
    script = Script(text)
    table = Table(script, "")  # of the header
    key = ""  # the last one
    around: list[Table] = []  # the arrays and inline tables that are open
    at = 0
    while (found := _TOKENS.search(text, at)) is not None:
        at = found.end()
        kind = found.lastgroup
        if kind == "comment":
            script.silent.append(found.span())
        elif kind == "header":
            table, key, around = Table(script, _last(found["header"])), "", []
        elif kind == "open":
            around.append(Table(script, key))
        elif kind == "close":
            del around[-1:]
        elif kind == "key":
            key = _last(found["key"])
            owner = _last(found["key"].rpartition(".")[0])
            holder = Table(script, owner) if owner else around[-1] if around else table
            _key(script, holder, key, found, is_alone=not around)
        elif around and (pair := _PAIR.fullmatch(found[0].strip("\"'"))) is not None:
            assign(script, around[-1], pair["name"], found.start() + found[0].index(pair["name"]), pair["value"])
    note_reads(script)
    return script


def _key(script: Script, table: Table, name: str, found: re.Match[str], *, is_alone: bool) -> None:
    """A key and its value, where the key may be a variable, or the value a command."""
    if commands.is_command(name, table.name) and (command := _VALUE.match(script.text, found.end())) is not None:
        width = 3 if command["text"][:3] in ('"""', "'''") else 1
        commands.read_text(script, command.start("text") + width, command.end("text") - width)
    if re.fullmatch(NAME, name) is None:
        return
    start = found.start("key") + found["key"].rindex(name)
    value = _VALUE.match(script.text, found.end())
    removal = line_of(script.text, found.start("key"), value.end()) if is_alone and value is not None else None
    assign(script, table, name, start, value["text"] if value is not None else None, removal)


def _last(path: str) -> str:
    """The last part of a dotted key."""
    return path.strip().rpartition(".")[2].strip().strip("\"'")
