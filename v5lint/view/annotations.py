"""What annotations say of values: `model: "Optional[ViTModel]"`, `models: dict[str, ViTModel]`."""

from __future__ import annotations

import ast

from v5lint.view import strings
from v5lint.view.values import NOTHING_KNOWN, Elements, External, Instance, LocalClass, Table, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.view.evaluate import Evaluator
    from v5lint.view.module import ModuleView
    from v5lint.view.values import ClassValue, Value, Values

#: What names the type of the value itself.
_WRAPPERS = frozenset({"Optional", "Union", "Annotated", "ClassVar", "Final", "Type", "type"})

#: What names the type of the elements, and that of the keys and the values.
_SEQUENCES = frozenset(
    "list List tuple Tuple set Set frozenset FrozenSet Sequence MutableSequence Iterable Iterator Collection "
    "Generator".split()
)
_MAPPINGS = frozenset("dict Dict Mapping MutableMapping OrderedDict DefaultDict defaultdict".split())


class Annotations:
    """Reads the annotations of one module, for the evaluator of its expressions."""

    __slots__ = ("_aliases", "_evaluator", "_view")

    def __init__(self, view: ModuleView, evaluator: Evaluator) -> None:
        self._view = view
        self._evaluator = evaluator
        self._aliases: set[ast.expr] = set()  # that are being looked into

    def values(self, annotation: ast.expr) -> Values:
        """Objects of the classes that an annotation names, through Optional, Union, `|`, strings and containers."""
        found: set[Value] = set()
        for each in self._parts(annotation):
            if isinstance(each, ast.Subscript):
                container = self._container(each)
                if container is not None and not is_vague(container):
                    found.add(container)
                continue
            for named in self._named(each):
                if not isinstance(named, External) or named.package != "builtins":
                    found.add(Instance(named))
        return frozenset(found) or NOTHING_KNOWN

    def classes(self, annotation: ast.expr) -> Iterator[ClassValue]:
        """The classes that an annotation names."""
        for each in self._parts(annotation):
            if not isinstance(each, ast.Subscript):
                yield from self._named(each)

    def several(self, annotation: ast.expr) -> Elements | None:
        """The items of a sequence that an annotation describes, `Tuple[A, B]` or a name for it; else None."""
        for each in self._parts(annotation):
            made = self._container(each) if isinstance(each, ast.Subscript) else None
            if isinstance(made, Elements) and not is_vague(made):
                return made
        return None

    def _parts(self, annotation: ast.expr) -> Iterator[ast.expr]:
        """The names and containers of types that an annotation joins; an alias as what it stands for."""
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            parsed = self._view.names.parsed_annotation(annotation)
            if parsed is not None:
                yield from self._parts(parsed)
        elif isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
            yield from self._parts(annotation.left)
            yield from self._parts(annotation.right)
        elif isinstance(annotation, ast.Subscript) and _wrapper(annotation) in _WRAPPERS:
            inside = annotation.slice
            for each in inside.elts if isinstance(inside, ast.Tuple) else [inside]:
                yield from self._parts(each)
        elif isinstance(annotation, (ast.Name, ast.Attribute)):
            yield from [annotation] if self._own(annotation) else self._aliased(annotation)
        elif isinstance(annotation, ast.Subscript):
            yield annotation

    def _named(self, name: ast.expr) -> Iterator[ClassValue]:
        return (each for each in self._evaluator.values(name) if isinstance(each, (External, LocalClass)))

    def _own(self, name: ast.expr) -> bool:
        return any(True for _ in self._named(name))

    def _aliased(self, name: ast.expr) -> Iterator[ast.expr]:
        """What an alias stands for: `Tokenizer = Union[A, B]`, `T = TypeVar("T", bound=A)`."""
        bindings = self._view.links.bindings_read(name) if isinstance(name, ast.Name) else []
        for binding in bindings:
            value = binding.value
            if binding.kind != "assign" or value is None or value in self._aliases:
                continue
            self._aliases.add(value)
            try:
                for each in _types_of_variable(value) if isinstance(value, ast.Call) else [value]:
                    yield from self._parts(each)
            finally:
                self._aliases.discard(value)

    def _container(self, annotation: ast.Subscript) -> Elements | Table | None:
        """The container that an annotation describes; None where it is about something else."""
        wrapper, inside = _wrapper(annotation), annotation.slice
        items = inside.elts if isinstance(inside, ast.Tuple) else [inside]
        if wrapper in _MAPPINGS and len(items) == 2:
            return Table(self.values(items[1]))
        if wrapper not in _SEQUENCES:
            return None
        is_open = wrapper not in ("tuple", "Tuple") or any(_is_ellipsis(each) for each in items)
        if is_open:
            return Elements((self.values(items[0]),), is_open=True)
        return Elements(tuple(self.values(each) for each in items))


def _wrapper(annotation: ast.Subscript) -> str:
    return strings.dotted(annotation.value).rpartition(".")[2]


def is_vague(container: Elements | Table) -> bool:
    """Whether nothing is known of what is in a container."""
    held = container.items if isinstance(container, Elements) else (container.items,)
    return not any(_says_something(value) for each in held for value in each)


def _says_something(value: Value) -> bool:
    """Whether a value is of a class that is one: `Any` is none."""
    if isinstance(value, Instance):
        return not isinstance(value.of, External) or not value.of.package.startswith("typing")
    return not isinstance(value, Unknown)


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _types_of_variable(call: ast.Call) -> list[ast.expr]:
    """The types that a `TypeVar` stands for."""
    if strings.last_name(call.func) != "TypeVar":
        return []
    return [*call.args[1:], *(each.value for each in call.keywords if each.arg == "bound")]
