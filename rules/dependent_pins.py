"""V5820: requirements on packages whose releases cannot be installed beside transformers 5, or fail there."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules.knowledge.dependents import dependent, failing
from v5lint.rules.parts import project_metadata as metadata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from v5lint.metadata.requirement import Requirement
    from v5lint.rule import Finding
    from v5lint.rules.parts.project_metadata import AnyView


class DependentConflict(Rule):
    """A requirement beside transformers asks for releases of a package that work with an older transformers alone.

    ## What it does

    Where a file requires transformers, finds requirements on packages that use it, whose versions admit only releases
    that cannot be installed beside any release of transformers 5 (`sentence-transformers==2.2.2`, `datasets==2.14.0`,
    every release of `adapters`), or that fail there when a program imports them (`diffusers==0.21.4`, `trl==0.7.11`).
    The first is known of 60 packages, by the metadata of all their releases; the second was measured for peft, trl,
    setfit, datasets and diffusers.

    ## Why it breaks

    sentence-transformers 2.2.2 asks for `transformers<5.0.0,>=4.6.0`, and 5.2.0 is the first that admits 5. Beside
    `transformers>=5` the installer stops:

        ERROR: ResolutionImpossible

    and beside a `transformers` without a bound it falls back to transformers 4 without a word. Releases that ask for
    `huggingface-hub<1.0` do the same, as every transformers 5 asks for `huggingface-hub>=1.3`. What has no bound is
    installed, and does not run:

        ImportError: cannot import name 'cached_download' from 'huggingface_hub'

    ## Example

        transformers>=5.0
        sentence-transformers==2.2.2

    may become

        transformers>=5.0
        sentence-transformers>=5.2.0

    ## Fix safety

    None is offered: the newer release may have changed its own interface.

    ## References

    - the metadata of the packages' releases, `Requires-Dist`, and their behaviour beside transformers 5.24.0
    """

    code = "V5820"
    name = "dependent-conflict"
    tokens = metadata.TOKENS
    tokens_by_kind = {**metadata.TOKENS_BY_KIND, "script": metadata.TOKENS}
    kinds = metadata.KINDS

    def check(self, view: AnyView) -> Iterator[Finding]:
        """See Rule."""
        for requirements in metadata.lists_of(view):
            for requirement in metadata.beside_transformers(requirements):
                said = _conflict(requirement)
                if said:
                    yield metadata.finding(requirement, f"`{metadata.written(view, requirement)}` {said}")


def _conflict(requirement: Requirement) -> str:
    """What is wrong with every release that a requirement admits; "" where one of them works."""
    known = dependent(requirement.name)
    if known and not _meets(requirement, known.admitted):
        start, end = "cannot be installed beside transformers 5, as it asks for `", "` or older"
    else:
        known = failing(requirement.name) if requirement.specifier else None
        if known is None or _meets(requirement, known.admitted):
            return ""
        start, end = "fails beside transformers 5 (", ")"
    reason = [said for span, said in known.reasons.items() if _meets(requirement, (span,))][-1]
    way_out = _way_out(requirement.name)
    return f"{start}{reason}{end}" + (
        f": take {requirement.name}{way_out}" if way_out else f"; no release up to {known.newest} works"
    )


def _way_out(package: str) -> str:
    """The newest releases of a package, as a specifier, where they can be installed and work."""
    from packaging.version import Version

    spans = [known.admitted[-1] if known.admitted else "<" for known in (dependent(package), failing(package)) if known]
    if any("<" in span for span in spans):
        return ""
    return max(spans, key=lambda span: Version(span.removeprefix(">=")))


def _meets(requirement: Requirement, spans: Sequence[str]) -> bool:
    return any(metadata.can_meet(requirement.specifier, each) for each in spans)
