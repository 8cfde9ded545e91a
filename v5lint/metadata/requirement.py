"""One requirement: the package, the extras, the versions, and where each of them stands."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Style = Literal["pep508", "poetry", "conda", "image"]

_FORM = re.compile(
    r"""\s*(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*
    (?:\[(?P<extras>[^\]]*)\])?\s*
    (?:\((?P<enclosed>[^)]*)\)|(?P<bare>[^;#@\s][^;#@]*?))?\s*
    (?P<rest>[;#@].*)?\Z""",
    re.VERBOSE | re.DOTALL,
)
#: A place instead of a name: `git+https://github.com/huggingface/transformers@v4.31.0`, the address of a wheel.
_ADDRESS = re.compile(
    r"""\s*(?:(?:-e|--editable)(?:[ ]+|=))?(?P<address>(?:git\+)?(?:https?|ssh)://\S*?/
    (?:(?P<wheel>[\w.]+)-\d[^/\s#]*\.(?:whl|tar\.gz|zip)|(?P<repository>[\w.-]+?)(?:\.git)?(?:@[^\s\#]*)?)
    (?:\#(?:\S*?&)?egg=(?P<egg>[\w.-]+)\S*|\#\S*)?)\s*\Z""",
    re.VERBOSE,
)
_CARET = re.compile(r"\^\s*(\d+)((?:\.\d+)*)\S*")
_TILDE = re.compile(r"~\s*(?!=)(\d+)(\.\d+)?\S*")


class Requirement:
    """A requirement on one package.

    Attributes:
        name: the package, normalised: "huggingface-hub". "python" stands for the interpreter.
        extras: as they are written.
        specifier: the versions as PEP 440 writes them, whatever the file does: ">=4.30,<5". Empty for any version.
        marker: the condition behind a `;`, or empty.
        url: whether it names a place instead of versions.
        style: how the file writes versions.
        start: offset of its first character.
        end: offset after its last one.
        versions: the span of the versions; empty, and behind the name, where there are none.
        names_of_extras: the span of the extras, brackets included; empty where there are none.
        is_library: whether it is part of what a package tells its users to install, and not a list for one machine.
        is_generated: whether another tool wrote the line, or its hashes.
        step: its place among the commands that install one after another into one place.
    """

    __slots__ = (
        "end",
        "extras",
        "is_generated",
        "is_library",
        "marker",
        "name",
        "names_of_extras",
        "specifier",
        "start",
        "step",
        "style",
        "url",
        "versions",
    )

    def __init__(
        self,
        name: str,
        specifier: str,
        span: tuple[int, int],
        versions: tuple[int, int],
        *,
        style: Style = "pep508",
        extras: tuple[str, ...] = (),
        names_of_extras: tuple[int, int] = (0, 0),
        marker: str = "",
        url: bool = False,
        is_library: bool = False,
        is_generated: bool = False,
    ) -> None:
        self.name = normalised(name)
        self.specifier = specifier
        self.start, self.end = span
        self.versions = versions
        self.style = style
        self.extras = extras
        self.names_of_extras = names_of_extras
        self.marker = marker
        self.url = url
        self.is_library = is_library
        self.is_generated = is_generated
        self.step = 0

    def __repr__(self) -> str:
        return f"<Requirement {self.name} {self.specifier!r} at {self.start}>"


def normalised(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse(text: str, at: int, *, is_library: bool = False, is_generated: bool = False) -> Requirement | None:
    """Read a requirement as PEP 508 writes it; None where it is something else.

    Args:
        text: the requirement, with its marker.
        at: the offset of the text in the file.
        is_library: see Requirement.
        is_generated: see Requirement.
    """
    match = _FORM.match(text)
    if not match:
        return _at_address(text, at)
    written = "enclosed" if match["enclosed"] is not None else "bare"
    first, last = match.span(written) if match[written] is not None else (match.end("name"),) * 2
    if match[written] is None and match["extras"] is not None:
        first = last = match.end("extras") + 1
    specifier = (match[written] or "").strip()
    if specifier and not re.match(r"[<>=!~]", specifier):
        return _at_address(text, at)  # or two words: not a requirement
    rest = match["rest"] or ""
    extras = tuple(filter(None, (extra.strip() for extra in (match["extras"] or "").split(","))))
    end = len(text[: match.start("rest")].rstrip()) if rest else len(text.rstrip())
    return Requirement(
        match["name"],
        specifier,
        (at + match.start("name"), at + end),
        (at + first, at + last),
        extras=extras,
        names_of_extras=(at + match.start("extras") - 1, at + match.end("extras") + 1) if match["extras"] else (0, 0),
        marker=rest[1:].partition("#")[0].strip() if rest.startswith(";") else "",
        url=rest.startswith("@"),
        is_library=is_library,
        is_generated=is_generated,
    )


def _at_address(text: str, at: int) -> Requirement | None:
    """A requirement that has no name of its own: the address says which package it is of."""
    match = _ADDRESS.match(text)
    if match is None or (match["repository"] and not match["address"].startswith("git+")):
        return None
    name = match["egg"] or match["wheel"] or match["repository"]
    first, last = match.span("address")
    return Requirement(name, "", (at + first, at + last), (at + last, at + last), url=True)


def from_poetry(versions: str) -> str:
    """Poetry's versions (`^4.30`, `~4.30`, `4.30`, `*`) as PEP 440 writes them; several by commas."""
    clauses = []
    for clause in (each.strip() for each in versions.split(",")):
        if caret := _CARET.match(clause):
            clauses.append(f">={clause[1:].strip()},<{_bumped_caret(caret[1], caret[2])}")
        elif tilde := _TILDE.match(clause):
            upper = f"{tilde[1]}.{int(tilde[2][1:]) + 1}" if tilde[2] else str(int(tilde[1]) + 1)
            clauses.append(f">={clause[1:].strip()},<{upper}")
        elif re.match(r"\d", clause):
            clauses.append(f"=={clause}")
        elif clause and clause != "*":
            clauses.append(clause)
    return ",".join(clauses)


def _bumped_caret(major: str, rest: str) -> str:
    """The first release that `^` leaves out: the leftmost number that is not zero goes up."""
    numbers = [int(major), *(int(number) for number in rest.split(".") if number)]
    at = next((index for index, number in enumerate(numbers) if number), len(numbers) - 1)
    return ".".join(map(str, [*numbers[:at], numbers[at] + 1]))
