"""What each legacy script has to show, read from the `proof.toml` beside it.

A script is a folder under ``fixtures/scripts``. Its `proof.toml` holds:

    script          the file to run
    fix             "safe" (`v5lint --fix`) or "unsafe" (`v5lint --fix --unsafe-fixes`)
    select          codes of rules that are off by default and run here; default none
    rules           codes that v5lint reports on the legacy script, all of them
    remaining       codes that it still reports on the fixed one; default none
    tolerance       largest absolute difference between two numbers that count as the same
    because         why the tolerance is what it is
    minimum         the oldest release that the fixed script must run on; default v5lint's own
    cache           name of the folder in which the script expects its checkpoints; default the hub's own cache
    [v4]            how the legacy script ends under v4; default: with the numbers expected
    [v5]            how the legacy script ends under v5
    [fixed]         how the fixed script ends under v5; default: with the numbers expected
    [reference]     replacements, old text to new, that make the script right under v4, whose numbers then are the
                    ones expected; default: those of the legacy script under v4 are

[v4], [v5] and [fixed] hold one of: `error`, the exception's message, in which `...` stands for any text;
`numbers = "other"`, a silent change; `numbers = "same"`, nothing is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from v5lint.toml import loads

SCRIPTS = Path(__file__).parents[2] / "fixtures" / "scripts"
PROOF = "proof.toml"


@dataclass(frozen=True)
class Ending:
    """How a run ends: with an error of that text, or with numbers that compare so with the expected ones."""

    error: str | None = None
    numbers: Literal["same", "other"] = "same"


@dataclass(frozen=True)
class Proof:
    """What one script has to show; the fields are those of `proof.toml`."""

    folder: Path
    script: str
    fix: Literal["safe", "unsafe"]
    rules: list[str]
    tolerance: float
    because: str
    v5: Ending
    v4: Ending = Ending()
    fixed: Ending = Ending()
    select: list[str] = field(default_factory=list)
    remaining: list[str] = field(default_factory=list)
    reference: Mapping[str, str] = field(default_factory=dict)
    minimum: str | None = None
    cache: str | None = None

    @property
    def name(self) -> str:
        """The script's name: that of its folder."""
        return self.folder.name


def load(file: Path) -> Proof:
    """Read one `proof.toml`."""
    content: dict[str, Any] = loads(file.read_text(encoding="utf-8"))
    content |= {name: Ending(**content[name]) for name in ("v4", "v5", "fixed") if name in content}
    return Proof(folder=file.parent, **content)


def load_all() -> list[Proof]:
    """Read all proofs, in the order of their names."""
    return [load(file) for file in sorted(SCRIPTS.glob(f"*/{PROOF}"))]
