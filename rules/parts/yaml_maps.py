"""The maps of a YAML file: which keys stand beside another one, and which below it.

Read are lines and their indentation, and what is in braces; what an anchor or a template stands for is not known.
"""

from __future__ import annotations

from v5lint.patterns import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: A line: where it begins to say something, and the key if it is one of a map.
_LINE = pattern(r"(?P<indent>[ ]*(?:-[ ]+)*)(?:(?P<quote>[\"']?)(?P<key>[\w-]+)(?P=quote)[ ]*:(?=[ \r\n]|\Z))?")

#: What braces hold: texts, comments, keys (those are asked for behind a brace or a comma only), and what nests.
_TOKEN = pattern(
    r"(?P<key>(?<=[{,\s])(?P<quote>[\"']?)(?P<name>[\w-]+)(?P=quote)\s*:(?=[\s\"'{\[]))"
    r"|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|(?<=\s)#[^\n]*|(?P<open>[{\[])|(?P<close>[}\]])|(?P<comma>,)"
)

#: What may stand before a brace that begins a map.
_BEFORE_BRACES = pattern(r"(?:^|[:,\[{\n]|-)\s*\Z")

#: How far a map in braces is followed.
_FAR = 4000


class Key:
    """A key of a map.

    Attributes:
        name: the key.
        start: where it begins, without its quotes.
        end: where what it stands for begins, behind the colon.
        column: its indentation; -1 in braces.
    """

    __slots__ = ("column", "end", "name", "start")

    def __init__(self, name: str, start: int, end: int, column: int) -> None:
        self.name = name
        self.start = start
        self.end = end
        self.column = column


def beside(text: str, at: int) -> list[Key]:
    """The keys of the map in which a place stands, itself included.

    Args:
        text: the file.
        at: the place of a key, or of what it stands for.
    """
    brace = _brace_before(text, at)
    if brace >= 0:
        return [*_in_braces(text, brace)]
    start = text.rfind("\n", 0, at) + 1
    first = _LINE.match(text, start)
    assert first is not None
    if not first["key"]:
        return []
    column = first.end("indent") - start
    return sorted([*_before(text, start, column), *_from(text, start, column)], key=lambda each: each.start)


def below(text: str, key: Key) -> list[Key]:
    """The keys of the map that a key stands for; none where it stands for something else."""
    end = text.find("\n", key.end)
    end = len(text) if end < 0 else end
    value = text[key.end : end].strip()
    if value.startswith("{"):
        return [*_in_braces(text, text.index("{", key.end))]
    if key.column < 0 or not (value == "" or value.startswith(("#", "&"))):
        return []
    for start, column, found in _lines(text, end + 1):
        is_map = column > key.column and found and "-" not in text[start : start + column]
        return [*_from(text, start, column)] if is_map else []
    return []


def at_path(text: str, path: tuple[str, ...]) -> list[Key]:
    """The keys of the map under some keys, from the outermost one on."""
    keys: list[Key] = []
    for start, column, found in _lines(text, 0):
        keys = [*_from(text, start, column)] if found and "-" not in text[start : start + column] else []
        break
    for name in path:
        keys = [inner for each in keys if each.name == name for inner in below(text, each)]
    return keys


# By indentation


def _lines(text: str, at: int) -> Iterator[tuple[int, int, bool]]:
    """The lines that say something: where each begins, its indentation, and whether it is a key."""
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        line = _LINE.match(text, at)
        assert line is not None
        rest = text[line.end("indent") : end].strip()
        if rest and not rest.startswith("#") and not (rest == "---" and line["indent"] == ""):
            yield at, line.end("indent") - at, bool(line["key"])
        at = end


def _key(text: str, start: int, column: int) -> Key:
    line = _LINE.match(text, start)
    assert line is not None
    return Key(line["key"], line.start("key"), line.end(), column)


def _from(text: str, start: int, column: int) -> Iterator[Key]:
    """The keys of a map from one of its lines on."""
    for number, (at, indent, is_key) in enumerate(_lines(text, start)):
        if number and (indent < column or "-" in text[at : at + column]):
            return
        if is_key and indent == column:
            yield _key(text, at, column)


def _before(text: str, start: int, column: int) -> Iterator[Key]:
    """The keys of a map before one of its lines."""
    while start > 0 and "-" not in text[start : start + column]:
        start = text.rfind("\n", 0, start - 1) + 1
        for at, indent, is_key in _lines(text, start):
            if at != start:
                break  # a line that says nothing
            if indent < column:
                return
            if is_key and indent == column:
                yield _key(text, at, column)
            break


# In braces


def _brace_before(text: str, at: int) -> int:
    """Where the braces begin that a place stands in; -1 where it stands in none."""
    depth = 0
    for place in range(at - 1, max(at - _FAR, 0) - 1, -1):
        if text[place] in "}]":
            depth += 1
        elif text[place] in "{[":
            depth -= 1
            if depth < 0:
                is_map = text[place] == "{" and _BEFORE_BRACES.search(text, max(place - 80, 0), place) is not None
                return place if is_map else -1
    return -1


def _in_braces(text: str, brace: int) -> Iterator[Key]:
    """The keys of a map in braces; of one that does not end nearby, none."""
    depth = 0
    found: list[Key] = []
    awaited = True
    for token in _TOKEN.finditer(text, brace, brace + _FAR):
        if token["open"]:
            depth += 1
            awaited = True
        elif token["close"]:
            depth -= 1
            if depth == 0:
                yield from found
                return
        elif token["comma"]:
            awaited = True
        elif token["key"]:
            if depth == 1 and awaited:
                found.append(Key(token["name"], token.start("name"), token.end(), -1))
            awaited = False
