"""What constructors of parts of models, and functions beside them, take: those that refuse an argument of 4.57.

`knowledge/signatures.toml` holds them (see `knowledge/collect/signatures.py`).
"""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rules.knowledge.tables import table
from v5lint.rules.parts import constructors
from v5lint.rules.parts.forwards import Forward
from v5lint.view.strings import is_super_call, last_name
from v5lint.view.values import External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from v5lint.releases import Release
    from v5lint.view.module import ModuleView

_PACKAGE = "transformers."

_signatures: dict[str, Forward] = {}
_names: set[str] = set()


class Refused:
    """An argument that a callable does not take, or takes for another.

    Attributes:
        node: the argument, or the keyword.
        name: what it was called.
        callee: the last name of the callable.
        since: the release that does not take it any more.
        now: what stands in its place, where it goes by position.
        new: what it is called now, if it is the same under another name.
    """

    def __init__(
        self, node: ast.expr | ast.keyword, name: str, callee: str, since: str, *, now: str = "", new: str = ""
    ) -> None:
        self.node = node
        self.name = name
        self.callee = callee
        self.since = since
        self.now = now
        self.new = new


def calls(view: ModuleView) -> Iterator[tuple[ast.Call, str, Forward]]:
    """The calls in a module of what the table holds, each with the last name of that: `T5Stack(config, shared)`.

    Those of `super().__init__` in a class that inherits from one are among them.
    """
    _load()
    names = _names | _aliases(view)
    for site in view.calls(names):
        yield from _known(site.node, _paths(site.callees))
    for node in view.tree.nodes.get(ast.ClassDef, ()):
        assert isinstance(node, ast.ClassDef)
        if not node.bases or last_name(node.bases[0]) not in names:
            continue
        paths = _paths(view.values(node.bases[0]))  # whose constructor is inherited
        of = LocalClass(view, node)
        if constructors.method_of(of, constructors.INIT) is None:
            for site in view.calls({node.name}):
                if of in site.callees:
                    yield from _known(site.node, paths)
        for call in ast.walk(node):
            if is_super_call(call, constructors.INIT) and view.links.class_around(call) is node:
                assert isinstance(call, ast.Call)
                yield from _known(call, paths)


def _paths(values: Iterable[object]) -> set[str]:
    return {each.path if isinstance(each, External) else "" for each in values}


def _aliases(view: ModuleView) -> set[str]:
    """The other names that a module imports what the table holds under."""
    names = (each for each in view.tree.nodes.get(ast.alias, ()) if isinstance(each, ast.alias))
    return {each.asname for each in names if each.asname and each.name in _names}


def _known(node: ast.Call, paths: set[str]) -> Iterator[tuple[ast.Call, str, Forward]]:
    if len(paths) == 1:
        path = next(iter(paths))
        signature = _signatures.get(path.removeprefix(_PACKAGE)) if path.startswith(_PACKAGE) else None
        if signature is not None:
            yield node, path.rpartition(".")[2], signature


def refused(call: ast.Call, callee: str, signature: Forward, renamed: dict[str, str], target: Release) -> list[Refused]:
    """The arguments of a call that a release does not take.

    Args:
        call: the call.
        callee: the last name of what it calls.
        signature: what that takes.
        renamed: parameters that are the same under another name.
        target: the release.
    """
    found = []
    lost = {name: since for name, since in signature.lost.items() if target >= parse_release(since)}
    new = {name: renamed.get(name, "") for name in lost}
    new = {name: each if each in signature.now or each in signature.named else "" for name, each in new.items()}
    if not any(isinstance(each, ast.Starred) for each in call.args):
        for place, value in enumerate(call.args[: len(signature.before)]):
            name = signature.before[place]
            now = signature.now[place] if place < len(signature.now) else ""
            if name in lost and (not now or new[name] != now):
                found.append(Refused(value, name, callee, lost[name], now=now))
    if not signature.is_open:
        for keyword in call.keywords:
            if keyword.arg in lost:
                found.append(Refused(keyword, keyword.arg, callee, lost[keyword.arg], new=new[keyword.arg]))
    return found


def _load() -> None:
    if _signatures:
        return
    for before, now, paths in table("signatures")["signatures"]:
        signature = Forward(before, now)
        _signatures.update(dict.fromkeys(paths.split(), signature))
    _names.update(path.rpartition(".")[2] for path in _signatures)
