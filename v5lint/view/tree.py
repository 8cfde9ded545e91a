"""One walk over a syntax tree: who is whose parent, which names each scope binds, and the nodes by type."""

from __future__ import annotations

import ast
from collections import defaultdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
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
        self.nodes: defaultdict[type[ast.AST], list[ast.AST]] = defaultdict(list)
        self.annotations: list[tuple[ast.Constant, Scope]] = []
        _Walk(self).run([root], self.scope)

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
    """The walk itself: a stack for each scope, because a sum of a thousand terms is a tree a thousand deep."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def run(self, first: Sequence[ast.AST | None], scope: Scope, annotation: bool = False) -> None:
        """Walk over some nodes and what is below them.

        Args:
            first: the nodes, in source order; their parents are known.
            scope: the scope in which they are evaluated.
            annotation: whether they are types.
        """
        tree = self.tree
        parents, nodes, scopes = tree.parents, tree.nodes, tree.scopes
        handlers, fields, childless, of_one = _HANDLERS, _CHILDREN, _CHILDLESS, _OF_ONE
        stack = [node for node in first if node is not None]
        stack.reverse()
        while stack:
            node = stack.pop()
            kind = node.__class__
            nodes[kind].append(node)
            # Four of five nodes are of these kinds.
            if kind is ast.Name:
                scopes[node] = scope
                continue
            if kind is ast.Constant:
                if annotation and isinstance(node.value, str):  # type: ignore[attr-defined]
                    tree.annotations.append((node, scope))  # type: ignore[arg-type]
                continue
            if kind in of_one:
                value = node.value  # type: ignore[attr-defined]
                if value is not None:
                    parents[value] = node
                    stack.append(value)
                continue
            if kind is ast.Call:
                func = node.func  # type: ignore[attr-defined]
                named = func.id if func.__class__ is ast.Name else getattr(func, "attr", "")
                if named in _TYPED_ARGUMENTS and _typing_name(func) == named:
                    self.typed_call(node, scope, _TYPED_ARGUMENTS[named])  # type: ignore[arg-type]
                    continue
                for child in reversed(node.keywords):  # type: ignore[attr-defined]
                    parents[child] = node
                    stack.append(child)
                for child in reversed(node.args):  # type: ignore[attr-defined]
                    parents[child] = node
                    stack.append(child)
                parents[func] = node
                stack.append(func)
                continue
            if kind is ast.Subscript:
                held = _holds_types(node, is_type=annotation)  # type: ignore[arg-type]
                if held is not annotation:
                    self.below(node, (node.value, node.slice), scope, held)  # type: ignore[attr-defined]
                    continue
            elif kind in handlers and handlers[kind](self, node, scope):
                continue
            for field in fields[kind]:
                value = getattr(node, field)
                if value.__class__ is list:
                    for child in reversed(value):
                        if child.__class__ not in childless:
                            parents[child] = node
                            stack.append(child)
                elif value.__class__ not in childless:
                    parents[value] = node
                    stack.append(value)

    def below(
        self, parent: ast.AST, children: Sequence[ast.AST | None], scope: Scope, annotation: bool = False
    ) -> None:
        """Walk over some children of a node."""
        parents = self.tree.parents
        for child in children:
            if child is not None:
                parents[child] = parent
        self.run(children, scope, annotation)

    # Each handler returns True when it has walked over the children itself.

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> bool:
        self.bind(scope, node.name, "def", node, _end(node))
        inner = Scope(node, scope)
        self.tree.scopes[node] = inner
        self.below(node, node.decorator_list, scope)
        self.parameters(node, scope, inner)
        self.below(node, (node.returns,), scope, True)
        self.below(node, (*getattr(node, "type_params", ()), *node.body), inner)
        return True

    def lambda_(self, node: ast.Lambda, scope: Scope) -> bool:
        inner = Scope(node, scope)
        self.tree.scopes[node] = inner
        self.parameters(node, scope, inner)
        self.below(node, (node.body,), inner)
        return True

    def parameters(self, node: FunctionNode, outer: Scope, inner: Scope) -> None:
        """Bind the parameters and walk over what is evaluated outside: defaults and annotations."""
        args = node.args
        start = _start(node)
        positional = [*args.posonlyargs, *args.args]
        defaults: dict[ast.arg, ast.expr | None] = dict(
            zip(reversed(positional), reversed(args.defaults), strict=False)
        )
        defaults.update(zip(args.kwonlyargs, args.kw_defaults, strict=True))
        every = [*positional, *args.kwonlyargs]
        every += [each for each in (args.vararg, args.kwarg) if each is not None]
        for arg in every:
            starred = 1 if arg is args.vararg else 2 if arg is args.kwarg else -1
            annotation, default = arg.annotation, defaults.get(arg)
            self.bind(inner, arg.arg, "parameter", arg, start, default, index=starred, annotation=annotation)
            self.tree.parents[arg] = node
            if annotation is not None:
                self.below(node, (annotation,), outer, True)
            if default is not None:
                self.below(node, (default,), outer)

    def class_(self, node: ast.ClassDef, scope: Scope) -> bool:
        self.bind(scope, node.name, "class", node, _end(node))
        inner = Scope(node, scope)
        self.tree.scopes[node] = inner
        self.below(node, (*node.decorator_list, *node.bases, *node.keywords), scope)
        self.below(node, (*getattr(node, "type_params", ()), *node.body), inner)
        return True

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, scope: Scope) -> bool:
        inner = Scope(node, scope)
        self.tree.scopes[node] = inner
        for generator in reversed(node.generators):
            self.target(inner, generator.target, "for", _start(node), generator.iter)
        self.below(node, (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,), inner)
        for number, generator in enumerate(node.generators):
            self.tree.parents[generator] = node
            self.below(generator, (generator.target,), inner)
            # The first iterable is evaluated outside, so that `[x for x in x]` reads the outer `x`.
            self.below(generator, (generator.iter,), inner if number else scope)
            self.below(generator, generator.ifs, inner)
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

    def typed_call(self, node: ast.Call, scope: Scope, typed: range) -> None:
        """Take the string in `cast("Name", x)` and `TypeVar("T", bound="Name")` for the annotation that it is."""
        self.below(node, (node.func,), scope)
        for number, each in enumerate(node.args):
            self.below(node, (each,), scope, number in typed)
        for keyword in node.keywords:
            self.below(node, (keyword,), scope, keyword.arg == "bound")

    def assign(self, node: ast.Assign, scope: Scope) -> bool:
        for target in node.targets:
            self.target(scope, target, "assign", _end(node), node.value)
        return False

    def ann_assign(self, node: ast.AnnAssign, scope: Scope) -> bool:
        if isinstance(node.target, ast.Name):
            kind = "assign" if node.value is not None else "declare"
            self.bind(scope, node.target.id, kind, node.target, _end(node), node.value, annotation=node.annotation)
        self.below(node, (node.target,), scope)
        self.below(node, (node.annotation,), scope, True)
        self.below(node, (node.value,), scope, _typing_name(node.annotation) == "TypeAlias")
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

#: The nodes with one child, in `value`.
_OF_ONE = frozenset({ast.Attribute, ast.keyword, ast.Expr, ast.Return, ast.Starred, ast.Await, ast.YieldFrom})

#: Fields in which nothing else ever stands, whatever the node.
_PLAIN_FIELDS = frozenset(
    "arg asname attr conversion ctx id is_async kind level module op ops simple type_comment type_ignores".split()
)


class _Fields(dict[type[ast.AST], tuple[str, ...]]):
    """The fields of each type of node in which other nodes may stand, the last one first."""

    def __missing__(self, kind: type[ast.AST]) -> tuple[str, ...]:
        fields = self[kind] = tuple(each for each in reversed(kind._fields) if each not in _PLAIN_FIELDS)
        return fields


_CHILDREN = _Fields()

_HANDLERS: dict[type[ast.AST], Callable[[_Walk, Any, Scope], bool]] = {
    ast.FunctionDef: _Walk.function,
    ast.AsyncFunctionDef: _Walk.function,
    ast.Lambda: _Walk.lambda_,
    ast.ClassDef: _Walk.class_,
    ast.ListComp: _Walk.comprehension,
    ast.SetComp: _Walk.comprehension,
    ast.DictComp: _Walk.comprehension,
    ast.GeneratorExp: _Walk.comprehension,
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
