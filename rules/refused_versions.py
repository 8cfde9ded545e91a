"""V5808: checks of the version that no release of transformers 5 passes."""

from __future__ import annotations

import ast

from v5lint.patterns import pattern
from v5lint.rule import Rule
from v5lint.rules import version_comparisons
from v5lint.rules.parts import project_metadata as metadata
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_CHECKS = ("require_version", "require_version_core")
_OF_V5 = pattern(r"5\.\d+\.\d+\Z")
_EXITS = frozenset({"exit", "_exit", "quit", "abort"})


class RefusedVersion(Rule):
    """The program asks for the version of transformers and stops with every release of v5.

    ## What it does

    Finds what no release from `min-version` to the target passes: an `assert` on the version, an `if` on it that raises
    or exits, and `require_version("transformers>=4.30,<5")` of transformers. What a `try` is ready for, and a test
    that is skipped, is left alone.

    ## Why it breaks

    Measured on 5.24:

        ImportError: transformers>=4.30,<5 is required for a normal functioning of this module, but found
            transformers==5.24.0.

    ## Example

        assert transformers.__version__.startswith("4."), "transformers 4 is needed"

    What the check was there for is for a person to say; then it goes, or admits v5.

    ## Fix safety

    None is offered.

    ## References

    - https://packaging.pypa.io/en/stable/version.html
    """

    code = "V5808"
    name = "refused-version"
    since = "5.0"
    tokens = (*version_comparisons.TOKENS, *_CHECKS)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        releases = version_comparisons.releases(module)
        stops = f"the program stops here with every release of transformers from {releases[0]} to {releases[-1]}"
        for test in _refusing(module, releases):
            if not module.guards.is_dead(test):
                yield module.finding(test, stops)
        for call in module.calls(_CHECKS):
            if _refuses(module, call) and not module.guards.is_dead(call.node):
                yield module.finding(call.node, f"{stops}: the requirement admits none of them")


def _refusing(view: ModuleView, releases: list[str]) -> Iterator[ast.expr]:
    """The tests of the version by which all releases are turned away."""
    for node in (*view.tree.nodes.get(ast.Assert, ()), *view.tree.nodes.get(ast.If, ())):
        assert isinstance(node, (ast.Assert, ast.If))
        if isinstance(node, ast.If) and not (_stops(node.body) or _stops(node.orelse)):
            continue
        if view.guards.version_truth(node.test, releases[-1]) is None or _is_caught(view, node):
            continue  # the first question is asked of one release: most tests are about something else
        named = [each for each in map(str, _constants(node.test)) if _OF_V5.match(each)]
        truths = {view.guards.version_truth(node.test, release) for release in (*releases, *named)}
        if isinstance(node, ast.Assert):
            stops = truths == {False}
        else:
            stops = len(truths) == 1 and None not in truths and _stops(node.body if True in truths else node.orelse)
        if stops:
            yield node.test


def _stops(block: list[ast.stmt]) -> bool:
    """Whether a block ends the program: it raises, or exits."""
    last = block[-1] if block else None
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        func = last.value.func
        return (func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")) in _EXITS
    return isinstance(last, ast.Raise) and (last.exc is None or "Skip" not in ast.unparse(last.exc))


def _is_caught(view: ModuleView, node: ast.AST) -> bool:
    """Whether a statement stands in a `try` that is ready for it, or in a handler, which says why it has failed."""
    child = node
    for parent in view.tree.ancestors(node):
        if isinstance(parent, ast.ExceptHandler):
            return True
        if isinstance(parent, ast.Try) and parent.handlers and child in parent.body:
            return True
        child = parent
    return False


def _constants(test: ast.expr) -> Iterator[object]:
    return (each.value for each in ast.walk(test) if isinstance(each, ast.Constant))


def _refuses(view: ModuleView, call: CallSite) -> bool:
    """Whether a call requires versions of transformers that leave out v5."""
    from v5lint.metadata.requirement import parse

    given = call.argument("requirement", 0)
    if given is None or not any(isinstance(each, External) and each.package == "transformers" for each in call.callees):
        return False
    values = view.values(given)
    if len(values) != 1:
        return False  # one of many requirements, each of which a caller asks for
    (value,) = values
    requirement = parse(value.value, 0) if isinstance(value, Constant) and isinstance(value.value, str) else None
    if requirement is None or requirement.name != "transformers":
        return False
    return metadata.admits_v5(view, requirement) is False
