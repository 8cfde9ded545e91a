"""Where an object was made: the calls that an expression goes back to, through names, parameters and wrappers."""

from __future__ import annotations

import ast

from v5lint.view import elsewhere
from v5lint.view.calls import CallSite
from v5lint.view.values import Constant, External, Instance, LocalClass, LocalFunction, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding

#: How many steps back an object is followed.
_DEPTH = 12

#: Methods that give their object back, or one that holds it.
_SAME = frozenset(
    "to cuda cpu half float bfloat16 train eval requires_grad_ merge_and_unload unload get_base_model copy".split()
)

#: Functions that give back the model that they get first, prepared or wrapped.
_WRAPPERS = frozenset(
    "prepare_model_for_kbit_training prepare_model_for_int8_training get_peft_model DataParallel "
    "DistributedDataParallel FullyShardedDataParallel compile deepcopy prepare_model setup".split()
)

#: Functions called `initialize` that give back the model that they get, with others.
_INITIALIZES = frozenset({"apex", "deepspeed"})

#: Of those, and of the methods of `PeftModel`, the ones behind which only an adapter is trained.
_ADAPTS = frozenset({"get_peft_model", "PeftModel"})


class Origin:
    """One call that makes an object.

    Attributes:
        call: the call, in its module.
        is_adapted: whether PEFT was put around the object on the way.
        is_inside: whether the object is, or may be, a part of what the call makes: its `.model` or `.base_model`.
    """

    __slots__ = ("call", "is_adapted", "is_inside")

    def __init__(self, call: CallSite, *, is_adapted: bool = False, is_inside: bool = False) -> None:
        self.call = call
        self.is_adapted = is_adapted
        self.is_inside = is_inside


class Origins:
    """The calls that an expression goes back to.

    Attributes:
        found: the calls.
        is_complete: whether there is no way that could not be followed.
    """

    __slots__ = ("found", "is_complete")

    def __init__(self) -> None:
        self.found: list[Origin] = []
        self.is_complete = True


def origins(view: ModuleView, node: ast.expr) -> Origins:
    """The calls that made what an expression stands for.

    Args:
        view: the module.
        node: the expression.
    """
    found = Origins()
    _Search(found).expression(view, node, adapted=False, depth=0)
    return found


class _Search:
    def __init__(self, into: Origins) -> None:
        self.into = into
        self.seen: set[ast.AST] = set()
        self.inside = 0  # how many parts were entered on the way

    def lost(self) -> None:
        self.into.is_complete = False

    def expression(self, view: ModuleView, node: ast.expr, *, adapted: bool, depth: int) -> None:
        if depth > _DEPTH:
            self.lost()
            return
        if node in self.seen:
            return
        self.seen.add(node)
        if isinstance(node, ast.Call):
            self.call(view, CallSite(view, node), adapted=adapted, depth=depth + 1)
        elif isinstance(node, ast.Name):
            bindings = view.links.bindings_read(node)
            if not bindings:
                self.lost()
            for binding in bindings:
                self.binding(view, binding, adapted=adapted, depth=depth + 1)
        elif isinstance(node, ast.Attribute):
            self.attribute(view, node, adapted=adapted, depth=depth + 1)
        elif isinstance(node, (ast.IfExp, ast.BoolOp)):
            for each in (node.body, node.orelse) if isinstance(node, ast.IfExp) else node.values:
                self.expression(view, each, adapted=adapted, depth=depth + 1)
        elif isinstance(node, (ast.NamedExpr, ast.Await)):
            self.expression(view, node.value, adapted=adapted, depth=depth + 1)
        elif not (isinstance(node, ast.Constant) and node.value is None):
            self.lost()

    def binding(self, view: ModuleView, binding: Binding, *, adapted: bool, depth: int) -> None:
        if depth > _DEPTH:
            self.lost()
            return
        value = binding.value
        if binding.kind in ("assign", "with") and value is not None:
            self.expression(view, value, adapted=adapted, depth=depth)
        elif binding.kind == "unpack" and value is not None:
            for each in _unpacked(value, binding.index):
                self.expression(view, each, adapted=adapted, depth=depth)
            if not _unpacked(value, binding.index):
                self.returned(view, value, binding.index, adapted=adapted, depth=depth)
        elif binding.kind == "parameter" and isinstance(binding.node, ast.arg):
            given, always = view.links.arguments_for(binding.scope.node, binding.node)
            for each in given:
                self.expression(view, each, adapted=adapted, depth=depth)
            if not given or not (always or value is not None):
                self.lost()
        elif binding.kind == "import":
            home, bindings = elsewhere.at_home(view, [binding])
            if home is view or not bindings:
                self.lost()
            for there in bindings if home is not view else ():
                self.binding(home, there, adapted=adapted, depth=depth + 1)
        else:
            self.lost()

    def attribute(self, view: ModuleView, node: ast.Attribute, *, adapted: bool, depth: int) -> None:
        owner = view.links.class_around(node)
        assigned = view.links.self_assignments(owner).get(node.attr, []) if owner is not None else []
        unpacked = view.links.self_unpackings(owner).get(node.attr, []) if owner is not None else []
        if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls") and (assigned or unpacked):
            for each in assigned:
                self.expression(view, each, adapted=adapted, depth=depth)
            for whole, place in unpacked:
                self.returned(view, whole, place, adapted=adapted, depth=depth)
        elif node.attr == "module" and isinstance(node.value, (ast.Name, ast.Attribute)):
            self.expression(view, node.value, adapted=adapted, depth=depth)
        elif node.attr == "model" and isinstance(node.value, ast.Attribute) and node.value.attr == "base_model":
            self.expression(view, node.value.value, adapted=adapted, depth=depth)  # what PEFT is around
        elif node.attr in ("base_model", "model") and isinstance(node.value, ast.Name):
            self.inside += 1
            self.expression(view, node.value, adapted=adapted, depth=depth)
            self.inside -= 1
        elif held := _held(view, node):
            for where, each in held:
                self.expression(where, each, adapted=adapted, depth=depth)
        else:
            self.lost()

    def call(self, view: ModuleView, call: CallSite, *, adapted: bool, depth: int) -> None:
        func = call.func
        if call.name in _SAME and isinstance(func, ast.Attribute) and call.name != "copy":
            merges = call.name in ("merge_and_unload", "unload")
            self.expression(view, func.value, adapted=adapted and not merges, depth=depth)
            return
        wrapped = _wrapped(call)
        if wrapped is not None:
            adapts = call.name in _ADAPTS or _is_peft_load(call)
            self.expression(view, wrapped, adapted=adapted or adapts, depth=depth)
            return
        functions = [each for each in call.callees if isinstance(each, LocalFunction)]
        if functions:
            for function in functions:
                for each in function.view.links.returns(function.node):
                    if each is not None:
                        self.expression(function.view, each, adapted=adapted, depth=depth)
            return
        self.into.found.append(Origin(call, is_adapted=adapted, is_inside=self.inside > 0))

    def returned(self, view: ModuleView, node: ast.expr, index: int, *, adapted: bool, depth: int) -> None:
        """Follow `model, tokenizer = load()` into the tuple that the function gives back."""
        functions = (
            [each for each in view.values(node.func) if isinstance(each, LocalFunction)]
            if isinstance(node, ast.Call)
            else []
        )
        for function in functions:
            for each in function.view.links.returns(function.node):
                inner = _unpacked(each, index) if each is not None else []
                for one in inner:
                    self.expression(function.view, one, adapted=adapted, depth=depth)
                if not inner:
                    self.lost()
        if not functions:
            if index == 0 and isinstance(node, ast.Call):  # `model, info = X.from_pretrained(output_loading_info=True)`
                self.expression(view, node, adapted=adapted, depth=depth)
            else:
                self.lost()


def _held(view: ModuleView, node: ast.Attribute) -> list[tuple[ModuleView, ast.expr]]:
    """What an attribute of an object of the repository is given: by the module, else by its class; none if unknown.

    Args:
        view: the module.
        node: `net.backbone`, where `net = Net()`.

    Returns:
        the values, each with its module.
    """
    found: list[tuple[ModuleView, ast.expr]] = []
    for value in view.values(node.value):
        of = value.of if isinstance(value, Instance) else None
        if not isinstance(of, LocalClass):
            return []
        given = of.view.links.self_assignments(of.node).get(node.attr, [])
        if not given:
            return []
        found += [(of.view, each) for each in given]
    written = ast.dump(node.value)
    again = [
        statement.value
        for statement in (view.tree.nodes.get(ast.Assign, ()) if found else ())
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Attribute) and target.attr == node.attr and ast.dump(target.value) == written
    ]
    # Of `net.backbone = get_peft_model(net.backbone)` the inner one is what the class gives.
    if any(value in view.tree.ancestors(node) for value in again):
        return found
    return [(view, value) for value in again] or found


def _unpacked(value: ast.expr, index: int) -> list[ast.expr]:
    if isinstance(value, (ast.Tuple, ast.List)) and not any(isinstance(each, ast.Starred) for each in value.elts):
        return value.elts[index : index + 1] if index >= 0 else []
    return []


def _wrapped(call: CallSite) -> ast.expr | None:
    """The model that a call wraps and gives back."""
    if call.name in _WRAPPERS or _is_peft_load(call) or _is_peft_model(call):
        return call.argument("model", 0)
    for callee in call.callees:
        if isinstance(callee, External):
            name = callee.name.rpartition(".")[2]  # imported under another name: `DDP(model)`
            if name in _WRAPPERS or (name == "initialize" and callee.package in _INITIALIZES):
                return call.argument("model", 0)
    if call.name == "prepare" and len(call.args) == 1:  # accelerator.prepare(model)
        return call.args[0]
    return None


def _is_peft_load(call: CallSite) -> bool:
    return call.name == "from_pretrained" and any(
        isinstance(each, External) and each.package == "peft" and each.name.startswith("PeftM")
        for each in call.owners({"from_pretrained"})
    )


def _is_peft_model(call: CallSite) -> bool:
    return call.name.startswith("PeftM") and any(
        isinstance(each, External) and each.package == "peft" for each in call.callees
    )


def runs_remote_code(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is made by code of its checkpoint's own: `from_pretrained(..., trust_remote_code=True)`."""
    return any(Constant(True) in each.call.values_of("trust_remote_code") for each in origins(view, node).found)


def made_classes(call: CallSite) -> Iterator[External | LocalClass]:
    """The classes of which a call makes an object: that of a constructor, or of `from_pretrained`."""
    for callee in call.callees:
        if isinstance(callee, Method) and not callee.bound and call.name.startswith(("from_", "_from_")):
            yield callee.owner
        elif isinstance(callee, LocalClass) or (isinstance(callee, External) and callee.name[:1].isupper()):
            yield callee
        elif isinstance(callee, Instance):
            yield callee.of
