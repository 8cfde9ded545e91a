"""What a module fetches from transformers that the target release does not have: looked up once, told by family.

Not a rule: the rules of removed names each report one family of what is found here.
"""

from __future__ import annotations

import ast

from v5lint.patterns import pattern
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library
from v5lint.rules.parts.standing import standing_of
from v5lint.view.module import Reference
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal
    from weakref import WeakKeyDictionary

    from v5lint.releases import Release
    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.rules.parts.standing import Standing
    from v5lint.view.module import ModuleView
    from v5lint.view.script import ScriptView

    Family = Literal["moved", "replaced", "backend", "optimizer", "availability", "documentation", "module", "name"]

PACKAGE = "transformers"

#: A file that does not name the package, as a word of its own, is not looked at.
WORDS = (PACKAGE,)

#: What the checks of removed backends answer in every release without them. They have no other reason to be called.
ANSWERS = {
    "is_tf_available": False,
    "is_flax_available": False,
    "is_keras_nlp_available": False,
    "is_tensorflow_text_available": False,
    "is_tensorflow_probability_available": False,
    "is_tf2onnx_available": False,
    "is_tf_tensor": False,
    "is_jax_tensor": False,
    "is_sigopt_available": False,
    "is_safetensors_available": True,
    "is_torch_sdpa_available": True,
    "is_torch_compile_available": True,
    "is_torch_fx_available": True,
    "is_torch_bf16_cpu_available": True,
    "is_torchdynamo_available": True,
}

#: The same for names that are no functions: they compare the version of torch, which is 2.2 or newer beside v5.
TORCH_ANSWERS = {
    "is_torch_greater_or_equal_than_1_6": True,
    "is_torch_greater_or_equal_than_1_10": True,
    "is_torch_greater_or_equal_than_1_11": True,
    "is_torch_greater_than_1_6": True,
    "is_torch_less_than_1_8": False,
    "is_torch_less_than_1_9": False,
    "is_torch_less_than_1_11": False,
    "is_torch_1_8_0": False,
}

_BACKEND_CLASS = pattern(r"_?(?:TF|Flax)[A-Z]")
_BACKEND_MODULE = pattern(r"(?:^|[._])(?:tf|flax|keras)(?:_|$|\.)")
_DOCUMENTATION = pattern(r"DOCSTRINGS?(?:_|$)|_DOC$|_EXPECTED_(?:OUTPUT|LOSS)|^_\w*CHECKPOINT(?:_FOR|$)")

#: Names that no release had: code written before LLaMA was released in 4.28 spells them so.
_BEFORE_RELEASE = {
    f"LLaMA{part}": (f"Llama{part}", "4.28")
    for part in ("Config", "ForCausalLM", "Model", "PreTrainedModel", "Tokenizer")
}

#: Modules of the feature extractors, which held functions as well.
_EXTRACTOR_MODULE = pattern(r"\.feature_extraction_\w+\Z")

#: Modules of stand-ins, and the kinds of classes that they lost in 4.52, with what they still have of them.
_STAND_INS = {
    f"{PACKAGE}.utils.dummy_pt_objects": ("model", "auto_model"),
    f"{PACKAGE}.utils.dummy_tokenizers_objects": ("tokenizer",),
}
#: Modules of the Auto classes, which imported the classes of all families until 4.9, and the kind of these.
_AUTO_MODULES = {
    f"{PACKAGE}.models.auto.configuration_auto": "config",
    f"{PACKAGE}.models.auto.modeling_auto": "model",
    f"{PACKAGE}.models.auto.tokenization_auto": "tokenizer",
}
_STILL_STOOD_IN = frozenset({"PreTrainedModel", "PreTrainedTokenizerFast", "LayoutLMv2Model", "BayesianDetectorModel"})

_TYPE_TESTS = frozenset({"isinstance", "issubclass"})
_TYPE_FORMS = frozenset("Union Optional Type type List list Tuple tuple Dict dict Sequence Iterable Callable".split())

#: Callables that resolve a dotted path which they are given as a string.
RESOLVERS = frozenset(
    "patch setattr delattr locate import_string import_object instantiate get_class load_class".split()
)


class Lost:
    """A place that fetches what is gone.

    Attributes:
        reference: the place.
        removal: what is gone.
        standing: whether it fails there.
        family: which rule speaks of it.
    """

    __slots__ = ("family", "reference", "removal", "standing")

    def __init__(self, reference: Reference, removal: Removal, standing: Standing) -> None:
        self.reference = reference
        self.removal = removal
        self.standing = standing
        self.family = _family(reference, removal)

    @property
    def new(self) -> str:
        """The dotted path to write instead; "" where there is none, or where it is more than a path."""
        new = _new(self.removal)
        return new if "(" not in new else ""

    @property
    def is_drop_in(self) -> bool:
        """Whether nothing but the name has to change."""
        return self.removal.replacement is not None and self.removal.replacement.drop_in

    @property
    def gone_module(self) -> str:
        """The module that is gone with all that it held; "" where only the name is."""
        return self.removal.path if self.removal.kind == "module" else ""


_found: WeakKeyDictionary[ModuleView, list[Lost]] | None = None
_removals: dict[tuple[str, tuple[int, ...]], Removal | None] = {}
_dropped: frozenset[str] = frozenset()


def lost(view: ModuleView, *families: Family) -> Iterator[Lost]:
    """The places that fetch what is gone and that nothing is prepared for.

    Args:
        view: the module.
        families: which ones.
    """
    global _found
    if _found is None:
        from weakref import WeakKeyDictionary

        _found = WeakKeyDictionary()
    known = _found.get(view)
    if known is None:
        known = _found[view] = [*_all(view)]
    yield from (each for each in known if each.family in families)


def is_of_backend(view: ModuleView) -> bool:
    """Whether a module is written for TensorFlow or Flax: it works with their classes, and has to be ported whole.

    One that only asks whether an object is of such a class is a PyTorch module like others.
    """
    for each in lost(view, "backend"):
        binding, node = each.reference.binding, each.reference.node
        uses: list[ast.expr] = [*view.links.uses(binding)] if binding is not None else []
        if binding is None and isinstance(node, (ast.Attribute, ast.Name)):
            uses = [node]
        if not all(names_a_type(view, use) for use in uses) or (binding and library.is_handed_on(view, binding)):
            return True
    return False


def names_a_type(view: ModuleView, use: ast.expr) -> bool:
    """Whether a use of a class only names it: an annotation, `isinstance(x, Class)`, a `Union[...]` of classes."""
    child: ast.AST = use
    for parent in view.tree.ancestors(use):
        if isinstance(parent, ast.Call):
            return isinstance(parent.func, ast.Name) and parent.func.id in _TYPE_TESTS and child in parent.args[1:]
        if isinstance(parent, ast.Subscript) and child is parent.slice:
            head = parent.value
            name = head.attr if isinstance(head, ast.Attribute) else head.id if isinstance(head, ast.Name) else ""
            if name in _TYPE_FORMS:
                return True
        if isinstance(parent, (ast.arg, ast.AnnAssign)):
            return parent.annotation is child
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
            # what a parameter is annotated with has the function for its parent
            return parent.returns is child or any(each.annotation is child for each in _parameters(parent.args))
        if isinstance(parent, (ast.stmt, ast.Constant)):
            # a name inside a string annotation has the string for its parent
            return isinstance(parent, ast.Constant)
        child = parent
    return False


def _parameters(args: ast.arguments) -> list[ast.arg]:
    found = [*args.posonlyargs, *args.args, *args.kwonlyargs]
    return found + [each for each in (args.vararg, args.kwarg) if each is not None]


def removed(view: ModuleView | ScriptView, path: str) -> Removal | None:
    """What is gone under the target release of what a dotted path leads to."""
    key = (path, view.settings.target)
    if key not in _removals:
        gone = lookup.removed_in(path, view.settings.target)
        gone = gone or _never_released(path) or _stand_in(path, view.settings.target)
        _removals[key] = gone or _of_auto_module(path, view.settings.target)
    return _removals[key]


def _never_released(path: str) -> Removal | None:
    """What is known of a name that was written before the release that brought it under another one."""
    module, _, name = path.rpartition(".")
    new, since = _BEFORE_RELEASE.get(name, ("", ""))
    if not new or module != PACKAGE:
        return None
    return lookup.Removal(path, "name", PACKAGE, f"..{since}", since, [f"{PACKAGE}.{new}", "1", since, "", ""])


def _stand_in(path: str, release: Release) -> Removal | None:
    """What is known of a class that was imported from where transformers stands in for a missing torch or tokenizers.

    Editors that complete imports wrote such lines. The knowledge leaves these modules out, and few classes are in them.
    """
    module, _, name = path.rpartition(".")
    kinds = _STAND_INS.get(module, ())
    if (
        lookup.kind_of(name) not in kinds
        or name in _STILL_STOOD_IN
        or not lookup.resolves(f"{PACKAGE}.{name}", release)
    ):
        return None
    if kinds == ("tokenizer",) and not name.endswith("Fast"):
        return None
    return lookup.Removal(path, "name", PACKAGE, "..4.52", "4.52", [f"{PACKAGE}.{name}", "", "", "", ""])


def _of_auto_module(path: str, release: Release) -> Removal | None:
    """What is known of a class that was imported from the module of its Auto class, which had it until 4.9."""
    module, _, name = path.rpartition(".")
    kind = _AUTO_MODULES.get(module, "")
    if not kind or lookup.kind_of(name) != kind or name.startswith(("PreTrained", "Pretrained")):
        return None
    home = lookup.home_of(name)
    if home is None or home.startswith(f"{module}."):
        return None
    new = [f"{PACKAGE}.{name}", "1", "", "", ""] if lookup.resolves(f"{PACKAGE}.{name}", release) else None
    return lookup.Removal(path, "name", PACKAGE, "..4.10", "4.10", new)


def _told(view: ModuleView, path: str) -> Removal | None:
    """What is gone, as the knowledge of the whole module has it where that of the name is only a namesake."""
    found = removed(view, path)
    if found is None or found.replacement is None or found.replacement.drop_in or found.note:
        return found
    home = path.rpartition(".")[0]
    if _EXTRACTOR_MODULE.search(home):
        return found  # the note is about the classes; what helped them is elsewhere now
    module = removed(view, home)
    return module if module is not None and module.note and module.replacement is None else found


def _all(view: ModuleView) -> Iterator[Lost]:
    seen: set[tuple[ast.AST, str]] = set()
    for reference in (*_references(view), *_strings(view)):
        if (reference.node, reference.path) in seen or _is_of_another_rule(reference):
            continue
        if reference.place is reference.node:  # of a name in a table the next `getattr` may be the one that fails
            seen.add((reference.node, reference.path))
        if reference.how == "attribute":  # a string whose expressions are read: `cast("transformers.X", y)`
            around = view.tree.ancestors(reference.node)
            seen.update((each, reference.path) for each in around if isinstance(each, ast.Constant))
        removal = _told(view, reference.path)
        if removal is None:
            continue
        if view.guards.dead_constant(reference.node) or _is_fallback(view, reference):
            continue
        standing = standing_of(view, reference)
        if standing.kind == "prepared" or _is_presence_test(view, reference.node):
            continue
        found = Lost(reference, removal, standing)
        if standing.kind == "swallowed" and found.family not in ("moved", "replaced", "optimizer"):
            continue  # the program goes on without it, and there is nothing to put in its place
        seen.add((reference.node, reference.path))
        yield found


def _is_of_another_rule(reference: Reference) -> bool:
    if reference.how in ("module", "import_module"):
        return False
    return reference.name in lookup.vision_feature_extractors() or reference.name in library.CACHE_VARIABLES


def _family(reference: Reference, removal: Removal) -> Family:
    name = reference.name
    new = _new(removal)
    if (name in ANSWERS or name in TORCH_ANSWERS) and reference.how != "module":
        return "availability"
    if _is_backend(reference, removal):
        return "backend"
    if new == "torch.optim.AdamW":
        return "optimizer"
    if _DOCUMENTATION.search(name):
        return "documentation"
    if new:
        return "moved" if new.rpartition(".")[2] == name else "replaced"
    return "module" if removal.kind == "module" else "name"


def _new(removal: Removal) -> str:
    """What takes the place; "" where that is gone by now itself, as `huggingface_hub.HfFolder` is."""
    new = removal.replacement.new if removal.replacement is not None else ""
    return "" if new.partition(".")[0] != PACKAGE and lookup.removed_in(new) is not None else new


def _is_backend(reference: Reference, removal: Removal) -> bool:
    """Whether it is a class or module of TensorFlow or Flax; helpers to read their checkpoints are not."""
    if _BACKEND_CLASS.match(reference.name):
        return True
    path = reference.path if reference.how == "module" else reference.path.rpartition(".")[0]
    home = (lookup.home_of(reference.name) or "").rpartition(".")[0] if path == PACKAGE else path
    return bool(_BACKEND_MODULE.search(home)) and not reference.name.startswith("load_")


def _references(view: ModuleView) -> Iterator[Reference]:
    global _dropped
    imports = [*view.imports(PACKAGE)]
    gone = {each.node for each in imports if removed(view, each.path) is not None}
    gone_stars = [f"{each.path}." for each in imports if each.node in gone and _is_star(each.node)]
    yield from imports
    if not _dropped:
        _dropped = lookup.dropped_names(PACKAGE) | _BEFORE_RELEASE.keys()
    told: set[str] = set()
    for reference in view.references(_dropped, PACKAGE):
        if reference.how not in ("import", "string") and removed(view, reference.path) is not None:
            node = reference.node
            if reference.how == "star" and reference.path.startswith(tuple(gone_stars)):
                continue  # the import fails already, and is told once: what it brought in is imported by its fix
            if reference.how == "star" and reference.path in told:
                continue
            if reference.how == "star" and _keeps_its_name(view, reference.path):
                told.add(reference.path)  # one import is for all uses
            if isinstance(node, ast.Attribute):
                if _begins_with(view, node, gone):
                    continue
                reference = _up_to_its_name(view, reference, node)
            yield reference


def _keeps_its_name(view: ModuleView, path: str) -> bool:
    """Whether what takes the place of a name, if anything does, is called the same."""
    removal = removed(view, path)
    new = _new(removal) if removal is not None else ""
    return not new or new.rpartition(".")[2] == path.rpartition(".")[2]


def _is_star(node: ast.AST) -> bool:
    return isinstance(node, ast.alias) and node.name == "*"


def through_star(view: ModuleView, module: str) -> Iterator[tuple[ast.Name, str]]:
    """The names that a module takes through `from module import *`, of a module that is gone, with their new homes."""
    for node in view.tree.nodes.get(ast.Name, ()):
        assert isinstance(node, ast.Name)
        if not isinstance(node.ctx, ast.Load) or view.evaluator.owner(node.id, view.tree.scopes[node]) is not None:
            continue
        path = f"{module}.{node.id}"
        removal = removed(view, path) if External(path) in view.values(node) else None
        new = removal.replacement if removal is not None and removal.kind == "name" else None
        if new is not None and new.drop_in and "." in new.new:
            yield node, new.new


def _begins_with(view: ModuleView, node: ast.Attribute, gone: set[ast.AST]) -> bool:
    """Whether an attribute is read from what an import binds that fails already."""
    root = library.root_of(node)
    if not isinstance(root, ast.Name):
        return False
    for binding in view.links.bindings_read(root):
        alias = binding.node
        made = binding.value if binding.kind == "assign" and binding.index < 0 else None
        if isinstance(made, ast.Call) and any(each in gone for each in made.args[:1]):
            return True  # `gone = import_module("transformers.gone")`
        if alias not in gone or not isinstance(alias, ast.alias):
            continue
        if alias.asname or isinstance(binding.statement, ast.ImportFrom):
            return True
    return False


def _up_to_its_name(view: ModuleView, reference: Reference, node: ast.Attribute) -> Reference:
    """The reference to the name in a module that is gone, rather than to the module: `a.gone.Name` of `a.gone`."""
    path, at = reference.path, node
    removal = removed(view, path)
    while removal is not None and removal.kind == "module":
        parent = view.tree.parents[at]
        if not isinstance(parent, ast.Attribute) or not isinstance(parent.ctx, ast.Load):
            return reference
        path, at = f"{path}.{parent.attr}", parent
        removal = removed(view, path)
        if removal is not None and (removal.kind == "name" or lookup.module_status(path) == "unknown"):
            return Reference(path, at, "attribute")
    return reference


def _strings(view: ModuleView) -> Iterator[Reference]:
    """Dotted paths in strings, where they are resolved, and in annotations."""
    if view.project.is_first_party(PACKAGE, view.path):
        return
    annotations = {constant for constant, _ in view.tree.annotations}
    looked_up = _looked_up(view)
    for node in view.tree.nodes.get(ast.Constant, ()):
        assert isinstance(node, ast.Constant)
        text = node.value
        if not isinstance(text, str) or not text.startswith(PACKAGE + ".") or not text.replace(".", "_").isidentifier():
            continue
        parent = view.tree.parents[node]
        resolved = node in annotations or node in looked_up
        if isinstance(parent, ast.Call) and parent.args[:1] == [node]:
            func = parent.func
            name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
            resolved = resolved or name in RESOLVERS
        elif isinstance(parent, ast.Dict) and node in parent.values:
            key = parent.keys[parent.values.index(node)]
            resolved = resolved or (isinstance(key, ast.Constant) and key.value == "_target_")
        if resolved:
            yield Reference(_without_members(view, text), node, "string")


def _without_members(view: ModuleView, path: str) -> str:
    """A dotted path up to the name that is gone: `transformers.Gone` of `transformers.Gone.from_pretrained`."""
    at = path.find(".")
    while (at := path.find(".", at + 1)) > 0:
        removal = removed(view, path[:at])
        if removal is not None and removal.kind == "name":
            return path[:at]
    return path


def _looked_up(view: ModuleView) -> set[ast.AST]:
    """The strings that reach a resolver through a name or a table, or are taken apart at a dot to be imported."""
    paths = [
        call.args[0]
        for name in RESOLVERS
        for call in view.links.calls_named(name)
        if call.args and not isinstance(call.args[0], ast.Constant)
    ]
    if any(view.links.calls_named(name) for name in ("import_module", "__import__")):
        paths += [
            call.func.value
            for name in ("rsplit", "rpartition")
            for call in view.links.calls_named(name)
            if isinstance(call.func, ast.Attribute) and "." in view.constants(call.args[0] if call.args else call.func)
        ]
    return {value.node for path in paths for value in view.values(path) if isinstance(value, Constant) and value.node}


def _is_fallback(view: ModuleView, reference: Reference) -> bool:
    """Whether an import runs only where that of the same name from another package failed."""
    if reference.binding is None:
        return False
    for parent in view.tree.ancestors(reference.node):
        statement = view.tree.parents.get(parent)
        if isinstance(parent, ast.ExceptHandler) and isinstance(statement, ast.Try):
            for each in statement.body:
                if isinstance(each, ast.ImportFrom) and (each.module or "").partition(".")[0] != PACKAGE:
                    return any((alias.asname or alias.name) == reference.binding.name for alias in each.names)
    return False


def _is_presence_test(view: ModuleView, node: ast.AST) -> bool:
    """Whether a node is only asked for what it has: `hasattr(transformers.utils, "x")`."""
    parent = view.tree.parents.get(node)
    return (
        isinstance(parent, ast.Call)
        and isinstance(parent.func, ast.Name)
        and parent.func.id == "hasattr"
        and node in parent.args
    )
