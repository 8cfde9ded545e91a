"""Files of settings that go into one call: `TrainingArguments(**yaml.safe_load(open("config.yaml"))["training"])`.

A part of the rules of arguments: what the call no longer takes may be a key of a YAML or JSON file of the repository.
"""

from __future__ import annotations

import ast
import json
import os.path
import re

from v5lint.project import bytes_of
from v5lint.rules.parts import arguments, carried_fields, library, standing, yaml_maps
from v5lint.view.calls import CallSite
from v5lint.view.strings import last_name
from v5lint.view.values import Constant, External, LocalFunction, Partial, Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.arguments import Functions, Judge
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Values

#: What reads a file of settings.
_READERS = frozenset(
    "yaml.safe_load yaml.load yaml.full_load yaml.unsafe_load json.load json.loads omegaconf.OmegaConf.load".split()
)

#: What a module says that has what such a file holds, from itself or from a function of another module.
_WORDS = (
    *("safe_load", "yaml.load", "full_load", "json.load", "OmegaConf.load", "hydra.main"),
    *("load_config", "read_config", "load_yaml", "read_yaml"),
)

#: Methods that give a file, or the text in it.
_OPENERS = frozenset({"open", "read_text", "read", "read_bytes"})

#: Functions that give the settings on, as they are or as a plain dict.
_COPIERS = frozenset({"dict", "to_container", "to_object", "deepcopy", "copy"})

#: Through so many assignments settings are followed back.
_FOLLOWED = 6


class Setting:
    """A key of a file that goes into a call with all the others of its map.

    Attributes:
        node: what is splatted into the call.
        call: the call.
        file: the file, as the program names it.
        name: the key.
    """

    __slots__ = ("call", "file", "name", "node")

    def __init__(self, node: ast.expr, call: CallSite, file: str, name: str) -> None:
        self.node = node
        self.call = call
        self.file = file
        self.name = name


def given(view: ModuleView, names: Collection[str], is_asked: Callable[[CallSite], bool]) -> Iterator[Setting]:
    """The keys of some names that go into calls.

    Args:
        view: the module.
        names: the keys.
        is_asked: whether a call is one of those asked about.
    """
    if not any(each in view.text for each in _WORDS):
        return
    for keyword in view.tree.nodes.get(ast.keyword, ()):
        assert isinstance(keyword, ast.keyword)
        node = view.tree.parents[keyword]
        if keyword.arg is not None or not isinstance(node, ast.Call) or not is_asked(CallSite(view, node)):
            continue
        if standing.never_runs(view, node):
            continue
        for home, file, path in _origins(view, keyword.value, (), 0):
            for name in sorted(_keys(home, file, path) & set(names)):
                if not carried_fields.is_lost(view, keyword.value, name):
                    yield Setting(keyword.value, CallSite(view, node), file, name)


def reaching(
    view: ModuleView, names: Collection[str], functions: Functions, judge: Judge = arguments.removal_of
) -> Iterator[Finding]:
    """Yield the keys of some names that reach a callable which no longer takes them.

    Args:
        view: the module.
        names: the arguments.
        functions: see `arguments.Functions`.
        judge: see `arguments.Judge`.
    """
    target = library.release_text(view.settings.target)
    for each in given(view, names, lambda call: bool(arguments.called(call, functions))):
        found = arguments.lost(arguments.called(each.call, functions), each.name, judge, target)
        if found is not None:
            shown = found[0].rpartition(":")[2]
            message = f"`{each.file}` has a key `{each.name}`, and `{shown}` {arguments.fate(found[1])}"
            yield view.finding(each.node, message, since=found[1].gone)


# Which file


def _origins(
    view: ModuleView, node: ast.expr, path: tuple[str, ...], depth: int
) -> Iterator[tuple[ModuleView, str, tuple[str, ...]]]:
    """The files of which an expression is a part, each with the module that reads it and the keys down to the part."""
    if depth == _FOLLOWED:
        return
    read = [each for each in view.values(node) if isinstance(each, Result) and each.of in _READERS]
    if read:
        for each in sorted(read, key=repr):
            yield from ((each.view, file, path) for file in _files(view, each, view.links.defining_call(node)))
        return
    if isinstance(node, ast.Dict):
        for value in (value for key, value in zip(node.keys, node.values, strict=True) if key is None):
            yield from _origins(view, value, path, depth + 1)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from _origins(view, node.left, path, depth + 1)
        yield from _origins(view, node.right, path, depth + 1)
    elif isinstance(node, ast.Subscript):
        keys = [each.value for each in view.values(node.slice) if isinstance(each, Constant)]
        if len(keys) == 1 and isinstance(keys[0], str):
            yield from _origins(view, node.value, (keys[0], *path), depth + 1)
    elif isinstance(node, ast.Call):
        func, first = node.func, node.args[0] if node.args else None
        if isinstance(func, ast.Attribute) and func.attr in ("get", "pop") and isinstance(first, ast.Constant):
            yield from _origins(view, func.value, (str(first.value), *path), depth + 1)
        elif last_name(func) in _COPIERS and first is not None:
            yield from _origins(view, first, path, depth + 1)
    elif isinstance(node, ast.Attribute):
        for value in view.links.attribute_assignments(node):
            yield from _origins(view, value, path, depth + 1)
        yield from _origins(view, node.value, (node.attr, *path), depth + 1)
    elif isinstance(node, ast.Name):
        for binding in view.links.bindings_read(node):
            if binding.kind == "assign" and binding.value is not None:
                yield from _origins(view, binding.value, path, depth + 1)
            elif binding.kind == "parameter":
                yield from ((view, file, path) for file in _given_by_hydra(view, binding.scope.node))


def _given_by_hydra(view: ModuleView, function: ast.AST) -> Iterator[str]:
    """The file that `@hydra.main(config_path="conf", config_name="train")` gives a function."""
    for decorator in getattr(function, "decorator_list", ()):
        if not isinstance(decorator, ast.Call) or External("hydra.main") not in view.values(decorator.func):
            continue
        made = CallSite(view, decorator)
        folders, names = (
            [*map(str, view.constants(each))] if each is not None else []
            for each in (made.argument("config_path", 0), made.argument("config_name", 1))
        )
        for name in names:
            yield from (os.path.join(folder, f"{name.removesuffix('.yaml')}.yaml") for folder in folders or [""])


def _files(view: ModuleView, read: Result, made: ast.Call | None) -> Iterator[str]:
    """The files that a call may read, as far as they are written in the program.

    Args:
        view: the module that has what was read.
        read: what was read.
        made: how it came by it, if by a call: of a function that is told the file, say.
    """
    given = [*read.node.args, *(each.value for each in read.node.keywords)]
    named = _opened(read.view, given[0]) if given else None
    if named is None:
        return
    values = read.view.values(named)
    if isinstance(named, ast.Name) and made is not None and made is not read.node:
        values |= _told(view, made, named)
    for value in sorted(values, key=repr):
        if isinstance(value, Constant):
            yield str(value.value)
        elif isinstance(value, Partial) and value.parts[-1].startswith("/"):
            yield value.parts[-1].lstrip("/")  # `Path(__file__).parent / "config.yaml"`


def _told(view: ModuleView, made: ast.Call, name: ast.Name) -> Values:
    """What a call gives the parameter of a name of the function that it calls."""
    found: Values = frozenset()
    for callee in view.values(made.func):
        if isinstance(callee, LocalFunction) and callee.view is not view:
            for number, argument in enumerate([*made.args, *made.keywords]):
                keyword = argument if isinstance(argument, ast.keyword) else None
                place = -1 if keyword is not None else number
                bound = view.links.parameter_for(callee, made, (keyword.arg or "") if keyword else "", place)
                if bound is not None and bound.name == name.id:
                    found |= view.values(keyword.value if keyword is not None else argument)  # type: ignore[arg-type]
    return found


def _opened(view: ModuleView, node: ast.expr, depth: int = 0) -> ast.expr:
    """The name of the file that an expression is, or is the text of."""
    if isinstance(node, ast.Name) and depth < _FOLLOWED:
        values = [each.value for each in view.links.bindings_read(node) if each.kind in ("assign", "with")]
        if len(values) == 1 and isinstance(values[0], ast.Call):
            return _opened(view, values[0], depth + 1)
    if isinstance(node, ast.Call) and depth < _FOLLOWED:
        if isinstance(node.func, ast.Name) and node.func.id == "open" and node.args:
            return node.args[0]
        if isinstance(node.func, ast.Attribute) and node.func.attr in _OPENERS:
            return _opened(view, node.func.value, depth + 1)
    return node


# What is in it


def _keys(view: ModuleView, file: str, path: tuple[str, ...]) -> frozenset[str]:
    """The keys of a map in a file, which a script looks for beside itself or where the repository begins."""
    for folder in (os.path.dirname(os.path.abspath(view.path)), os.path.abspath(view.project.root)):
        place = os.path.join(folder, file)
        if file.endswith((".yaml", ".yml", ".json")) and os.path.isfile(place):
            text = bytes_of(place).decode("utf-8", "replace")
            if file.endswith(".json"):
                return _keys_of_json(text, path)
            found = yaml_maps.at_path(text, path)
            if not found and path and (part := _composed(text, path[0])):
                return _keys(view, os.path.join(os.path.dirname(file), path[0], part), path[1:])
            return frozenset(each.name for each in found)
    return frozenset()


def _composed(text: str, group: str) -> str:
    """The file that stands for a part of a configuration of Hydra: of `defaults: [training: base]` "base.yaml"."""
    found = re.search(
        rf"^[ \t]*-[ \t]+(?:override[ \t]+)?{re.escape(group)}[ \t]*:[ \t]*([\w./-]+)", text, re.MULTILINE
    )
    return f"{found[1].removesuffix('.yaml')}.yaml" if found is not None and "defaults:" in text else ""


def _keys_of_json(text: str, path: tuple[str, ...]) -> frozenset[str]:
    try:
        at = json.loads(text)
    except ValueError:
        return frozenset()  # the program that reads it fails, whatever the release
    for key in path:
        at = at.get(key) if isinstance(at, dict) else None
    return frozenset(at) if isinstance(at, dict) else frozenset()
