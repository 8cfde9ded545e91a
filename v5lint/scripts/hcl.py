"""HCL of Terraform, Nomad and their like: `env { name = "NAME" }`, `environment = [{...}]`, `variables = {}`."""

from __future__ import annotations

import re

from v5lint.patterns import pattern
from v5lint.scripts import commands, shell, texts
from v5lint.scripts.assignments import NAME, Table, assign, is_environment, line_of, note_reads
from v5lint.scripts.script import Mention, Script

_STRING = r'(?<!\\)"(?:[^"\\\r\n]|\\.)*"'

#: What the text is made of: texts of several lines, comments, what begins a block, keys, strings, brackets.
_TOKENS = pattern(
    r"<<[-~]?(?P<end>\w+)[ \t]*\r?\n(?P<document>(?s:.*?))^[ \t]*(?P=end)\b"
    r"|(?P<comment>\#[^\r\n]*|//[^\r\n]*|/\*(?s:.*?)\*/)"
    rf"|(?P<block>[A-Za-z_][\w-]*)(?P<labels>(?:[ \t]+{_STRING})*)[ \t]*\{{"
    rf"|(?P<key>[A-Za-z_][\w-]*|{_STRING})[ \t]*[=:](?![=>])"
    rf"|(?P<string>{_STRING})|(?P<open>[\[{{(])|(?P<close>[\]}})])",
    re.MULTILINE,
)
_VALUE = pattern(rf"[ \t]*(?P<text>{_STRING})?")

_END = pattern(r"[ \t]*,?[ \t]*(?:(?:\#|//)[^\r\n]*)?(?=\r|\n|\Z)")

#: How a text begins that a machine runs when it starts.
_SHELL = pattern(r"\s*#!\S*(?:/|[ ])(?:ba|z|da)?sh\b")

#: Blocks that are called by their label: `dynamic "env" { content {} }`, `variable "env_vars" { default = {} }`.
_LABELLED = frozenset({"dynamic", "variable"})

#: What Docker's bake gives to a Dockerfile, which takes it by its name: `ARG NAME`.
_ARGUMENTS = "args"

#: What stands for the block that it is in.
_SAME = frozenset({"", "content", "default", "value"})


def read(text: str) -> Script:
    """See `v5lint.scripts.read_script`."""
    script = Script(text)
    top = Table(script, "")
    around: list[Table] = []  # what is open; what stands in a list is called as the list is
    key = ""
    named: tuple[str, int] | None = None  # the variable that `name = "NAME"` began
    for found in _TOKENS.finditer(text):
        kind = found.lastgroup
        if kind == "comment":
            script.silent.append(found.span())
        elif kind == "document":
            reader = shell if _SHELL.match(found["document"]) is not None else texts
            block = around[-1].block if around else ()
            reader.read_into(script, found.start("document"), found.end("document"), block)
        elif kind == "labels":  # the labels of a block, an empty text where it has none
            called = found["labels"].strip().strip('"') if found["block"] in _LABELLED else found["block"]
            around.append(Table(script, _of(around, called)))
            key, named = "", None
        elif kind == "string" and around and around[-1].name == "inline":
            commands.read_text(script, found.start() + 1, found.end() - 1)
        elif kind == "open":
            around.append(Table(script, _of(around, key)))
            key, named = "", None
        elif kind == "close":
            del around[-1:]
            key = ""
        elif kind == "key":
            key = found["key"].strip('"')
            table = around[-1] if around else top
            value = _VALUE.match(text, found.end())
            assert value is not None
            place = found.start("key") + found["key"].index(key)
            if value["text"] and commands.is_command(key):
                commands.read_text(script, value.start("text") + 1, value.end("text") - 1)
            if key == "description":
                script.silent.append(value.span())
            elif key == "name" and value["text"] and re.fullmatch(NAME, value["text"][1:-1]):
                named = value["text"][1:-1], value.start("text") + 1
            elif key == "value" and named is not None:
                if is_environment(table.name):
                    assign(script, table, *named, value["text"])
                named = None
            elif table.name == _ARGUMENTS and re.fullmatch(NAME, key):
                script.mentions.append(Mention(key, place, "parameter", table.block))
            elif re.fullmatch(NAME, key):
                assign(script, table, key, place, value["text"], _removal(text, found.start("key"), value))
    note_reads(script)
    return script


def _of(around: list[Table], called: str) -> str:
    """What a table is called, which may be as the one that it stands in."""
    return around[-1].name if called in _SAME and around else called


def _removal(text: str, start: int, value: re.Match[str]) -> tuple[int, int] | None:
    """The line of a variable; None where more stands in it than a text that it is set to."""
    first, last = line_of(text, start, value.end())
    if value["text"] is None or text[first:start].strip() or not _END.match(text, value.end()):
        return None
    return first, last
