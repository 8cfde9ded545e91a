"""Edits to entries of dicts, however they are put in: a literal, `dict(...)`, `d.update(...)`, `d[key] = value`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from v5lint.edits.arguments import edit_arguments, edit_entries
from v5lint.edits.statements import delete_statement, under

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from v5lint.rule import Edit
    from v5lint.view.dicts import Entry
    from v5lint.view.module import ModuleView


def remove_entries(view: ModuleView, entries: Iterable[Entry]) -> list[Edit]:
    """Take entries out, wherever they are put in.

    Raises:
        ValueError: one is put in by something that cannot be edited (`setdefault`, another dict).
    """
    found = []
    for owner, group in _by_owner(entries).items():
        nodes = [each.node for each in group]
        if isinstance(owner, ast.Dict):
            found.append(edit_entries(view, owner, remove=[each for each in nodes if isinstance(each, ast.expr)]))
        elif isinstance(owner, ast.Call):
            statement = view.tree.parents[owner]
            if len(nodes) == len(owner.keywords) and not owner.args and isinstance(statement, ast.Expr):
                found.append(delete_statement(view, statement))  # d.update(flag=...) with nothing left
            else:
                found.append(edit_arguments(view, owner, remove=nodes))
        elif isinstance(owner, ast.stmt):
            found.append(delete_statement(view, owner))
        else:
            raise ValueError(f"an entry that is put in by {type(owner).__name__} cannot be taken out")
    return found


def replace_entry(
    view: ModuleView, entry: Entry, key: str, value: str, remove: Sequence[Entry], *, condition: str = ""
) -> list[Edit]:
    """Put another key and value in the place of an entry, and take others of the same literal or call out.

    The comments of those stay, on lines of their own.

    Args:
        view: the module.
        entry: the entry.
        key: the new key.
        value: the new value, as source.
        remove: further entries that go.
        condition: the test under which the new one is put in, as source: an assignment goes under an `if`, an entry
            of a literal or call becomes `**({key: value} if condition else {})`.
    """
    owner = entry.owner
    here = [each.node for each in remove if each.owner is owner]
    elsewhere = [each for each in remove if each.owner is not owner]
    found = remove_entries(view, elsewhere)
    if isinstance(owner, ast.Dict) and isinstance(entry.node, ast.expr):
        quote = view.source(entry.node)[-1]
        pair = ("", _conditional(key, value, condition)) if condition else (f"{quote}{key}{quote}", value)
        gone = [each for each in here if isinstance(each, ast.expr)]
        edit = edit_entries(view, owner, remove=gone, keep_comments=gone, replace={entry.node: pair})
        return [*found, edit]
    if isinstance(owner, ast.Call) and isinstance(entry.node, ast.keyword):
        text = f"**{_conditional(key, value, condition)}" if condition else f"{key}={value}"
        changed: dict[ast.AST, str] = {entry.node: text}
        return [*found, edit_arguments(view, owner, remove=here, keep_comments=here, replace=changed)]
    if isinstance(entry.node, ast.expr) and entry.value is not None and entry.how in ("subscript", "setdefault"):
        quote = view.source(entry.node)[-1]
        found += [view.replace(entry.node, f"{quote}{key}{quote}"), view.replace(entry.value, value)]
        return [*found, under(view, owner, condition)] if condition and isinstance(owner, ast.stmt) else found
    raise ValueError(f"an entry that is put in by {type(owner).__name__} cannot be replaced")


def _conditional(key: str, value: str, condition: str) -> str:
    return f'({{"{key}": {value}}} if {condition} else {{}})'


def _by_owner(entries: Iterable[Entry]) -> dict[ast.AST, list[Entry]]:
    found: dict[ast.AST, list[Entry]] = {}
    for entry in entries:
        group = found.setdefault(entry.owner, [])
        if entry.node not in [each.node for each in group]:
            group.append(entry)
    return found
