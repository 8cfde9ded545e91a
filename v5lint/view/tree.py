"""One walk over a syntax tree: who is whose parent, which names each scope binds, and the nodes by type."""

from __future__ import annotations

import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    Position: TypeAlias = tuple[int, int]
    FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Binding:
    """One place that gives a name a value in a scope.

    Attributes:
        name: the name.
        scope: the scope that it stands in.
        owner: the scope whose name it is: another one after `global` and `nonlocal`.
        kind: "import", "assign", "unpack", "for", "with", "parameter", "def", "class", "except", "del", "augment",
            "declare" (an annotation without a value), "nested" (in a tuple within the one that is unpacked, or what
            `*rest` takes of it) or "match".
        node: the alias, Name, arg, definition or handler that binds.
        value: the expression it comes from: the right-hand side, the iterable, the context manager, the default.
        statement: the import statement, of an import.
        at: line and column from which on the binding is in effect.
        index: the place in the tuple that is unpacked, of "unpack" (and of "for" over tuples); else -1.
        annotation: of a parameter or an annotated assignment.
        places: of "nested", the places in the tuples, the outermost first; a slice for what `*rest` takes.
        is_looped: of "nested", whether it is what is unpacked of each element of the value.
    """

    __slots__ = (
        "annotation",
        "at",
        "index",
        "is_looped",
        "kind",
        "name",
        "node",
        "owner",
        "places",
        "scope",
        "statement",
        "value",
    )

    def __init__(
        self,
        name: str,
        scope: Scope,
        kind: str,
        node: ast.AST,
        at: Position,
        value: ast.expr | None = None,
        *,
        statement: ast.Import | ast.ImportFrom | None = None,
        index: int = -1,
        annotation: ast.expr | None = None,
    ) -> None:
        self.name = name
        self.scope = scope
        self.owner = scope
        self.kind = kind
        self.node = node
        self.at = at
        self.value = value
        self.statement = statement
        self.index = index
        self.annotation = annotation
        self.places: tuple[int | slice, ...] = ()
        self.is_looped = False

    def __repr__(self) -> str:
        return f"<Binding {self.kind} {self.name} at {self.at}>"


class Scope:
    """A module, class, function, lambda or comprehension, with the bindings of each name in it in source order."""

    __slots__ = ("bindings", "globals", "node", "nonlocals", "parent", "stars")

    def __init__(self, node: ast.AST, parent: Scope | None) -> None:
        self.node = node
        self.parent = parent
        self.bindings: dict[str, list[Binding]] = {}
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        self.stars: list[ast.ImportFrom] = []

    @property
    def is_class(self) -> bool:
        """Whether it is the body of a class, which functions inside do not see."""
        return isinstance(self.node, ast.ClassDef)

    @property
    def is_function(self) -> bool:
        """Whether it is the body of a function or lambda."""
        return isinstance(self.node, FUNCTIONS)


class Tree:
    """A parsed module, indexed.

    Attributes:
        root: the module.
        scope: the scope of the module.
        parents: the parent of every node but the root.
        scopes: the scope of every Name, and of every node that opens one, the one that it opens.
        nodes: all nodes by type, in source order.
        annotations: the string constants that are types, in annotations, `cast("Name", x)` and `List["Name"]`, with
            their scope.
    """

    def __init__(self, root: ast.Module) -> None:
        self.root = root
        self.scope = Scope(root, None)
        self.parents: dict[ast.AST, ast.AST] = {}
        self.scopes: dict[ast.AST, Scope] = {root: self.scope}
        self.nodes: dict[type[ast.AST], list[ast.AST]] = {}
        self.annotations: list[tuple[ast.Constant, Scope]] = []
        _Walk(self).run()

    def ancestors(self, node: ast.AST) -> list[ast.AST]:
        """The parents of a node, nearest first, up to the module."""
        found = []
        parents = self.parents
        at: ast.AST | None = parents.get(node)
        while at is not None:
            found.append(at)
            at = parents.get(at)
        return found

    def statement(self, node: ast.AST) -> ast.stmt:
        """The statement that a node is in, or is."""
        while not isinstance(node, ast.stmt):
            node = self.parents[node]
        return node

    def scope_of(self, node: ast.AST) -> Scope:
        """The scope in which an expression is evaluated, or a statement executed."""
        if isinstance(node, ast.Name):
            return self.scopes[node]
        child = node
        for parent in self.ancestors(node):
            if parent in self.scopes and not isinstance(parent, ast.Name) and not _outside(parent, child):
                return self.scopes[parent]
            child = parent
        return self.scope


def _outside(parent: ast.AST, child: ast.AST) -> bool:
    """Whether a child of a scope-opening node is evaluated in the scope around it."""
    if isinstance(parent, ast.ClassDef):
        return child not in parent.body
    if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return child not in parent.body
    if isinstance(parent, ast.Lambda):
        return child is not parent.body
    # The first iterable of a comprehension is outside too; that only matters for names, whose scope is recorded.
    return False


class _Walk:
    """The walk itself: an explicit stack, because a sum of a thousand terms is a tree a thousand deep."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.stack: list[tuple[ast.AST, Scope, bool]] = []

    def run(self) -> None:
        tree, stack = self.tree, self.stack
        parents, nodes, scopes = tree.parents, tree.nodes, tree.scopes
        handlers, childless = _HANDLERS, _CHILDLESS
        stack.append((tree.root, tree.scope, False))
        while stack:
            node, scope, annotation = stack.pop()
            kind = node.__class__
            if kind in nodes:
                nodes[kind].append(node)
            else:
                nodes[kind] = [node]
            # Three of four nodes are of these kinds.
            if kind is ast.Name:
                scopes[node] = scope
                continue
            if kind is ast.Constant:
                if annotation and isinstance(node.value, str):  # type: ignore[attr-defined]
                    tree.annotations.append((node, scope))  # type: ignore[arg-type]
                continue
            if kind is ast.Attribute:
                value = node.value  # type: ignore[attr-defined]
                parents[value] = node
                stack.append((value, scope, annotation))
                continue
            if kind is ast.Subscript:
                annotation = _holds_types(node, is_type=annotation)  # type: ignore[arg-type]
            if kind in handlers and handlers[kind](self, node, scope):
                continue
            children = []
            for field in node._fields:
                value = getattr(node, field)
                if value.__class__ is list:
                    for child in value:
                        if child.__class__ not in childless:
                            parents[child] = node
                            children.append((child, scope, annotation))
                elif value.__class__ not in childless:
                    parents[value] = node
                    children.append((value, scope, annotation))
            children.reverse()
            stack.extend(children)

    def push(self, parent: ast.AST, children: list[tuple[ast.AST | None, Scope, bool]]) -> None:
        """Put children on the stack so that the first comes off first."""
        for child, scope, annotation in reversed(children):
            if child is not None:
                self.tree.parents[child] = parent
                self.stack.append((child, scope, annotation))

    # Each handler returns True when it has pushed the children itself.

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> bool:
        self.bind(scope, node.name, "def", node, _end(node))
        inner = Scope(node, scope)
        self.tree.scopes[node] = inner
        children: list[tuple[ast.AST | None, Scope, bool]] = [(each, scope, False) for each in node.decorator_list]
        children += self.parameters(node.args, scope, inner)
        children.append((node.returns, scope, True))
        children += [(each, inner, False) for each in getattr(node, "type_params", [])]
        children += [(each, inner, False) for each in node.body]
        self.push(node, children)
        return True

    def lambda_(self, node: ast.Lambda, scope: Scope) -> bool:
        inner = Scope(node, scope)
        self.tree.scopes[node] = inner
        self.push(node, [*self.parameters(node.args, scope, inner), (node.body, inner, False)])
        return True

    def parameters(self, args: ast.arguments, outer: Scope, inner: Scope) -> list[tuple[ast.AST | None, Scope, bool]]:
        """Bind the parameters and give what is evaluated outside: defaults and annotations."""
        start = _start(inner.node)
        positional = [*args.posonlyargs, *args.args]
        defaults: dict[ast.arg, ast.expr | None] = dict(
            zip(reversed(positional), reversed(args.defaults), strict=False)
        )
        defaults.update(zip(args.kwonlyargs, args.kw_defaults, strict=True))
        every = [*positional, *args.kwonlyargs]
        every += [each for each in (args.vararg, args.kwarg) if each is not None]
        children: list[tuple[ast.AST | None, Scope, bool]] = []
        for arg in every:
            starred = 1 if arg is args.vararg else 2 if arg is args.kwarg else -1
            self.bind(
                inner, arg.arg, "parameter", arg, start, defaults.get(arg), index=starred, annotation=arg.annotation
            )
            children.append((arg.annotation, outer, True))
            children.append((defaults.get(arg), outer, False))
            self.tree.parents[arg] = inner.node
        return children

    def class_(self, node: ast.ClassDef, scope: Scope) -> bool:
        self.bind(scope, node.name, "class", node, _end(node))
        inner = Scope(node, scope)
        self.tree.scopes[node] = inner
        outside = [*node.decorator_list, *node.bases, *node.keywords]
        children: list[tuple[ast.AST | None, Scope, bool]] = [(each, scope, False) for each in outside]
        children += [(each, inner, False) for each in getattr(node, "type_params", [])]
        children += [(each, inner, False) for each in node.body]
        self.push(node, children)
        return True

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, scope: Scope) -> bool:
        inner = Scope(node, scope)
        self.tree.scopes[node] = inner
        for number, generator in reversed([*enumerate(node.generators)]):
            self.target(inner, generator.target, "for", _start(node), generator.iter)
            self.tree.parents[generator] = node
            # The first iterable is evaluated outside, so that `[x for x in x]` reads the outer `x`.
            around = inner if number else scope
            children = [(generator.target, inner, False), (generator.iter, around, False)]
            self.push(generator, [*children, *((each, inner, False) for each in generator.ifs)])
        elements = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
        self.push(node, [(each, inner, False) for each in elements])
        return True

    def import_(self, node: ast.Import, scope: Scope) -> bool:
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            self.bind(scope, name, "import", alias, _end(node), statement=node)
        return False

    def import_from(self, node: ast.ImportFrom, scope: Scope) -> bool:
        for alias in node.names:
            if alias.name == "*":
                scope.stars.append(node)
            else:
                self.bind(scope, alias.asname or alias.name, "import", alias, _end(node), statement=node)
        return False

    def call(self, node: ast.Call, scope: Scope) -> bool:
        """Take the string in `cast("Name", x)` and `TypeVar("T", bound="Name")` for the annotation that it is."""
        typed = _TYPED_ARGUMENTS.get(_typing_name(node.func))
        if typed is None:
            return False
        children: list[tuple[ast.AST | None, Scope, bool]] = [(node.func, scope, False)]
        children += [(each, scope, number in typed) for number, each in enumerate(node.args)]
        children += [(each, scope, each.arg == "bound") for each in node.keywords]
        self.push(node, children)
        return True

    def assign(self, node: ast.Assign, scope: Scope) -> bool:
        for target in node.targets:
            self.target(scope, target, "assign", _end(node), node.value)
        return False

    def ann_assign(self, node: ast.AnnAssign, scope: Scope) -> bool:
        if isinstance(node.target, ast.Name):
            kind = "assign" if node.value is not None else "declare"
            self.bind(scope, node.target.id, kind, node.target, _end(node), node.value, annotation=node.annotation)
        is_alias = _typing_name(node.annotation) == "TypeAlias"
        self.push(node, [(node.target, scope, False), (node.annotation, scope, True), (node.value, scope, is_alias)])
        return True

    def aug_assign(self, node: ast.AugAssign, scope: Scope) -> bool:
        if isinstance(node.target, ast.Name):
            self.bind(scope, node.target.id, "augment", node, _end(node), node.value)
        return False

    def named_expr(self, node: ast.NamedExpr, scope: Scope) -> bool:
        while isinstance(scope.node, COMPREHENSIONS) and scope.parent is not None:
            scope = scope.parent
        self.bind(scope, node.target.id, "assign", node.target, _end(node), node.value)
        return False

    def for_(self, node: ast.For | ast.AsyncFor, scope: Scope) -> bool:
        self.target(scope, node.target, "for", _end(node.iter), node.iter)
        return False

    def with_(self, node: ast.With | ast.AsyncWith, scope: Scope) -> bool:
        for item in node.items:
            if item.optional_vars is not None:
                self.target(scope, item.optional_vars, "with", _end(item.context_expr), item.context_expr)
        return False

    def handler(self, node: ast.ExceptHandler, scope: Scope) -> bool:
        if node.name:
            self.bind(scope, node.name, "except", node, _start(node))
        return False

    def delete(self, node: ast.Delete, scope: Scope) -> bool:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.bind(scope, target.id, "del", target, _end(node))
        return False

    def match(self, node: ast.MatchAs | ast.MatchStar, scope: Scope) -> bool:
        if node.name:
            self.bind(scope, node.name, "match", node, _end(node))
        return False

    def match_mapping(self, node: ast.MatchMapping, scope: Scope) -> bool:
        if node.rest:
            self.bind(scope, node.rest, "match", node, _end(node))
        return False

    def global_(self, node: ast.Global, scope: Scope) -> bool:
        scope.globals.update(node.names)
        return False

    def nonlocal_(self, node: ast.Nonlocal, scope: Scope) -> bool:
        scope.nonlocals.update(node.names)
        return False

    def target(self, scope: Scope, target: ast.expr, kind: str, at: Position, value: ast.expr) -> None:
        """Bind the names of an assignment target."""
        if isinstance(target, ast.Name):
            self.bind(scope, target.id, kind, target, at, value)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for index, element in enumerate(target.elts):
                if isinstance(element, ast.Name) and _taken(target, index) == index:
                    place = "for" if kind == "for" else "unpack"
                    self.bind(scope, element.id, place, element, at, value, index=index)
                else:
                    self.nested(scope, element, at, value, (_taken(target, index),), is_looped=kind == "for")

    def nested(
        self,
        scope: Scope,
        target: ast.expr,
        at: Position,
        value: ast.expr,
        places: tuple[int | slice, ...],
        *,
        is_looped: bool,
    ) -> None:
        """Bind the names in the tuples within the target of an assignment, and what `*rest` takes."""
        if isinstance(target, ast.Starred):
            target = target.value
        if isinstance(target, ast.Name):
            binding = self.bind(scope, target.id, "nested", target, at, value)
            binding.places, binding.is_looped = places, is_looped
        elif isinstance(target, (ast.Tuple, ast.List)):
            for index, element in enumerate(target.elts):
                self.nested(scope, element, at, value, (*places, _taken(target, index)), is_looped=is_looped)

    def bind(
        self,
        scope: Scope,
        name: str,
        kind: str,
        node: ast.AST,
        at: Position,
        value: ast.expr | None = None,
        *,
        statement: ast.Import | ast.ImportFrom | None = None,
        index: int = -1,
        annotation: ast.expr | None = None,
    ) -> Binding:
        owner = scope
        if name in scope.globals:
            owner = self.tree.scope
        elif name in scope.nonlocals:
            around = scope.parent
            while around is not None and (around.is_class or name not in around.bindings):
                around = around.parent
            owner = around or scope
        binding = Binding(name, scope, kind, node, at, value, statement=statement, index=index, annotation=annotation)
        binding.owner = owner
        owner.bindings.setdefault(name, []).append(binding)
        return binding


def _taken(target: ast.Tuple | ast.List, index: int) -> int | slice:
    """What an element of a target takes of the tuple that is unpacked: one place, or several where it is `*rest`.

    A place behind `*rest` counts from the end.
    """
    if isinstance(target.elts[index], ast.Starred):
        return slice(index, index + 1 - len(target.elts) or None)
    is_behind = any(isinstance(each, ast.Starred) for each in target.elts[:index])
    return index - len(target.elts) if is_behind else index


def _typing_name(node: ast.expr) -> str:
    """The last name of `cast` or `typing.cast`; "" of what is an attribute of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in _TYPING:
        return node.attr
    return ""


def _holds_types(node: ast.Subscript, *, is_type: bool) -> bool:
    """Whether the strings in a subscript are types: those of `Literal[...]` are values and not names.

    Args:
        node: the subscript.
        is_type: whether it stands where a type is; `Extractor = Optional["Name"]` is one wherever it stands.
    """
    name = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
    return name != "Literal" and (is_type or _typing_name(node.value) in _GENERICS)


def _start(node: ast.AST) -> Position:
    return (getattr(node, "lineno", 1), getattr(node, "col_offset", 0))


def _end(node: ast.AST) -> Position:
    return (getattr(node, "end_lineno", 1), getattr(node, "end_col_offset", 0))


_TYPING = frozenset({"typing", "typing_extensions", "t"})

#: What is made of types, and which arguments of functions are types, by their place.
_GENERICS = frozenset(
    "Annotated AsyncIterable AsyncIterator Awaitable Callable ClassVar Collection Coroutine DefaultDict Deque Dict "
    "Final FrozenSet Generator Iterable Iterator List Mapping MutableMapping MutableSequence Optional Sequence Set "
    "Tuple Type Union list tuple type".split()
)
_TYPED_ARGUMENTS = {"cast": range(1), "NewType": range(1, 2), "TypeVar": range(1, 100)}

#: What stands in the fields of a node and is no node of its own: operators, contexts, names and numbers.
_CHILDLESS = frozenset(
    kind
    for base in (ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop)
    for kind in (base, *base.__subclasses__())
) | {str, int, bool, type(None)}

_HANDLERS: dict[type[ast.AST], Callable[[_Walk, Any, Scope], bool]] = {
    ast.FunctionDef: _Walk.function,
    ast.AsyncFunctionDef: _Walk.function,
    ast.Lambda: _Walk.lambda_,
    ast.ClassDef: _Walk.class_,
    ast.ListComp: _Walk.comprehension,
    ast.SetComp: _Walk.comprehension,
    ast.DictComp: _Walk.comprehension,
    ast.GeneratorExp: _Walk.comprehension,
    ast.Call: _Walk.call,
    ast.Import: _Walk.import_,
    ast.ImportFrom: _Walk.import_from,
    ast.Assign: _Walk.assign,
    ast.AnnAssign: _Walk.ann_assign,
    ast.AugAssign: _Walk.aug_assign,
    ast.NamedExpr: _Walk.named_expr,
    ast.For: _Walk.for_,
    ast.AsyncFor: _Walk.for_,
    ast.With: _Walk.with_,
    ast.AsyncWith: _Walk.with_,
    ast.ExceptHandler: _Walk.handler,
    ast.Delete: _Walk.delete,
    ast.MatchAs: _Walk.match,
    ast.MatchStar: _Walk.match,
    ast.MatchMapping: _Walk.match_mapping,
    ast.Global: _Walk.global_,
    ast.Nonlocal: _Walk.nonlocal_,
}
