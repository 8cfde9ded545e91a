"""V5820: requirements on packages whose releases cannot be installed beside transformers 5."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules.knowledge.dependents import dependent
from v5lint.rules.parts import project_metadata as metadata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.metadata.requirement import Requirement
    from v5lint.rule import Finding
    from v5lint.rules.knowledge.dependents import Dependent
    from v5lint.rules.parts.project_metadata import AnyView


class DependentConflict(Rule):
    """A requirement beside transformers asks for releases of a package that ask for an older transformers.

    ## What it does

    Where a file requires transformers, finds requirements on packages that use it, whose versions admit only releases
    that cannot be installed beside any release of transformers 5: `sentence-transformers==2.2.2`, `datasets==2.14.0`,
    and every release of `adapters`. Some sixty packages are known, by the metadata of all their releases.

    ## Why it breaks

    sentence-transformers 2.2.2 asks for `transformers<5.0.0,>=4.6.0`, and 5.2.0 is the first that admits 5. Beside
    `transformers>=5` the installer stops:

        ERROR: ResolutionImpossible

    and beside a `transformers` without a bound it falls back to transformers 4 without a word. Releases that ask for
    `huggingface-hub<1.0` do the same, as every transformers 5 asks for `huggingface-hub>=1.3`.

    ## Example

        transformers>=5.0
        sentence-transformers==2.2.2

    may become

        transformers>=5.0
        sentence-transformers>=5.2.0

    ## Fix safety

    None is offered: the newer release may have changed its own interface.

    ## References

    - the metadata of the packages' releases, `Requires-Dist`
    """

    code = "V5820"
    name = "dependent-conflict"
    tokens = metadata.TOKENS
    tokens_by_kind = {**metadata.TOKENS_BY_KIND, "script": metadata.TOKENS}
    kinds = metadata.KINDS

    def check(self, view: AnyView) -> Iterator[Finding]:
        """See Rule."""
        for requirements in metadata.lists_of(view):
            ours = max((each.step for each in requirements if each.name == "transformers"), default=0)
            for requirement in metadata.beside_transformers(requirements):
                known = dependent(requirement.name) if requirement.step >= ours else None
                if known and not any(metadata.can_meet(requirement.specifier, each) for each in known.admitted):
                    yield metadata.finding(
                        requirement, _message(metadata.written(view, requirement), requirement, known)
                    )


def _message(shown: str, requirement: Requirement, known: Dependent) -> str:
    start = f"`{shown}` cannot be installed beside transformers 5, as it asks for `{known.asks}`"
    newest_span = known.admitted[-1] if known.admitted else "<"
    if "<" in newest_span:
        return f"{start} or older; no newer release up to {known.newest} can"
    return f"{start} or older: {requirement.name} {newest_span} can"
