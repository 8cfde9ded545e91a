"""Settings that name what is called with them: `dict(type=AutoModel.from_pretrained, ...)`, and Hydra's `_target_`."""

from __future__ import annotations

import ast
import re

from v5lint.patterns import pattern
from v5lint.rule import Edit, Finding, Fix
from v5lint.rules.parts import arguments, library, script_targets
from v5lint.view.script import ScriptView
from v5lint.view.values import Constant, External, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from v5lint.rule import Unseen
    from v5lint.rules.parts.script_targets import Target
    from v5lint.view.module import ModuleView

#: The key of Hydra, whose other keys are the arguments; and that of registries, which is no string where it counts.
_TARGET, _TYPE = "_target_", "type"

#: The tokens of YAML in which something is called.
TOKENS = (_TARGET,)

_LINE = pattern(r"(?P<indent>[ ]*(?:-[ ]+)*)(?:[\"']?(?P<key>[\w-]+)[\"']?[ ]*:(?=[ \r\n]|\Z))?")


class Setting:
    """An argument of what settings call.

    Attributes:
        function: what is called, as `lookup.parameters` knows it.
        name: the argument.
        start: where its name begins.
        beside: the names of all arguments.
    """

    __slots__ = ("beside", "function", "name", "start")

    def __init__(self, function: str, name: str, start: int, beside: Collection[str]) -> None:
        self.function = function
        self.name = name
        self.start = start
        self.beside = beside


def settings(view: ModuleView | ScriptView, names: Collection[str]) -> Iterator[Setting]:
    """The arguments of some names that settings give to callables of transformers."""
    if isinstance(view, ScriptView):
        for target in script_targets.targets(view):
            if target.key == _TARGET:
                given = dict(_beside(view.text, target))
                yield from (Setting(_function(target.path), *each, given) for each in given.items() if each[0] in names)
        return
    for owner in _dicts(view, names):
        given = dict(_written(view, owner))
        function = _called(view, owner)
        if function:
            yield from (Setting(function, *each, given) for each in given.items() if each[0] in names)


def findings(
    view: ModuleView | ScriptView,
    names: Collection[str],
    told: Iterable[Finding | Unseen] = (),
    is_asked: Callable[[str], bool] = bool,
) -> Iterator[Finding | Unseen]:
    """Yield the arguments that what is called no longer takes.

    Args:
        view: the module, or the YAML file.
        names: the arguments.
        told: what the rule has found besides: it comes first, and is not said twice.
        is_asked: whether the rule is about a function.
    """
    places = set()
    for each in told:
        places.add(each.start)
        yield each
    target = library.release_text(view.settings.target)
    for setting in settings(view, names):
        function, name, start = setting.function, setting.name, setting.start
        removal = arguments.removal_of(function, name, target) if is_asked(function) else None
        if removal is None or start in places:
            continue
        does = f"ignores `{name}` without a word" if removal.effect == "ignored" else f"takes no `{name}`"
        message = f"`{function}` {does} since transformers {removal.gone}{arguments.advice(removal)}"
        new = removal.replacement
        fix = None
        if new is not None and new.drop_in and new.new.isidentifier() and new.new not in setting.beside:
            edit = Edit(start, start + len(name), new.new)
            # What overrides the setting elsewhere, on a command line or in another file, knows it by the old name.
            fix = Fix(f"Replace `{name}` with `{new.new}`", [edit], applicability="unsafe", requires=new.since)
        yield Finding(message, start, start + len(name), fix=fix, since=removal.gone)


def _function(path: str) -> str:
    """What a dotted path of transformers calls, without its modules: "AutoModel.from_pretrained"."""
    parts = path.split(".")
    place = next((number for number, part in enumerate(parts) if part[:1].isupper()), len(parts) - 1)
    return ".".join(parts[place:])


# In Python


def _dicts(view: ModuleView, names: Collection[str]) -> Iterator[ast.Dict | ast.Call]:
    for node in view.tree.nodes.get(ast.Dict, ()):
        assert isinstance(node, ast.Dict)
        if any(isinstance(key, ast.Constant) and key.value in names for key in node.keys):
            yield node
    seen = set()
    for call, _ in view.keywords(names):
        if call.node not in seen and External("builtins.dict") in call.callees:
            seen.add(call.node)
            yield call.node


def _written(view: ModuleView, owner: ast.Dict | ast.Call) -> Iterator[tuple[str, int]]:
    """The keys of a dict, each with its place."""
    if isinstance(owner, ast.Call):
        yield from ((each.arg, view.span(each)[0]) for each in owner.keywords if each.arg)
        return
    for key in owner.keys:
        if isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value in view.source(key):
            yield key.value, view.span(key)[0] + view.source(key).index(key.value)


def _called(view: ModuleView, owner: ast.Dict | ast.Call) -> str:
    """What a dict says that is called with the rest of it; "" where that is nothing of transformers."""
    if isinstance(owner, ast.Call):
        pairs = [(each.arg, each.value) for each in owner.keywords]
    else:
        pairs = [(getattr(key, "value", None), value) for key, value in zip(owner.keys, owner.values, strict=True)]
    for key, value in pairs:
        for each in view.values(value) if key in (_TARGET, _TYPE) else ():
            if isinstance(each, Method) and isinstance(each.owner, External) and each.owner.package == "transformers":
                return f"{each.owner.name}.{each.name}"
            if isinstance(each, External) and each.package == "transformers":
                return _function(each.path)
            is_path = isinstance(each, Constant) and str(each.value).startswith("transformers.")
            if is_path and key == _TARGET:
                return _function(str(each.value))  # type: ignore[attr-defined]
    return ""


# In YAML


def _beside(text: str, target: Target) -> Iterator[tuple[str, int]]:
    """The keys of the map that a target stands in, each with its place."""
    start = text.rfind("\n", 0, target.start) + 1
    first = _LINE.match(text, start)
    if first is None or first["key"] != target.key:
        return  # in braces
    column = first.end("indent") - start
    at = text.find("\n", target.start) + 1
    while 0 < at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        line = _LINE.match(text, at)
        assert line is not None
        if _says_something(text[at:end]):
            if line.end("indent") - at < column or "-" in line["indent"][:column]:
                break
            if line["key"] and line.end("indent") - at == column:
                yield line["key"], line.start("key")
        at = end
    while start > 0 and "-" not in first["indent"]:
        end, start = start, text.rfind("\n", 0, start - 1) + 1
        first = _LINE.match(text, start)
        assert first is not None
        if not _says_something(text[start:end]):
            continue
        if first.end("indent") - start < column:
            break
        if first["key"] and first.end("indent") - start == column:
            yield first["key"], first.start("key")


def _says_something(line: str) -> bool:
    return bool(re.sub(r"#.*", "", line).strip())
