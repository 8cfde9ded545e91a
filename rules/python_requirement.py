"""V5805: Pythons on which no release of transformers 5 installs."""

from __future__ import annotations

from v5lint.patterns import pattern
from v5lint.releases import parse_release, release_text
from v5lint.rule import Fix, Rule
from v5lint.rules.knowledge import requires
from v5lint.rules.parts import install_places
from v5lint.rules.parts import project_metadata as metadata
from v5lint.view.script import ScriptView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.metadata.requirement import Requirement
    from v5lint.rule import Finding
    from v5lint.rules.parts.project_metadata import AnyView

#: What a project is moved to. One that names an older release as its oldest keeps the installer's way out.
_V5 = (5,)

_FLOOR = pattern(r">=\s*(\d+(?:\.\d+)*)\s*\Z")
_NUMBER = pattern(r"\d+(?:\.\d+)*")


class PythonTooOld(Rule):
    """A project that needs transformers admits a Python on which no release of transformers 5 installs.

    ## What it does

    Finds `requires-python`, `python_requires`, Poetry's `python` and conda's `python=` that admit Python 3.9 or older,
    in files that require transformers, and the images of Dockerfiles (`python:3.8`) and environments (`conda create
    python=3.8`, `uv venv --python 3.8`) that a script installs transformers into, unless the project goes on supporting
    v4 (`transformers>=4.40`), which is what an older Python gets. From 5.21 on, transformers needs Python 3.11: that is
    said in the message.

    ## Why it breaks

    On such a Python the installer takes the last release of transformers 4, or finds none:

        ERROR: Ignored the following versions that require a different python version: 5.0.0 Requires-Python >=3.10.0

    ## Example

        requires-python = ">=3.8"

    becomes

        requires-python = ">=3.10"

    ## Fix safety

    Only a plain lower bound is rewritten, and only with `--unsafe-fixes`: dropping a Python is a decision.

    ## References

    - the metadata of the wheels, `Requires-Python`, of every release from 5.0 on
    """

    code = "V5805"
    name = "python-too-old"
    tokens = metadata.TOKENS
    tokens_by_kind = {**metadata.TOKENS_BY_KIND, "script": (*metadata.TOKENS_BY_KIND["script"], *install_places.TOKENS)}
    kinds = metadata.KINDS

    def check(self, view: AnyView) -> Iterator[Finding]:
        """See Rule."""
        requirements = [*metadata.requirements_of(view)]
        if not any(requirement.name == "transformers" for requirement in requirements):
            requirements = []
        if isinstance(view, ScriptView):
            requirements += install_places.given(view)
        if view.settings.minimum < _V5:
            return  # the project goes on supporting v4, which is what an older Python gets
        rows = requires.ranges("python", view.settings.minimum, view.settings.target)
        floors = [parse_release(found[0]) for _, specifier in rows if (found := _NUMBER.search(specifier))]
        if not floors:
            return
        needed = release_text(min(floors))
        for requirement in requirements:
            if requirement.name == "python" and requirement.specifier and not requirement.marker:
                too_old = f">={_major(needed)}.6,<{needed}"
                if metadata.can_meet(requirement.specifier, too_old):
                    later = f" (from {rows[-1][0]} on {release_text(max(floors))})" if max(floors) > min(floors) else ""
                    message = (
                        f"transformers 5 needs Python {needed} or later{later}; `{requirement.specifier}` admits older"
                    )
                    yield metadata.finding(requirement, message, fix=_raised(view, requirement, needed))


def _major(release: str) -> str:
    return release.partition(".")[0]


def _raised(view: AnyView, requirement: Requirement, needed: str) -> Fix | None:
    if requirement.style == "conda" or not _FLOOR.match(requirement.specifier):
        return None
    versions = f">={needed}"
    return Fix(
        f"Write `{versions}`",
        lambda: (metadata.new_versions(view, requirement, versions),),
        applicability=metadata.level_of_fix(view),
    )
