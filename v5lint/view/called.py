"""What a call gives: functions that give back what they get, importers, methods of texts, parsers, constructors."""

from __future__ import annotations

import ast

from v5lint.patterns import pattern
from v5lint.view import namespaces, strings
from v5lint.view.values import (
    NOTHING_KNOWN,
    UNKNOWN,
    Constant,
    Elements,
    External,
    Instance,
    LocalClass,
    LocalFunction,
    Mapping,
    Method,
    Result,
    Table,
    Unknown,
    Value,
    any_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from v5lint.view.evaluate import Evaluator
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Values

#: Functions that import the module whose name they are given: `lazy_import("transformers")`, `optional_import(...)`.
_IMPORTER = pattern(
    r"(^|_)(lazy|import|importskip|require|optional)|import(_|$)|importorskip|LazyLoader|LazyModule|LazyImport"
)

#: A dotted path.
MODULE_NAME = pattern(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z")

#: Methods of models and processors that give the object itself back.
_GIVES_ITSELF = frozenset(
    "to cuda cpu xpu npu eval train half float double bfloat16 requires_grad_ share_memory to_empty type "
    "compile".split()
)

#: Functions that call the first argument with the others, elsewhere; what it gives is awaited.
_IN_THREADS = frozenset({
    "asyncio.to_thread", "anyio.to_thread.run_sync", "fastapi.concurrency.run_in_threadpool",
    "starlette.concurrency.run_in_threadpool",
})  # fmt: skip

#: Functions that give their first argument back, as it is or copied or wrapped.
_TRANSPARENT = frozenset(
    "builtins.str copy.copy copy.deepcopy os.fspath os.path.expanduser os.path.expandvars os.path.abspath "
    "os.path.normpath pathlib.Path pathlib.PurePath".split()
)

#: Functions that make a sequence of what they get, and those of them that keep its order.
_SEQUENCES = frozenset(f"builtins.{each}" for each in "list tuple set frozenset sorted reversed iter".split())
_ORDERED = frozenset({"builtins.list", "builtins.tuple", "builtins.iter"})

#: Methods of dicts that list what is in them.
_LISTINGS = frozenset({"keys", "values", "items"})

#: Functions that take one out of a sequence, or among their arguments.
_CHOOSERS = frozenset({"builtins.next", "builtins.max", "builtins.min", "random.choice", "numpy.random.choice"})

#: Importers that have no word of it in their name.
_LOADERS_OF_MODULES = frozenset({"lazy_loader.load"})

#: Functions that make a function which takes items or attributes of what it is given.
_GETTERS = frozenset({"operator.itemgetter", "operator.attrgetter"})

_DOWNLOAD = "huggingface_hub.snapshot_download"

#: Makes a configuration that has the fields of a dataclass, or of an object of one.
_STRUCTURED = "omegaconf.OmegaConf.structured"

#: Functions that make an object of a class of what a command line says.
_FILLERS_OF_CLASSES = frozenset({"tyro.cli", "simple_parsing.parse", "pyrallis.parse", "draccus.parse"})

#: Reads a file of settings.
_LOADED = "omegaconf.OmegaConf.load"

NAMED_TUPLE = "collections.namedtuple"

#: Methods of strings that put other values into a text.
_FILLERS = frozenset({"format", "join"})
_OF_TEXTS = strings.PURE | strings.SPLITS | _FILLERS

#: Methods of HfArgumentParser, and of trl's parser, that fill its dataclasses.
_DATACLASS_PARSERS = frozenset(
    {"parse_args_into_dataclasses", "parse_args_and_config", "parse_dict", "parse_json_file", "parse_yaml_file"}
)

#: How many functions that give a parser back are followed.
_PARSER_DEPTH = 2


class Calls:
    """Follows the calls of one module, for the evaluator of its expressions."""

    __slots__ = ("_evaluator", "_view")

    def __init__(self, view: ModuleView, evaluator: Evaluator) -> None:
        self._view = view
        self._evaluator = evaluator

    def values(self, node: ast.Call) -> Iterable[Value]:
        """The values that a call may give."""
        found: set[Value] = set()
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop", "setdefault") and node.args:
            holders = self._evaluator.values(node.func.value)
            tables = frozenset(each for each in holders if isinstance(each, (Mapping, Table)))
            if tables:
                found |= self._evaluator.items_of(tables, self._evaluator.values(node.args[0]), "")
                return found | self._evaluator.values(node.args[1]) if len(node.args) > 1 else found
            if len(node.args) == 2 and all(
                isinstance(each, (Unknown, Result)) for each in self._evaluator.values(node.func.value)
            ):
                return self._evaluator.values(node.args[1]) | NOTHING_KNOWN  # of a dict that is not known, the default
        if self.is_listing(node):
            return {Elements((self._evaluator.iterated(node),), is_open=True)}
        if isinstance(node.func, ast.Attribute) and node.func.attr in _OF_TEXTS:
            texts = self._evaluator.values(node.func.value)
            if any(isinstance(each, Constant) and isinstance(each.value, str) for each in texts):
                return {made for text in texts for made in self._text_made(text, node.func.attr, node)}
        given_back = self._accelerated(node)
        if given_back is not None:
            return given_back
        for callee in self._evaluator.values(self._bound_to(node)):
            found |= self._called(callee, node)
        return found

    def _bound_to(self, node: ast.Call) -> ast.expr:
        """What a call calls: of `load()` the function in `load = partial(function, ...)`."""
        made = self._view.links.defining_call(node.func) if isinstance(node.func, ast.Name) else None
        is_partial = made is not None and made.args and strings.last_name(made.func) == "partial"
        if made is None or not is_partial or External("functools.partial") not in self._evaluator.values(made.func):
            return node.func
        return made.args[0]

    def _accelerated(self, node: ast.Call) -> Values | None:
        """What accelerate's `unwrap_model` and `prepare` give: what they got, in its order; None for other calls."""
        func = node.func
        if not isinstance(func, ast.Attribute) or not node.args or func.attr not in ("unwrap_model", "prepare"):
            return None
        if func.attr == "unwrap_model":
            return self._evaluator.values(node.args[0])
        if strings.last_name(func.value) != "accelerator" and not self._is_accelerator(func.value):
            return None
        given = [self._evaluator.values(each) for each in node.args]
        if any(isinstance(each, ast.Starred) for each in node.args):
            return None
        return given[0] if len(given) == 1 else frozenset({Elements(tuple(given))})

    def _is_accelerator(self, node: ast.expr) -> bool:
        return any(
            isinstance(each, Instance) and isinstance(each.of, External) and each.of.name == "Accelerator"
            for each in self._evaluator.values(node)
        )

    def is_listing(self, node: ast.Call) -> bool:
        """Whether a call lists what is in a dict that is known: `d.values()`."""
        if not isinstance(node.func, ast.Attribute) or node.func.attr not in _LISTINGS or node.args:
            return False
        return any(isinstance(each, (Mapping, Table)) for each in self._evaluator.values(node.func.value))

    def _text_made(self, text: Value, method: str, node: ast.Call) -> Values:
        """What a method of strings makes of a text: `.format(...)`, `.join([...])`, `.strip()`, `.split(",")`."""
        if not isinstance(text, Constant) or not isinstance(text.value, str):
            return frozenset({text}) if isinstance(text, Unknown) else NOTHING_KNOWN
        given = [self._evaluator.values(each) for each in node.args]
        if method == "format":
            named = {each.arg: self._evaluator.values(each.value) for each in node.keywords if each.arg}
            return strings.filled(text.value, given, named)
        if method == "join":
            items = list(given[0]) if len(given) == 1 else []
            if len(items) == 1 and isinstance(items[0], Elements) and not items[0].is_open:
                return strings.joined(list(items[0].items), text.value)
            return NOTHING_KNOWN
        constants = [next(iter(each)) for each in given if len(each) == 1]
        arguments = [each.value for each in constants if isinstance(each, Constant)]
        if len(arguments) < len(given) or node.keywords:
            return NOTHING_KNOWN
        if method in strings.SPLITS:
            if arguments[:1] == ["."]:
                return NOTHING_KNOWN  # a dotted path is a reference as a whole; its parts would be a second one
            pieces = strings.parted(text.value, method, arguments)
            if not pieces:
                return NOTHING_KNOWN
            return frozenset({Elements(tuple(frozenset({Constant(each)}) for each in pieces))})
        return strings.changed(text.value, method, arguments)

    def _called(self, callee: Value, node: ast.Call) -> Values:
        if isinstance(callee, LocalClass):
            return frozenset({Instance(callee)})
        if isinstance(callee, External):
            return self._called_external(callee, node)
        if isinstance(callee, Method):
            return self._called_method(callee, node)
        if isinstance(callee, LocalFunction):
            if isinstance(node.func, ast.Attribute) and self._fills_dataclasses(callee):
                return self._given_back(self._parsed_dataclasses(node.func.value))
            imported = self._imported_module(callee_name(callee), node)
            return imported or self._evaluator.of(callee.view).returned(callee)
        if isinstance(callee, Result) and callee.of == NAMED_TUPLE:
            return frozenset({Mapping(self._view, node)})
        if isinstance(callee, Result) and callee.of in _GETTERS and len(node.args) == 1:
            return self._got(callee, self._evaluator.values(node.args[0]))
        return self._imported_module(strings.dotted(node.func).rpartition(".")[2], node) or NOTHING_KNOWN

    def _called_external(self, callee: External, node: ast.Call) -> Values:
        path = callee.path
        if path == "typing.cast" and node.args:
            given = self._evaluator.values(node.args[-1])
            return given if any(map(_says_something, given)) else self._evaluator.annotated(node.args[0])
        if path in _TRANSPARENT and node.args:
            return self._evaluator.values(node.args[0])
        if path == _DOWNLOAD:  # the folder of a checkpoint goes by the checkpoint's name
            named = [*(each.value for each in node.keywords if each.arg == "repo_id"), *node.args[:1]]
            return self._evaluator.values(named[0]) if named else NOTHING_KNOWN
        if path == "builtins.super":
            owner = self._view.links.class_around(node)
            if owner is not None:
                return frozenset(self._evaluator.bases(LocalClass(self._view, owner))) or NOTHING_KNOWN
        if path in ("builtins.dict", "types.MappingProxyType") or path in namespaces.NAMESPACES:
            return frozenset({Mapping(self._view, node)})
        if path in ("os.getenv", "os.environ.get") or (path == "os.environ.setdefault" and len(node.args) > 1):
            default = self._evaluator.values(node.args[1]) if len(node.args) > 1 else frozenset()
            return default | {Unknown("environment")}
        if path == "os.path.join":
            return strings.joined([self._evaluator.values(each) for each in node.args], "/")
        if path == "builtins.getattr" and len(node.args) >= 2:
            return self._getattr(node)
        if path in _SEQUENCES and node.args:
            return self._sequence(node.args[0], is_ordered=path in _ORDERED)
        if path in _CHOOSERS and node.args:
            return self._chosen(node)
        if path == "builtins.type" and len(node.args) == 1:
            return (
                frozenset(each.of for each in self._evaluator.values(node.args[0]) if isinstance(each, Instance))
                or NOTHING_KNOWN
            )
        if path == "functools.partial" and node.args:
            return frozenset({Unknown()})
        if path in _FILLERS_OF_CLASSES:
            named = [*node.args[:1], *(each.value for each in node.keywords if each.arg == "config_class")]
            made = {value for each in named[:1] for value in self._evaluator.values(each)}
            return frozenset(Instance(each) for each in made if isinstance(each, LocalClass)) or NOTHING_KNOWN
        if path in _IN_THREADS and node.args:
            return frozenset(
                each for called in self._evaluator.values(node.args[0]) for each in self._called(called, node)
            )
        imported = self._imported_module("import_module" if path in _LOADERS_OF_MODULES else callee.name, node)
        if imported:
            return imported
        if callee.name[:1].isupper() and not callee.name.isupper():
            return frozenset({Instance(callee)})
        return frozenset({Result(path, self._view, node)})

    def _got(self, getter: Result, values: Values) -> Values:
        """What `itemgetter("name", ...)` or `attrgetter("name", ...)` takes of something: one, or a tuple of some."""
        taken = []
        for asked in getter.node.args:
            keys = self._evaluator.of(getter.view).values(asked)
            if getter.of == "operator.itemgetter":
                taken.append(self._evaluator.items_of(values, keys, ""))
                continue
            found: set[Value] = set()
            for key in keys:
                for value in values:
                    known = isinstance(key, Constant) and isinstance(key.value, str) and "." not in key.value
                    found |= self._evaluator.attribute_values(value, key.value) if known else NOTHING_KNOWN  # type: ignore[attr-defined]
            taken.append(frozenset(found) or NOTHING_KNOWN)
        if len(taken) == 1:
            return taken[0]
        return frozenset({Elements(tuple(taken))}) if taken else NOTHING_KNOWN

    def _sequence(self, given: ast.expr, *, is_ordered: bool) -> Values:
        """What `list(...)`, `sorted(...)` and their like make of something."""
        found: set[Value] = set()
        for value in self._evaluator.values(given):
            if isinstance(value, Mapping):
                found.add(Elements((self._evaluator.iterated_mapping(value, "keys"),), is_open=True))
            elif isinstance(value, Elements) and not is_ordered:
                found.add(any_of(frozenset({value})))
            else:
                found.add(value)
        return frozenset(found)

    def _chosen(self, node: ast.Call) -> Values:
        """What `next(iter(...))`, `max(...)` and `random.choice(...)` take out of a sequence, or among arguments."""
        if len(node.args) == 1:
            return self._evaluator.iterated(node.args[0])
        found: set[Value] = set()
        is_next = strings.last_name(node.func) == "next"
        for number, each in enumerate(node.args):
            found |= self._evaluator.iterated(each) if is_next and not number else self._evaluator.values(each)
        return frozenset(found)

    def _imported_module(self, name: str, node: ast.Call) -> Values:
        if name == "__import__" or _IMPORTER.search(name):
            # `LazyLoader("tf", globals(), "tensorflow")` gives the module last.
            last = name == "LazyLoader" and len(node.args) > 2
            for argument in reversed(node.args) if last else node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    path = argument.value
                    if MODULE_NAME.match(path):
                        return frozenset({External(path)})
            if name in ("import_module", "__import__") and node.args:
                given = [each.value for each in self._evaluator.values(node.args[0]) if isinstance(each, Constant)]
                return frozenset(External(each) for each in given if isinstance(each, str) and MODULE_NAME.match(each))
        return frozenset()

    def _getattr(self, node: ast.Call) -> Values:
        found: set[Value] = set()
        for name in self._evaluator.values(node.args[1]):
            if isinstance(name, Constant) and isinstance(name.value, str):
                for value in self._evaluator.values(node.args[0]):
                    found |= self._evaluator.attribute_values(value, name.value)
            else:
                found.add(UNKNOWN)
        if len(node.args) > 2:
            found |= self._evaluator.values(node.args[2])
        return frozenset(found)

    def _called_method(self, callee: Method, node: ast.Call) -> Values:
        owner, name = callee.owner, callee.name
        if callee.bound and name in _GIVES_ITSELF:
            return frozenset({Instance(owner)})
        if namespaces.path_of(callee) in namespaces.NAMESPACES | namespaces.COPIES:
            return frozenset({Mapping(self._view, node)})
        if namespaces.path_of(callee) == _STRUCTURED and node.args:
            made = self._evaluator.values(node.args[0])
            return frozenset(Instance(each) if isinstance(each, LocalClass) else each for each in made)
        makes_own = name.startswith("from_") or name in ("load", "create")
        if not callee.bound and makes_own and namespaces.path_of(callee) != _LOADED:
            return frozenset({Instance(owner)})
        if name in _DATACLASS_PARSERS and isinstance(node.func, ast.Attribute):
            return self._parsed_dataclasses(node.func.value)
        path = owner.path if isinstance(owner, External) else owner.name
        return frozenset({Result(f"{path}{'()' if callee.bound else ''}.{name}", self._view, node)})

    def _parsed_dataclasses(self, parser: ast.expr) -> Values:
        """What `HfArgumentParser((A, B)).parse_args_into_dataclasses()` gives: an object of each class."""
        made = [each for each in dict.fromkeys(self._parser_calls(parser)) if each.args]
        if len(made) != 1:
            return NOTHING_KNOWN
        given = made[0].args[0]
        if isinstance(given, ast.Name):
            written = (each.value for each in self._view.links.bindings_read(given) if each.value is not None)
            given = next(written, given)
        classes = given.elts if isinstance(given, (ast.Tuple, ast.List)) else [given]
        items = []
        for each in classes:
            found = {
                Instance(value) for value in self._evaluator.values(each) if isinstance(value, (External, LocalClass))
            }
            items.append(frozenset(found) or NOTHING_KNOWN)
        return frozenset({Elements(tuple(items))})

    def _parser_calls(self, parser: ast.expr, depth: int = 0) -> Iterator[ast.Call]:
        """The calls of classes that make a parser: `HfArgumentParser(...)`, also in a function that gives it back."""
        links = self._view.links
        bound = links.bindings_read(parser) if isinstance(parser, ast.Name) else ()
        for call in [parser, *(each.value for each in bound)]:
            if not isinstance(call, ast.Call):
                continue
            for callee in self._evaluator.values(call.func):
                if isinstance(callee, (External, LocalClass)):
                    yield call
                elif isinstance(callee, LocalFunction) and callee.view is self._view and depth < _PARSER_DEPTH:
                    for given in links.returns(callee.node):
                        if given is not None:
                            yield from self._parser_calls(given, depth + 1)

    def _fills_dataclasses(self, method: LocalFunction) -> bool:
        """Whether a method of a parser of the repository hands its command line to the parser that it inherits from."""
        if isinstance(method.node, ast.Lambda) or not any(each in method.view.text for each in _DATACLASS_PARSERS):
            return False
        return any(
            isinstance(each, ast.Call)
            and isinstance(each.func, ast.Attribute)
            and each.func.attr in _DATACLASS_PARSERS
            and _is_own(each.func.value)
            for each in ast.walk(method.node)
        )

    def _given_back(self, parsed: Values) -> Values:
        """What such a method gives: the objects, or the one there is, without a tuple around it."""
        alone = [each.items[0] for each in parsed if isinstance(each, Elements) and len(each.items) == 1]
        return parsed.union(*alone)


def callee_name(function: LocalFunction) -> str:
    """The name of a function; empty for a lambda."""
    return "" if isinstance(function.node, ast.Lambda) else function.node.name


def _is_own(node: ast.expr) -> bool:
    """Whether an expression is `self` or `super()`."""
    return strings.dotted(node.func if isinstance(node, ast.Call) else node) in ("self", "super")


def _says_something(value: Value) -> bool:
    """Whether a value is more than "some object": it is known at all, and not as `typing.Any`."""
    if isinstance(value, Instance) and isinstance(value.of, External):
        return value.of.package != "typing"
    return not isinstance(value, Unknown)
