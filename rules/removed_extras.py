"""V5804: extras that transformers no longer has."""

from __future__ import annotations

from v5lint.releases import parse_release
from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import requires
from v5lint.rules.parts import project_metadata as metadata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.metadata.requirement import Requirement
    from v5lint.rule import Finding
    from v5lint.rules.parts.project_metadata import AnyView


class RemovedExtra(Rule):
    """An extra of transformers is gone: what it installed is not installed any more.

    ## What it does

    Finds `transformers[tf]`, `[flax]`, `[onnx]`, `[speech]`, `[torch-vision]` and the other extras that v5 has dropped,
    in every file of project metadata.

    ## Why it breaks

    The installer warns in one line and goes on; the packages are missing at run time:

        WARNING: transformers 5.23.0 does not provide the extra 'tf'

    ## Example

        transformers[tf,sentencepiece]>=5.0

    becomes

        transformers[sentencepiece]>=5.0

    ## Fix safety

    Safe, and held back where `min-version` is older than the release that dropped it: v5 ignores the extra. What it
    used to install has to be required by its own name if it is still used; nothing in v5 uses TensorFlow, Flax or
    `transformers.onnx`.

    ## References

    - the metadata of the wheels, `Provides-Extra`, of every release
    """

    code = "V5804"
    name = "removed-extra"
    tokens = metadata.TOKENS
    tokens_by_kind = metadata.TOKENS_BY_KIND
    kinds = metadata.KINDS

    def check(self, view: AnyView) -> Iterator[Finding]:
        """See Rule."""
        for requirement in metadata.requirements_of(view):
            if requirement.name != "transformers":
                continue
            gone = {extra: since for extra in requirement.extras if (since := requires.extra_removed_in(extra))}
            if gone:
                names = ", ".join(f"`{extra}`" for extra in gone)
                what = f"the extra {names} is" if len(gone) == 1 else f"the extras {names} are"
                message = f"{what} gone; require by name what is still used of it"
                since = min(gone.values(), key=parse_release)
                found = metadata.finding(requirement, message, fix=_without(view, requirement, gone), since=since)
                if view.settings.minimum < parse_release(since) and _has_successor(view, requirement, gone):
                    found.level = "deprecated"  # each release takes the one that it has, and warns of the other
                yield found


def _has_successor(view: AnyView, requirement: Requirement, gone: dict[str, str]) -> bool:
    """Whether a line beside a requirement names the extra by which a newer release calls the one that is gone."""
    last = {extra.rpartition("-")[2] for extra in gone}
    return any(
        other is not requirement and other.name == requirement.name and last <= set(other.extras)
        for other in metadata.requirements_of(view)
    )


def _without(view: AnyView, requirement: Requirement, gone: dict[str, str]) -> Fix | None:
    if requirement.style == "conda":
        return None
    start, end = requirement.names_of_extras
    kept = [extra for extra in requirement.extras if extra not in gone]
    if requirement.style == "poetry":
        quote = "'" if "'" in view.text[start:end] else '"'
        content = "[" + ", ".join(f"{quote}{extra}{quote}" for extra in kept) + "]"
    else:
        content = f"[{','.join(kept)}]" if kept else ""
    names = ", ".join(f"`{extra}`" for extra in gone)
    since = max(gone.values(), key=parse_release)
    return Fix(f"Drop {names}", lambda: (Edit(start, end, content),), requires=since)
