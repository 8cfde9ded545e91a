"""V5503: a model whose constructor does not end with `post_init()`."""

from __future__ import annotations

import ast
import os.path

from v5lint.rule import Edit, Fix, FixUnavailableError, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import constructors, hand_made
from v5lint.view.values import External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_CALL = "post_init"
_OLD = "init_weights"

#: The bases whose constructors leave the call to their subclasses.
_ABSTRACT = "PreTrainedModel"

#: How many bases back a class is followed.
_DEPTH = 8


#: Folders of programs that make their models themselves.
_OF_TESTS = frozenset({"tests", "test", "benchmarks", "benchmark"})

#: Methods of a class that build an object and load nothing.
_BUILDERS = ("_from_config", "from_config")


class MissingPostInit(Rule):
    """A `PreTrainedModel` whose constructor does not call `post_init()`.

    ## What it does

    Finds classes that inherit from `PreTrainedModel`, or from the `...PreTrainedModel` of a family
    (`BertPreTrainedModel`), and whose `__init__` calls neither `self.post_init()` nor a constructor that does. Classes
    that inherit from a whole model (`BertModel`) are left alone: the base calls it. So are bases of other classes that
    call it themselves, parts that are only built inside of another model of the file (its call covers them), classes
    whose constructor needs more than a configuration and that no `from_pretrained` gives it to, and those of which a
    base could not be followed.

    ## Why it breaks

    Since 5.0 `post_init()` sets what loading and tying need. Measured on 5.23, without it, in `from_pretrained`; with
    `self.init_weights()` as the last line, which was the custom of 4.x, already in the constructor:

        AttributeError: 'Classifier' object has no attribute 'all_tied_weights_keys'

    ## Example

        class Classifier(BertPreTrainedModel):
            def __init__(self, config):
                super().__init__(config)
                self.bert = BertModel(config)
                self.init_weights()

    becomes

        class Classifier(BertPreTrainedModel):
            def __init__(self, config):
                super().__init__(config)
                self.bert = BertModel(config)
                self.post_init()

    ## Fix safety

    Safe where `self.init_weights()` becomes `self.post_init()`, which calls it. Unsafe where the call is put behind the
    last line of the constructor: what was built with PyTorch's own initial values gets those of the model's family; and
    where `self.init_weights()` stands under a condition (`if init:`), for without it loading fails as before.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md (says nothing of it)
    """

    code = "V5503"
    name = "missing-post-init"
    since = "5.0"
    tokens = ("PreTrainedModel", "init_weights", "__init__(config")
    words = ("post_init",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for of in _classes(module):
            node = of.node
            init = _method(node, "__init__")
            if init is None or module.guards.is_dead(node) or not _is_model(of) or _is_called(of):
                continue
            if _OLD not in _called_on_self(init) and _is_part(of):
                continue
            if _OLD not in _called_on_self(init) and (hand_made.is_made_by_hand(of, init) or _leaves_it_to_others(of)):
                continue
            if _OLD not in _called_on_self(init) and (_is_for_a_test(of) or _loads_itself(of)):
                continue
            yield _finding(module, node, init)


def _method(node: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    return next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == name), None)


def _is_model(of: LocalClass) -> bool:
    """Whether every base of a class is known, one of them leaves the call to it, and none makes it."""
    found = False
    for base in of.view.evaluator.bases(of):
        if isinstance(base, LocalClass):
            if not any(_is_abstract(each) for each in of.view.roots(base)):
                if any(lookup.kind_of(each.name) == "model" for each in of.view.roots(base)):
                    return False
                continue
            if not _is_model(base):
                return False
            found = True
        elif isinstance(base, External):
            if _is_abstract(base):
                found = True
            elif base.package == "transformers" and lookup.kind_of(base.name) == "model":
                return False
        else:
            return False
    return found


def _leaves_it_to_others(of: LocalClass) -> bool:
    """Whether a class is only there to be inherited from, by classes of the repository with constructors of their own.

    Those are asked for themselves.
    """
    view = of.view
    if any(_is_made(view, each) for each in view.links.mentions(of.name)):
        return False
    below = [each for other in hand_made.modules_with(of) for each in _classes(other) if _inherits(each, of)]
    return bool(below) and all(_is_called(each) or _builds_itself(each, of) for each in below)


def _builds_itself(below: LocalClass, of: LocalClass) -> bool:
    """Whether a class has another constructor than the one that it inherits from."""
    init = _init_of(below)
    return init is not None and not _is_same(init, of)


def _classes(view: ModuleView) -> list[LocalClass]:
    return [LocalClass(view, each) for each in view.tree.nodes.get(ast.ClassDef, ()) if isinstance(each, ast.ClassDef)]


def _is_made(view: ModuleView, mention: ast.Name) -> bool:
    """Whether an object of a class is made where it is named."""
    parent = view.tree.parents.get(mention)
    if isinstance(parent, ast.Attribute):
        return parent.attr.startswith(("from_", "_from_"))
    return isinstance(parent, ast.Call) and parent.func is mention


def _init_of(of: LocalClass, depth: int = 0) -> LocalClass | None:
    """The class whose constructor makes the objects of a class, as far as it is one of the repository."""
    if _method(of.node, "__init__") is not None:
        return of
    found = [_init_of(each, depth + 1) for each in _local_bases(of)] if depth < _DEPTH else []
    return next((each for each in found if each is not None), None)


def _is_part(of: LocalClass) -> bool:
    """Whether a class is only built inside of other ones, whose call covers it, and never loaded."""
    inside = False
    for view in hand_made.modules_with(of):
        for mention in view.links.mentions(of.name):
            parent = view.tree.parents.get(mention)
            if isinstance(parent, ast.Attribute) and parent.attr == "from_pretrained":
                return False
            around = view.links.class_around(mention)
            is_built = isinstance(parent, ast.Call) and parent.func is mention
            is_built = is_built or (isinstance(parent, ast.Attribute) and parent.attr in _BUILDERS)
            if is_built and around is not None and around is not of.node:
                inside = True
    return inside


def _is_for_a_test(of: LocalClass) -> bool:
    """Whether a class is one of a test, or of a measurement, that does not load it: loading is what fails."""
    view = of.view
    folder, name = os.path.split(os.path.relpath(os.path.abspath(view.path), os.path.abspath(view.project.root)))
    is_of_test = name.startswith(("test_", "bench_")) or name.endswith("_test.py") or name == "conftest.py"
    is_of_test = is_of_test or not _OF_TESTS.isdisjoint(folder.split(os.sep))
    return is_of_test and not any(
        isinstance(parent := view.tree.parents.get(each), ast.Attribute) and parent.attr.startswith(("from_", "_from_"))
        for each in view.links.mentions(of.name)
    )


def _loads_itself(of: LocalClass) -> bool:
    """Whether a class builds its objects by a method of its own, and loads none with that of transformers.

    Either its `from_pretrained` goes to none of transformers, or calls a method that builds the object; or its
    constructor loads the parts, and a `from_...` of its own calls that.
    """
    method = _inherited(of, "from_pretrained")
    if method is not None:
        called = _called_on_self(method)
        if "from_pretrained" not in called:
            return not _goes_to_a_base(method, of)
        others = [_inherited(of, name) for name in called - {"from_pretrained"}]
        return any(each is not None and _builds(each, of) for each in others)
    init = _method(of.node, "__init__")
    if init is None or not any(
        isinstance(node, ast.Attribute) and node.attr == "from_pretrained" for node in ast.walk(init)
    ):
        return False
    own = [each for each in of.node.body if isinstance(each, ast.FunctionDef) and each.name.startswith("from_")]
    return any(_builds(each, of) for each in own)


def _goes_to_a_base(method: ast.FunctionDef, of: LocalClass) -> bool:
    """Whether a method calls `from_pretrained` of a base by its name: `Base.from_pretrained.__func__(cls, ...)`."""
    bases = {ast.unparse(base) for base in of.node.bases}
    return any(
        isinstance(node, ast.Attribute) and node.attr == "from_pretrained" and ast.unparse(node.value) in bases
        for node in ast.walk(method)
    )


def _builds(method: ast.FunctionDef, of: LocalClass) -> bool:
    """Whether a method of a class calls the class."""
    if not method.args.args:
        return False
    builders = {method.args.args[0].arg, of.name}
    called = [node.func for node in ast.walk(method) if isinstance(node, ast.Call)]
    return any(isinstance(each, ast.Name) and each.id in builders for each in called)


def _is_abstract(base: External) -> bool:
    return base.package == "transformers" and base.name.endswith(_ABSTRACT) and base.name[:2] not in ("TF", "Fl")


def _inherits(of: LocalClass, base: LocalClass) -> bool:
    return any(_is_same(each, base) or _inherits(each, base) for each in _local_bases(of))


def _is_same(one: LocalClass, other: LocalClass) -> bool:
    """Whether two classes are one, which a sibling sees in a view of its own."""
    return one == other or (
        one.name == other.name
        and one.node.lineno == other.node.lineno
        and os.path.realpath(one.view.path) == os.path.realpath(other.view.path)
    )


def _local_bases(of: LocalClass) -> list[LocalClass]:
    return [each for each in of.view.evaluator.bases(of) if isinstance(each, LocalClass) and each != of]


def _is_called(of: LocalClass, depth: int = 0) -> bool:
    """Whether the constructor of a class, one that it calls, or a method that it calls, makes the call."""
    init = _method(of.node, "__init__")
    if init is not None:
        called = _called_on_self(init)
        if _CALL in called:
            return True
        for name in called - {"__init__", _OLD}:
            method = _inherited(of, name)
            if method is not None and _CALL in _called_on_self(method):
                return True
    return depth < _DEPTH and any(_is_called(base, depth + 1) for base in _local_bases(of))


def _inherited(of: LocalClass, name: str) -> ast.FunctionDef | None:
    """A method of a class, its own or that of a base in the repository."""
    found = constructors.method_of(of, name)
    return found[1] if found is not None else None


def _called_on_self(function: ast.FunctionDef) -> set[str]:
    """The methods that a function calls on `self` or `super()`."""
    first = function.args.args[0].arg if function.args.args else ""
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            holder = node.func.value.func if isinstance(node.func.value, ast.Call) else node.func.value
            wanted = "super" if isinstance(node.func.value, ast.Call) else first
            if isinstance(holder, ast.Name) and holder.id == wanted:
                found.add(node.func.attr)
    return found


def _finding(view: ModuleView, node: ast.ClassDef, init: ast.FunctionDef) -> Finding:
    first = init.args.args[0].arg if init.args.args else "self"
    old = [
        each.func
        for each in ast.walk(init)
        if isinstance(each, ast.Call)
        and isinstance(each.func, ast.Attribute)
        and each.func.attr == _OLD
        and isinstance(each.func.value, ast.Name)
        and each.func.value.id == first
        and not each.args
        and not each.keywords
    ]
    message = f"the constructor of `{node.name}` does not call `{first}.{_CALL}()`, which loading needs"
    if old:
        edits = [Edit(*view.name_span(each), _CALL) for each in old]
        message = f"the constructor of `{node.name}` calls `{first}.{_OLD}()`, which fails without `{_CALL}()`"
        is_sure = not all(_is_conditional(view, each, init) for each in old)
        fix = Fix(f"Call `{_CALL}`", edits, applicability="safe" if is_sure else "unsafe")
        return view.finding(old[-1], message if is_sure else f"{message}, on every way through it", fix=fix)

    def build() -> list[Edit]:
        last = init.body[-1]
        if isinstance(last, (ast.Return, ast.Raise)) or view.span(last)[1] != _line_end(view, last):
            raise FixUnavailableError("there is no line behind the last statement")
        start = view.offset(init.body[0].lineno, 0)
        indent = view.text[start : view.span(init.body[0])[0]]
        if indent.strip():
            raise FixUnavailableError("the constructor is written in one line")
        newline = "\r\n" if "\r\n" in view.text else "\n"
        end = view.span(last)[1]
        return [Edit(end, end, f"{newline}{indent}{first}.{_CALL}()")]

    start, end = view.span(init)
    finding = view.finding(init, message, fix=Fix(f"Call `{_CALL}` last", build, applicability="unsafe"))
    finding.start = view.text.index("__init__", start, end)
    finding.end = finding.start + len("__init__")
    return finding


def _is_conditional(view: ModuleView, node: ast.AST, init: ast.FunctionDef) -> bool:
    """Whether a constructor may come to its end without what stands in it."""
    for each in view.tree.ancestors(node):
        if each is init:
            return False
        if isinstance(each, (ast.If, ast.IfExp, ast.BoolOp, ast.For, ast.While, ast.ExceptHandler, ast.Lambda)):
            return True
        if isinstance(each, (ast.Match, ast.FunctionDef)):
            return True
    return False


def _line_end(view: ModuleView, statement: ast.stmt) -> int:
    """The offset after the last statement's code in its line, where nothing but a comment follows it."""
    end = view.span(statement)[1]
    rest = view.text[end:].split("\n", 1)[0]
    return end if not rest.strip() else -1
