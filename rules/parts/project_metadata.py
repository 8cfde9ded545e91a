"""What the rules about project metadata ask: the requirements of a file, and whether versions can meet."""

from __future__ import annotations

import os.path
import re

from v5lint.patterns import pattern
from v5lint.releases import parse_release, release_text
from v5lint.rule import Edit, Finding, FixUnavailableError
from v5lint.view.requirements import RequirementsView
from v5lint.view.script import ScriptView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from packaging.specifiers import Specifier, SpecifierSet

    from v5lint.metadata.requirement import Requirement
    from v5lint.rule import Applicability, Fix, Level
    from v5lint.view.module import ModuleView

    AnyView = RequirementsView | ModuleView | ScriptView

#: `setup.py` is Python, and so are programs that install something.
KINDS = ("requirements", "python", "script")
TOKENS = ("transformers",)
TOKENS_BY_KIND = {
    "python": (
        *("install_requires", "extras_require", "python_requires", "tests_require"),
        *(f"transformers{sign}" for sign in ("==", "<", ">", "~=", "!=", "[")),
    ),
    "script": (*(f"transformers{sign}" for sign in "=<>~!@[-"), "transformers @", "transformers.git"),
}

#: One version and no other: `==4.31.0`.
EXACT = pattern(r"==\s*v?(\d[\w.]*)\Z")

#: A version as PEP 440 has it; behind `===` anything may stand.
_NUMBERED = pattern(r"v?\d+(?:\.\d+)*(?:[._-]?(?:a|b|rc|post|dev)[._-]?\d+)*\Z")

#: How conda pins: `=4.31`.
_CONDA_EXACT = pattern(r"==\d[\d.]*\.\*\Z")


def requirements_of(view: AnyView) -> Sequence[Requirement]:
    """The requirements that a file of metadata or a `setup.py` states, or that a script or a program installs."""
    if isinstance(view, (RequirementsView, ScriptView)):
        return view.requirements
    found = {each.start: each for group in lists_of(view) for each in group}
    return [found[start] for start in sorted(found)]


def level_of_fix(view: AnyView) -> Applicability:
    """How sure the fix of a pin is: what the readers of a Markdown file are told to install is for its author."""
    return "display" if isinstance(view, ScriptView) and view.kind == "fences" else "unsafe"


def lists_of(view: AnyView) -> Sequence[Sequence[Requirement]]:
    """The same by what is installed together: each command of a script or a program by itself."""
    if isinstance(view, ScriptView):
        return view.installed
    if isinstance(view, RequirementsView):
        return [view.requirements]
    if os.path.basename(view.path) == "setup.py":
        from v5lint.metadata import requirements_in

        return [requirements_in("setup_py", view.text)]
    from v5lint.rules.parts import program_installs

    return [group for group in program_installs.lists(view) if group]


def beside_transformers(requirements: Sequence[Requirement], staying: Container[str] = ()) -> list[Requirement]:
    """The requirements on other packages in a list that names transformers.

    Left out are those that come by an address, those of which there is one for each platform or Python (which of them
    holds is not known here), and what was installed before transformers, which puts another in its place.

    Args:
        requirements: what is installed into one place.
        staying: packages that stay as they are when transformers is installed behind them.
    """
    ours = [requirement.step for requirement in requirements if requirement.name == "transformers"]
    if not ours:
        return []
    return [
        requirement
        for requirement in requirements
        if requirement.name != "transformers"
        and not requirement.url
        and (requirement.step >= max(ours) or requirement.name in staying)
        and not (
            requirement.marker
            and any(
                other.name == requirement.name and other.marker for other in requirements if other is not requirement
            )
        )
    ]


def is_plain_pin(requirement: Requirement) -> bool:
    """Whether a requirement names one version, in the words of its file."""
    if requirement.style == "conda" and _CONDA_EXACT.match(requirement.specifier):
        return True
    return EXACT.match(requirement.specifier) is not None


def finding(
    requirement: Requirement, message: str, *, fix: Fix | None = None, since: str = "", level: Level = "breaks"
) -> Finding:
    """A finding about a requirement."""
    return Finding(message, requirement.start, requirement.end, fix=fix, since=since, level=level)


def written(view: AnyView, requirement: Requirement) -> str:
    """A requirement as the file has it."""
    return view.text[requirement.start : requirement.end]


def new_versions(view: AnyView, requirement: Requirement, versions: str) -> Edit:
    """The edit that puts other versions in the place of those of a requirement.

    Raises:
        FixUnavailableError: it stands in a command, and cannot be put into quotes there.
    """
    edit = Edit(*requirement.versions, versions)
    if isinstance(view, RequirementsView) or view.text[requirement.start - 1 : requirement.start] in ("'", '"'):
        return edit
    if not isinstance(view, ScriptView):
        raise FixUnavailableError("it stands in a command that is written as one text")
    line = view.text[max(view.text.rfind("\n", 0, requirement.start), 0) : requirement.start]
    quote = '"' if view.kind == "batch" else "'"
    if line.count(quote) % 2:
        raise FixUnavailableError("there are quotes around the command")
    start, end = requirement.start, requirement.end  # a shell takes `>` for the name of a file behind it
    text = f"{view.text[start : edit.start]}{versions}{view.text[edit.end : end]}"
    return Edit(start, end, f"{quote}{text}{quote}")


def known_releases(view: AnyView) -> list[str]:
    """The minor releases of transformers from 5.0 to the target, as versions."""
    return [f"5.{minor}.0" for minor in range(_minor(view.settings.target) + 1)]


def _minor(release: tuple[int, ...]) -> int:
    return release[1] if len(release) > 1 else 0


def admits_v5(view: AnyView, requirement: Requirement) -> bool | None:
    """Whether any release from 5.0 to the target meets a requirement on transformers; None where it is not understood.

    A patch release of such a minor counts, and a release candidate: `==5.3.1` and `==5.0.0rc1` do.
    """
    specifier = _specifiers(requirement.specifier)
    if specifier is None:
        return None
    from packaging.version import InvalidVersion, Version

    candidates = [*map(Version, known_releases(view))]
    for each in specifier:
        try:
            candidates.append(Version(each.version))
        except InvalidVersion:
            continue  # `==4.*` names no release, and `===` takes any text
    last = (5, _minor(view.settings.target))
    return any(
        (5, 0) <= (version.major, version.minor) <= last and specifier.contains(version, prereleases=True)
        for version in candidates
    )


def can_meet(one: str, other: str) -> bool:
    """Whether a version exists that two specifiers both allow; True where one is not understood.

    Tried are the versions that either names and what lies just beside each, in both directions: ranges that overlap
    share one of these.
    """
    first, second = _specifiers(one), _specifiers(other)
    if first is None or second is None:
        return True
    if any(each.operator == "===" and not _NUMBERED.match(each.version) for each in (*first, *second)):
        return True
    from packaging.version import Version

    return any(
        first.contains(version, prereleases=True) and second.contains(version, prereleases=True)
        for version in map(Version, _candidates((*first, *second)))
    )


def _candidates(specifiers: Iterable[Specifier]) -> set[str]:
    found = {"0", "99999"}
    for specifier in specifiers:
        if _NUMBERED.match(specifier.version):
            found.add(specifier.version)  # `==0.2.7.post3` is met by that release alone
        if local := re.search(r"\d[\w.]*\+[\w.]+", str(specifier)):
            found.add(local[0])  # `==2.7.0+cu128` is met by that build alone
        numbers = [int(number) for number in re.findall(r"\d+", str(specifier))][:4]
        for depth in range(1, len(numbers) + 1):
            head = numbers[:depth]
            found.add(".".join(map(str, head)))
            found.add(".".join(map(str, [*head, 0, 1])))
            found.add(".".join(map(str, [*head[:-1], head[-1] + 1])))
            if head[-1]:
                found.add(".".join(map(str, [*head[:-1], head[-1] - 1])))
                found.add(".".join(map(str, [*head[:-1], head[-1] - 1, 99999])))
    return found


def _specifiers(text: str) -> SpecifierSet | None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(text)
    except InvalidSpecifier:
        return None


def oldest_supported(view: AnyView) -> str:
    """The oldest release of transformers 5 that the fixed code must run on."""
    return release_text(max(view.settings.minimum, parse_release("5.0")))
