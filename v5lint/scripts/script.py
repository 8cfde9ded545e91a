"""What is known of a script: the variables that it sets and reads, and the commands that it starts."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import Literal, TypeAlias

    Access = Literal["set", "child", "assign", "export", "read", "pass", "unset", "parameter", "outside", "text"]

    #: The blocks that something stands in, from the outermost on: what one sets holds in those that begin with its own.
    Block: TypeAlias = tuple[int, ...]

    Span: TypeAlias = tuple[int, int]


#: An option behind which a shell gets a program as text: `bash -c`, `sh -lc`.
RUNS_TEXT = re.compile(r"-\w*c\Z")


def braced(text: str) -> str:
    """A text with every `$X` as `${X}`."""
    return re.sub(r"\$(\w+)", r"${\1}", text)


class Mention:
    """One mention of a variable.

    Attributes:
        name: the variable.
        start: the offset of its name.
        end: the offset after it.
        access: "set" (in the environment of this program, or of one that it starts), "child" (in the environment of a
            program that starts with one of its own: a container), "assign" (to a variable of the shell, which is in the
            environment only if it is exported), "export" (by its name), "read", "pass" (handed on by its name),
            "unset", "parameter" (that others give: `ARG`), "outside" (read from another environment than the one that
            is set here) or "text" (set in what is written to a file, or taken by something that is not known).
        value: what it is set to, without quotes and with every `$X` as `${X}`; None where it is not set, or not known.
        block: the blocks that it stands in.
        removal: the span that is taken out so that it is no longer set; None where that cannot be done.
        reads: the variables that the value is made of.
    """

    __slots__ = ("access", "block", "end", "name", "reads", "removal", "start", "value")

    def __init__(
        self,
        name: str,
        start: int,
        access: Access,
        block: Block,
        *,
        value: str | None = None,
        removal: Span | None = None,
    ) -> None:
        self.name = name
        self.start = start
        self.end = start + len(name)
        self.access = access
        self.block = block
        self.value = value
        self.removal = removal
        self.reads = frozenset(re.findall(r"\$\{(\w+)", value or ""))

    def __repr__(self) -> str:
        return f"<Mention {self.access} {self.name} {self.value!r} at {self.start}>"


class Word:
    """One word of a command.

    Attributes:
        text: the word without its quotes, with every `$X` as `${X}`.
        start: its offset.
        end: the offset after it.
    """

    __slots__ = ("end", "start", "text")

    def __init__(self, text: str, start: int, end: int) -> None:
        self.text = text
        self.start = start
        self.end = end

    def __repr__(self) -> str:
        return f"<Word {self.text!r} at {self.start}>"


class Command:
    """One command: its words, without the assignments before it and without redirections.

    Attributes:
        words: the words; the first one names the program.
        block: the blocks that it stands in.
        folder: where it runs, relative to where the script does, as far as `cd` says so; None where that is not known.
    """

    __slots__ = ("block", "folder", "words")

    def __init__(self, words: list[Word], block: Block, folder: str | None = "") -> None:
        self.words = words
        self.block = block
        self.folder = folder

    def __repr__(self) -> str:
        return f"<Command {[word.text for word in self.words]}>"


class Script:
    """What a reader found.

    Attributes:
        text: the whole text.
        mentions: in the order of reading.
        commands: in the order of reading.
        written: those of scripts that are written to a file, or run on another machine.
        silent: the spans in which a name means nothing: comments, and what is only printed.
        sizes: how many commands stand in a block.
        commands_taken_out: the removals that take out a whole command.
        values: the words that the variables of a shell are set to, all values of each.
        images_of: the images of the blocks that are run in a container each.
        images: the images that containers are made from: the offset from which on, and the name.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.mentions: list[Mention] = []
        self.commands: list[Command] = []
        self.written: list[Command] = []
        self.silent: list[Span] = []
        self.sizes: dict[Block, int] = {}
        self.commands_taken_out: set[Span] = set()
        self.values: dict[str, list[Word]] = {}
        self.images_of: dict[Block, str] = {}
        self.images: list[tuple[int, str]] = []
        self._blocks = 0

    def block(self) -> int:
        """The number of a new block."""
        self._blocks += 1
        return self._blocks

    def removal(self, mention: Mention) -> Span | None:
        """What is taken out so that a variable is no longer set; None where it cannot, or its block would be empty."""
        is_alone = mention.removal in self.commands_taken_out and self.sizes.get(mention.block) == 1
        return None if is_alone and mention.block else mention.removal

    def of(self, names: Collection[str]) -> list[Mention]:
        """The mentions of some variables, in the order of their places."""
        found = {(each.start, each.access == "read"): each for each in self.mentions if each.name in names}
        return sorted(found.values(), key=lambda each: each.start)

    def unknown(self, name: str) -> Iterator[int]:
        """Where a name stands that is neither a mention nor in a comment: what is done with it there is not known."""
        known = {each.start for each in self.mentions if each.name == name}
        for found in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", self.text):
            if found.start() not in known and not any(start <= found.start() < end for start, end in self.silent):
                yield found.start()
