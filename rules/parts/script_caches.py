"""V5003 in shell scripts, Dockerfiles, YAML and their like."""

from __future__ import annotations

import os.path
import re

from v5lint.rule import Edit, Fix
from v5lint.rules.parts import script_variables
from v5lint.rules.parts.library import CACHE_READERS, CACHE_VARIABLES
from v5lint.rules.parts.script_variables import is_around

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.rules.parts.script_variables import Group, Reader
    from v5lint.scripts.script import Mention
    from v5lint.view.script import ScriptView

_HUB_CACHE = "HF_HUB_CACHE"
_HUB_ALIASES = (_HUB_CACHE, "HUGGINGFACE_HUB_CACHE")
_HOME = "HF_HOME"
_SINCE = "4.36"  # see V5003

#: An import of what reads the variables, in the code of a notebook.
_IMPORTS = re.compile(rf"^[ \t]*(?:import|from)[ \t]+(?:{'|'.join(sorted(CACHE_READERS))})\b", re.MULTILINE)

#: Kinds of scripts whose lines run one after another.
_IN_ORDER = ("shell", "batch", "powershell", "fish", "nix", "r", "julia", "snakefile", "makefile", "justfile")

#: Kinds whose values are not those of a shell: what is read in the line of a value is a part of it.
_BY_LINES = ("r", "julia", "snakefile", "justfile", "ini", "toml")

#: Kinds of files with tables, in which a key stands once.
_TABLES = ("toml", "yaml", "hcl", "json", "nix", "groovy")


def findings(view: ScriptView, replacement: str) -> Iterator[Finding | Unseen]:
    """Yield what a script sets that transformers no longer reads.

    Args:
        view: the script.
        replacement: the variable that takes the place: `HF_HUB_CACHE` or `HF_HOME`.
    """
    if view.project.is_first_party("transformers", view.path):
        return
    for name in CACHE_VARIABLES:
        for group in script_variables.groups(view, name):
            yield from _Decision(group, replacement).findings()


class _Decision:
    """What to do about the mentions of a variable that are of one program."""

    def __init__(self, group: Group, replacement: str) -> None:
        self.group = group
        self.view = group.view
        self.replacement = replacement
        beside = self.view.variables((*_HUB_ALIASES, _HOME))
        is_text = all(each.access == "text" for each in group.writes)
        self.hub = [
            each
            for each in beside
            if each.name in _HUB_ALIASES and (_is_set(each, beside) or (is_text and each.access == "text"))
        ]
        self.hub_readers = [each for each in beside if each.name in _HUB_ALIASES and each.access in ("read", "pass")]
        self.home = [each for each in beside if each.name == _HOME and _is_set(each, beside)]

    def findings(self) -> Iterator[Finding | Unseen]:
        view, group = self.view, self.group
        writes = [each for each in group.writes if not script_variables.is_of_another_language(view, each)]
        if not writes:
            return
        readers = script_variables.readers_elsewhere(view, group.name)
        for reader in readers:
            if reader.is_given_on or reader.is_outside:
                for each in writes:
                    reason = f"{self.place(reader)} reads `{each.name}`: what it does with it is not followed"
                    yield view.unseen(each.start, each.end, reason)
                return
        renaming = self.renaming(writes, [self.place(each) for each in readers])
        for write in writes:
            remark, fix = renaming if readers else self.decided(write, renaming)
            message = f"`{write.name}` is no longer read by transformers since 5.0, without a word{remark}"
            yield view.finding(write.start, write.end, message, fix=fix)

    def place(self, reader: Reader) -> str:
        """Another file and the line, as a message says them."""
        return f"{os.path.relpath(reader.file, os.path.dirname(self.view.path))} line {reader.row}"

    def decided(self, write: Mention, renaming: tuple[str, Fix | None]) -> tuple[str, Fix | None]:
        """The remark about one place that sets it, and its fix."""
        removal = self.view.removal(write)
        if removal is not None and not self.group.reads_beside(*removal):
            fix = Fix(
                f"Remove `{write.name}`",
                [Edit(*removal, "")],
                applicability="unsafe" if self.is_open(write) or write.access == "text" else "safe",
            )
            if self.is_told_already(write):
                return "; this value is the default of `HF_HUB_CACHE` here, or is given to it already", fix
            if higher := self.higher(write):
                return f"; `{higher[0].name}` beside it counted anyway", fix
        return renaming

    def renaming(self, writes: list[Mention], readers: list[str]) -> tuple[str, Fix | None]:
        """The remark, and the fix, of the whole group."""
        view, group = self.view, self.group
        if readers:
            return f"; {readers[0]} reads it: it has to change with this", None
        for each in writes:
            if any(self.higher(each)):
                return f"; `{self.higher(each)[0].name}` beside it counted anyway", None
            for hub in self.hub:
                if _holds(hub, each) and not self.is_told_already(each):
                    return f"; `{hub.name}` beside it says another place, and holds for all downloads", None
            same = [hub for hub in self.hub if hub.name == _HUB_CACHE and hub.block == each.block]
            if same and view.kind in _TABLES and view.removal(each) is None:
                return f"; `{_HUB_CACHE}` beside it has this value already: this one can go", None
        new = _HUB_CACHE if self.replacement == _HUB_CACHE else _HOME
        remark = ""
        applicability: Applicability = "safe"
        if new == _HOME:
            if self.home:
                return f"; `{_HOME}` is set beside it", None
            remark = f"; with `{_HOME}` models move to `<dir>/hub`, and the login token with them"
        elif any(each.access == "text" for each in writes):
            remark = "; what takes this setting is not known"
        elif group.parameters and not group.is_given:
            remark = "; what builds it may give another value"
        elif any(map(self.is_open, writes)) or self.is_asked_first(writes):
            remark = "; a value that comes from outside under the old name is given up"
        elif any(not any(_holds(hub, each) for each in writes) for hub in self.hub):
            remark = f"; `{_HUB_CACHE}` is set elsewhere in this file, too"
        elif self.hub_readers and not self.hub:
            remark = f"; this file reads `{_HUB_CACHE}` for something else"
        elif any(_IMPORTS.search(view.region.before(each.start)) for each in writes):
            remark = (
                "; it is set after the import that reads it, which had no effect under v4 either: "
                f"set `{_HUB_CACHE}` before the import"
            )
        if remark:
            applicability = "unsafe"
        if any(group.name in line.partition("#")[0] for line in view.region.beside.splitlines()):
            remark = "; the code of the notebook names it as well"
            applicability = "display"
        elif (unknown := next(view.unknown(group.name), None)) is not None:
            remark = f"; line {view.row(unknown)} names it in a way that is not followed"
            applicability = "display"
        message = f"Set `{new}` instead"
        if group.readers and not group.is_given:
            message += ", and read it"
        return remark, Fix(message, group.renamed(new), applicability=applicability, requires=_SINCE)

    def higher(self, write: Mention) -> list[Mention]:
        """What counted before a variable under v4: `TRANSFORMERS_CACHE` before its two older names."""
        names = CACHE_VARIABLES[: CACHE_VARIABLES.index(write.name)]
        return [each for each in self.view.variables(names) if each.access in ("set", "child") and _holds(each, write)]

    def is_open(self, write: Mention) -> bool:
        """Whether a value from outside counts first: `${TRANSFORMERS_CACHE:-/data}`."""
        is_read = write.name in write.reads and not self.is_read_beside(write, "outside")  # which keeps its name
        if self.group.is_given or not (is_read or (self.view.kind in _BY_LINES and self.is_read_beside(write))):
            return False
        before = (each for each in self.group.writes if each.start < write.start and each.access in ("set", "assign"))
        return not any(is_around(each, write) and not self.is_open(each) for each in before)  # `run -e NAME=$NAME`

    def is_read_beside(self, write: Mention, access: str = "read") -> bool:
        """Whether the line that sets the variable reads it: `X = {env:X:/data}`."""
        reads = (each for each in self.group.mentions if each.access == access and each.start > write.start)
        return any(not re.search(r"[\r\n]", self.view.text[write.end : each.start]) for each in reads)

    def is_asked_first(self, writes: list[Mention]) -> bool:
        """Whether the script reads what comes from outside before it sets it: `if [ -z "$TRANSFORMERS_CACHE" ]`."""
        if self.view.kind not in _IN_ORDER:
            return False
        first = min(writes, key=lambda each: each.start)
        silent = self.view.script.silent
        return any(
            each.access == "read"
            and each.start < first.start
            and is_around(each, first)
            and not any(start <= each.start < end for start, end in silent)
            for each in self.group.mentions
        )

    def is_told_already(self, write: Mention) -> bool:
        """Whether the value is the place that the hub uses anyway: `$HF_HOME/hub`, or that of `HF_HUB_CACHE`."""
        value = self.value(write)
        if not value:
            return False
        if value in (f"${{{each}}}" for each in _HUB_ALIASES):
            return True
        if any(_holds(each, write) and self.value(each) == value for each in self.hub):
            return True
        if any(_holds(each, write) for each in self.hub):
            return False
        homes = [self.value(each) for each in self.home if _holds(each, write)]
        return any(value == f"{home}/hub" for home in homes if home) or (bool(homes) and value == f"${{{_HOME}}}/hub")

    def value(self, write: Mention) -> str:
        """What a variable is set to, as far as this file says: with the value of `HF_HOME` in the place of its name."""
        value = (write.value or "").rstrip("/")
        default = re.fullmatch(rf"\$\{{{write.name}:?-(.*)\}}", value)
        if default is not None:
            value = re.sub(r"\$(\w+)", r"${\1}", default[1]).strip("\"'").rstrip("/")
        if write.name == _HOME:
            return value
        homes = {self.value(each) for each in self.home if _holds(each, write)}
        return value.replace(f"${{{_HOME}}}", homes.pop()) if len(homes) == 1 else value


def _is_set(mention: Mention, beside: list[Mention]) -> bool:
    """Whether a variable is set in an environment, or assigned and exported."""
    if mention.access in ("set", "child"):
        return True
    return mention.access == "assign" and any(
        each.name == mention.name and each.access in ("export", "set") for each in beside
    )


def _holds(other: Mention, write: Mention) -> bool:
    """Whether another variable is set wherever one is."""
    if "child" in (other.access, write.access):
        return other.block == write.block
    if other.access == write.access == "text":  # each of `echo ... >> file` has a block of its own
        return other.block[:-1] == write.block[:-1]
    return is_around(other, write)
