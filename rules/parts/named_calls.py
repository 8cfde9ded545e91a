"""Settings that name what is called with them: `dict(type=AutoModel.from_pretrained, ...)`, and Hydra's `_target_`."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Finding, Fix
from v5lint.rules.parts import arguments, library, script_targets, training_classes, yaml_maps
from v5lint.view import namespaces
from v5lint.view.script import ScriptView
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from v5lint.rule import Unseen
    from v5lint.rules.parts.arguments import Judge
    from v5lint.rules.parts.script_targets import Target
    from v5lint.view.module import ModuleView

#: The key of Hydra, beside which the arguments stand; and that of registries, which is no string where it counts.
_TARGET, _TYPE = "_target_", "type"

#: The key of LightningCLI and jsonargparse, and those below which the arguments stand.
_CLASS = "class_path"
_HOLDERS = frozenset({"init_args", "dict_kwargs"})

#: The tokens of YAML in which something is called.
TOKENS = (_TARGET, _CLASS)

#: The packages whose callables are known: transformers, and those that hand arguments on to it.
PACKAGES = ("transformers", "trl", "sentence_transformers", "peft")


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
        for target in script_targets.targets(view, PACKAGES):
            if target.key in (_TARGET, _CLASS):
                given = {each.name: each.start for each in _beside(view.text, target)}
                function = _known(target.path)
                yield from (Setting(function, *each, given) for each in given.items() if each[0] in names and function)
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
    judge: Judge = arguments.removal_of,
) -> Iterator[Finding | Unseen]:
    """Yield the arguments that what is called no longer takes.

    Args:
        view: the module, or the YAML file.
        names: the arguments.
        told: what the rule has found besides: it comes first, and is not said twice.
        is_asked: whether the rule is about a function.
        judge: see `arguments.Judge`.
    """
    places = set()
    for each in told:
        places.add(each.start)
        yield each
    target = library.release_text(view.settings.target)
    for setting in settings(view, names):
        function, name, start = setting.function, setting.name, setting.start
        removal = judge(function, name, target) if is_asked(function) else None
        if removal is None or start in places:
            continue
        does = f"ignores `{name}` without a word" if removal.effect == "ignored" else f"takes no `{name}`"
        shown = function.rpartition(":")[2]
        message = f"`{shown}` {does} since {removal.package} {removal.gone}{arguments.advice(removal)}"
        new = removal.replacement
        fix = None
        if new is not None and new.drop_in and new.new.isidentifier() and new.new not in setting.beside:
            edit = Edit(start, start + len(name), new.new)
            # What overrides the setting elsewhere, on a command line or in another file, knows it by the old name.
            fix = Fix(f"Replace `{name}` with `{new.new}`", [edit], applicability="unsafe", requires=new.since)
        since = removal.gone if removal.package == "transformers" else ""
        yield Finding(message, start, start + len(name), fix=fix, since=since)


def _known(path: str) -> str:
    """What a dotted path calls, "" where that is not known: "AutoModel.from_pretrained", "trl:SFTTrainer"."""
    package, _, rest = path.partition(".")
    if package not in PACKAGES or not rest:
        return ""
    parts = rest.split(".")
    place = next((number for number, part in enumerate(parts) if part[:1].isupper()), len(parts) - 1)
    called = ".".join(parts[place:])
    if package == "transformers":
        return called
    if package == "peft":
        is_loader = called.startswith("AutoPeftModel") and called.endswith(".from_pretrained")
        return "PreTrainedModel.from_pretrained" if is_loader else ""
    return f"{package}:{training_classes.CLASS if training_classes.inherits(package, called) else called}"


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
            path = namespaces.path_of(each)
            if isinstance(each, Constant) and isinstance(each.value, str) and key == _TARGET:
                path = each.value
            if known := _known(path):
                return known
    return ""


# In YAML


def _beside(text: str, target: Target) -> Iterator[yaml_maps.Key]:
    """The arguments that a map gives to what it names: its other keys, or those below the keys that hold them."""
    keys = yaml_maps.beside(text, target.start)
    if target.key == _TARGET:
        yield from (each for each in keys if each.name != _TARGET)
        return
    for each in keys:
        if each.name in _HOLDERS:
            yield from yaml_maps.below(text, each)
