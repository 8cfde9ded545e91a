"""V5806 and V5807: versions compared as strings, and branches for releases that are no longer supported."""

from __future__ import annotations

import ast
import operator
from typing import NamedTuple

from v5lint.releases import parse_release
from v5lint.rule import Fix, Rule
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.module import ModuleView

#: The newest minor release of v4.
_V4, _NEWEST_OF_V4 = 4, 57

TOKENS = ("__version__", *(f"{name}({quote}transformers" for name in ("version", "distribution") for quote in "\"'"))
_ORDERS = {ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge}


class VersionStringComparison(Rule):
    """The version of transformers is compared as a string, character by character.

    ## What it does

    Finds `<`, `<=`, `>` and `>=` between `transformers.__version__` (or `importlib.metadata.version("transformers")`,
    or `pkg_resources.get_distribution("transformers").version`) and a string, by any alias or variable, and computes
    what each release from `min-version` to the target makes of it.

    ## Why it breaks

    As strings, "5.10.0" is less than "5.9.0", and "4.9" greater than "4.57". Where a release of v5 takes the wrong
    branch, the finding says which; elsewhere the comparison is right by luck, and is named as deprecated.

    ## Example

        if transformers.__version__ >= "5.9":
            targets = ["q_proj", "v_proj"]

    becomes

        from packaging import version

        if version.parse(transformers.__version__) >= version.parse("5.9"):
            targets = ["q_proj", "v_proj"]

    ## Fix safety

    Safe: `packaging` is installed wherever transformers is, and both sides are compared as releases.

    ## References

    - https://packaging.pypa.io/en/stable/version.html
    """

    code = "V5806"
    name = "version-string-comparison"
    tokens = TOKENS

    def check(self, view: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in view.tree.nodes.get(ast.Compare, ()):
            assert isinstance(node, ast.Compare)
            pairs = [*_pairs(view, node)]
            if not pairs:
                continue
            wrong = [
                (release, pair.text)
                for pair in pairs
                for release in releases(view)
                if pair.as_strings(release) is not pair.as_releases(release)
            ]
            message = "versions are compared as strings"
            fix = _fix(view, [side for pair in pairs for side in (pair.left, pair.right)])
            if wrong:
                release, text = wrong[0]
                yield view.finding(node, f'{message}: {release} takes the wrong branch against "{text}"', fix=fix)
            else:
                said = f"{message}, which orders 5.10 before 5.9"
                yield view.finding(node, said, fix=fix, level="deprecated")


class _Pair(NamedTuple):
    """One comparison of the version with a string; of `"4.9" <= version < "4.50"` there are two.

    Attributes:
        left: what stands before the operator.
        order: the operator.
        right: what stands behind it.
        text: the string.
        is_first: whether the version stands before the operator.
    """

    left: ast.expr
    order: ast.cmpop
    right: ast.expr
    text: str
    is_first: bool

    def as_strings(self, release: str) -> bool:
        """What the comparison gives for a release."""
        sides = (release, self.text) if self.is_first else (self.text, release)
        return bool(_ORDERS[type(self.order)](*sides))

    def as_releases(self, release: str) -> bool:
        """What it should give."""
        sides = [parse_release(each) for each in ((release, self.text) if self.is_first else (self.text, release))]
        return bool(_ORDERS[type(self.order)](*sides))


def _pairs(view: ModuleView, node: ast.Compare) -> Iterator[_Pair]:
    """The comparisons of the version with strings, where a whole expression consists of them."""
    found = []
    for left, order, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
        if type(order) not in _ORDERS or not (_may_be_text(left) or _may_be_text(right)):
            return
        is_first = view.guards.is_version_text(left)
        text = _release(view, right if is_first else left)
        if not text or not (is_first or view.guards.is_version_text(right)):
            return
        found.append(_Pair(left, order, right, text, is_first))
    yield from found


class DeadVersionBranch(Rule):
    """A branch is for releases of transformers that are no longer supported.

    ## What it does

    Finds `if` statements and conditional expressions whose test asks for the version of transformers and gives the same
    for every release from `min-version` to the target: in a project that requires `transformers>=4.40`, no test that
    tells v4 from v5. Off unless selected: it is tidying, and breaks nothing.

    ## Why it breaks

    It does not. What stands in the dead branch is skipped by all other rules, so that a finding never speaks of code
    that does not run.

    ## Example

        if version.parse(transformers.__version__) < version.parse("4.31"):
            model = load_old()
        else:
            model = load()

    ## Fix safety

    None is offered.

    ## References

    - the setting `min-version`
    """

    code = "V5807"
    name = "dead-version-branch"
    tokens = (*TOKENS, "version")
    default = False

    def check(self, view: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        supported = [*_of_v4(view), *releases(view)]
        for kind in (ast.If, ast.IfExp):
            for node in view.tree.nodes.get(kind, ()):
                assert isinstance(node, (ast.If, ast.IfExp))
                newest = view.guards.version_truth(node.test, supported[-1])
                if newest is None:
                    continue  # one release is asked first: most tests are about something else
                if all(view.guards.version_truth(node.test, release) is newest for release in supported):
                    outcome = "always" if newest else "never"
                    message = f"this is {outcome} so from transformers {supported[0]} to {supported[-1]}"
                    yield view.finding(node.test, message, level="deprecated")


def releases(view: ModuleView) -> list[str]:
    """One patch of every minor release from the oldest supported one to the target, as `__version__` has them."""
    first = max(view.settings.minimum, (5,))
    low = first[1] if len(first) > 1 else 0
    high = view.settings.target[1] if len(view.settings.target) > 1 else 0
    return [f"{first[0]}.{minor}.0" for minor in range(low, max(low, high) + 1)]


def _of_v4(view: ModuleView) -> list[str]:
    """One patch of every minor release of v4 that a project goes on supporting."""
    first = view.settings.minimum
    if first >= (5,):
        return []
    low = first[1] if len(first) > 1 and first[0] == _V4 else 0
    return [f"{_V4}.{minor}.0" for minor in range(low, _NEWEST_OF_V4 + 1)]


def _may_be_text(node: ast.expr) -> bool:
    """Whether an expression looks like a release: a string, or a name for a constant."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.isupper() or "version" in name.lower()


def _release(view: ModuleView, node: ast.expr) -> str:
    """The release that a string names; "" where it is no such string."""
    values = list(view.values(node))
    if len(values) != 1 or not isinstance(values[0], Constant) or not isinstance(values[0].value, str):
        return ""
    try:
        parse_release(values[0].value)
    except ValueError:
        return ""
    return values[0].value


def _fix(view: ModuleView, sides: list[ast.expr]) -> Fix:
    def edits() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        module = imports.use("packaging", "version", sides[0])
        wrapped = [view.replace(each, f"{module}.parse({view.source(each)})") for each in dict.fromkeys(sides)]
        return [*wrapped, *imports.edits()]

    return Fix("Compare with `packaging.version.parse`", edits)
