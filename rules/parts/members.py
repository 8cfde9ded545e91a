"""Attributes of transformers' own objects: whose they are, what of them is gone, and who asks first."""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rule import Edit, Fix
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library, models, second_choices
from v5lint.view import elsewhere
from v5lint.view.reach import always_leaves
from v5lint.view.strings import last_name
from v5lint.view.tree import FUNCTIONS
from v5lint.view.values import Constant, External, Instance, LocalClass, Method, Result, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from v5lint.rule import Applicability
    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.view.module import ModuleView
    from v5lint.view.values import ClassValue, Value

TOKENIZER = "PreTrainedTokenizerBase"
MODEL = "PreTrainedModel"
CONFIG = "PretrainedConfig"
PROCESSOR = "ProcessorMixin"
ENCODING = "BatchEncoding"

TOKENIZER_KIND = "tokenizer"

_PIPELINE, _MAKES_PIPELINES = "Pipeline", "transformers.pipeline"

#: The attributes of a Trainer that hold its tokenizer.
_HELD_BY_TRAINERS = frozenset({"tokenizer", "processing_class"})

#: How the classes are called that make batches, of which most hold a tokenizer.
_COLLATOR = "DataCollator"

#: The base of all configurations: what is only known to be one may be a class of the repository.
BASES_OF_CONFIGS = frozenset({CONFIG, "PreTrainedConfig"})

#: What an Auto class loads, when nothing more is known.
_LOADED_BY = {
    "auto_model": MODEL,
    "auto_config": CONFIG,
    "auto_tokenizer": TOKENIZER,
    "auto_processor": PROCESSOR,
}

#: Attributes of objects that hold another one.
_PARTS = {
    ("processor", "tokenizer"): TOKENIZER,
    ("model", "config"): CONFIG,
    ("pipeline", "tokenizer"): TOKENIZER,
    ("pipeline", "model"): MODEL,
}

#: The base classes by kind, for the classes that no kind lists.
_KIND_OF_BASE = {
    TOKENIZER: "tokenizer",
    "SpecialTokensMixin": "tokenizer",
    "PreTrainedTokenizer": "tokenizer",
    "PreTrainedTokenizerFast": "tokenizer",
    "PythonBackend": "tokenizer",
    "TokenizersBackend": "tokenizer",
    "SentencePieceBackend": "tokenizer",
    MODEL: "model",
    "GenerationMixin": "model",
    "ModuleUtilsMixin": "model",
    CONFIG: "config",
    "PreTrainedConfig": "config",
    PROCESSOR: "processor",
    ENCODING: "encoding",
    "Cache": "cache",
    "DynamicCache": "cache",
    "StaticCache": "cache",
    "EncoderDecoderCache": "cache",
    "QuantizedCache": "cache",
    _PIPELINE: "pipeline",
}

#: Packages whose classes have no attribute that transformers' own have lost.
_FOUNDATIONS = frozenset({"transformers", "torch", "abc", "typing", "typing_extensions", "builtins", "object"})

#: The kinds that a test tells: `isinstance(past, Cache)`.
_ASKED_FOR = ("cache", "tokenizer")


class Owner:
    """A class of transformers that an expression is an object of, or is itself.

    Attributes:
        name: the class that the knowledge is asked about: of an Auto class the base of what it loads.
        shown: the class as the module knows it.
        kind: "tokenizer", "model", "config", "processor", "cache", "encoding" or "pipeline".
        is_exact: whether `name` is a class of its own, and not the base of one that is not known.
        of: the class as the view has it; None where it is known by other means.
    """

    __slots__ = ("is_exact", "kind", "name", "of", "shown")

    def __init__(self, name: str, shown: str, kind: str, *, is_exact: bool, of: ClassValue | None = None) -> None:
        self.name = name
        self.shown = shown
        self.kind = kind
        self.is_exact = is_exact
        self.of = of


class Gone:
    """An attribute that the target release does not have.

    Attributes:
        node: where it is read.
        owner: whose it is.
        removal: what the knowledge says.
    """

    __slots__ = ("node", "owner", "removal")

    def __init__(self, node: ast.Attribute, owner: Owner, removal: Removal) -> None:
        self.node = node
        self.owner = owner
        self.removal = removal


def kind_of(name: str) -> str:
    """The kind of a class of transformers, Auto classes counted to what they load."""
    return _plain_kind(name, lookup.kind_of(name))


def _plain_kind(name: str, kind: str) -> str:
    return _KIND_OF_BASE.get(name) or kind.removeprefix("auto_")


def owners(view: ModuleView, node: ast.expr, kinds: Container[str]) -> list[Owner]:
    """The classes of some kinds that an expression may be an object of, or be itself.

    Args:
        view: the module.
        node: the expression.
        kinds: those of `Owner.kind` that are wanted.
    """
    found: dict[str, Owner] = {}
    for value in view.values(node):
        for each in _of_value(view, node, value):
            if each.kind in kinds:
                found.setdefault(each.name, each)
    if not found and "model" in kinds and isinstance(node, (ast.Name, ast.Attribute)):
        found.update((each.name, each) for each in _behind_wrappers(view, node))
    if not found and any(kind in kinds for kind in _ASKED_FOR):
        found.update((each.name, each) for each in _asked_for(view, node, kinds))
    if not found and elsewhere.is_from_the_caller(view, node):
        found.update((each.name, each) for each in _given_elsewhere(view, node, kinds))
    if not found and "encoding" in kinds:
        call = view.links.defining_call(node)
        if call is not None and owners(view, call.func, ("tokenizer",)):
            found[ENCODING] = Owner(ENCODING, ENCODING, "encoding", is_exact=True)
    return list(found.values())


def _given_elsewhere(view: ModuleView, node: ast.expr, kinds: Container[str]) -> list[Owner]:
    """What other modules give to the parameter that an expression is; nothing where one gives something else."""
    found: list[Owner] = []
    for other, given in elsewhere.given(view, node):
        here = owners(other, given, kinds)
        if not here:
            return []
        found += here
    return found


def _asked_for(view: ModuleView, node: ast.expr, kinds: Container[str]) -> Iterator[Owner]:
    """What an expression is where it is read, as a test has found: `if isinstance(past, Cache): ...`, `assert ...`."""
    for classes in classes_asked_for(view, node):
        found = [[*_asked_class(view, node, one, kinds)] for one in classes]
        if all(found):
            yield from (one for group in found for one in group)


def classes_asked_for(view: ModuleView, node: ast.expr) -> Iterator[list[ast.expr]]:
    """The classes of one of which an expression is where it is read, for each `isinstance` that has found it so."""
    if isinstance(node, (ast.Name, ast.Attribute)):
        written = ast.dump(node)
        for subject, classes in asked_classes(view, node):
            if ast.dump(subject) == written:
                yield classes


def asked_classes(view: ModuleView, node: ast.expr) -> Iterator[tuple[ast.expr, list[ast.expr]]]:
    """What an `isinstance` has found, where a node runs: each expression with the classes of one of which it is."""
    for test, wanted in [*view.reach.conditions(node), *view.reach.required(node)]:
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            test, wanted = test.operand, not wanted
        for each in _conjuncts(test) if wanted else ():
            is_question = isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and len(each.args) == 2
            if is_question and each.func.id == "isinstance":  # type: ignore[attr-defined]
                subject, asked = each.args  # type: ignore[attr-defined]
                yield subject, asked.elts if isinstance(asked, ast.Tuple) else [asked]


def _asked_class(view: ModuleView, node: ast.expr, asked: ast.expr, kinds: Container[str]) -> Iterator[Owner]:
    for value in view.values(asked):
        if not isinstance(value, External) or value.package != "transformers":
            continue
        if library.resolves(view, value.path):  # of a class that is gone nothing is an object
            for one in _of_class(view, node, value):
                if one.kind in kinds and one.kind in _ASKED_FOR:
                    yield one


def _conjuncts(test: ast.expr) -> list[ast.expr]:
    """The parts of a test that all hold where it does."""
    return test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]


def _behind_wrappers(view: ModuleView, node: ast.expr) -> Iterator[Owner]:
    """The models that are wrapped in what an expression stands for: `DataParallel(model).module`, `compile(model)`."""
    made = _unwrapped(view, node)
    for name in made:
        yield Owner(name, name, "model", is_exact=True)
    if not made and isinstance(node, ast.Attribute):
        for name in _unwrapped(view, node.value):
            inner = _inner_model(name, node.attr)
            if inner:
                yield Owner(inner, inner, "model", is_exact=True)


def _unwrapped(view: ModuleView, node: ast.expr) -> list[str]:
    """The classes of the models that an expression certainly is, whatever is around them."""
    made = models.models(view, node)
    if not made.is_complete or any(each.is_inside or each.is_own for each in made.found):
        return []
    return [each.name for each in made.found if lookup.kind_of(each.name) == "model" and each.call is not None]


def _inner_model(name: str, attribute: str) -> str:
    """The class of the base model in a model with a head, where an attribute holds it: `ViTModel` in `model.vit`."""
    facts = lookup.class_facts(name)
    if facts is None or not facts.model_type:
        return ""
    base = lookup.model_type(facts.model_type)
    inner = base.models.get("AutoModel", "") if base is not None else ""
    named = facts.model_type.replace("-", "_")
    holders = (facts.model_type, named, facts.model_type.partition("_")[0], "base_model")
    return inner if inner != name and attribute in holders else ""


def _of_value(view: ModuleView, node: ast.expr, value: Value) -> Iterator[Owner]:
    if isinstance(value, Instance):
        yield from _of_class(view, node, value.of)
    elif isinstance(value, LocalClass) or (isinstance(value, External) and value.name[:1].isupper()):
        yield from _of_class(view, node, value, is_itself=True)
    elif isinstance(value, Method) and value.bound and isinstance(node, ast.Attribute):
        for name in library.library_classes(view, value.owner):
            if lookup.kind_of(name) == "auto_model":
                known = [each.name for each in models.models(view, node.value).found]
                for each in known or [name]:
                    yield from _part(value, each)
            else:
                yield from _part(value, name)
    elif isinstance(value, Result) and value.of == _MAKES_PIPELINES:
        yield Owner(_PIPELINE, "pipeline(...)", "pipeline", is_exact=True)
    elif isinstance(value, Unknown) and isinstance(node, ast.Attribute) and node.attr == "tokenizer":
        for inner in view.values(node.value):
            if isinstance(inner, Result) and inner.of == _MAKES_PIPELINES:
                yield Owner(TOKENIZER, "the pipeline's tokenizer", "tokenizer", is_exact=False)


def _of_class(view: ModuleView, node: ast.expr, of: ClassValue, *, is_itself: bool = False) -> Iterator[Owner]:
    """The owners that a class stands for: an object of it, or the class itself."""
    for name in library.library_classes(view, of):
        kind = kind_of(name)
        shown = of.name
        if lookup.kind_of(name) == "auto_model":
            found = [each.name for each in models.models(view, node).found]
            known = found if all(lookup.kind_of(each) == "model" for each in found) else []
            for each in known:
                yield Owner(each, each, kind, is_exact=True, of=of)
            if known:
                continue
        if kind:
            base = _LOADED_BY.get(lookup.kind_of(name))
            is_whole = (is_itself and isinstance(of, External)) or (kind == "model" and _is_whole(of))
            is_exact = base is None and (name not in _KIND_OF_BASE or is_whole)
            yield Owner(base or name, shown, kind, is_exact=is_exact, of=of)


def _is_whole(of: ClassValue) -> bool:
    """Whether a class is one of the repository all of whose bases are known: it has what they have, and no more."""
    waiting, seen = [of], {of}
    while waiting:
        at = waiting.pop()
        if isinstance(at, LocalClass):
            bases = at.view.evaluator.bases(at)
            if len(bases) < len(at.node.bases):
                return False
            for each in bases:
                if not isinstance(each, (LocalClass, External)):
                    return False
                if each not in seen:
                    seen.add(each)
                    waiting.append(each)
        elif at.package not in _FOUNDATIONS:
            return False
    return isinstance(of, LocalClass)


def _part(value: Method, name: str) -> Iterator[Owner]:
    """What an attribute of a model or a processor holds."""
    kind = kind_of(name)
    part = _PARTS.get((kind, value.name))
    facts = lookup.class_facts(name)
    if part == CONFIG:
        if isinstance(value.owner, LocalClass):
            return  # a model of the repository may have a configuration of its own
        known = lookup.model_type(facts.model_type) if facts is not None and facts.model_type else None
        if known is not None and known.config:
            yield Owner(known.config, known.config, "config", is_exact=True)
        else:
            yield Owner(CONFIG, f"{name}.config", "config", is_exact=False)
    elif part:
        yield Owner(part, f"{name}.{value.name}", kind_of(part), is_exact=False)
    elif value.name == "tokenizer" and name.startswith(_COLLATOR):
        yield Owner(TOKENIZER, f"{name}.tokenizer", TOKENIZER_KIND, is_exact=False)
    elif kind == "model" and facts is not None and (inner := _inner_model(name, value.name)):
        yield Owner(inner, inner, "model", is_exact=True)


def gone(
    view: ModuleView, kinds: tuple[str, ...], names: Container[str] | None = None, *, asks_type: bool = True
) -> Iterator[Gone]:
    """The attributes that are read in a module and that the target release does not have.

    Args:
        view: the module.
        kinds: the kinds of objects asked about.
        names: the attributes wanted; None for all.
        asks_type: whether code that asks for the type of an object first is prepared.
    """
    given: set[tuple[str, str]] | None = None
    for found in _lost_reads(view, kinds, names):
        node = found.node
        if given is None:
            given = _given_attributes(view)
        if not given.isdisjoint(((node.attr, ""), (node.attr, _holder(view, node)))) or is_prepared(
            view, node, asks_type=asks_type
        ):
            continue
        yield found


def asked_in_vain(view: ModuleView, kinds: tuple[str, ...], names: Container[str]) -> Iterator[tuple[Gone, ast.Call]]:
    """The attributes that are read only where `hasattr` finds them, and without which nothing is done instead.

    `if hasattr(vit, "encoder"): unfreeze(vit.encoder)`: under the target release it is passed over.
    """
    seen: set[ast.Call] = set()
    for found in _lost_reads(view, kinds, names) if "hasattr" in view.text else ():
        call = _unanswered(view, found.node)
        if call is None or call in seen or not found.owner.is_exact or view.guards.is_dead(call):
            continue
        seen.add(call)
        if (found.node.attr, _holder(view, found.node)) not in _given_attributes(view):
            yield found, call


def _unanswered(view: ModuleView, node: ast.Attribute) -> ast.Call | None:
    """The `hasattr` on which alone it depends that an attribute is read; None where the code has another way."""
    written, function = ast.dump(node.value), view.links.function_around(node)
    questions = [
        each
        for each in view.calls({"hasattr", "getattr"})
        if len(each.args) > 1 and isinstance(each.args[1], ast.Constant) and ast.dump(each.args[0]) == written
        if view.links.function_around(each.node) is function
    ]
    if any(each.args[1].value != node.attr for each in questions):  # type: ignore[attr-defined]
        return None
    for parent in view.tree.ancestors(node):
        if isinstance(parent, FUNCTIONS):
            return None
        if isinstance(parent, ast.If):
            asked = [each.node for each in questions if each.node in [*_conjuncts(parent.test)]]
            if asked:
                has_other_way = parent.orelse or always_leaves(parent.body) or not _is_used_in(view, parent.body, node)
                return None if has_other_way else asked[0]
    return None


def _is_used_in(view: ModuleView, body: list[ast.stmt], node: ast.Attribute) -> bool:
    """Whether something is done with an attribute in a block, and it is not only kept: `tower = tower.vision_model`."""
    written = ast.dump(node)
    reads = [each for one in body for each in ast.walk(one) if isinstance(each, ast.Attribute)]
    statements = [view.tree.statement(each) for each in reads if ast.dump(each) == written]
    return any(not isinstance(each, (ast.Assign, ast.AnnAssign)) for each in statements)


def _lost_reads(view: ModuleView, kinds: tuple[str, ...], names: Container[str] | None) -> Iterator[Gone]:
    """Where attributes are read that the target release does not have, whatever the code does to be prepared."""
    target = library.release_text(view.settings.target)
    lost = frozenset().union(*(_lost(kind) for kind in kinds))
    for node in view.attributes(lost):
        if not (isinstance(node.ctx, ast.Load) or _is_added_to(view, node)):
            continue
        if names is not None and node.attr not in names:
            continue
        found = owners(view, node.value, kinds) or (_of_trainers(view, node.value) if TOKENIZER_KIND in kinds else [])
        if not found or is_own_attribute(view, node):
            continue
        removals = [(each, removal(each, node.attr, target)) for each in found]
        gone = [(each, what) for each, what in removals if what is not None]
        removed = max(gone, key=lambda each: parse_release(each[1].gone), default=None)  # of several bases the last
        if removed is None or any(what is None and _may_have(each, node.attr, target) for each, what in removals):
            continue
        if removed[0].shown == MODEL and _is_defined(view, node.attr):
            continue
        yield Gone(node, *removed)


def _is_added_to(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether an attribute is read and set at once, `cache.seen_tokens += 1`: it must be there before."""
    around = view.tree.parents[node]
    return isinstance(around, ast.AugAssign) and around.target is node


def _is_defined(view: ModuleView, name: str) -> bool:
    """Whether a class of the repository may have a method: what is only known to be a model may be one of it."""
    return f"def {name}(" in view.text or bool(view.project.mentioning(f"def {name}".encode(), view.path))


def _of_trainers(view: ModuleView, node: ast.expr) -> list[Owner]:
    """The tokenizer that a Trainer holds, under its name of 4.x or of today, unless the class keeps one of its own.

    A processor may be there, too: it never had what only tokenizers lost.
    """
    if not isinstance(node, ast.Attribute) or node.attr not in _HELD_BY_TRAINERS or view.links.is_own_attribute(node):
        return []
    if not all(isinstance(each, (Method, Unknown)) for each in view.values(node)):
        return []
    for of in view.classes_of(node.value):
        if any(lookup.is_subclass(name, "Trainer") for name in library.library_classes(view, of)):
            return [Owner(TOKENIZER, f"{of.name}.{node.attr}", TOKENIZER_KIND, is_exact=False)]
    return []


_ever: dict[str, set[str]] = {}


def _lost(kind: str) -> set[str]:
    """The attributes that some class of a kind has lost: the cheap question before the dear ones."""
    if not _ever:
        from v5lint.rules.knowledge.data import groups

        kinds = dict(lookup.kinds())
        for section in ("members", "lost_members"):
            for name, *labels in lookup.store().records(section):
                mine = _ever.setdefault(_plain_kind(name, kinds.get(name, "")), set())
                for member, spans in groups(labels).items():
                    if spans != "kept" and not spans.endswith(".."):
                        mine.add(member)
        # For a few releases a cache was a module of PyTorch.
        _ever["cache"] -= lookup.members(MODEL) or frozenset()
    return _ever.get(kind, set())


def removal(owner: Owner, name: str, target: str) -> Removal | None:
    """What took an attribute from a class; None where it has it, never had it, or some subclass may have it."""
    if name.startswith("__"):
        return None
    found = lookup.removed_member(owner.name, name, target)
    if found is None:
        return None
    if owner.kind == "model" and name in (lookup.members("GenerationMixin", target) or ()):
        return None  # a model that generates has it
    if owner.kind == "processor" and name in (lookup.processor_parts(owner.name, target) or ()):
        return None  # the base class of all processors sets the parts
    if owner.name == MODEL and not owner.is_exact:  # it inherited from the mixin until 4.50
        found = lookup.removed_member("GenerationMixin", name, target) or found
    if not owner.is_exact and owner.kind in ("model", "config", "processor") and not (found.replacement or found.note):
        return None  # many of their classes have attributes of their own: only what is written down is sure of all
    return found


def _may_have(owner: Owner, name: str, target: str) -> bool:
    """Whether an object may have an attribute: its class has it, or only the base of its class is known."""
    return not owner.is_exact or name in (lookup.members(owner.name, target) or ())


def is_own_attribute(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether the repository itself defines an attribute: in a subclass, or on the object."""
    values = view.values(node)
    return not any(isinstance(each, (Method, Unknown)) for each in values) or view.links.is_own_attribute(node)


def _given_attributes(view: ModuleView) -> set[tuple[str, str]]:
    """The attributes that a module sets itself: each with what it is set on, "" where that is a class."""
    found = set()
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if isinstance(node.ctx, ast.Store) and not _is_added_to(view, node) and not is_read_first(view, node):
            on_class = any(isinstance(each, External) and each.name[:1].isupper() for each in view.values(node.value))
            found.add((node.attr, "" if on_class else _holder(view, node)))
    return found


def is_read_first(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether an attribute that is set somewhere is read there by a condition: `if args.x is None: args.x = 1`."""
    holder = ast.dump(node.value)
    for each in view.tree.ancestors(node):
        if isinstance(each, FUNCTIONS):
            return False
        for inner in ast.walk(each.test) if isinstance(each, ast.If) else ():
            if isinstance(inner, ast.Attribute) and inner.attr == node.attr and ast.dump(inner.value) == holder:
                return True
    return False


def _holder(view: ModuleView, node: ast.Attribute) -> str:
    """What an attribute is read of or set on: what is held by `self` is told apart by the classes of a family."""
    written = ast.dump(node.value)
    owner = view.links.class_around(node) if getattr(library.root_of(node), "id", "") == "self" else None
    return written if owner is None else f"{_eldest(view, owner)}:{written}"


def _eldest(view: ModuleView, owner: ast.ClassDef) -> str:
    """The class of a module that one inherits from at first hand or by others: what a family has in common."""
    seen = {owner}
    while True:
        bases = [last_name(each) for each in owner.bases]
        above = [each.node for name in bases for each in view.tree.scope.bindings.get(name, ())]
        known = [each for each in above if isinstance(each, ast.ClassDef) and each not in seen]
        if not known:
            return owner.name
        owner = known[0]
        seen.add(owner)


def is_prepared(view: ModuleView, node: ast.Attribute | ast.Call | ast.Subscript, *, asks_type: bool = True) -> bool:
    """Whether code asks before it reads an attribute, does not run under the target, or goes another way without it.

    What it asks of other objects (`if isinstance(text, str): tokenizer.encode_plus(text)`) is no preparation.
    """
    if view.guards.is_dead(node):
        return True
    for test, _wanted in view.reach.conditions(node):
        for each in _asked(view, test):
            if isinstance(each, ast.Call) and _asks_about(view, each, node, asks_type=asks_type):
                return True
    if view.guards.is_made_up_for(node):
        return True
    return second_choices.is_second_choice(view, node, _name_and_holder(node)[1])


def _asked(view: ModuleView, test: ast.expr) -> Iterator[ast.AST]:
    """What a test asks: its nodes, and those of the calls whose answer a variable in it keeps."""
    for each in ast.walk(test):
        yield each
        if isinstance(each, ast.Name):
            for binding in view.links.bindings_read(each):
                if binding.kind == "assign" and isinstance(binding.value, ast.Call):
                    yield binding.value


def _asks_about(
    view: ModuleView, call: ast.Call, node: ast.Attribute | ast.Call | ast.Subscript, *, asks_type: bool
) -> bool:
    """Whether a call asks what an attribute's object is or has, or what the library has."""
    asking = call.func.id if isinstance(call.func, ast.Name) else ""
    if asking not in ("hasattr", "getattr", "callable", "isinstance") or not call.args:
        return False
    name, holder = _name_and_holder(node)
    if name and any(isinstance(each, ast.Constant) and each.value == name for each in call.args[1:]):
        return True
    if asking == "getattr" or (asking == "isinstance" and not asks_type):
        return False
    asked = ast.dump(call.args[0])
    if asking == "hasattr":
        return asked == ast.dump(holder) or any(
            isinstance(each, External) and each.package == "transformers" for each in view.values(call.args[0])
        )
    if asked == ast.dump(node):
        return True
    whole = holder  # what the object is read from has a type that decides as well, but not over a tokenizer
    while asked != ast.dump(whole):
        if not isinstance(whole, (ast.Attribute, ast.Subscript)) or getattr(whole, "attr", "") == "tokenizer":
            return False
        whole = whole.value
    return True


def _name_and_holder(node: ast.Attribute | ast.Call | ast.Subscript) -> tuple[str, ast.expr]:
    """The attribute that is read, "" where none is, and what it is read from."""
    if isinstance(node, ast.Attribute):
        return node.attr, node.value
    if isinstance(node, ast.Subscript):
        return "", node.value
    if isinstance(node.func, ast.Name) and node.func.id in ("getattr", "setattr") and len(node.args) > 1:
        key = node.args[1]
        return str(key.value) if isinstance(key, ast.Constant) else "", node.args[0]
    return "", node.func


def told(found: Gone, *, instead: str = "") -> str:
    """The sentence that says what is gone, and what to do."""
    start = f"`{found.owner.shown}` has no `{found.node.attr}` since transformers {found.removal.gone}"
    if instead:
        return f"{start}: {instead}"
    advice = found.removal.note
    new = found.removal.replacement
    said = [f"it is `{new.new}`"] if new is not None else []
    if advice:
        written = advice[0].lower() + advice[1:] if _is_sentence(advice) else advice
        said.append(written.rstrip("."))
    return f"{start}: {'; '.join(said)}" if said else start


def _is_sentence(text: str) -> bool:
    """Whether a text begins with a word that is no name."""
    first = text.split()[0]
    return first.istitle() and not first.isupper()


def renamed(view: ModuleView, node: ast.Attribute, new: str, requires: str) -> Fix:
    """The fix that gives an attribute its new name, where only the name changed.

    A name in a table, from which it is fetched elsewhere, may be more than the name of the attribute.
    """
    around = view.tree.parents[node]
    while not hasattr(around, "lineno"):  # a comprehension has no place of its own
        around = view.tree.parents[around]
    start, end = view.span(around)
    place = view.name_span(node)
    is_here = start <= place[0] and place[1] <= end
    safety: Applicability = library.safety_of(view, node.value) if is_here else "unsafe"
    return Fix(f"Rename to `{new}`", [Edit(*place, new)], applicability=safety, requires=requires)


def is_untyped(view: ModuleView, node: ast.Attribute, word: str) -> bool:
    """Whether an attribute is read from something of which only a name is known, which holds a word.

    Args:
        view: the module.
        node: the attribute.
        word: "tok": of `tokenizer`, `self.tok`, ...
    """
    holder = node.value
    name = holder.attr if isinstance(holder, ast.Attribute) else holder.id if isinstance(holder, ast.Name) else ""
    if word not in name.lower() or is_prepared(view, node):
        return False
    values = view.values(holder) - {Constant(None)}  # `self.tokenizer = None`, before it is set
    return all(isinstance(each, Unknown) or (isinstance(each, Method) and _is_plain(view, each)) for each in values)


def _is_plain(view: ModuleView, value: Method) -> bool:
    """Whether an attribute is asked of a class of this repository that inherits from no tokenizer or model."""
    return value.bound and not library.library_classes(view, value.owner)


def imports_transformers(view: ModuleView) -> bool:
    """Whether a module imports something of transformers, and no library that has tokenizers of its own.

    A copy of transformers in the repository is the repository's.
    """
    if view.project.is_first_party("transformers", view.path):
        return False
    found = set()
    for statement in view.tree.nodes.get(ast.ImportFrom, ()):
        assert isinstance(statement, ast.ImportFrom)
        if not statement.level:
            found.add((statement.module or "").partition(".")[0])
    for statement in view.tree.nodes.get(ast.Import, ()):
        assert isinstance(statement, ast.Import)
        found |= {alias.name.partition(".")[0] for alias in statement.names}
    return "transformers" in found and not found & {"paddlenlp", "paddle", "modelscope", "mindnlp", "mindformers"}
