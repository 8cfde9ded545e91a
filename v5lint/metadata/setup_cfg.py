"""`setup.cfg`: `install_requires`, `extras_require`, `python_requires`; `deps` of tox, there as in `tox.ini`."""

from __future__ import annotations

import re

from v5lint.metadata.requirement import Requirement, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_LINE = re.compile(r"(?P<indent>[ \t]*)(?P<text>[^\r\n]*)")
_SECTION = re.compile(r"\[([^\]]+)\]")
_KEY = re.compile(r"([\w.-]+)\s*[=:]\s*")

#: Before a requirement tox names the environments that it is for.
_OF_TOX = re.compile(r"(?:tox:)?testenv(?::|\Z)")
_FACTORS = re.compile(r"[\w.!{},-]+:\s+")


def read(text: str) -> Iterator[Requirement]:
    """The requirements of a text; a file that is no configuration has none."""
    section = key = ""
    for match in _LINE.finditer(text):
        line, at = match["text"], match.start("text")
        if not line or line.startswith(("#", ";")):
            continue
        if not match["indent"]:
            if header := _SECTION.match(line):
                section, key = header[1].strip(), ""
                continue
            if not (start := _KEY.match(line)):
                continue
            key = start[1]
            line, at = line[start.end() :], at + start.end()
        if section == "options" and key == "python_requires" and line.strip():
            span = (at, at + len(line.rstrip()))
            yield Requirement("python", line.strip(), span, span, is_library=True)
        elif (section == "options" and key == "install_requires") or section == "options.extras_require":
            code = re.sub(r"(^|\s)#.*", "", line)
            if code.strip() and (requirement := parse(code, at, is_library=True)):
                yield requirement
        elif key == "deps" and _OF_TOX.match(section):
            code = re.sub(r"(^|\s)#.*", "", line)
            factors = _FACTORS.match(code)
            code, at = (code[factors.end() :], at + factors.end()) if factors is not None else (code, at)
            if code.strip() and (requirement := parse(code, at)):
                if factors is not None:
                    requirement.marker = factors[0].strip()
                yield requirement
