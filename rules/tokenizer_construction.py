"""V5429: tokenizers of one's own that are not ready when the constructor of the library asks them."""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rule import Rule
from v5lint.rules.parts import library
from v5lint.view.strings import is_super
from v5lint.view.values import External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

#: The tokenizer that is written in Python: its constructor asks for the vocabulary.
_PYTHON = frozenset({"PreTrainedTokenizer", "PythonBackend"})

_VOCABULARY = "get_vocab"
_ASKED_SINCE = "4.34"

#: What every one that can encode writes: without, a class is one that others inherit from.
_NEEDED = frozenset({"_tokenize", "_convert_token_to_id"})

#: Methods by which a class answers for itself.
_OTHERWISE = frozenset({"_add_tokens", "__getattr__", "__getattribute__", "__setattr__"})

#: Special tokens, which go into a table that the constructor makes.
_SPECIAL = frozenset(
    f"{name}_token{end}" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask") for end in ("", "_id")
)
_TABLE_SINCE = "5.1"

#: What may set any attribute.
_WHOLE = frozenset({"setattr", "__dict__", "vars"})

#: What asks first whether an attribute is there.
_ASKING = frozenset({"hasattr", "getattr"})


class TokenizerConstruction(Rule):
    """A tokenizer of one's own that gets its vocabulary behind `super().__init__()`, or a special token before it.

    ## What it does

    Finds classes that inherit from `PreTrainedTokenizer` (itself, no other tokenizer) and whose `get_vocab` reads an
    attribute that `__init__` sets behind `super().__init__()` only, also by way of `self.vocab_size` and other methods
    of the class; and those with a `_tokenize` and no `get_vocab` at all. In classes that inherit from any tokenizer of
    transformers: `self.pad_token = ...` and other special tokens that are set before `super().__init__()`.

    ## Why it breaks

    The constructor of a tokenizer in Python asks for the vocabulary since 4.34, in which it puts the special tokens.
    Measured on 4.57.6 and 5.24.0:

        AttributeError: Own has no attribute vocab
        NotImplementedError

    Special tokens go straight into a table since 5.1, and the constructor makes it. Measured on 5.24.0, with
    `PreTrainedTokenizer`, `PreTrainedTokenizerFast` and `BertTokenizer`; 4.57.6 takes them:

        AttributeError: Own has no attribute _special_tokens_map

    ## Example

        class Own(PreTrainedTokenizer):
            def __init__(self, characters, **kwargs):
                self.pad_token = "[PAD]"
                super().__init__(**kwargs)
                self.vocab = {each: i for i, each in enumerate(characters)}

            def get_vocab(self):
                return dict(self.vocab)

    write

            def __init__(self, characters, **kwargs):
                self.vocab = {each: i for i, each in enumerate(characters)}
                kwargs.setdefault("pad_token", "[PAD]")
                super().__init__(**kwargs)

    ## Fix safety

    No fix: what is set behind may be made of what the constructor has set.

    ## References

    - https://github.com/huggingface/transformers/pull/23909
    """

    code = "V5429"
    name = "tokenizer-construction"
    since = "4.34"
    tokens = ("def __init__", "def _tokenize")
    beside = ("Tokenizer",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            of = LocalClass(module, node)
            names = library.library_classes(module, of) if node.bases else []
            if not any("Tokenizer" in each or each in _PYTHON for each in names):
                continue
            if module.guards.is_dead(node) or any(module.links.defines([of], each) for each in _OTHERWISE):
                continue
            methods = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}
            yield from _check(module, of, methods)


def _check(view: ModuleView, of: LocalClass, methods: dict[str, ast.FunctionDef]) -> Iterator[Finding]:
    assert isinstance(of.node, ast.ClassDef)
    name = of.node.name
    made = methods.get("__init__")
    place = _place_of_super(made) if made is not None else None
    if made is not None and place is not None and view.settings.target >= parse_release(_TABLE_SINCE):
        for target in _stores(made.body[:place]):
            if target.attr in _SPECIAL and not view.guards.is_dead(target):
                said = f"`{target.attr}` is set before the constructor has made the table of special tokens"
                yield view.finding(target, f"{said}: give it to `super().__init__()`", since=_TABLE_SINCE)
    if not _is_python(view, of):
        return
    if _VOCABULARY in methods and made is not None and place is not None:
        late = _set_late(of.node, methods, made, place)
        read = next((each for each in _reads(methods, _VOCABULARY, frozenset()) if each in late), None)
        if read is not None:
            said = f"the constructor calls `{_VOCABULARY}` since transformers {_ASKED_SINCE}, and `self.{read}` is set"
            yield view.finding(made.body[place], f"{said} behind it: set it before", since=_ASKED_SINCE)
    elif methods.keys() >= _NEEDED and not view.links.defines([of], _VOCABULARY) and not _has_heirs(view, name):
        said = f"the constructor calls `{_VOCABULARY}` since transformers {_ASKED_SINCE}, and `{name}` has none"
        yield view.finding(of.node.bases[0], said, since=_ASKED_SINCE)


def _is_python(view: ModuleView, of: LocalClass) -> bool:
    """Whether a class inherits from the tokenizer in Python itself, and from nothing that is not in sight."""
    bases = view.evaluator.bases(of)
    return len(bases) == 1 and all(isinstance(each, External) and each.name in _PYTHON for each in bases)


def _place_of_super(made: ast.FunctionDef) -> int | None:
    """The place of `super().__init__()` among the statements of a constructor."""
    for place, statement in enumerate(made.body):
        call = statement.value if isinstance(statement, ast.Expr) else None
        func = call.func if isinstance(call, ast.Call) else None
        if isinstance(func, ast.Attribute) and func.attr == "__init__" and isinstance(func.value, ast.Call):
            return place if is_super(func.value) else None
        if any(isinstance(each, ast.Name) and each.id == "super" for each in ast.walk(statement)):
            return None
    return None


def _stores(statements: list[ast.stmt]) -> Iterator[ast.Attribute]:
    """What is set of `self`."""
    for statement in statements:
        for each in ast.walk(statement):
            if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store) and _is_self(each.value):
                yield each


def _set_late(
    owner: ast.ClassDef, methods: dict[str, ast.FunctionDef], made: ast.FunctionDef, place: int
) -> frozenset[str]:
    """The attributes that a constructor sets behind that of the library, and that nothing else may have set before."""
    before = made.body[:place]
    if any(_WHOLE & {getattr(each, "id", ""), getattr(each, "attr", "")} for one in before for each in ast.walk(one)):
        return frozenset()
    late = {each.attr for each in _stores(made.body[place + 1 :])}
    early = {each.attr for each in _stores(before)}
    others = [each for each in owner.body if isinstance(each, ast.stmt) and each is not made]
    early |= {each.attr for each in _stores([each for each in others if getattr(each, "name", "") != "__setstate__"])}
    early |= {each.id for one in others for each in ast.walk(one) if isinstance(each, ast.Name) and _is_stored(each)}
    return frozenset(late - early - methods.keys())


def _is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _reads(methods: dict[str, ast.FunctionDef], name: str, seen: frozenset[str]) -> Iterator[str]:
    """What a method reads of `self`, itself or by another method of the class; nothing where it asks first."""
    method = methods[name]
    nodes = list(ast.walk(method))
    if any(isinstance(each, ast.Try) or getattr(each, "id", "") in _ASKING for each in nodes):
        return
    for each in nodes:
        if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Load) and _is_self(each.value):
            yield each.attr
            if each.attr in methods and each.attr not in seen:
                yield from _reads(methods, each.attr, seen | {name, each.attr})


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _has_heirs(view: ModuleView, name: str) -> bool:
    """Whether a class of the repository inherits from one: it may have the method."""
    for other in (view, *view.importers(name)):
        for node in other.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            if any(ast.unparse(each).rpartition(".")[2] == name for each in node.bases):
                return True
    return False
