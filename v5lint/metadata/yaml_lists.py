"""YAML with lists of requirements: `python_packages` of cog, `additional_dependencies` of pre-commit and their like."""

from __future__ import annotations

import re

from v5lint.metadata.requirement import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.metadata.requirement import Requirement

#: What such a list is called, with what stands behind it in its line.
_KEY = re.compile(
    r"^(?P<indent>[ ]*)(?P<dash>-[ ]+)?"
    r"(?:python_packages|additional_dependencies|pip_packages|pip_requirements|requirements|packages|pip)[ ]*:"
    r"[ ]*(?P<flow>\[(?:[^\[\]]|\[[^\[\]]*\])*\])?[ ]*(?:\#[^\r\n]*)?\r?$",
    re.MULTILINE,
)
_ITEM = re.compile(r"(?P<indent>[ ]*)-[ ]+(?P<quote>[\"']?)(?P<item>[^\r\n\"'#]+)(?P=quote)")
_IN_FLOW = re.compile(r"(?<=[\[,])\s*(?P<quote>[\"']?)(?P<item>[^\"'\[\],]+(?:\[[^\]]*\])?[^\"'\[\],]*)(?P=quote)")
_LINE = re.compile(r"[^\r\n]*(?:\r?\n|\Z)")


def read(text: str) -> Iterator[list[Requirement]]:
    """The requirements of a text, a list for each list."""
    for key in _KEY.finditer(text):
        if key["flow"] is not None:
            items = [*_IN_FLOW.finditer(text, key.start("flow"), key.end("flow"))]
        else:
            items = [*_items(text, key.end(), len(key["indent"]) + len(key["dash"] or ""))]
        found = [parse(each["item"].rstrip(), each.start("item")) for each in items]
        yield [each for each in found if each is not None and each.specifier]


def _items(text: str, at: int, depth: int) -> Iterator[re.Match[str]]:
    """The items of the list that is below a key."""
    at = text.find("\n", at) + 1
    while at:
        line = _LINE.match(text, at)
        assert line is not None
        item = _ITEM.match(text, at, line.end())
        if line[0].strip() and not line[0].lstrip().startswith("#"):
            if item is None or len(item["indent"]) < depth:
                return
            yield item
        at = line.end() if line.end() < len(text) else 0
