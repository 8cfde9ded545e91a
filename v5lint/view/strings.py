"""Small questions about texts: dotted names, and strings that are put together from parts known and unknown."""

from __future__ import annotations

import ast
import builtins

from v5lint.view.values import NOTHING_KNOWN, UNKNOWN, Constant, Partial, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from v5lint.view.values import Value, Values

_BUILTINS = frozenset(dir(builtins))

#: Methods of strings that make another string and nothing else.
PURE = frozenset("capitalize lower lstrip removeprefix removesuffix replace rstrip strip upper".split())

#: Methods of strings that take one apart.
SPLITS = frozenset("partition rpartition rsplit split splitlines".split())

#: How many strings a concatenation of alternatives may have before it is called unknown.
_ALTERNATIVES = 16


def is_builtin(name: str) -> bool:
    """Whether Python itself defines the name everywhere."""
    return name in _BUILTINS


def is_field(path: str) -> bool:
    """Whether a function declares a field of a dataclass, attrs class or pydantic model."""
    return path.rpartition(".")[2] in ("field", "Field", "ib", "attrib", "HfArg")


def last_name(node: ast.expr) -> str:
    """The last part of a name or of a dotted one; "" for any other expression."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def is_super(node: ast.AST | None) -> bool:
    """Whether an expression is `super()`, with or without arguments."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def is_super_call(node: ast.AST | None, name: str) -> bool:
    """Whether a node is `super().name(...)`."""
    func = node.func if isinstance(node, ast.Call) else None
    return isinstance(func, ast.Attribute) and func.attr == name and is_super(func.value)


def listed(node: ast.expr) -> list[str]:
    """The names in "a, b", and in ["a", "b"]."""
    if isinstance(node, (ast.List, ast.Tuple)):
        return [str(each.value) for each in node.elts if isinstance(each, ast.Constant)]
    return [each.strip() for each in str(node.value).split(",")] if isinstance(node, ast.Constant) else []


def dotted(node: ast.AST) -> str:
    """The text of a name or of a chain of attributes: `os.environ`; empty for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    parts.append(node.id)
    return ".".join(reversed(parts))


def joined(pieces: list[Values], separator: str) -> Values:
    """All strings that come of putting one value of each piece after another."""
    sequences: list[tuple[Value, ...]] = [()]
    for piece in pieces:
        if len(sequences) * len(piece) > _ALTERNATIVES:
            return NOTHING_KNOWN
        sequences = [(*done, value) for done in sequences for value in sorted(piece, key=repr)]
    return frozenset(_concatenated(sequence, separator) for sequence in sequences)


def _concatenated(values: tuple[Value, ...], separator: str) -> Value:
    parts = [""]
    for number, value in enumerate(values):
        if number:
            parts[-1] += separator
        if isinstance(value, Constant) and isinstance(value.value, (str, int, float)):
            parts[-1] += str(value.value)
        elif isinstance(value, Partial):
            parts[-1] += value.parts[0]
            parts += value.parts[1:]
        else:
            parts.append("")
    if len(parts) == 1:
        return Constant(parts[0])
    if not any(part.strip(separator) for part in parts):
        origins = [value for value in values if isinstance(value, Unknown) and value.origin]
        return origins[0] if origins else UNKNOWN
    return Partial(tuple(parts))


def filled(template: str, positional: list[Values], named: Mapping[str, Values]) -> Values:
    """All strings that `template.format(...)` makes; unknown where a field has a format or an attribute of its own."""
    from string import Formatter

    pieces: list[Values] = []
    count = 0
    try:
        fields = list(Formatter().parse(template))
    except ValueError:
        return NOTHING_KNOWN
    for text, field, specification, conversion in fields:
        pieces.append(frozenset({Constant(text)}))
        if field is None:
            continue
        if specification or conversion:
            return NOTHING_KNOWN
        index = int(field) if field.isdigit() else count if not field else -1
        count += not field
        if 0 <= index < len(positional):
            pieces.append(positional[index])
        elif field in named:
            pieces.append(named[field])
        else:
            return NOTHING_KNOWN
    return joined(pieces, "")


def changed(text: str, method: str, arguments: list[object]) -> Values:
    """What one of the `PURE` methods makes of a text; unknown where it does not take these arguments."""
    try:
        return frozenset({Constant(getattr(text, method)(*arguments))})
    except (TypeError, ValueError):
        return NOTHING_KNOWN


def parted(text: str, method: str, arguments: list[object]) -> list[str] | None:
    """The pieces that one of the `SPLITS` methods makes of a text; None where it does not take these arguments."""
    try:
        return [*getattr(text, method)(*arguments)]
    except (TypeError, ValueError):
        return None


def formatted(template: str, mark: str, given: list[Values]) -> Values:
    """All strings that come of filling a template at each mark."""
    texts = template.split(mark)
    if len(texts) != len(given) + 1 or any("%" in text for text in texts):
        return NOTHING_KNOWN
    pieces: list[Values] = [frozenset({Constant(texts[0])})]
    for values, text in zip(given, texts[1:], strict=True):
        pieces += [values, frozenset({Constant(text)})]
    return joined(pieces, "")
