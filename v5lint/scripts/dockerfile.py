"""Dockerfiles: the stages, what `ENV` and `ARG` set, and the shell in `RUN`, `CMD` and `ENTRYPOINT`."""

from __future__ import annotations

import re
from itertools import pairwise

from v5lint.patterns import pattern
from v5lint.scripts import shell
from v5lint.scripts.script import RUNS_TEXT, Command, Mention, Script, Word, braced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.scripts.script import Block, Span

_ESCAPE = pattern(r"\A(?:#[^\n]*\n)*#[ \t]*escape[ \t]*=[ \t]*`", re.IGNORECASE)
_INSTRUCTION = pattern(r"[ \t]*(?:ONBUILD[ \t]+)?([A-Za-z]+)[ \t]+", re.IGNORECASE)
_FLAG = pattern(r"--[\w-]+(?:=\S*)?[ \t]+")
_BLANK = pattern(r"(?:[ \t]|\\[ \t]*(?:\r\n|\n|\r)(?:[ \t]*(?:#[^\r\n]*)?(?:\r\n|\n|\r))*)+")
_NAME = pattern(r"[A-Za-z_]\w*")
_FROM = pattern(r"(?:--\S+[ \t]+)*(\S+)(?:[ \t]+as[ \t]+(\S+))?", re.IGNORECASE)
_VARIABLE = pattern(r"(?<!\\)\$\{?([A-Za-z_]\w*)")
_DOCUMENT = pattern(r"<<-?[\"']?(\w+)[\"']?")
_STRING = pattern(r'"((?:[^"\\]|\\.)*)"')


def read(text: str) -> Script:
    """See `v5lint.scripts`."""
    script = Script(text)
    escape = "`" if _ESCAPE.match(text) else "\\"
    stages: dict[str, Block] = {}
    block: Block = ()
    at = 0
    while at < len(text):
        start, end = at, _end_of_instruction(script, at, escape)
        at = end
        found = _INSTRUCTION.match(text, start, end)
        if found is None:
            continue
        name, first = found[1].upper(), found.end()
        if name == "FROM":
            made = _FROM.match(text, first, end)
            image, label = (made[1], made[2]) if made is not None else ("", None)
            block = (*stages.get(image.lower(), ()), script.block())
            script.images.append((start, image))
            if label:
                stages[label.lower()] = block
        if name == "ENV":
            _set(script, first, end, (start, end), block)
        elif name == "ARG":
            for each in _words(text, first, end):
                variable = _NAME.match(text, *each)
                if variable is not None:
                    value = text[variable.end() + 1 : each[1]] if text[variable.end() : each[1]] else None
                    script.mentions.append(
                        Mention(variable[0], each[0], "parameter", block, value=value and _value(value))
                    )
        if name in ("RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK", "SHELL"):
            while flag := _FLAG.match(text, first, end):
                _reads(script, first, flag.end(), block)
                first = flag.end()
            if name == "HEALTHCHECK" and text[first : first + 4].upper() == "CMD ":
                first += 4
            _run(script, first, end, (*block, script.block()))
        else:
            _reads(script, first, end, block)
    return script


def _end_of_instruction(script: Script, at: int, escape: str) -> int:
    """The place behind an instruction: its lines, and the here-documents of it. Comments are noted on the way."""
    text = script.text
    start = at
    goes_on = False
    while at < len(text):
        stop = text.find("\n", at)
        stop = len(text) if stop < 0 else stop + 1
        line = text[at:stop]
        if line.lstrip().startswith("#"):
            script.silent.append((at, stop))
            at = stop
            if not goes_on:
                return at
            continue
        at = stop
        if not line.strip():
            if goes_on:
                continue
            return at
        goes_on = line.rstrip().endswith(escape)
        if not goes_on:
            break
    first = re.match(r"\s*(\w+)", text[start:at])
    if first is not None and first[1].upper() in ("RUN", "COPY", "ADD"):
        for label in _DOCUMENT.findall(text[start:at]):
            closing = re.compile(rf"^\t*{label}[ \t]*\r?$", re.MULTILINE).search(text, at)
            if closing is not None:
                stop = text.find("\n", closing.end())
                at = len(text) if stop < 0 else stop + 1
    return at


def _words(text: str, at: int, end: int) -> list[Span]:
    """The words of an instruction, as spans."""
    found = []
    while at < end:
        if (blank := _BLANK.match(text, at, end)) is not None:
            at = blank.end()
            continue
        if text[at] in "\r\n":
            at += 1
            continue
        start, quote = at, ""
        while at < end:
            sign = text[at]
            if sign == "\\" and quote != "'":
                if text[at + 1 : at + 2] in ("\r", "\n") and not quote:
                    break
                at += 2
                continue
            if not quote and sign in " \t\r\n":
                break
            if sign in "'\"":
                quote = "" if quote == sign else quote or sign
            at += 1
        at = min(max(at, start + 1), end)
        found.append((start, at))
    return found


def _value(written: str) -> str:
    return braced(re.sub(r"[\"']", "", written.strip()))


def _set(script: Script, first: int, end: int, whole: Span, block: Block) -> None:
    """`ENV NAME=value NAME=value`, and `ENV NAME value`."""
    text = script.text
    words = _words(text, first, end)
    if not words:
        return
    if "=" not in text[slice(*words[0])]:
        if _NAME.fullmatch(text, *words[0]) is None:
            return
        value = text[words[0][1] : end]
        name = text[slice(*words[0])]
        script.mentions.append(Mention(name, first, "set", block, value=_value(value), removal=whole))
        return
    previous = None
    for place, (start, stop) in enumerate(words):
        name, equals, value = text[start:stop].partition("=")
        if equals and _NAME.fullmatch(name):
            if len(words) == 1:
                removal = whole
            elif place == 0:
                removal = (start, words[1][0])
            else:
                removal = (previous or start, stop)
            if "#" in text[slice(*removal)] and removal != whole:
                removal = None  # type: ignore[assignment]
            script.mentions.append(Mention(name, start, "set", block, value=_value(value), removal=removal))
        previous = stop


def _reads(script: Script, first: int, end: int, block: Block) -> None:
    for found in _VARIABLE.finditer(script.text, first, end):
        script.mentions.append(Mention(found[1], found.start(1), "read", block))


def _run(script: Script, first: int, end: int, block: Block) -> None:
    """What a container runs: a line of shell, or a list of words."""
    text = script.text
    if text[first : first + 1] != "[":
        shell.read_into(script, first, end, block, docker=True)
        return
    words = [Word(found[1], found.start(1), found.end(1)) for found in _STRING.finditer(text, first, end)]
    for before, each in pairwise(words):
        if RUNS_TEXT.match(before.text):
            shell.read_into(script, each.start, each.end, (*block, script.block()))
    if words:
        script.commands.append(Command(words, block))
