"""Commands in files that are no shell scripts: their words, and nothing of what they set, which others read.

In batch files and PowerShell they are lines of their own; elsewhere a shell runs them, in settings and strings.
"""

from __future__ import annotations

import re
from itertools import pairwise

from v5lint.patterns import pattern
from v5lint.scripts import shell
from v5lint.scripts.script import RUNS_TEXT, Command, Script, Word, braced

#: Words, what ends a command, and where a line goes on in the next one: in a batch file, and in PowerShell.
_FORMS = {
    "batch": pattern(
        r"(?P<on>\^\r?\n)|(?P<end>&&|\|\||[\r\n&|<>()])"
        r"|(?P<word>(?:\"[^\"\r\n]*\"|[^\s\"&|<>()^]|\^[^\r\n])+)"
    ),
    "powershell": pattern(
        r"(?P<on>`\r?\n)|(?P<end>&&|\|\||[\r\n;&|<>(){}])"
        r"|(?P<word>(?:\"[^\"\r\n]*\"|'[^'\r\n]*'|[^\s\"'&|<>(){};`]|`[^\r\n])+)"
    ),
}
#: What stands before a command in a batch file.
_CALLS = frozenset({"call", "start", "/b", "/wait"})

#: Commands that only say what they are given.
_SAYS = pattern(r"(?:echo\b|rem\Z|::|title\Z|write-\w+\Z|throw\Z|out-\w+\Z)", re.IGNORECASE)


#: The keys of settings whose values a shell runs, and tables that hold nothing else.
_KEYS = frozenset(
    "cmd command commands commands_pre commands_post shell run release_command inline onCreateCommand "
    "updateContentCommand postCreateCommand postStartCommand postAttachCommand initializeCommand".split()
)
_TABLES = frozenset({"scripts", "tasks", "processes"})


def read_lines(script: Script, kind: str) -> None:
    """Take in the commands of a batch file or of PowerShell.

    Args:
        script: the file, whose comments are known.
        kind: "batch" or "powershell".
    """
    words: list[Word] = []
    comments = iter(sorted(script.silent))
    comment = next(comments, None)

    def finish() -> None:
        if words and not _SAYS.match(words[0].text):
            script.commands.append(Command(list(words), ()))
        words.clear()

    for found in _FORMS[kind].finditer(script.text):
        while comment is not None and comment[1] <= found.start():
            comment = next(comments, None)
        if comment is not None and comment[0] <= found.start():
            continue
        if found["end"] is not None:
            finish()
        elif found["word"] is not None:
            start = found.start() + (kind == "batch" and not words and found[0].startswith("@"))
            text = script.text[start : found.end()]
            if words or kind != "batch" or text.lower() not in _CALLS:
                words.append(Word(braced(re.sub(r"[\"']", "", text)), start, found.end()))
    finish()


def is_command(key: str, table: str = "") -> bool:
    """Whether a setting holds what a shell runs, by its key or by the table that it stands in."""
    return key in _KEYS or table in _TABLES


def read_words(script: Script, words: list[Word]) -> None:
    """Take in a command that is a list of words: `["sh", "-c", "..."]`."""
    if not words:
        return
    script.commands.append(Command(words, ()))
    for before, each in pairwise(words):
        if RUNS_TEXT.match(before.text):
            read_text(script, each.start, each.end)


def read_text(script: Script, start: int, end: int) -> None:
    """Take in the commands of a part of a file that a shell runs."""
    part = Script(script.text)
    shell.read_into(part, start, end, ())
    script.commands += part.commands
    script.written += part.written
