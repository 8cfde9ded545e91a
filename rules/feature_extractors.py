"""V5001: the vision feature extractors that became image processors."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Option, Rule
from v5lint.rules import library
from v5lint.rules.knowledge import lookup
from v5lint.view.values import External, LocalClass, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView, Reference

#: `*ImageProcessor` and `AutoImageProcessor` came with 4.25, `Trainer(processing_class=)` with 4.46.
_IMAGE_PROCESSORS_SINCE = "4.25"
_PROCESSING_CLASS_SINCE = "4.46"

_AUTO = "AutoImageProcessor"
_AUTO_OLD = "AutoFeatureExtractor"
_TRAINERS = ("Trainer", "Seq2SeqTrainer")


class RemovedFeatureExtractor(Rule):
    """A vision feature extractor that transformers v5 removed.

    ## What it does

    Finds the removed vision classes (`ViTFeatureExtractor`, `CLIPFeatureExtractor`, ...), `AutoFeatureExtractor` on a
    vision checkpoint, `feature_extractor=` given to a processor that wants `image_processor=`, `.feature_extractor`
    read from such a processor, and `Trainer(tokenizer=<feature extractor>)`. Audio extractors, `AutoFeatureExtractor`
    on audio checkpoints and other libraries' classes of the same name are kept.

    ## Why it breaks

    The classes are gone since 5.0:

        ImportError: cannot import name 'ViTFeatureExtractor' from 'transformers'
        AttributeError: module transformers has no attribute ViTFeatureExtractor

    `AutoFeatureExtractor` is still there, for audio. On a vision checkpoint:

        ValueError: Unrecognized feature extractor in <checkpoint>. Should have a `feature_extractor_type` key in its
        preprocessor_config.json of config.json, or one of the following `model_type` keys in its config.json: ...

    Processors for images hold an `image_processor`: `TrOCRProcessor(feature_extractor=...)` raises

        ValueError: Received a NoneType for argument image_processor, but a BaseImageProcessor was expected.

    ## Example

        from transformers import ViTFeatureExtractor
        extractor = ViTFeatureExtractor.from_pretrained("google/vit-base-patch16-224")

    becomes

        from transformers import AutoImageProcessor
        extractor = AutoImageProcessor.from_pretrained("google/vit-base-patch16-224")

    A module that also constructs, subclasses, annotates or compares such a class gets the concrete `ViTImageProcessor`
    everywhere, so that it never mixes the two; `replacement` chooses one of them always.

    ## Fix safety

    Safe. Unsafe where an `except` around the name hides its failure: the program then took another way. Nothing is
    changed where a fallback or a version check is there already, or where the name is put into transformers by hand.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5001"
    name = "removed-feature-extractor"
    since = "5.0"
    tokens = ("FeatureExtractor", "feature_extractor")
    options = {
        "replacement": Option(
            "fitting",
            "What a removed class becomes: AutoImageProcessor where it is only loaded from checkpoints and the concrete "
            "class elsewhere (fitting), or always the one (auto) or the other (concrete).",
            choices=("fitting", "auto", "concrete"),
        )
    }

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        yield from _removed_classes(module, module.settings.option(self.name, "replacement"))
        yield from _auto_on_vision(module)
        yield from _processor_keywords(module)
        yield from _processor_attributes(module)
        yield from _trainer_tokenizers(module)


# The removed classes


def _removed_classes(view: ModuleView, replacement: str) -> Iterator[Finding]:
    removed = lookup.vision_feature_extractors()
    found = [(each, library.standing(view, each)) for each in view.references(removed)]
    live = [(each, standing) for each, standing in found if standing.kind != "prepared"]
    use_auto = replacement == "auto" or (
        replacement == "fitting" and all(_is_only_loaded(view, each) for each, _ in live) and not _uses_concrete(view)
    )
    for reference, standing in live:
        concrete = removed[reference.name]
        new = _AUTO if use_auto and _is_only_loaded(view, reference) else concrete
        swallowed = standing.kind == "swallowed"
        message = f"`{reference.name}` was removed in transformers 5.0; `{new}` takes its place"
        if swallowed:
            message += f" ({standing.clause} hides the error: the program goes on without it)"
        fix = _class_fix(view, reference, new, concrete, "unsafe" if swallowed else "safe")
        yield view.finding(reference.node, message, fix=fix)


def _is_only_loaded(view: ModuleView, reference: Reference) -> bool:
    """Whether all that is done with a class is `.from_pretrained(...)`, and no other module imports it from here."""
    if reference.binding is None:
        return _is_load(view, reference.node)
    if _is_handed_on(view, reference):
        return False
    return all(_is_load(view, use) for use in view.links.uses(reference.binding))


def _is_load(view: ModuleView, node: ast.AST) -> bool:
    parent = view.tree.parents[node]
    if not isinstance(parent, ast.Attribute) or parent.attr != "from_pretrained":
        return False
    call = view.tree.parents[parent]
    return isinstance(call, ast.Call) and call.func is parent


def _uses_concrete(view: ModuleView) -> bool:
    """Whether the module names a concrete image processor already."""
    known = set(lookup.vision_feature_extractors().values())
    return any(name in known for name in library.imported_names(view))


def _is_handed_on(view: ModuleView, reference: Reference) -> bool:
    """Whether the name that an import binds is also for other modules, or has other sources in this one."""
    binding = reference.binding
    assert binding is not None
    if any(not _is_same_import(each.node, reference) for each in view.links.other_bindings(binding)):
        return True
    if binding.scope is not view.tree.scope:
        return False
    if view.path.endswith("__init__.py") or binding.name in view.names.exported():
        return True
    return bool(view.project.importers(view.path, binding.name))


def _is_same_import(node: ast.AST, reference: Reference) -> bool:
    return isinstance(node, ast.alias) and node.name == reference.name


def _class_fix(view: ModuleView, reference: Reference, new: str, concrete: str, safety: Applicability) -> Fix | None:
    node = reference.node
    if reference.how == "import":
        keep = _is_handed_on(view, reference)
        new = concrete if keep else new

        def rename_import() -> list[Edit]:
            from v5lint.edits.imports import ImportEdits

            assert reference.binding is not None
            imports = ImportEdits(view)
            bound = imports.rename(reference.binding, new, "transformers", keep=keep)
            edits = imports.edits()
            if bound != reference.binding.name:
                edits += [Edit(*view.name_span(use), bound) for use in view.links.uses(reference.binding)]
            return edits

        message = f"Import `{new}` instead"
        return Fix(message, rename_import, applicability=safety, requires=_IMAGE_PROCESSORS_SINCE)
    if reference.how == "attribute":
        assert isinstance(node, ast.Attribute)
        if ".feature_extraction_" in reference.path:
            if External("transformers") not in view.values(_root(node)):
                return None
            edit = view.replace(node, f"{view.source(_root(node))}.{new}")
        else:
            edit = Edit(*view.name_span(node), new)
        return Fix(f"Use `{new}`", [edit], applicability=safety, requires=_IMAGE_PROCESSORS_SINCE)
    if reference.how == "getattr":
        assert isinstance(node, ast.Call)
        quoted = view.source(node.args[1])
        if len(node.args) > 2 or reference.name not in quoted:
            return None
        edit = view.replace(node.args[1], quoted.replace(reference.name, concrete))
        return Fix(f"Ask for `{concrete}`", [edit], applicability=safety, requires=_IMAGE_PROCESSORS_SINCE)
    edit = Edit(*view.name_span(node), new)  # type: ignore[arg-type]
    return Fix(f"Use `{new}`", [edit], applicability=safety, requires=_IMAGE_PROCESSORS_SINCE)


def _root(node: ast.expr) -> ast.expr:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node


# AutoFeatureExtractor on vision checkpoints


def _auto_on_vision(view: ModuleView) -> Iterator[Finding | Unseen]:
    loads: list[CallSite] = []
    for call in view.calls({"from_pretrained"}):
        if any(isinstance(each, External) and each.name == _AUTO_OLD for each in call.owners({"from_pretrained"})):
            loads.append(call)
    vision: list[tuple[CallSite, str]] = []
    for call in loads:
        owners = call.owners({"from_pretrained"})
        if not any(isinstance(each, External) and each.path.startswith("transformers.") for each in owners):
            continue
        if view.guards.is_dead(call.node) or view.guards.in_fallback(
            call.node, lambda t: library.try_succeeds(view, t)
        ):
            continue
        found = library.modality(view, call)
        if found.kind == "image":
            vision.append((call, found.because))
        elif found.kind == "mixed":
            yield view.finding(
                call.node.func,
                "`AutoFeatureExtractor` loads no vision checkpoint since transformers 5.0, and "
                f"{found.because}: choose `AutoImageProcessor` for the vision ones",
            )
        elif found.kind == "":
            yield from _unknown_modality(view, call)
    yield from _vision_loads(view, vision, loads)


def _unknown_modality(view: ModuleView, call: CallSite) -> Iterator[Finding | Unseen]:
    handled = view.guards.handled(call.node, frozenset({"ValueError", "OSError", "Exception", "BaseException"}))
    names = library.texts(call.values_of(*library.CHECKPOINT))
    if handled is not None:
        yield view.finding(
            call.node.func,
            "`AutoFeatureExtractor` loads no vision checkpoint since transformers 5.0, and the `except` around it hides "
            "the ValueError: vision preprocessors are dropped without a word. Try `AutoImageProcessor` as well",
        )
    elif names:
        yield view.unseen(call.node, f"whether {' or '.join(names)} is a vision checkpoint is not known")
    else:
        where = library.origin(call.values_of(*library.CHECKPOINT)) or "nowhere"
        yield view.unseen(call.node, f"the checkpoint of `AutoFeatureExtractor` comes from {where}")


def _vision_loads(view: ModuleView, vision: list[tuple[CallSite, str]], loads: list[CallSite]) -> Iterator[Finding]:
    groups: dict[object, list[tuple[CallSite, ast.expr, str]]] = {}
    for call, because in vision:
        func = call.node.func
        owner = func.value if isinstance(func, ast.Attribute) else func
        binding = None
        if isinstance(owner, ast.Name):
            bindings = [each for each in view.links.bindings_read(owner) if each.kind == "import"]
            binding = bindings[0] if len(bindings) == 1 else None
        groups.setdefault(binding or owner, []).append((call, owner, because))
    for group in groups.values():
        fix = _auto_fix(view, [(call, owner) for call, owner, _ in group])
        for call, _, because in group:
            handled = view.guards.handled(call.node, frozenset({"ValueError", "Exception", "BaseException"}))
            hidden = " (the `except` around it hides the error)" if handled is not None else ""
            yield view.finding(
                call.node.func,
                f"`AutoFeatureExtractor` loads no vision checkpoint since transformers 5.0, and {because}{hidden}",
                fix=fix,
            )


def _auto_fix(view: ModuleView, group: list[tuple[CallSite, ast.expr]]) -> Fix | None:
    owners = [owner for _, owner in group]
    if not all(_names_class(view, owner) for owner in owners):
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits

        if not isinstance(owners[0], ast.Name):
            return [Edit(*view.name_span(owner), _AUTO) for owner in owners if isinstance(owner, ast.Attribute)]
        imports = ImportEdits(view)
        bindings = [each for each in view.links.bindings_read(owners[0]) if each.kind == "import"]
        if len(bindings) == 1 and isinstance(bindings[0].statement, ast.ImportFrom):
            (binding,) = bindings
            handed_on = binding.scope is view.tree.scope and (
                binding.name in view.names.exported()
                or view.path.endswith("__init__.py")
                or view.project.importers(view.path, binding.name)
            )
            others = view.links.other_bindings(binding)
            if not handed_on and not others and {*view.links.uses(binding)} <= {*owners}:
                new = imports.rename(binding, _AUTO, "transformers")
            else:
                new = imports.use("transformers", _AUTO, owners[0], beside=binding)
        else:
            new = imports.use("transformers", _AUTO, owners[0])
        made = imports.edits()
        if new != owners[0].id:
            made += [Edit(*view.name_span(owner), new) for owner in owners if isinstance(owner, ast.Name)]
        return made

    return Fix("Load it with `AutoImageProcessor`", edits, requires=_IMAGE_PROCESSORS_SINCE)


def _names_class(view: ModuleView, owner: ast.expr) -> bool:
    """Whether an expression is the class itself, written where it is used, and not a variable that holds it."""
    if isinstance(owner, ast.Attribute):
        return owner.attr == _AUTO_OLD
    if not isinstance(owner, ast.Name):
        return False
    bindings = view.links.bindings_read(owner)
    return all(each.kind == "import" for each in bindings) and len(bindings) <= 1


# Processors


def _wants_image_processor(view: ModuleView, name: str) -> bool:
    """Whether a processor class takes and holds an image processor, and no feature extractor any more."""
    target = library.release_text(view.settings.target)
    parts = lookup.processor_parts(name, target)
    return parts is not None and "image_processor" in parts and "feature_extractor" not in parts


def _processor_keywords(view: ModuleView) -> Iterator[Finding]:
    for call, keyword in view.keywords({"feature_extractor"}):
        names = []
        for callee in call.callees:
            if isinstance(callee, (External, LocalClass)):
                names += library.library_classes(view, callee)
        wanting = [name for name in names if _wants_image_processor(view, name)]
        if not wanting or view.guards.is_dead(call.node):
            continue
        own = any(isinstance(callee, LocalClass) and _has_init(callee) for callee in call.callees)
        if own:
            continue
        if call.keyword("image_processor") is not None:
            message = (
                f"`{wanting[0]}` takes no `feature_extractor=` since transformers 5.0, and gets `image_processor=`"
            )
            yield view.finding(keyword, message)
            continue
        start, end = view.name_span(keyword)
        yield view.finding(
            keyword,
            f"`{wanting[0]}` takes no `feature_extractor=` since transformers 5.0: it is `image_processor=`",
            fix=Fix(
                "Rename the argument to `image_processor=`",
                [Edit(start, end, "image_processor")],
                requires=_IMAGE_PROCESSORS_SINCE,
            ),
        )


def _has_init(of: LocalClass) -> bool:
    return any(isinstance(each, ast.FunctionDef) and each.name == "__init__" for each in of.node.body)


def _processor_attributes(view: ModuleView) -> Iterator[Finding | Unseen]:
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if node.attr != "feature_extractor":
            continue
        kind, name = _processor_behind(view, node.value)
        if kind == "image" and not view.guards.is_dead(node) and not _asked_before(view, node):
            yield view.finding(node, *_attribute_message(view, node, name)[:1], fix=_attribute_fix(view, node))
        elif kind == "unknown":
            yield view.unseen(node, "whether this processor is for images or for audio is not known")


def _processor_behind(view: ModuleView, node: ast.expr) -> tuple[str, str]:
    """ "image", "unknown" or "" (audio, or no processor of transformers), and the class."""
    for of in view.classes_of(node):
        for name in library.library_classes(view, of):
            if _wants_image_processor(view, name):
                return "image", name
            if name == "AutoProcessor":
                load = next(iter(_loads_of(view, node)), None)
                if load is None:
                    return "unknown", name
                found = library.modality(view, load)
                return {"image": "image", "": "unknown", "mixed": "unknown"}.get(found.kind, ""), name
    return "", ""


def _loads_of(view: ModuleView, node: ast.expr) -> Iterator[CallSite]:
    """The calls of `AutoProcessor.from_pretrained` whose result an expression may be."""
    wanted = ast.dump(node)
    for call in view.calls({"from_pretrained"}):
        if any(isinstance(each, Method) and _is_named(each, "AutoProcessor") for each in call.callees):
            aliases = view.aliases(call.node)
            if node in aliases or any(ast.dump(each) == wanted for each in aliases):
                yield call


def _is_named(method: Method, name: str) -> bool:
    return isinstance(method.owner, External) and method.owner.name == name


def _asked_before(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether `hasattr(processor, "feature_extractor")` or its like decides over the node."""
    for test, _ in view.reach.conditions(node):
        for call in ast.walk(test):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "hasattr":
                return True
    return False


def _attribute_message(view: ModuleView, node: ast.Attribute, name: str) -> tuple[str]:
    text = f"`{name}` has no `feature_extractor` since transformers 5.0: it is `image_processor`"
    parent = view.tree.parents[node]
    if isinstance(parent, ast.Attribute) and parent.attr == "size" and isinstance(parent.ctx, ast.Store):
        text += "; its `size` is a dict of `height` and `width`, where a list was (width, height)"
    return (text,)


def _attribute_fix(view: ModuleView, node: ast.Attribute) -> Fix | None:
    if not isinstance(node.ctx, ast.Load):
        return None
    parent = view.tree.parents[node]
    if isinstance(parent, ast.Attribute) and isinstance(parent.ctx, ast.Store):
        return None  # what is assigned has to change as well
    return Fix(
        "Read `image_processor`", [Edit(*view.name_span(node), "image_processor")], requires=_IMAGE_PROCESSORS_SINCE
    )


# Trainer


def _trainer_tokenizers(view: ModuleView) -> Iterator[Finding]:
    for call, keyword in view.keywords({"tokenizer"}):
        if not _is_extractor(view, keyword.value):
            continue
        names: list[str] = []
        for callee in call.callees:
            if isinstance(callee, External) or (isinstance(callee, LocalClass) and not _has_init(callee)):
                names += library.library_classes(view, callee)
        if not any(name in _TRAINERS for name in names) or view.guards.is_dead(call.node):
            continue
        start, end = view.name_span(keyword)
        yield view.finding(
            keyword,
            "`Trainer` takes no `tokenizer=` since transformers 5.0: it is `processing_class=`",
            fix=Fix(
                "Rename the argument to `processing_class=`",
                [Edit(start, end, "processing_class")],
                requires=_PROCESSING_CLASS_SINCE,
            ),
        )


def _is_extractor(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is a feature extractor or image processor, or the one of a processor."""
    if isinstance(node, ast.Attribute) and node.attr in ("feature_extractor", "image_processor"):
        return True
    for of in view.classes_of(node):
        for name in library.library_classes(view, of):
            if name.endswith(("FeatureExtractor", "ImageProcessor", "ImageProcessorFast")):
                return True
    return False
