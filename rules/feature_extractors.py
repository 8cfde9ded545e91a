"""V5001: the vision feature extractors that became image processors."""

from __future__ import annotations

import ast

from v5lint.patterns import pattern
from v5lint.rule import Edit, Fix, Option, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import (
    auto_extractors,
    checkpoints,
    compared_names,
    library,
    modality,
    processor_parts,
    script_targets,
)
from v5lint.rules.parts.standing import standing_of
from v5lint.view.calls import CallSite
from v5lint.view.script import ScriptView
from v5lint.view.values import External, Partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.view.module import ModuleView, Reference
    from v5lint.view.tree import Binding

#: `*ImageProcessor` and `AutoImageProcessor` came with 4.25.
_SINCE = "4.25"
_AUTO = "AutoImageProcessor"

#: Variables that name a folder: `output_dir`, `save_directory`.
_FOLDER = pattern(r"(^|_)(dir|directory|folder)$")


class RemovedFeatureExtractor(Rule):
    """A vision feature extractor that transformers v5 removed.

    ## What it does

    Finds the removed vision classes (`ViTFeatureExtractor`, `CLIPFeatureExtractor`, ...), `AutoFeatureExtractor` on a
    vision checkpoint, `feature_extractor=` given to a processor that wants `image_processor=`, `.feature_extractor`
    read from such a processor, `Trainer(tokenizer=<feature extractor>)`, and the name of a removed class that is
    compared with `type(extractor).__name__`. Audio extractors, `AutoFeatureExtractor`
    on audio checkpoints and other libraries' classes of the same name are kept.

    In YAML the same is found in paths of transformers that a program looks up: `_target_:` (Hydra), `class_path:`.

    ## Why it breaks

    The classes are gone since 5.0:

        ImportError: cannot import name 'ViTFeatureExtractor' from 'transformers'
        AttributeError: module transformers has no attribute ViTFeatureExtractor

    `AutoFeatureExtractor` is still there, for audio. On a vision checkpoint:

        ValueError: Unrecognized feature extractor in <checkpoint>. Should have a `feature_extractor_type` key in its
        preprocessor_config.json of config.json, or one of the following `model_type` keys in its config.json: ...

    `AutoImageProcessor`, which a fix writes, needs torchvision itself from 5.4 to 5.17, and so do most image
    processors (those whose name ends in `Pil` do not):

        ImportError: AutoImageProcessor requires the Torchvision library but it was not found in your environment.

    Processors for images hold an `image_processor`. `TrOCRProcessor(feature_extractor=...)`, what is read from such a
    processor, and `Trainer(tokenizer=...)` raise

        TypeError: Received a NoneType for argument image_processor, but a ImageProcessingMixin was expected.
        AttributeError: 'TrOCRProcessor' object has no attribute 'feature_extractor'
        TypeError: Trainer.__init__() got an unexpected keyword argument 'tokenizer'

    ## Example

        from transformers import ViTFeatureExtractor
        extractor = ViTFeatureExtractor.from_pretrained("google/vit-base-patch16-224")

    becomes

        from transformers import AutoImageProcessor
        extractor = AutoImageProcessor.from_pretrained("google/vit-base-patch16-224")

    A module that also constructs, subclasses, annotates or compares such a class gets the concrete `ViTImageProcessor`
    everywhere, so that it never mixes the two; `replacement` chooses one of them always. So does one that loads from a
    folder, or what somebody fine-tuned: a processor file that a feature extractor saved has its name in it, and then
    `AutoImageProcessor` raises

        ValueError: Unrecognized image processor in <checkpoint>. Should have a `image_processor_type` key in its
        preprocessor_config.json of config.json, or one of the following `model_type` keys in its config.json: ...

    where `ViTImageProcessor` loads it.

    ## Fix safety

    Safe. Unsafe where an `except` around the name hides its failure: the program then took another way; and for
    `AutoFeatureExtractor` that loads with `trust_remote_code=True`, unless the checkpoint is a known one: code that
    comes with it is found by the name of the Auto class in its `auto_map`, under v5 as well. Nothing is changed where a
    fallback or a version check is there already, or where the name is put into transformers by hand.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5001"
    name = "removed-feature-extractor"
    since = "5.0"
    tokens = processor_parts.TOKENS
    tokens_by_kind = {"script": ("FeatureExtractor",)}
    kinds = ("python", "script")
    options = {
        "replacement": Option(
            "fitting",
            "What a removed class becomes: AutoImageProcessor where it is only loaded from checkpoints and the "
            "concrete class elsewhere (fitting), or always the one (auto) or the other (concrete).",
            choices=("fitting", "auto", "concrete"),
        )
    }

    def check(self, module: ModuleView | ScriptView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        if isinstance(module, ScriptView):
            yield from script_targets.extractors(module)
            return
        yield from _removed_classes(module, module.settings.option(self.name, "replacement"))
        yield from _dynamic_names(module)
        yield from compared_names.removed_extractors(module)
        yield from auto_extractors.check(module)
        yield from processor_parts.check(module)


# The removed classes


def _removed_classes(view: ModuleView, replacement: str) -> Iterator[Finding]:
    removed = lookup.vision_feature_extractors()
    found = [(each, standing_of(view, each)) for each in view.references(removed)]
    live = [(each, standing) for each, standing in found if standing.kind != "prepared"]
    use_auto = replacement == "auto" or (
        replacement == "fitting"
        and not _uses_concrete(view)
        and all(_is_only_loaded(view, each) and _auto_loads(view, each, removed[each.name]) for each, _ in live)
    )
    fixes = _Fixes(view)
    for reference, standing in live:
        concrete = removed[reference.name]
        new = _AUTO if use_auto and _is_only_loaded(view, reference) else concrete
        message = f"`{reference.name}` was removed in transformers 5.0; `{new}` takes its place"
        safety: Applicability = "safe"
        if standing.kind == "swallowed":
            message += f" ({standing.clause} hides the error: the program goes on without it)"
            safety = "unsafe"
        yield view.finding(reference.node, message, fix=fixes.of(reference, new, safety))


def _dynamic_names(view: ModuleView) -> Iterator[Unseen]:
    """Places that ask transformers for a class whose name is not known, or only its end."""
    for call in view.calls({"getattr"}):
        if len(call.args) != 2 or External("transformers") not in view.values(call.args[0]):
            continue
        values = view.values(call.args[1])
        ends = [each.parts[-1] for each in values if isinstance(each, Partial)]
        if any(end.endswith("FeatureExtractor") for end in ends) or (not ends and library.origin(values)):
            where = library.origin(values) or "an expression that v5lint cannot follow"
            yield view.unseen(call.node, f"the name of the class comes from {where}")


def _uses_concrete(view: ModuleView) -> bool:
    """Whether the module names a concrete image processor already."""
    known = set(lookup.vision_feature_extractors().values())
    return any(name in known for name in library.imported_names(view))


def _is_only_loaded(view: ModuleView, reference: Reference) -> bool:
    """Whether all that is done with a class is `.from_pretrained(...)`, and nobody else gets it from here."""
    if reference.binding is not None and library.is_handed_on(view, reference.binding):
        return False
    if reference.how == "attribute" and not _is_of_top_level(reference):
        return False  # a submodule has no Auto class
    if reference.how in ("getattr", "string"):
        return False
    return all(_load(view, use) is not None for use in _uses(view, reference))


def _auto_loads(view: ModuleView, reference: Reference, concrete: str) -> bool:
    """Whether `AutoImageProcessor` gives the same class for the checkpoints, as far as is known of them.

    What a feature extractor saved names its class, and `AutoImageProcessor` does not know it.
    """
    for use in _uses(view, reference):
        call = _load(view, use)
        if call is None:
            continue
        names = library.texts(call.values_of(*library.CHECKPOINT))
        if any(checkpoints.may_be_fine_tuned(name) or not checkpoints.loads(name, concrete) for name in names):
            return False
        if _is_saved_before(view, call):
            return False
    return True


def _is_saved_before(view: ModuleView, call: CallSite) -> bool:
    """Whether a checkpoint is the folder of an earlier run: the name of the variable says so, or it is saved here."""
    given = call.argument(*library.CHECKPOINT)
    if given is None:
        return False
    name = given.id if isinstance(given, ast.Name) else given.attr if isinstance(given, ast.Attribute) else ""
    if _FOLDER.search(name.lower()):
        return True
    for saved in view.calls({"save_pretrained"}):
        folder = saved.argument("save_directory", 0)
        if folder is not None and modality.is_same(view, given, folder):
            return True
    return False


def _uses(view: ModuleView, reference: Reference) -> list[ast.AST]:
    return [reference.node] if reference.binding is None else [*view.links.uses(reference.binding)]


def _load(view: ModuleView, node: ast.AST) -> CallSite | None:
    """The call `<node>.from_pretrained(...)`, where a node is used so."""
    parent = view.tree.parents[node]
    if not isinstance(parent, ast.Attribute) or parent.attr != "from_pretrained":
        return None
    call = view.tree.parents[parent]
    return CallSite(view, call) if isinstance(call, ast.Call) and call.func is parent else None


def _is_of_top_level(reference: Reference) -> bool:
    return reference.path == f"transformers.{reference.name}"


class _Fixes:
    """The fixes of one module: imports that come to bind one name twice are changed together."""

    def __init__(self, view: ModuleView) -> None:
        self.view = view
        self._imports: dict[tuple[object, str, str], list[Binding]] = {}
        self._made: dict[tuple[object, str, str], Fix] = {}

    def of(self, reference: Reference, new: str, safety: Applicability) -> Fix | None:
        """The fix of one reference."""
        if reference.how == "import":
            return self._of_import(reference, new, safety)
        edits = _edits(self.view, reference, new)
        module = _module_import(self.view, reference) if not edits else None
        if module is not None:
            return self._of_module(module, reference.name, new, safety)
        if reference.how == "string" or (reference.how == "getattr" and not self.view.links.calls_named("getattr")):
            safety = "unsafe"  # who reads the string is not seen
        return Fix(f"Use `{new}`", edits, applicability=safety, requires=_SINCE) if edits else None

    def _of_import(self, reference: Reference, new: str, safety: Applicability) -> Fix:
        binding = reference.binding
        assert binding is not None
        key = (binding.scope, new, safety)
        group = self._imports.get(key)
        if group is None or any(each.statement is binding.statement for each in group):
            group = self._imports[key] = []
            self._made[key] = self._import_fix(group, new, safety)
        group.append(binding)
        return self._made[key]

    def _of_module(self, binding: Binding, old: str, new: str, safety: Applicability) -> Fix | None:
        """The fix where the module of the class is imported, and gone: all that is read from it is the class."""
        view = self.view
        reads = [view.tree.parents[use] for use in view.links.uses(binding)]
        statement = binding.statement
        if statement is None or len(statement.names) > 1 or library.is_handed_on(view, binding):
            return None
        if not all(isinstance(each, ast.Attribute) and each.attr == old for each in reads):
            return None
        if view.evaluator.owner(new, binding.scope) is not None:
            return None  # it is imported already, or something else is called so
        if not all(library.is_free(view, new, each) for each in reads):
            return None
        key = (binding.scope, binding.name, safety)
        if key not in self._made:
            edits = [view.replace(each, new) for each in reads]
            edits.append(view.replace(statement, f"from transformers import {new}"))
            self._made[key] = Fix(f"Import `{new}` instead", edits, applicability=safety, requires=_SINCE)
        return self._made[key]

    def _import_fix(self, group: list[Binding], new: str, safety: Applicability) -> Fix:
        view = self.view

        def build() -> list[Edit]:
            from v5lint.edits.imports import ImportEdits

            imports = ImportEdits(view)
            uses: dict[ast.Name, str] = {}
            for binding in group:
                bound = imports.rename(binding, new, "transformers", keep=library.is_handed_on(view, binding))
                if bound != binding.name:
                    uses.update(dict.fromkeys(view.links.uses(binding), bound))
            return [*imports.edits(), *(Edit(*view.name_span(use), bound) for use, bound in uses.items())]

        return Fix(f"Import `{new}` instead", build, applicability=safety, requires=_SINCE)


def _module_import(view: ModuleView, reference: Reference) -> Binding | None:
    """The import of the module that a class is read from: `feature_extraction_vit.ViTFeatureExtractor`."""
    node = reference.node
    if reference.how != "attribute" or not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
        return None
    bindings = view.links.bindings_read(node.value)
    return bindings[0] if len(bindings) == 1 and bindings[0].kind == "import" else None


def _edits(view: ModuleView, reference: Reference, new: str) -> list[Edit]:
    """The edits where the name stands by itself; none where it cannot be replaced."""
    node, old = reference.node, reference.name
    if reference.how == "attribute":
        assert isinstance(node, ast.Attribute)
        if ".feature_extraction_" not in reference.path:
            return [Edit(*view.name_span(node), new)]
        root = library.root_of(node)
        known = External("transformers") in view.values(root)
        return [view.replace(node, f"{view.source(root)}.{new}")] if known else []
    if reference.how in ("getattr", "string"):
        old, new = (reference.path, f"transformers.{new}") if reference.how == "string" else (old, new)
        written = view.source(node)
        if not isinstance(node, ast.Constant) or written.count(old) != 1:
            return []
        start = view.span(node)[0] + written.index(old)
        return [Edit(start, start + len(old), new)]
    assert isinstance(node, ast.Name)
    if ".feature_extraction_" in reference.path:
        return []  # a star import from a module that is gone brings in nothing
    return [Edit(*view.name_span(node), new)]
