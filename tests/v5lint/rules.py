"""Tiny rules for the tests of the engine: they know nothing of transformers."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

from v5lint.rule import Catalogue, Edit, Finding, Fix, Option, Rule, Unseen


class Replace(Rule):
    """A word that has to be another one.

    ## What it does

    Replaces it.
    """

    def __init__(
        self,
        old: str = "old",
        new: str | None = "new",
        *,
        code: str = "T1001",
        name: str = "old-word",
        applicability: Any = "safe",
        requires: str = "",
        since: str = "5.0",
        level: Any = "breaks",
        default: bool = True,
        edit: Callable[[str, int, int], list[Edit]] | None = None,
    ) -> None:
        self.old, self.new = old, new
        self.code, self.name, self.tokens = code, name, (old,)
        self.applicability, self.requires, self.since = applicability, requires, since
        self.level, self.default, self.edit = level, default, edit

    def check(self, module: Any) -> Iterator[Finding | Unseen]:
        text = module.text
        for match in re.finditer(rf"\b{re.escape(self.old)}\b", text):
            start, end = match.span()
            fix = None
            if self.new is not None or self.edit:
                edits = self.edit(text, start, end) if self.edit else [Edit(start, end, self.new or "")]
                fix = Fix(
                    f"Replace `{self.old}` with `{self.new}`",
                    edits,
                    applicability=self.applicability,
                    requires=self.requires,
                )
            yield Finding(f"`{self.old}` is gone", start, end, fix=fix, level=self.level)


class Together(Rule):
    """Every `alpha` becomes `beta` in one fix, together with a line at the top of the file."""

    code, name, tokens = "T1002", "all-at-once", ("alpha",)

    def check(self, module: Any) -> Iterator[Finding]:
        spans = [match.span() for match in re.finditer(r"\balpha\b", module.text)]
        fix = Fix(
            "Replace `alpha` with `beta` everywhere",
            [Edit(0, 0, "import beta\n"), *(Edit(start, end, "beta") for start, end in spans)],
        )
        for start, end in spans:
            yield Finding("`alpha` is gone", start, end, fix=fix)


class Configurable(Rule):
    """A word that becomes what an option says."""

    code, name, tokens = "T1003", "chosen-word", ("choose",)
    options = {
        "become": Option("first", "What it becomes.", choices=("first", "second")),
        "loud": Option(False, "Whether to shout."),
    }

    def check(self, module: Any) -> Iterator[Finding]:
        chosen = module.settings.option(self.name, "become")
        for match in re.finditer(r"\bchoose\b", module.text):
            yield Finding("choose", *match.span(), fix=Fix("Choose", [Edit(*match.span(), chosen)]))


class Unsure(Rule):
    """A word that cannot be followed."""

    code, name, tokens = "T1004", "dark-word", ("dark",)

    def check(self, module: Any) -> Iterator[Unseen]:
        for match in re.finditer(r"\bdark\b", module.text):
            yield Unseen("it is read from the environment", *match.span())


class Raises(Rule):
    """Raises after its first finding."""

    code, name, tokens = "T1005", "raising-rule", ("boom",)

    def check(self, module: Any) -> Iterator[Finding]:
        at = module.text.index("boom")
        yield Finding("`boom` is gone", at, at + 4, fix=Fix("Replace it", [Edit(at, at + 4, "bang")]))
        raise LookupError("the rule has a bug")


class Kills(Rule):
    """Ends the process, as a parser that overflows the stack does."""

    code, name, tokens = "T1006", "killing-rule", ("kill_me",)

    def check(self, module: Any) -> Iterator[Finding]:
        os.kill(os.getpid(), signal.SIGKILL)
        yield Finding("never", 0, 0)


class Slow(Rule):
    """Takes its time over a file."""

    code, name, tokens = "T1007", "slow-rule", ("slow",)

    def check(self, module: Any) -> Iterator[Finding]:
        time.sleep(0.5)
        yield Finding("slow", 0, 1, fix=Fix("Hurry", [Edit(0, 0, "# fast\n")]) if "# fast" not in module.text else None)


def catalogue(*rules: Rule, newest: str = "5.23", url: str = "") -> Catalogue:
    """What a distribution would register."""
    return Catalogue(rules or (Replace(),), newest=newest, url=url)
