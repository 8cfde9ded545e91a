"""V5809: checks of the version that look at its minor number alone."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules import version_comparisons

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.module import ModuleView

_NEWEST_OF_V4 = 57

#: What a comparison becomes with the version on its left: the operator, and how much is added to the minor number.
#: 4.45.2 is greater than 4.45, so `minor > 45` is `>= 4.46`.
_WHOLE = {ast.GtE: (">=", 0), ast.Gt: (">=", 1), ast.Lt: ("<", 0), ast.LtE: ("<", 1)}
_MIRRORED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.GtE: ast.LtE,
    ast.Gt: ast.Lt,
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
}


class MinorVersionAlone(Rule):
    """Only the minor number of transformers' version is compared, which began at 0 again with v5.

    ## What it does

    Finds tests such as `int(transformers.__version__.split(".")[1]) >= 46`, through variables, tuples and
    `version.parse(...).minor`, that answer for 5.m what they answer for 4.m, and for the target otherwise than for
    4.57. A test that looks at the major number as well, and one in a branch for v4, is left alone.

    ## Why it breaks

    Nothing is raised where it stands: transformers 5.24 is taken for a release before 4.46, and what was written for
    that one runs. Measured with the example, on 4.57.6 and on 5.24.0:

        TypeError: Seq2SeqTrainer.__init__() got an unexpected keyword argument 'tokenizer'

    ## Example

        key = "processing_class" if int(transformers.__version__.split(".")[1]) >= 46 else "tokenizer"
        trainer = Seq2SeqTrainer(model, args, **{key: tokenizer})

    becomes

        from packaging import version

        key = "processing_class" if version.parse(transformers.__version__) >= version.parse("4.46") else "tokenizer"
        trainer = Seq2SeqTrainer(model, args, **{key: tokenizer})

    ## Fix safety

    Safe: every release of v4 is answered as before (but for development versions such as 4.46.0.dev0, which come
    before 4.46), and v5 as 4.57 is. `packaging` is installed wherever transformers is. Of `major, minor = ...` both
    numbers are compared, as `(major, minor) >= (4, 46)`; none is offered where neither they nor the version are at
    hand.

    ## References

    - https://packaging.pypa.io/en/stable/version.html
    """

    code = "V5809"
    name = "minor-version-alone"
    since = "5.0"
    tokens = version_comparisons.TOKENS

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        newest = module.settings.target[1] if len(module.settings.target) > 1 else 0
        for node in module.tree.nodes.get(ast.Compare, ()):
            assert isinstance(node, ast.Compare)
            number = _number(node)
            if number is None or _truth(module, node, 5, newest) is None:
                continue
            tests = dict.fromkeys([node, _whole_test(module, node)])
            if not all(_is_by_minor(module, each, newest) for each in tests) or not _is_for_v4(module, node):
                continue
            message = (
                "of the version only the minor number is compared: "
                f"transformers 5.{newest} is answered as 4.{newest} is, and 4.{_NEWEST_OF_V4} otherwise"
            )
            yield module.finding(node, message, fix=_fix(module, node, number))


def _number(node: ast.Compare) -> int | None:
    """The number that something is compared with, by its order."""
    sides = (node.left, node.comparators[0])
    found = [each.value for each in sides if isinstance(each, ast.Constant) and type(each.value) is int]
    return found[0] if len(node.ops) == 1 and type(node.ops[0]) in _WHOLE and len(found) == 1 else None


def _truth(view: ModuleView, test: ast.expr, major: int, minor: int) -> bool | None:
    return view.guards.version_truth(test, f"{major}.{minor}.0")


def _whole_test(view: ModuleView, node: ast.expr) -> ast.expr:
    """The test that a comparison is part of, as far as the rest of it asks for the version too."""
    found: ast.expr = node
    for parent in view.tree.ancestors(node):
        if isinstance(parent, ast.BoolOp):
            others = [each for each in parent.values if each is not found]
            if any(_truth(view, each, 5, 0) is not None for each in others):
                found = parent
        elif not isinstance(parent, ast.UnaryOp):
            break
    return found


def _is_by_minor(view: ModuleView, test: ast.expr, newest: int) -> bool:
    """Whether a test asks for nothing but the minor number, and takes the target for an old release."""
    now = _truth(view, test, 5, newest)
    if now is None or now is _truth(view, test, 4, _NEWEST_OF_V4):
        return False
    return all(_truth(view, test, 5, minor) is _truth(view, test, 4, minor) for minor in range(_NEWEST_OF_V4 + 1))


def _is_for_v4(view: ModuleView, node: ast.expr) -> bool:
    """Whether a test is reached under v5, and under v4 too: what it compares with is a release of v4."""
    for test, wanted in view.reach.conditions(node):
        if _truth(view, test, 4, _NEWEST_OF_V4) is (not wanted):
            return False
    return not view.guards.is_dead(node)


def _fix(view: ModuleView, node: ast.Compare, number: int) -> Fix | None:
    is_first = isinstance(node.comparators[0], ast.Constant)
    asked = node.left if is_first else node.comparators[0]
    kind = type(node.ops[0])
    order, more = _WHOLE[kind if is_first else _MIRRORED[kind]]
    version = next((each for each in ast.walk(asked) if isinstance(each, ast.expr) and _is_version(view, each)), None)
    if version is None:
        both = _both_numbers(view, asked)
        text = f"{both} {order} (4, {number + more})"
        return Fix("Compare both numbers", [view.replace(node, text)]) if both else None

    def edits() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        parse = f"{imports.use('packaging', 'version', node)}.parse"
        text = f'{parse}({view.source(version)}) {order} {parse}("4.{number + more}")'
        return [view.replace(node, text), *imports.edits()]

    return Fix("Compare the whole version", edits)


def _is_version(view: ModuleView, node: ast.expr) -> bool:
    return isinstance(node, (ast.Attribute, ast.Call, ast.Name)) and view.guards.is_version_text(node)


def _both_numbers(view: ModuleView, node: ast.expr) -> str:
    """`(major, minor)` of `minor`, or of `int(minor)`, where both were unpacked at once; "" elsewhere."""
    is_text = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "int"
    name = node.args[0] if isinstance(node, ast.Call) and is_text and node.args else node
    bindings = view.links.bindings_read(name) if isinstance(name, ast.Name) else []
    if len(bindings) != 1 or bindings[0].kind != "unpack" or bindings[0].index != 1:
        return ""
    target = view.tree.parents[bindings[0].node]
    major = target.elts[0] if isinstance(target, (ast.Tuple, ast.List)) else None
    owner = bindings[0].owner
    if not isinstance(major, ast.Name) or view.evaluator.owner(major.id, view.tree.scope_of(node)) is not owner:
        return ""
    if len(owner.bindings[major.id]) != 1 or major.id == "_":
        return ""
    names = [major.id, view.source(name)]
    return f"({', '.join(f'int({each})' if is_text else each for each in names)})"
