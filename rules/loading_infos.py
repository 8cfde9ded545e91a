"""V5530: what `output_loading_info=True` tells, which was lists and is sets."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import library, standing
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_ARGUMENT, _LOAD = "output_loading_info", "from_pretrained"

#: The keys that hold sets; `error_msgs` is a list still.
_KEYS = frozenset({"missing_keys", "unexpected_keys", "mismatched_keys"})

#: What lists have and sets do not.
_OF_LISTS = frozenset({"append", "count", "extend", "index", "insert", "reverse", "sort"})

_INDEX = "'set' object is not subscriptable"
_ADD = "unsupported operand type(s) for +"
_JSON = "Object of type set is not JSON serializable"


class LoadingInfo(Rule):
    """A set of keys that is used as the list that it was.

    ## What it does

    Finds, of `model, info = Model.from_pretrained(..., output_loading_info=True)`, the places that need a list in
    `info["missing_keys"]`, `info["unexpected_keys"]` and `info["mismatched_keys"]`: an index or a slice, `+`, a
    comparison with a list, a method of lists, and `json.dump(info)`. To go through them, to count them and to ask
    whether there are any works as it did, and is left alone.

    ## Why it breaks

    They are sets since 5.0 (measured on 4.57.6, 5.0.0, 5.4, 5.15 and 5.24). `info["missing_keys"] == []` is False, also
    where nothing is missing, and without a word; the rest raises:

        TypeError: 'set' object is not subscriptable
        TypeError: unsupported operand type(s) for +: 'set' and 'set'
        TypeError: Object of type set is not JSON serializable
        AttributeError: 'set' object has no attribute 'append'

    `mismatched_keys` holds the name and both shapes of each, where 4.57 held the name.

    ## Example

        assert info["missing_keys"] == [], info["missing_keys"][:5]

    becomes

        assert sorted(info["missing_keys"]) == [], sorted(info["missing_keys"])[:5]

    ## Fix safety

    Safe where a comparison with an empty list is made. Else unsafe: the keys come in the order of their names, which
    is not the order in the model.

    ## References

    - https://github.com/huggingface/transformers/blob/v5.24.0/src/transformers/modeling_utils.py
      (`LoadStateDictInfo`)
    """

    code = "V5530"
    name = "loading-info"
    since = "5.0"
    tokens = (_ARGUMENT,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call, keyword in module.keywords({_ARGUMENT}):
            if Constant(True) not in module.values(keyword.value) or not _loads_model(call):
                continue
            for info in _infos(module, call.node):
                for place, said, level in _uses(module, info):
                    if not standing.never_runs(module, place):
                        fix = None
                        if level is not None:
                            start, end = module.span(place)
                            fix = Fix(
                                "Make a list of it",
                                [Edit(start, start, "sorted("), Edit(end, end, ")")],
                                applicability=level,
                            )
                        yield module.finding(place, f"{said}: these keys are a set since transformers 5.0", fix=fix)


def _loads_model(call: CallSite) -> bool:
    """Whether a call loads a model of transformers."""
    return call.name == _LOAD and bool(library.loaders(call))


def _infos(view: ModuleView, load: ast.Call) -> Iterator[ast.expr]:
    """The expressions that stand for what a call tells beside the model."""
    statement = view.tree.parents[load]
    if not isinstance(statement, ast.Assign) or statement.value is not load:
        return
    target = statement.targets[0]
    if isinstance(target, (ast.Tuple, ast.List)) and len(target.elts) > 1:
        second = target.elts[1]
        if isinstance(second, ast.Name):
            for binding in view.links.bindings_at(second):
                yield from view.links.uses(binding)
        elif isinstance(second, ast.Attribute):
            path = ast.unparse(second)
            for node in view.attributes({second.attr}):
                if isinstance(node.ctx, ast.Load) and ast.unparse(node) == path:
                    yield node


def _uses(view: ModuleView, info: ast.expr) -> Iterator[tuple[ast.expr, str, Applicability | None]]:
    """The places at which what is told is used as a list: what would be a list, what happens, and how sure a fix is."""
    parent = view.tree.parents[info]
    if isinstance(parent, ast.Call) and ast.unparse(parent.func) in ("json.dump", "json.dumps") and info in parent.args:
        if not any(each.arg in (None, "cls", "default") for each in parent.keywords):
            yield info, f"TypeError ({_JSON})", None
        return
    keys = _keys(view, info, parent)
    if keys is None:
        return
    for place in (keys, *_named(view, keys)):
        use = view.tree.parents[place]
        if isinstance(use, ast.Subscript) and use.value is place:
            yield place, f"TypeError ({_INDEX})", "unsafe"
        elif isinstance(use, ast.BinOp) and isinstance(use.op, ast.Add):
            yield place, f"TypeError ({_ADD})", "unsafe"
        elif isinstance(use, ast.Compare) and isinstance(use.ops[0], (ast.Eq, ast.NotEq)):
            others = [each for each in (use.left, *use.comparators) if each is not place]
            if all(isinstance(each, ast.List) for each in others):
                is_empty = not any(each.elts for each in others if isinstance(each, ast.List))
                yield place, "never equal to a list", "safe" if is_empty else "unsafe"
        elif isinstance(use, ast.Attribute) and use.attr in _OF_LISTS:
            yield place, f"AttributeError ('set' object has no attribute '{use.attr}')", None


def _keys(view: ModuleView, info: ast.expr, parent: ast.AST) -> ast.expr | None:
    """The expression that takes the keys out: `info["missing_keys"]`, `info.get("missing_keys")`."""
    if isinstance(parent, ast.Subscript) and parent.value is info and isinstance(parent.ctx, ast.Load):
        return parent if isinstance(parent.slice, ast.Constant) and parent.slice.value in _KEYS else None
    if isinstance(parent, ast.Attribute) and parent.attr == "get":
        call = view.tree.parents[parent]
        if isinstance(call, ast.Call) and call.func is parent and isinstance(call.args[0], ast.Constant):
            return call if call.args[0].value in _KEYS else None
    return None


def _named(view: ModuleView, keys: ast.expr) -> Iterator[ast.expr]:
    """The reads of the name that keys are given: `missing = info["missing_keys"]`."""
    statement = view.tree.parents[keys]
    if isinstance(statement, ast.Assign) and statement.value is keys and isinstance(statement.targets[0], ast.Name):
        for binding in view.links.bindings_at(statement.targets[0]):
            if not view.links.other_bindings(binding):
                yield from view.links.uses(binding)
