"""The view of a script: the variables that it sets and reads, the commands that it starts."""

from __future__ import annotations

from functools import cached_property

from v5lint.patterns import pattern
from v5lint.rule import Finding, Unseen
from v5lint.scripts import kind_of, read_script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from v5lint.document import Region
    from v5lint.metadata.requirement import Requirement
    from v5lint.project import Project
    from v5lint.rule import Fix, Level
    from v5lint.scripts.script import Command, Mention, Script, Span, Word
    from v5lint.settings import Settings

#: A word that stands for all words of a variable.
_HELD = pattern(r"\$\{(\w+)(?:\[[@*]\])?\}")


class ScriptView:
    """One script, with the settings that hold for it.

    Attributes:
        region: the text and its place in the file.
        text: the text.
        path: the file.
        settings: those of the file.
        project: what can be known of the files around it.
        kind: what it is written in, as `v5lint.scripts.kind_of` says.
    """

    def __init__(self, region: Region, path: str, settings: Settings, project: Project) -> None:
        self.region = region
        self.text = region.text
        self.path = path
        self.settings = settings
        self.project = project
        self.kind = region.form or kind_of(path) or "shell"  # by its first line

    @cached_property
    def script(self) -> Script:
        """What is known of it."""
        return read_script(self.kind, self.text)

    @property
    def commands(self) -> Sequence[Command]:
        """The commands that it starts."""
        return self.script.commands

    @property
    def written(self) -> Sequence[Command]:
        """The commands of the scripts that it writes, or has run on another machine."""
        return self.script.written

    def expanded(self, command: Command) -> list[Word]:
        """The words of a command, with those of the variables in it: `ARGS="--a 1"`, then `python train.py $ARGS`."""
        return [*_expanded(self.script, command.words)]

    @cached_property
    def requirements(self) -> Sequence[Requirement]:
        """What `pip install` and its like are told to install, in the order of the places."""
        return sorted((each for group in self.installed for each in group), key=lambda each: each.start)

    @cached_property
    def installed(self) -> list[list[Requirement]]:
        """The same, a list for what is installed into one place, and what lists of YAML name that tools install.

        That is what stands in a stage of a Dockerfile, and what commands of a shell install one after another.
        """
        from v5lint.metadata import command, yaml_lists

        groups: dict[object, list[Requirement]] = {}
        switches = 0
        for each in (*self.commands, *self.written):
            switches += self.kind == "shell" and command.switches(each)
            found = command.read(self.text, each)
            group = groups.setdefault((self._place(each), switches, command.place(each)), []) if found else []
            for requirement in found:
                requirement.step = each.words[0].start
                group.append(requirement)
        return [*groups.values(), *(yaml_lists.read(self.text) if self.kind == "yaml" else ())]

    def _place(self, command: Command) -> object:
        """What commands have in common that install into one place."""
        if self.kind == "dockerfile":
            return sum(start <= command.words[0].start for start, _ in self.script.images)
        return command.block if self.kind == "shell" else command.words[0].start

    def variables(self, names: Collection[str]) -> list[Mention]:
        """The mentions of some environment variables, in the order of their places."""
        return self.script.of(names)

    def unknown(self, name: str) -> Iterator[int]:
        """Where a variable is named, and what is done with it is not known."""
        return self.script.unknown(name)

    def removal(self, mention: Mention) -> Span | None:
        """What is taken out so that a variable is not set; None where that cannot be done, as in a notebook."""
        return self.script.removal(mention) if self.kind != "magics" else None

    def row(self, offset: int) -> int:
        """The line of an offset, from 1."""
        return self.region.position(offset)[0]

    def finding(
        self,
        start: int,
        end: int,
        message: str,
        *,
        fix: Fix | None = None,
        since: str = "",
        level: Level = "breaks",
    ) -> Finding:
        """A finding about a part of the text."""
        return Finding(message, start, end, fix=fix, since=since, level=level)

    def unseen(self, start: int, end: int, reason: str) -> Unseen:
        """A place that could not be followed."""
        return Unseen(reason, start, end)


def _expanded(script: Script, words: Sequence[Word], depth: int = 3) -> Iterator[Word]:
    """The words of a command, with what the variables hold that stand for several."""
    for word in words:
        held = _HELD.fullmatch(word.text)
        values = script.values.get(held[1]) if held is not None and depth else None
        if values:
            yield from _expanded(script, values, depth - 1)
        else:
            yield word
