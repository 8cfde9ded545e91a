"""Evaluates the constant parts of an expression, as far as wheels can be read without importing them."""

from __future__ import annotations

import ast
from typing import Any

UNKNOWN: Any = type("Unknown", (), {"__repr__": lambda self: "UNKNOWN", "__bool__": lambda self: False})()
"""What `evaluate` gives for an expression, or a part of one, that is not constant."""


def evaluate(node: ast.expr, constants: dict[str, Any] | None = None) -> Any:
    """Give the value of an expression made of literals.

    Lists, tuples and sets come back as lists. A conditional expression counts as its first branch that is a string
    or not None, because `X if is_torch_available() else None` stands for X wherever torch is installed.

    Args:
        node: the expression.
        constants: values of names that are known.

    Returns:
        The value, in which `UNKNOWN` stands for each part that is not constant.
    """
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return _sequence(node.elts, constants)
    if isinstance(node, ast.Dict):
        return _mapping(node, constants)
    if isinstance(node, ast.Name):
        return (constants or {}).get(node.id, UNKNOWN)
    if isinstance(node, ast.IfExp):
        for branch in (node.body, node.orelse):
            value = evaluate(branch, constants)
            if value is not None and value is not UNKNOWN:
                return value
        return UNKNOWN
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = evaluate(node.left, constants), evaluate(node.right, constants)
        joinable = (isinstance(left, list) and isinstance(right, list)) or (
            isinstance(left, str) and isinstance(right, str)
        )
        return left + right if joinable else UNKNOWN
    if isinstance(node, ast.JoinedStr):
        return _joined(node, constants)
    if isinstance(node, ast.Call):
        return _call(node, constants)
    return UNKNOWN


def strings(value: Any) -> list[str]:
    """Give the strings directly inside a list; an empty list for anything else."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _sequence(elements: list[ast.expr], constants: dict[str, Any] | None) -> list[Any]:
    result: list[Any] = []
    for element in elements:
        if isinstance(element, ast.Starred):
            inner = evaluate(element.value, constants)
            result.extend(inner if isinstance(inner, list) else [UNKNOWN])
        else:
            result.append(evaluate(element, constants))
    return result


def _mapping(node: ast.Dict, constants: dict[str, Any] | None) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            inner = evaluate(value, constants)
            result.update(inner if isinstance(inner, dict) else {})
            continue
        name = evaluate(key, constants)
        if isinstance(name, (str, int, float, bool)):
            result[name] = evaluate(value, constants)
    return result


def _joined(node: ast.JoinedStr, constants: dict[str, Any] | None) -> Any:
    parts = []
    for part in node.values:
        value = evaluate(part.value if isinstance(part, ast.FormattedValue) else part, constants)
        if not isinstance(value, (str, int)):
            return UNKNOWN
        parts.append(str(value))
    return "".join(parts)


def _call(node: ast.Call, constants: dict[str, Any] | None) -> Any:
    """Read `OrderedDict([...])`, `dict(...)`, `frozenset(...)` and their like; any other call is unknown."""
    function = node.func.value if isinstance(node.func, ast.Subscript) else node.func
    name = function.id if isinstance(function, ast.Name) else ""
    if name in ("OrderedDict", "dict"):
        result = evaluate(node.args[0], constants) if node.args else {}
        if isinstance(result, list):
            pairs = [pair for pair in result if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)]
            result = dict(pairs)
        if not isinstance(result, dict):
            return UNKNOWN
        for keyword in node.keywords:
            value = evaluate(keyword.value, constants)
            result.update({keyword.arg: value} if keyword.arg else value if isinstance(value, dict) else {})
        return result
    if name in ("list", "tuple", "set", "frozenset") and len(node.args) == 1:
        return evaluate(node.args[0], constants)
    return UNKNOWN
