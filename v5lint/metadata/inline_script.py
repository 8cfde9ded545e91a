"""What a single file of Python states at its top, as PEP 723 has it: `# /// script`, with TOML in comments."""

from __future__ import annotations

import re

from v5lint.metadata.requirement import Requirement, parse
from v5lint.toml import TOMLDecodeError, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = re.compile(r"^# /// script[ \t]*\r?\n(?P<lines>(?:^#(?: [^\r\n]*)?\r?\n)+?)^# ///[ \t]*\r?$", re.MULTILINE)
_COMMENT = re.compile(r"^#[ ]?", re.MULTILINE)
_STRING = re.compile(r"\"(?P<double>[^\"\r\n]*)\"|'(?P<single>[^'\r\n]*)'")


def read(text: str) -> Iterator[Requirement]:
    """The requirements of a module; one without such a block, or whose block is no TOML, has none."""
    block = _BLOCK.search(text)
    if block is None:
        return
    try:
        data = loads(_COMMENT.sub("", block["lines"]).replace("\r\n", "\n"))
    except TOMLDecodeError:
        return
    listed = data.get("dependencies")
    wanted = {each for each in listed if isinstance(each, str)} if isinstance(listed, list) else set()
    python = data.get("requires-python")
    for found in _STRING.finditer(text, block.start("lines"), block.end("lines")):
        which = "double" if found["double"] is not None else "single"
        span = found.span(which)
        if found[which] == python:
            yield Requirement("python", found[which], span, span)
        elif found[which] in wanted and (requirement := parse(found[which], span[0])) is not None:
            yield requirement
