"""V5802: requirements on other packages that no release of transformers 5 accepts."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules.knowledge import requires
from v5lint.rules.parts import install_places
from v5lint.rules.parts import project_metadata as metadata
from v5lint.view.script import ScriptView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from v5lint.metadata.requirement import Requirement
    from v5lint.rule import Finding
    from v5lint.rules.parts.project_metadata import AnyView

#: What a command says that pins another package.
_PINNED = tuple(
    f"{name}{sign}"
    for name in ("torch", "huggingface_hub", "huggingface-hub", "tokenizers", "safetensors", "accelerate", "peft")
    for sign in "=<~"
)


#: Packages that transformers does not require itself: what is there when it is installed stays.
_STAYING = frozenset({"accelerate", "torch"})


class DependencyConflict(Rule):
    """A requirement beside transformers asks for versions that no release of transformers 5 works with.

    ## What it does

    Where a file requires transformers, finds requirements on `huggingface-hub`, `tokenizers`, `safetensors`,
    `accelerate`, `torch` and the other packages that transformers names in its own metadata, whose versions leave out
    every version that the releases from `min-version` to the target ask for: `huggingface_hub<1`, `tokenizers==0.13.3`,
    `torch==1.13.1`. The commands of a script, the stages of a Dockerfile and the calls of a chain (`pip_install` of
    Modal) that install into one place are read together; what transformers requires itself counts where it is
    installed with it or behind it, since transformers puts another in the place of what was there before. An image of
    PyTorch (`FROM pytorch/pytorch:1.13.1-cuda11.6-cudnn8-runtime`) that transformers is installed into is read, too.

    ## Why it breaks

    transformers 5.0 requires `huggingface-hub>=1.3.0,<2.0` (5.18: `>=1.31.0,<3.0`) and `tokenizers>=0.22.0`. With
    `huggingface_hub<1` in the same file, the installer falls back to transformers 4 where it may, and stops where not:

        ERROR: ResolutionImpossible

    torch is no requirement of the package itself, so an old one installs, and is then switched off with one line in the
    log, after which every model class is a placeholder that raises when it is used:

        Disabling PyTorch because PyTorch >= 2.6 is required but found 1.13.1

    ## Example

        transformers>=5.0
        huggingface_hub<1

    ## Fix safety

    None is offered: the other packages of the project may need what they ask for.

    ## References

    - the metadata of the wheels, `Requires-Dist`, of every release from 5.0 on
    """

    code = "V5802"
    name = "dependency-conflict"
    tokens = metadata.TOKENS
    tokens_by_kind = {**metadata.TOKENS_BY_KIND, "script": (*_PINNED, *install_places.TOKENS)}
    kinds = metadata.KINDS

    def check(self, view: AnyView) -> Iterator[Finding]:
        """See Rule."""
        for requirements in metadata.lists_of(view):
            yield from _conflicts(view, requirements)
        for requirement in install_places.given(view) if isinstance(view, ScriptView) else ():
            if requirement.name != "python":
                yield from _conflict(view, requirement)


def _conflicts(view: AnyView, requirements: Sequence[Requirement]) -> Iterator[Finding]:
    """The findings in what is installed together."""
    required = requires.required_packages() - {"python"}
    for requirement in metadata.beside_transformers(requirements, _STAYING):
        if requirement.name in required and requirement.specifier:
            yield from _conflict(view, requirement)


def _conflict(view: AnyView, requirement: Requirement) -> Iterator[Finding]:
    """The finding about a requirement that stands beside transformers, where no release of that accepts it."""
    rows = requires.ranges(requirement.name, view.settings.minimum, view.settings.target)
    if rows and not any(metadata.can_meet(requirement.specifier, wanted) for _, wanted in rows):
        shown = metadata.written(view, requirement)
        needs = rows[0][1] if len(rows) == 1 else f"{rows[0][1]} (from {rows[-1][0]} on {rows[-1][1]})"
        message = f"`{shown}` beside transformers, which since {rows[0][0]} needs `{requirement.name}` {needs}"
        yield metadata.finding(requirement, message)
