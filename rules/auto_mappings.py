"""V5415: what the Auto classes hold for a configuration, which was a pair of a slow and a fast class."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.view.strings import last_name
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

#: The tables, with the release since which an entry is no pair and what it is.
_TABLES = {
    "TOKENIZER_MAPPING": ("5.0", "one class"),
    "TOKENIZER_MAPPING_NAMES": ("5.0", "one name"),
    "IMAGE_PROCESSOR_MAPPING": ("5.4", "a dict by backend"),
    "IMAGE_PROCESSOR_MAPPING_NAMES": ("5.4", "a dict by backend"),
}

_AUTO = "AutoImageProcessor"
_OLD, _SLOW, _FAST = "image_processor_class", "slow_image_processor_class", "fast_image_processor_class"

#: The parameters of `AutoImageProcessor.register` in 4.57, behind the configuration; the first is the second.
_PLACES = (_OLD, _SLOW, _FAST)


class AutoMappingPair(Rule):
    """An entry of `TOKENIZER_MAPPING` or `IMAGE_PROCESSOR_MAPPING` that is taken for a pair of classes.

    ## What it does

    Finds entries of `TOKENIZER_MAPPING`, `IMAGE_PROCESSOR_MAPPING` and of the tables of their names that are unpacked
    or indexed with a number. And calls of `AutoImageProcessor.register` with `image_processor_class=`, or with more
    than one class by position.

    ## Why it breaks

    An entry was the slow and the fast class. There is one tokenizer class since 5.0, and image processors are a dict
    by backend since 5.4. Measured on 5.24:

        TypeError: cannot unpack non-iterable type object
        TypeError: type 'BertTokenizer' is not subscriptable
        KeyError: 0
        TypeError: AutoImageProcessor.register() got an unexpected keyword argument 'image_processor_class'

    `TOKENIZER_MAPPING_NAMES["bert"][0]` is the letter "B", without a word. What stood third by position was the slow
    class and is taken for the fast one.

    ## Example

        AutoImageProcessor.register(Config, None, Slow, None, exist_ok=True)

    becomes

        AutoImageProcessor.register(Config, slow_image_processor_class=Slow, exist_ok=True)

    ## Fix safety

    Safe: 4.57 knows the arguments by these names, and takes `image_processor_class` for the slow class. Entries are for
    a person: code for either release asks whether it has a tuple.

    ## References

    - https://github.com/huggingface/transformers/pull/40936
    """

    code = "V5415"
    name = "auto-mapping-pair"
    since = "5.0"
    tokens = ("TOKENIZER_MAPPING", "IMAGE_PROCESSOR_MAPPING", f"{_AUTO}.register")

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for kind in (ast.Subscript, ast.Call):
            for node in module.tree.nodes.get(kind, ()):
                assert isinstance(node, (ast.Subscript, ast.Call))
                if not _is_taken_apart(module, node) or module.guards.is_dead(node):
                    continue
                table = _table(module, node)
                if table:
                    release, now = _TABLES[table]
                    message = f"an entry of `{table}` is {now} since transformers {release}, and no pair"
                    yield module.finding(node, message, since=release)
        for call in module.calls({"register"}):
            if _is_registered(call):
                yield from _registered(module, call)


def _is_taken_apart(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression, or each item of it in a loop, is unpacked in two or indexed with a number."""
    parent = view.tree.parents[node]
    if isinstance(parent, ast.Subscript) and parent.value is node:
        return isinstance(parent.slice, ast.Constant) and isinstance(parent.slice.value, int)
    if isinstance(parent, ast.Assign) and parent.value is node:
        return len(parent.targets) == 1 and _is_pair(parent.targets[0])
    if isinstance(parent, (ast.For, ast.comprehension)) and parent.iter is node and isinstance(node, ast.Call):
        target, method = parent.target, node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if method == "items":
            return isinstance(target, ast.Tuple) and len(target.elts) == 2 and _is_pair(target.elts[1])
        return method == "values" and _is_pair(target)
    return False


def _is_pair(node: ast.expr) -> bool:
    return isinstance(node, (ast.Tuple, ast.List)) and len(node.elts) == 2


def _table(view: ModuleView, node: ast.Subscript | ast.Call) -> str:
    """The table of which an expression is an entry, or all of them: `T[key]`, `T.get(key)`, `T.items()`."""
    if isinstance(node, ast.Subscript):
        held = node.value
    elif isinstance(node.func, ast.Attribute) and node.func.attr in {"get", "items", "values"}:
        held = node.func.value
        if len(node.args) > 1:
            return ""  # a default, which may be a pair
    else:
        return ""
    names = {each.name for each in view.values(held) if isinstance(each, External)}
    return min(names) if len(names) == 1 and names <= _TABLES.keys() and view.is_of(held, "transformers") else ""


def _is_registered(call: CallSite) -> bool:
    owners = list(call.owners({"register"}))
    return bool(owners) and all(isinstance(each, External) and each.name == _AUTO for each in owners)


def _registered(view: ModuleView, call: CallSite) -> Iterator[Finding]:
    """Classes that `AutoImageProcessor.register` is given under an old name, or in an old place."""
    node = call.node
    if view.guards.is_dead(node) or any(isinstance(each, ast.Starred) for each in node.args):
        return
    old = next((each for each in node.keywords if each.arg == _OLD), None)
    if old is None and not _is_of_4(node):
        return
    problem = f"takes no `{_OLD}`" if old is not None else "takes the slow class first, then the fast one,"
    yield view.finding(
        node, f"`{_AUTO}.register` {problem} since transformers 5.4: name them", since="5.4", fix=_named(view, node)
    )


def _is_of_4(node: ast.Call) -> bool:
    """Whether the arguments are those of 4.57 for certain: the last one is a dict of classes in v5."""
    if len(node.args) != 1 + len(_PLACES):
        return False
    first, last = node.args[1], node.args[-1]
    is_class = isinstance(last, (ast.Name, ast.Attribute)) and last_name(last)[:1].isupper()
    return ast.unparse(first) == "None" and (is_class or ast.unparse(last) == "None")


def _named(view: ModuleView, node: ast.Call) -> Fix | None:
    """The fix that gives every class by name, where none is given twice."""
    given: dict[str, ast.expr] = dict(zip(_PLACES, node.args[1:], strict=False))
    given |= {each.arg: each.value for each in node.keywords if each.arg in _PLACES}
    kept = {name: each for name, each in given.items() if not (isinstance(each, ast.Constant) and each.value is None)}
    if (_OLD in kept and _SLOW in kept) or len(node.args) > 1 + len(_PLACES):
        return None
    edits = []
    for name, each in given.items():
        keyword = view.tree.parents[each]
        start, end = view.span(keyword if isinstance(keyword, ast.keyword) else each)
        if name in kept:
            edits.append(Edit(start, end, f"{_SLOW if name == _OLD else name}={view.source(each)}"))
        else:
            before = view.text.rfind(",", 0, start)
            if view.text[before + 1 : start].strip():
                return None
            edits.append(Edit(before, end, ""))
    return Fix("Name the classes", edits)
