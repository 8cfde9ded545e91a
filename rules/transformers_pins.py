"""V5801 and V5803: requirements on transformers that keep v5 out, or that hold on to one release of it."""

from __future__ import annotations

from v5lint.patterns import pattern
from v5lint.rule import Fix, Rule
from v5lint.rules.parts import project_metadata as metadata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.metadata.requirement import Requirement
    from v5lint.rule import Finding
    from v5lint.rules.parts.project_metadata import AnyView


#: In an address: `.../huggingface/transformers@v4.31.0`, `.../transformers-4.31.0-py3-none-any.whl`.
_TAG = pattern(r"(?:huggingface/transformers(?:\.git)?@v?|/transformers-)([0-4]\.\d+(?:\.\d+)?)(?![\w.])")


class PinExcludesV5(Rule):
    """A requirement admits no release of transformers 5.

    ## What it does

    Finds requirements on transformers in `pyproject.toml` (PEP 621, dependency groups, Poetry, uv, PDM, Hatch),
    `setup.cfg`, `setup.py`, `Pipfile`, requirement and constraint files, conda environments, tox's `deps`, lists in
    YAML that tools install (cog, pre-commit, BentoML), what `pip install`, `uv add`, `uv run --with` or `conda
    install` is told in scripts, Dockerfiles and CI, and what a program installs (`session.install` of nox,
    `pip_install` of Modal, `packages_to_install=` of Kubeflow, `subprocess` with pip, the block `# /// script`), whose
    versions leave out every v5 release up to the target: `transformers==4.31.0`, `transformers>=4.40,<5`,
    `transformers~=4.57`, Poetry's `^4.30`; also those that name a tag of the library's repository, or a wheel. A
    requirement with a marker (`; python_version < "3.10"`) is fine where another line of the file admits v5.

    ## Why it breaks

    The installer does what the file says: the migrated code meets transformers 4. With v5 wanted elsewhere:

        ERROR: Cannot install transformers<5 and transformers>=5.0 because these package versions have conflicting
        dependencies.

    ## Example

        transformers==4.31.0

    becomes

        transformers>=5.0

    ## Fix safety

    Only a plain pin (`==4.31.0`, conda's `=4.31`) is rewritten, to the oldest release that `min-version` names, and
    only with `--unsafe-fixes`: other packages of the file may not admit v5 yet. What the readers of a Markdown file are
    told to install is only shown. A range is for a person to widen, and what another tool has generated (pip-compile,
    uv) or a hash holds to one release is for that tool to write anew.

    ## References

    - https://packaging.python.org/en/latest/specifications/version-specifiers/
    """

    code = "V5801"
    name = "pin-excludes-v5"
    tokens = metadata.TOKENS
    tokens_by_kind = metadata.TOKENS_BY_KIND
    kinds = metadata.KINDS

    def check(self, view: AnyView) -> Iterator[Finding]:
        """See Rule."""
        ours = [each for each in metadata.requirements_of(view) if each.name == "transformers" and not each.url]
        verdicts = [(each, metadata.admits_v5(view, each)) for each in ours]
        some_admits = any(admits for _, admits in verdicts)
        for each in metadata.requirements_of(view):
            tag = _tag_of_4(view, each) if each.name == "transformers" and each.url else ""
            if tag:
                message = f"the requirement on transformers names its release {tag}; name one of v5, or admit v5"
                yield metadata.finding(each, message)
        for requirement, admits in verdicts:
            if admits is False and not (requirement.marker and some_admits):
                shown = metadata.written(view, requirement)
                what = "generate the file anew with a version of v5" if requirement.is_generated else "admit v5"
                message = f"`{shown}` admits no release of transformers 5; {what}"
                yield metadata.finding(requirement, message, fix=_unpinned(view, requirement))


class ExactPin(Rule):
    """A library requires one patch release of transformers 5 and no other.

    ## What it does

    Finds `transformers==5.3.0` in what a package tells its users to install: `pyproject.toml`, `setup.cfg`, `setup.py`.
    A requirement file may pin: it describes one machine.

    ## Why it breaks

    Nothing breaks yet. A minor release comes nearly every week, `huggingface-hub`, `tokenizers` and `safetensors` are
    asked for in new versions by some of them, and a package that admits one patch release of transformers cannot be
    installed beside another one that needs the next.

    ## Example

        dependencies = ["transformers==5.3.0"]

    may become

        dependencies = ["transformers>=5.3"]

    ## Fix safety

    None is offered: which releases the package has been tested with is not in the file. Names of modules, Trainer
    arguments and requirements did change inside v5 (5.9, 5.15, 5.18), so an upper bound may well be right.

    ## References

    - https://packaging.python.org/en/latest/discussions/install-requires-vs-requirements/
    """

    code = "V5803"
    name = "exact-pin"
    tokens = metadata.TOKENS
    tokens_by_kind = metadata.TOKENS_BY_KIND
    kinds = metadata.KINDS

    def check(self, view: AnyView) -> Iterator[Finding]:
        """See Rule."""
        for requirement in metadata.requirements_of(view):
            is_ours = requirement.name == "transformers" and requirement.is_library
            if is_ours and metadata.EXACT.match(requirement.specifier) and metadata.admits_v5(view, requirement):
                shown = metadata.written(view, requirement)
                message = f"`{shown}` in a package's metadata admits one release only; give a range"
                yield metadata.finding(requirement, message, level="deprecated")


def _tag_of_4(view: AnyView, requirement: Requirement) -> str:
    """The release before v5 whose tag, or wheel, an address ends with: "4.31.0"; "" for a commit, a branch, v5."""
    line = view.text[requirement.start :].splitlines()[0]
    found = _TAG.search(line)
    return found[1] if found is not None else ""


def _unpinned(view: AnyView, requirement: Requirement) -> Fix | None:
    if requirement.is_generated or not metadata.is_plain_pin(requirement) or requirement.marker:
        return None
    versions = f">={metadata.oldest_supported(view)}"
    return Fix(
        f"Write `{versions}`",
        lambda: (metadata.new_versions(view, requirement, versions),),
        applicability=metadata.level_of_fix(view),
    )
