"""Groovy of Jenkins and Nextflow: `environment { NAME = 'value' }`, `withEnv(["NAME=value"])`, `env.NAME = 'value'`.

The texts that `sh` gets, and the scripts of a process, are those of a shell.
"""

from __future__ import annotations

import re

from v5lint.patterns import pattern
from v5lint.scripts import shell, texts
from v5lint.scripts.assignments import NAME, line_of
from v5lint.scripts.script import Mention, Script, braced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.scripts.script import Block, Span

#: A string of one line. None begins behind a backslash: from each of those a line without end would be read anew.
_STRING = r"""(?<!\\)"(?:[^"\\\r\n]|\\.)*"|(?<!\\)'(?:[^'\\\r\n]|\\.)*'"""

_TOKENS = pattern(
    r"(?P<comment>(?<![:\w])//[^\r\n]*|/\*(?s:.*?)\*/|\A\#![^\r\n]*)"
    r"|(?P<quotes>\"{3}|'{3})(?P<document>(?s:.*?))(?P=quotes)"
    rf"|\benv\.(?P<member>{NAME})(?P<set>\s*=(?![=~])\s*(?P<given>{_STRING})?)?"
    rf"|\b(?P<key>{NAME})\s*=(?![=~])\s*(?P<value>{_STRING})?"
    rf"|(?P<string>{_STRING})"
    r"|(?:(?<!\w)(?:(?P<kind>process)[ \t]+)?(?P<called>\w+)\s*)?(?P<open>[(\[{])|(?P<close>[)\]}])"
)

#: What a text is given to that runs it in a shell.
_RUNS = pattern(r"\b(?:sh|bash|beforeScript|afterScript)\b[\s(=]*(?:script\s*:\s*)?\Z|\bscript\s*:\s*\Z")
_BEFORE = pattern(r"\bbeforeScript[\s(=]*\Z")

#: How the script of a process begins that is not of a shell.
_OTHER = pattern(r"\s*#!(?!\S*(?:/|[ ])(?:ba|z|da)?sh\b)")

_OPTION = pattern(rf"(?:-e|--env)(?:\s+|=)[\"']?(?P<name>{NAME})=(?P<value>[^\s\"']*)")
_READ = pattern(rf"\$\{{?(?:env\.)?(?P<name>{NAME})")

#: What a text of a shell reads of Groovy, and what a shell reads behind a backslash that is for Groovy.
_IN_SHELL = pattern(rf"(?:\$\{{env\.|\\\$\{{?)(?P<name>{NAME})")

_ASKED = pattern(rf"\bgetenv\(\s*[\"'](?P<name>{NAME})[\"']")

#: Blocks of variables.
_BLOCKS = frozenset({"environment", "env"})


def read(text: str) -> Script:
    """See `v5lint.scripts.read_script`."""
    return _Reader(text).read()


class _Reader:
    """What reads one file."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.script = Script(text)
        self.around: list[str] = []  # what the brackets are of in which a place is
        self.entries: dict[int, list[Mention]] = {}  # by the place of their block

    def read(self) -> Script:
        """The whole file."""
        opened: list[int] = []
        for found in _TOKENS.finditer(self.text):
            if found["comment"] is not None:
                self.script.silent.append(found.span())
            elif found["document"] is not None:
                self.document(found)
            elif found["member"] is not None:
                self.member(found)
            elif found["key"] is not None:
                if self.around and self.around[-1] in _BLOCKS:
                    entry = self.add(found["key"], found.start("key"), found["value"])
                    entry.removal = self.removal(found)
                    self.entries.setdefault(opened[-1], []).append(entry)
            elif found["string"] is not None:
                self.string(found)
            elif found["open"] is not None:
                in_list = found["open"] == "[" and not found["called"] and bool(self.around)
                self.around.append(self.around[-1] if in_list else found["kind"] or found["called"] or "")
                opened.append(found.start("open"))
            else:
                del self.around[-1:], opened[-1:]
        for entries in self.entries.values():
            if len(entries) == 1:
                entries[0].removal = None  # a block of variables is not empty
        self.reads(_ASKED, 0, len(self.text))
        return self.script

    def add(self, name: str, start: int, value: str | None) -> Mention:
        """Note that a variable is set."""
        written = braced(value[1:-1]).replace("${env.", "${") if value is not None else None
        mention = Mention(name, start, "set", (), value=written)
        self.script.mentions.append(mention)
        return mention

    def member(self, found: re.Match[str]) -> None:
        """`env.NAME`, which may be set there."""
        if found["set"] is not None:
            self.add(found["member"], found.start("member"), found["given"])
        else:
            self.script.mentions.append(Mention(found["member"], found.start("member"), "read", ()))
        if found["given"] is not None:
            self.reads(_READ, *found.span("given"))

    def document(self, found: re.Match[str]) -> None:
        """A text of several lines."""
        start, end = found.span("document")
        if _OTHER.match(self.text, start, end) is None and self.is_run(found.start()):
            self.commands(start, end, found.start())
        else:
            texts.read_into(self.script, start, end, ())

    def commands(self, start: int, end: int, at: int) -> None:
        """A text that a shell runs, which is a program of its own; what comes before a process holds in that."""
        is_before = _BEFORE.search(self.text[max(0, at - 60) : at]) is not None
        block = () if is_before else (self.script.block(),)
        shell.read_into(self.script, start, end, block)
        self.reads(_IN_SHELL, start, end, block)

    def is_run(self, at: int) -> bool:
        """Whether the text at a place is run in a shell: that `sh` gets, or the last thing in a process of Nextflow."""
        before = self.text[max(0, at - 60) : at]
        return _RUNS.search(before) is not None or (bool(self.around) and self.around[0] == "process")

    def string(self, found: re.Match[str]) -> None:
        """A text of one line."""
        start, end = found.start() + 1, found.end() - 1
        if _RUNS.search(self.text[max(0, found.start() - 60) : found.start()]) is not None:
            self.commands(start, end, found.start())
            return
        name, equal, _ = self.text[start:end].partition("=")
        if equal and self.around and self.around[-1] == "withEnv" and re.fullmatch(NAME, name):
            self.add(name, start, f"'{self.text[start + len(name) + 1 : end]}'")
        for option in _OPTION.finditer(self.text, start, end):
            value = braced(option["value"])
            self.script.mentions.append(Mention(option["name"], option.start("name"), "child", (), value=value))
        self.reads(_READ, start, end)

    def reads(self, form: re.Pattern[str], start: int, end: int, block: Block = ()) -> None:
        """Note what a part of the text reads."""
        for found in form.finditer(self.text, start, end):
            self.script.mentions.append(Mention(found["name"], found.start("name"), "read", block))

    def removal(self, found: re.Match[str]) -> Span | None:
        """The line of a variable; None where more stands in it than a text that it is set to."""
        first, last = line_of(self.text, found.start("key"), found.end())
        line = self.text[first : found.start("key")] + self.text[found.end() : last]
        return (first, last) if found["value"] is not None and not line.strip() else None
