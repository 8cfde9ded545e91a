"""What rules ask about transformers' own objects in a module: loaders, models, names."""

from __future__ import annotations

import ast
import os.path
import re

from v5lint.patterns import pattern
from v5lint.project import bytes_of
from v5lint.rules.knowledge import lookup
from v5lint.view import elsewhere
from v5lint.view.calls import CallSite
from v5lint.view.values import Constant, External, Instance, Partial, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability
    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding
    from v5lint.view.values import ClassValue, Values

#: The parameter that names the checkpoint, and its place.
CHECKPOINT = ("pretrained_model_name_or_path", 0)

#: What transformers 4 read for its cache, the last one first: where several are set, that one counted.
CACHE_VARIABLES = ("TRANSFORMERS_CACHE", "PYTORCH_TRANSFORMERS_CACHE", "PYTORCH_PRETRAINED_BERT_CACHE")

#: What reads them, or their successors, when it is imported.
CACHE_READERS = frozenset(
    "transformers huggingface_hub diffusers peft sentence_transformers accelerate trl setfit datasets evaluate".split()
)


#: Packages whose objects are transformers' own, wrapped or extended, or of which it is one of the base classes.
_RELATED = frozenset({"transformers", "peft", "trl", "torch", "accelerate", "typing", "typing_extensions"})


_KEPT_ON_PURPOSE = pattern(r"#\s*noqa(?::[^#]*\bF401\b|\s*$|\s*#)|pylint:\s*disable=[^#]*unused-import", re.IGNORECASE)

#: How far behind a statement the comment of its line is looked for.
_COMMENT_LENGTH = 200


def release_text(release: tuple[int, ...]) -> str:
    """A release as users write it: "5.23"."""
    return ".".join(str(part) for part in (*release, 0)[: max(2, len(release))])


def resolves(view: ModuleView, path: str) -> bool:
    """Whether a dotted path of transformers can be imported under the target release."""
    return lookup.resolves(path, release_text(view.settings.target))


def library_classes(view: ModuleView, of: ClassValue) -> list[str]:
    """The names of the transformers classes that a class is, or inherits from through classes of this repository."""
    return [root.name for root in view.roots(of) if root.package == "transformers"]


def safety_of(view: ModuleView, node: ast.expr) -> Applicability:
    """The applicability of a fix that is right for an object of transformers: unsafe where it may be another one.

    `try: from other import AutoTokenizer`, `except ImportError: from transformers import AutoTokenizer`; or a parameter
    of a function that only other modules call: not all of them may be in sight.
    """
    if elsewhere.is_from_the_caller(view, node) and elsewhere.given(view, node):
        return "unsafe"
    classes = [each.of if isinstance(each, Instance) else each for each in view.values(node)]
    packages = {each.package for each in classes if isinstance(each, External) and each.name[:1].isupper()}
    return "unsafe" if "transformers" in packages and packages - _RELATED else "safe"


def is_asked_for_another(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is read only where a test found that it is an object of another library.

    `if isinstance(model, SentenceTransformer):`, `if type(model).__name__ == "SentenceTransformer":`.
    """
    if not isinstance(node, (ast.Name, ast.Attribute)):
        return False
    mine = ast.unparse(node)
    names = (f"{mine}.__class__.__name__", f"type({mine}).__name__")
    for test, wanted in view.reach.conditions(node):
        if isinstance(test, ast.Call) and wanted and len(test.args) == 2 and ast.unparse(test.func) == "isinstance":
            asked = view.values(test.args[1]) if ast.unparse(test.args[0]) == mine else frozenset()
            if asked and all(isinstance(each, External) and each.package != "transformers" for each in asked):
                return True
        elif isinstance(test, ast.Compare) and len(test.ops) == 1 and ast.unparse(test.left) in names:
            is_it = isinstance(test.ops[0], (ast.Eq, ast.In)) is wanted
            found = [*view.constants(test.comparators[0])]
            found += [each.value for each in ast.walk(test.comparators[0]) if isinstance(each, ast.Constant)]
            if is_it and found and not any(lookup.home_of(str(each)) for each in found):
                return True
    return False


def loaders(call: CallSite) -> list[str]:
    """The transformers classes on which a call of `from_pretrained` is made."""
    return [name for owner in call.owners({"from_pretrained"}) for name in library_classes(call.view, owner)]


def loads(view: ModuleView) -> Iterator[CallSite]:
    """The calls of `from_pretrained`, of a variable that holds it, too: `load = AutoModel.from_pretrained`."""
    yield from view.calls({"from_pretrained"})
    for statement in view.tree.nodes.get(ast.Assign, ()):
        assert isinstance(statement, ast.Assign)
        target = statement.targets[0]
        if not isinstance(target, ast.Name) or target.id == "from_pretrained":
            continue
        if isinstance(statement.value, ast.Attribute) and statement.value.attr == "from_pretrained":
            for use in [each for binding in view.links.bindings_at(target) for each in view.links.uses(binding)]:
                call = view.tree.parents[use]
                if isinstance(call, ast.Call) and call.func is use:
                    yield CallSite(view, call)


def is_fetched_by_name(call: CallSite) -> bool:
    """Whether a loader is that of some class of transformers: `getattr(transformers, name).from_pretrained(...)`."""
    is_loader = call.name == "from_pretrained" and isinstance(call.func, ast.Attribute)
    made = call.view.links.defining_call(call.func.value) if is_loader else None  # type: ignore[attr-defined]
    if made is None or len(made.args) not in (2, 3) or External("builtins.getattr") not in call.view.values(made.func):
        return False
    return External("transformers") in call.view.values(made.args[0])


def later_loads(view: ModuleView) -> Iterator[CallSite]:
    """The calls of a `partial` of `from_pretrained` without a checkpoint: `load = partial(...)`, `load(name)`."""
    for made in view.calls({"from_pretrained"}):
        statement = view.tree.parents[made.node]
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        is_whole = made.func is made.node.func or made.splats or made.argument(*CHECKPOINT) is not None
        if is_whole or not isinstance(target, ast.Name):
            continue
        for use in [each for binding in view.links.bindings_at(target) for each in view.links.uses(binding)]:
            node = view.tree.parents[use]
            if isinstance(node, ast.Call) and node.func is use:
                call = CallSite(view, node)
                call.func, call.args = made.func, [*made.args, *call.args]
                yield call


def callee_name(call: CallSite) -> str:
    """The name of what is called, for a message."""
    func = call.node.func
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else "the call"


def root_of(node: ast.expr) -> ast.expr:
    """The first name of a chain of attributes: `a` of `a.b.c`."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node


def is_handed_on(view: ModuleView, binding: Binding) -> bool:
    """Whether the name that an import binds is also for others: other modules, readers of the class or of `global`."""
    if binding.scope.is_class or binding.name in binding.scope.globals or binding.name in binding.scope.nonlocals:
        return True
    mine = _imported(binding)
    if any(_imported(each) != mine for each in view.links.other_bindings(binding)):
        return True
    if not view.links.uses(binding) and _is_kept_on_purpose(view, binding):
        return True
    if binding.scope is not view.tree.scope:
        return False
    if view.path.endswith("__init__.py") or binding.name in view.names.exported():
        return True
    return (
        looks_itself_up(view)
        or bool(view.project.importers(view.path, binding.name))
        or _is_named_by_settings(view, binding.name)
    )


def _is_named_by_settings(view: ModuleView, name: str) -> bool:
    """Whether a file of settings names what it takes from a module: `_target_: models.Name`, `vl = "models:Name"`."""
    module = os.path.splitext(os.path.basename(view.path))[0]
    path = re.compile(rf"(?<!\w){re.escape(module)}[.:]{name}(?!\w)".encode())
    return any(path.search(bytes_of(file)) for file in view.project.scripts_mentioning(name))


def _is_kept_on_purpose(view: ModuleView, binding: Binding) -> bool:
    """Whether a comment says that an import stays though nothing here uses it: others take the name from here."""
    if binding.statement is None:
        return False
    start, end = view.span(binding.statement)
    rest = view.text[end : end + _COMMENT_LENGTH].splitlines()[:1]
    lines = [*view.text[start:end].splitlines(), *rest]
    return any(_KEPT_ON_PURPOSE.search(line) for line in lines)


def _imported(binding: Binding) -> tuple[str, str]:
    """The name that an import fetches and the package that it fetches it from; "" for what no import binds."""
    of = binding.statement
    package = "." * of.level + (of.module or "").partition(".")[0] if isinstance(of, ast.ImportFrom) else ""
    return getattr(binding.node, "name", ""), package


def looks_itself_up(view: ModuleView) -> bool:
    """Whether a module reads its own names by strings: `globals()[name]`, `getattr(sys.modules[__name__], name)`."""
    if any(_builtin_calls(view, name) for name in ("globals", "eval", "exec")):
        return True
    for name in ("vars", "locals", "dir"):
        for call in _builtin_calls(view, name):
            if not call.args and view.tree.scope_of(call) is view.tree.scope:
                return True
    for name in ("import_module", "__import__", "get"):
        for call in view.links.calls_named(name):
            if any(isinstance(each, ast.Name) and each.id == "__name__" for each in call.args):
                return True
    return any(
        isinstance(node.slice, ast.Name)
        and node.slice.id == "__name__"
        and External("sys.modules") in view.values(node.value)
        for node in view.tree.nodes.get(ast.Subscript, ())
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load)
    )


def _builtin_calls(view: ModuleView, name: str) -> list[ast.Call]:
    """The calls of a builtin function: where the module has one of that name, they are of its own."""
    return [
        call
        for call in view.links.calls_named(name)
        if isinstance(call.func, ast.Name) and view.evaluator.owner(name, view.tree.scopes[call.func]) is None
    ]


def is_free(view: ModuleView, name: str, node: ast.AST) -> bool:
    """Whether a name of transformers can be used at a node: it is imported there, or nothing else has it."""
    owner = view.evaluator.owner(name, view.tree.scope_of(node))
    if owner is None:
        return True
    return External(f"transformers.{name}") in view.evaluator.name_values(name, view.tree.scope_of(node), node)


def may_bring_code(call: CallSite) -> bool:
    """Whether what a call loads may be made by code of the checkpoint's own: `trust_remote_code=True`.

    Such code is found by the name of the Auto class in the checkpoint's `auto_map`.
    """
    values = call.values_of("trust_remote_code")
    return bool(values) and values != frozenset({Constant(False)})


def texts(values: Values) -> list[str]:
    """The strings among some values; of one that is known in part, its parts with "…" between them."""
    found = [value.value for value in values if isinstance(value, Constant) and isinstance(value.value, str)]
    found += ["…".join(value.parts) for value in values if isinstance(value, Partial)]
    return sorted(found)


def origin(values: Values) -> str:
    """Where the values come from that could not be followed, in words for a message; "" when all are known."""
    origins = {value.origin for value in values if isinstance(value, Unknown)}
    words = {"caller": "the caller", "command line": "the command line", "environment": "the environment"}
    for name, text in words.items():
        if name in origins:
            return text
    return "an expression that v5lint cannot follow" if origins else ""


def imported_names(view: ModuleView) -> Iterator[str]:
    """The names that a module fetches from transformers, by import or attribute."""
    for statement in view.tree.nodes.get(ast.ImportFrom, ()):
        assert isinstance(statement, ast.ImportFrom)
        if (statement.module or "").partition(".")[0] == "transformers" and not statement.level:
            yield from (alias.name for alias in statement.names)
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if node.attr[:1].isupper() and view.is_of(node.value, "transformers"):
            yield node.attr


def operand(view: ModuleView, value: ast.expr) -> str:
    """A value as the operand of `not`, or the test of a conditional expression."""
    source = view.source(value)
    is_simple = isinstance(value, (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Constant))
    return source if is_simple else f"({source})"


def object_of(view: ModuleView, node: ast.expr) -> ast.expr | None:
    """The object whose class an expression is: `x` of `type(x)` and `x.__class__`; None for any other."""
    if isinstance(node, ast.Attribute):
        return node.value if node.attr == "__class__" else None
    if not isinstance(node, ast.Call) or len(node.args) != 1:
        return None
    return node.args[0] if External("builtins.type") in view.values(node.func) else None


def listed(names: list[str] | tuple[str, ...], word: str = "and") -> str:
    """Names as a sentence has them: "`a`, `b` and `c`"."""
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {word} {quoted[-1]}" if quoted else ""
