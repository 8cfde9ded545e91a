"""How a reference to a name that is gone stands: it fails, something else takes its place, or nobody hears of it."""

from __future__ import annotations

import ast

from v5lint.rules.parts import alternatives, asking_functions, hub, shims
from v5lint.view import elsewhere, strings
from v5lint.view.guards import IMPORT_ERRORS, MEMBER_ERRORS, TRIES, catches, handler_leaves
from v5lint.view.tree import FUNCTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.view.module import ModuleView, Reference


#: What a name that is gone raises, by the way in which it is fetched.
_ERRORS = {"attribute": MEMBER_ERRORS, "star": frozenset({"NameError", "Exception", "BaseException"})}


class Standing:
    """How a reference to a removed name stands.

    Attributes:
        kind: "live" (it fails), "prepared" (it does not run, or something else takes its place: no finding) or
            "swallowed" (its failure passes without a word).
        clause: for a message, how the failure is hidden: "the `except ImportError` around it ...".
    """

    __slots__ = ("clause", "kind")

    def __init__(self, kind: str, clause: str = "") -> None:
        self.kind = kind
        self.clause = clause


def standing_of(view: ModuleView, reference: Reference) -> Standing:
    """How a reference to a name that the target release does not have stands."""
    node = reference.place
    if view.guards.is_dead(node) or view.guards.is_dead(reference.node) or _is_for_older_hub(view, node):
        return Standing("prepared")
    if _is_behind_a_failure(view, node):
        return Standing("prepared")
    if view.guards.in_fallback(node, lambda each: alternatives.try_succeeds(view, each)):
        return Standing("prepared")
    is_second = alternatives.is_second_choice(view, node) or _is_after_a_try(view, node) or _is_passed_over(view, node)
    if is_second or alternatives.has_second_way(view, reference) or reference.name in shims.names(view):
        return Standing("prepared")
    if any(reference.path == each or reference.path.startswith(f"{each}.") for each in shims.modules(view)):
        return Standing("prepared")
    if reference.has_default:
        is_optional = alternatives.is_optional(view, node) or alternatives.is_beside_the_new_name(view, reference)
        kind = "prepared" if is_optional else "swallowed"
        return Standing(kind, "the default of `getattr`")
    if shims.are_put_before(view, reference.name):
        return Standing("prepared")
    handled = view.guards.handled(node, _ERRORS.get(reference.how, IMPORT_ERRORS))
    if handled is None:
        if alternatives.is_one_of_several(view, reference) and _goes_on_to_the_next(view, node):
            return Standing("prepared")
        return Standing("live")  # an `except ImportError` catches no attribute that is missing
    others = (alternatives.is_imported_again, alternatives.is_beside_the_new_name, alternatives.is_one_of_several)
    if any(each(view, reference) for each in others):
        return Standing("prepared")
    if handled.kind == "fallback":
        fetched = [*alternatives.fetched(view, handled.handler)]
        expected = reference.how == "import" or _names_error(handled.handler, "AttributeError", "NameError")
        if any(alternatives.is_there(view, path) for path in fetched) or (not fetched and expected):
            return Standing("prepared")
        if fetched:
            return Standing("live")
    if isinstance(handled.handler, ast.ExceptHandler):
        caught = ast.unparse(handled.handler.type) if handled.handler.type is not None else ""
        return Standing("swallowed", f"the `except{' ' if caught else ''}{caught}` in line {handled.handler.lineno}")
    return Standing("swallowed", "the `suppress` around it")


def _goes_on_to_the_next(view: ModuleView, node: ast.AST) -> bool:
    """Whether the failure of a node ends one round of a loop: `try: ...`, `except Exception as error: print(error)`."""
    child, is_caught = node, False
    for parent in view.tree.ancestors(node):
        if isinstance(parent, TRIES) and child in parent.body:
            caught = [each for each in parent.handlers if catches(each, IMPORT_ERRORS, view)]
            is_caught = is_caught or (bool(caught) and not handler_leaves(caught[0].body))
        elif isinstance(parent, FUNCTIONS):
            return False
        elif isinstance(parent, (ast.For, ast.While)):
            return is_caught
        child = parent
    return False


def never_runs(view: ModuleView, node: ast.AST) -> bool:
    """Whether code is for older releases only: by a version check, or because an import works whose failure it awaits.

    `try: from transformers import New`, `except ImportError: ...`, and `if New is None:` behind it.
    """
    return (
        view.guards.is_dead(node)
        or view.guards.in_fallback(node, lambda each: _imports(each) and alternatives.try_succeeds(view, each))
        or _is_passed_over(view, node)
        or _is_behind_a_failure(view, node)
    )


def _is_behind_a_failure(view: ModuleView, node: ast.AST) -> bool:
    """Whether a node stands in the `else` of a `try` whose import fails under the target release, for which it cares.

    `try: import_module("transformers.deepspeed")`, `except ImportError: ...`, `else: ...`.
    """
    child = node
    for parent in view.tree.ancestors(node):
        if isinstance(parent, TRIES) and child in parent.orelse:
            handled = view.guards.handled(parent.body[0])  # a failure that nothing makes up for is to be mended
            if handled is not None and handled.kind == "fallback" and alternatives.try_fails(view, parent):
                return True
        child = parent
    return False


def _imports(statement: ast.Try) -> bool:
    """Whether a `try` is about an import, and not about what is done with what was imported."""
    return any(isinstance(each, (ast.Import, ast.ImportFrom)) for each in statement.body)


def _is_for_older_hub(view: ModuleView, node: ast.AST) -> bool:
    """Whether a node runs only beside a huggingface_hub that is older than the one which the target release needs."""
    oldest = hub.oldest(view)
    return any(
        view.guards.version_truth(test, oldest, hub.PACKAGE) is (not wanted)
        for test, wanted in view.reach.conditions(node)
    )


def _is_passed_over(view: ModuleView, node: ast.AST) -> bool:
    """Whether a node stands in the branch that is not taken because an import works: `if not HAS_NEW_NAME:`."""
    for test, wanted in view.reach.conditions(node):
        truth = _truth_by_import(view, test)
        if truth is not None and truth is not wanted:
            return True
    return False


def _truth_by_import(view: ModuleView, test: ast.expr) -> bool | None:
    """The truth of a test of a name that a `try` sets, or of a function that asks by a `try`; None of any other.

    Of a name only where the target release has what the `try` imports.
    """
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        truth = _truth_by_import(view, test.operand)
        return None if truth is None else not truth
    if isinstance(test, ast.Call):
        return asking_functions.answer(view, test)
    asks_none = isinstance(test, ast.Compare) and isinstance(test.ops[0], (ast.Is, ast.IsNot))
    if isinstance(test, ast.Compare):
        if not asks_none or not isinstance(test.left, ast.Name) or ast.unparse(test.comparators[0]) != "None":
            return None
        is_none = _value_by_import(view, test.left, asks_none=True)
        return None if is_none is None else is_none is isinstance(test.ops[0], ast.Is)
    return _value_by_import(view, test, asks_none=False) if isinstance(test, ast.Name) else None


def _value_by_import(view: ModuleView, name: ast.Name, *, asks_none: bool) -> bool | None:
    """Whether a name is true, or None, once the `try` that sets it has succeeded, here or in another module."""
    view, found = elsewhere.at_home(view, view.links.bindings_read(name))
    left = [
        each
        for each in found
        if not view.guards.in_fallback(each.node, lambda tried: alternatives.try_succeeds(view, tried))
    ]
    set_by = [tried for each in left if (tried := _succeeding_try(view, each.node)) is not None]
    if set_by:
        first = min(tried.lineno for tried in set_by)
        left = [each for each in left if each.at[0] >= first]
    elif len(left) == len(found):
        return None
    truths: set[bool | None] = set()
    for each in left:
        if each.kind == "import":
            truths.add(not asks_none)  # a module, a class or a function: true, and not None
        elif each.kind == "assign" and isinstance(each.value, ast.Constant):
            truths.add(each.value.value is None if asks_none else bool(each.value.value))
        else:
            truths.add(None)
    return truths.pop() if len(truths) == 1 else None


def _succeeding_try(view: ModuleView, node: ast.AST) -> ast.Try | ast.With | None:
    """The `try` around a node, in its body or `else`, that is prepared for a failing import which does not fail.

    A `with suppress(ImportError):` is one, too.
    """
    child = node
    for parent in view.tree.ancestors(node):
        if isinstance(parent, ast.With) and any(_suppresses(each.context_expr) for each in parent.items):
            return parent if alternatives.try_succeeds(view, parent) else None
        if isinstance(parent, TRIES) and (child in parent.body or child in parent.orelse):
            prepared = any(catches(each, IMPORT_ERRORS, view) for each in parent.handlers)
            return parent if prepared and alternatives.try_succeeds(view, parent) else None
        child = parent
    return None


def _suppresses(manager: ast.expr) -> bool:
    """Whether a context manager hides errors of imports: `suppress(ImportError)`."""
    is_one = isinstance(manager, ast.Call) and strings.last_name(manager.func) == "suppress"
    return is_one and any(strings.last_name(each) in IMPORT_ERRORS for each in manager.args)  # type: ignore[attr-defined]


def _is_after_a_try(view: ModuleView, node: ast.AST) -> bool:
    """Whether a node stands behind a `try` that succeeds under the target release and then leaves the function."""
    child = node
    for parent in view.tree.ancestors(node):
        for block in (getattr(parent, "body", None), getattr(parent, "orelse", None)):
            if isinstance(block, list) and child in block:
                for each in block[: block.index(child)]:
                    if isinstance(each, TRIES) and _leaves(each) and alternatives.try_succeeds(view, each):
                        return True
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.Module)):
            return False
        child = parent
    return False


def _leaves(statement: ast.Try) -> bool:
    """Whether a `try` returns where nothing fails in it."""
    return isinstance((statement.orelse or statement.body)[-1], ast.Return)


def _names_error(handler: ast.AST, *errors: str) -> bool:
    """Whether an `except` clause asks for one of some errors by its name."""
    asked = handler.type if isinstance(handler, ast.ExceptHandler) else None
    return asked is not None and any(getattr(each, "id", "") in errors for each in ast.walk(asked))
