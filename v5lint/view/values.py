"""What an expression may stand for: the abstract values that `v5lint.view.evaluate` computes.

An expression has a *set* of them, one for each way that its value can come about. `UNKNOWN` in the set says that
there are ways that could not be followed; a rule that wants to be sure asks for a set without it.
"""

from __future__ import annotations

from zlib import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from typing import Any, TypeAlias

    from v5lint.view.module import ModuleView

    Values: TypeAlias = frozenset["Value"]
    ClassValue: TypeAlias = "External | LocalClass"


class Value:
    """One abstract value; equal ones are the same thing."""

    __slots__ = ("_hash",)

    _hash: int

    def _key(self) -> tuple[Any, ...]:
        return (id(self),)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._key() == other._key()

    def __hash__(self) -> int:
        # Python's own hash of a text is another one in every run, and with it the order in which a set is gone through.
        try:
            known = self._hash
        except AttributeError:
            known = self._hash = crc32(repr(self).encode("utf-8", "surrogatepass"))
        return known

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._key()}"


class Unknown(Value):
    """A value that could not be followed.

    Attributes:
        origin: where it comes from: "caller" (a parameter), "command line", "environment", or "" (computed).
    """

    __slots__ = ("origin",)

    def __init__(self, origin: str = "") -> None:
        self.origin = origin

    def _key(self) -> tuple[Any, ...]:
        return (self.origin,)


class Constant(Value):
    """A string, number, truth value or None, with the expression (or the keyword) in which it is written."""

    __slots__ = ("node", "value")

    def __init__(self, value: Any, node: ast.expr | ast.keyword | None = None) -> None:
        self.value = value
        self.node = node

    def _key(self) -> tuple[Any, ...]:
        return (type(self.value), self.value)


class Placed(Constant):
    """A constant that is told from an equal one that is written elsewhere: see `ModuleView.written`."""

    __slots__ = ()

    def _key(self) -> tuple[Any, ...]:
        return (type(self.value), self.value, id(self.node))

    def __repr__(self) -> str:
        place = (getattr(self.node, "lineno", 0), getattr(self.node, "col_offset", 0))
        return f"{type(self).__name__}({self.value!r}, {place})"


class Partial(Value):
    """A string of which only parts are known.

    Attributes:
        parts: the known pieces in order; something unknown stands between each two, also before an empty first one
            and after an empty last one.
    """

    __slots__ = ("parts",)

    def __init__(self, parts: tuple[str, ...]) -> None:
        self.parts = parts

    def _key(self) -> tuple[Any, ...]:
        return (self.parts,)


class External(Value):
    """Something of another package, by its dotted path: a module, class, function or constant."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def _key(self) -> tuple[Any, ...]:
        return (self.path,)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]

    @property
    def package(self) -> str:
        """The first part of the path."""
        return self.path.partition(".")[0]


class LocalClass(Value):
    """A class that is defined in this repository."""

    __slots__ = ("node", "view")

    def __init__(self, view: ModuleView, node: ast.ClassDef) -> None:
        self.view = view
        self.node = node

    def _key(self) -> tuple[Any, ...]:
        return (id(self.node),)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.view.path}:{self.node.lineno}:{self.node.col_offset})"

    @property
    def name(self) -> str:
        """The name in its `class` statement."""
        return self.node.name


class LocalFunction(Value):
    """A function or method that is defined in this repository."""

    __slots__ = ("node", "view")

    def __init__(self, view: ModuleView, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        self.view = view
        self.node = node

    def _key(self) -> tuple[Any, ...]:
        return (id(self.node),)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.view.path}:{self.node.lineno}:{self.node.col_offset})"


class Instance(Value):
    """An object of a class."""

    __slots__ = ("of",)

    def __init__(self, of: ClassValue) -> None:
        self.of = of

    def _key(self) -> tuple[Any, ...]:
        return (self.of,)


class Method(Value):
    """An attribute of a class or of an object that is not written in this repository: `AutoModel.from_pretrained`.

    Attributes:
        owner: the class that it was asked of, which may have inherited it.
        name: the attribute.
        bound: whether it was asked of an object of the class.
    """

    __slots__ = ("bound", "name", "owner")

    def __init__(self, owner: ClassValue, name: str, *, bound: bool) -> None:
        self.owner = owner
        self.name = name
        self.bound = bound

    def _key(self) -> tuple[Any, ...]:
        return (self.owner, self.name, self.bound)


class Result(Value):
    """What a call of another package's function or method gave back.

    Attributes:
        of: the dotted path of the function; for a method of an object `package.Class().method`.
        node: the call.
        view: the module in which it stands.
    """

    __slots__ = ("node", "of", "view")

    def __init__(self, of: str, view: ModuleView, node: ast.Call) -> None:
        self.of = of
        self.view = view
        self.node = node

    def _key(self) -> tuple[Any, ...]:
        return (self.of, id(self.node))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.of}, {self.view.path}:{self.node.lineno}:{self.node.col_offset})"


class Mapping(Value):
    """A dict that is built in this repository: a literal, a `dict(...)` call, a comprehension or `a | b`."""

    __slots__ = ("node", "view")

    def __init__(self, view: ModuleView, node: ast.Dict | ast.Call | ast.DictComp | ast.BinOp) -> None:
        self.view = view
        self.node = node

    def _key(self) -> tuple[Any, ...]:
        return (id(self.node),)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.view.path}:{self.node.lineno}:{self.node.col_offset})"


class Elements(Value):
    """A list, tuple or set whose elements are known, each as the values it may have.

    Attributes:
        items: the elements in order.
        is_open: whether there may be any number of them, each with one of the values: what a comprehension makes.
    """

    __slots__ = ("is_open", "items")

    def __init__(self, items: tuple[Values, ...], *, is_open: bool = False) -> None:
        self.items = items
        self.is_open = is_open

    def _key(self) -> tuple[Any, ...]:
        return (self.items, self.is_open)

    def __hash__(self) -> int:
        return len(self.items)  # there are few in one set, and what they hold is large

    def __repr__(self) -> str:
        return f"{type(self).__name__}({[sorted(map(repr, each)) for each in self.items]}, {self.is_open})"


class Table(Value):
    """A dict of which only is known what its values are, whatever the key: `models: dict[str, ViTModel]`.

    Attributes:
        items: the values that each of its values may have.
    """

    __slots__ = ("items",)

    def __init__(self, items: Values) -> None:
        self.items = items

    def _key(self) -> tuple[Any, ...]:
        return (self.items,)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({sorted(map(repr, self.items))})"


UNKNOWN = Unknown()
NOTHING_KNOWN: Values = frozenset({UNKNOWN})


def any_of(containers: Values) -> Elements:
    """Any number of the elements of some sequences, in any order."""
    found: set[Value] = set()
    for container in containers:
        for item in container.items if isinstance(container, Elements) else (NOTHING_KNOWN,):
            found |= item
    return Elements((frozenset(found) or NOTHING_KNOWN,), is_open=True)
