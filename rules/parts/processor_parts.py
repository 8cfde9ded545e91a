"""Processors that hold an image processor where they held a feature extractor, and trainers: a part of V5001."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import arguments, library, modality, origins, second_choices
from v5lint.view import elsewhere
from v5lint.view.calls import CallSite
from v5lint.view.dicts import asked_of
from v5lint.view.guards import IMPORT_ERRORS
from v5lint.view.values import Constant, External, Instance, LocalClass, Mapping, Method, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.view.dicts import Entry, Flow
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

_OLD = "feature_extractor"
_NEW = "image_processor"

#: Without one of these in the file, V5001 does not look at it.
TOKENS = ("FeatureExtractor", _OLD)

#: Image processors came with 4.25, `Trainer(processing_class=)` with 4.46.
_SINCE = "4.25"
_PROCESSING_CLASS_SINCE = "4.46"

_TRAINERS = ("Trainer", "Seq2SeqTrainer")

#: What trainers call it: before, and since.
_OF_TRAINERS = ("tokenizer", "processing_class")

#: Processors whose image processor took a list that was set as its `size` for (width, height), and takes it for
#: (height, width) since 5.4: measured on 4.57.6 and 5.24.0. `size=` of the constructor is (width, height) in both.
_REVERSED = frozenset({"DonutProcessor", "AutoProcessor"})
SIZE_TELL = "a `size` that is set as a list is (height, width) since 5.4, where it was (width, height)"


def check(view: ModuleView) -> Iterator[Finding | Unseen]:
    """Yield `feature_extractor=` and `.feature_extractor` of processors for images, and `Trainer(tokenizer=...)`."""
    yield from _keywords(view)
    yield from _entries(view)
    yield from _attributes(view)
    yield from _set_attributes(view)
    yield from _fetched(view)
    yield from _trainers(view)


# What a processor is made of


def _wants_image_processor(view: ModuleView, name: str) -> bool:
    """Whether a processor class takes and holds an image processor, and no feature extractor any more."""
    parts = lookup.processor_parts(name, library.release_text(view.settings.target))
    return parts is not None and _NEW in parts and _OLD not in parts


def _makes(call: CallSite, callee: Value) -> Iterator[str]:
    """The processor class for images whose constructor a call is of; see `arguments.Functions`."""
    of = callee
    if isinstance(callee, LocalClass) and _has_init(callee):
        return
    if isinstance(callee, Method) and callee.name == "__init__":
        of = callee.owner  # `super().__init__(...)`
    if isinstance(of, (External, LocalClass)):
        yield from (each for each in library.library_classes(call.view, of) if _wants_image_processor(call.view, each))


def _has_init(of: LocalClass) -> bool:
    return any(isinstance(each, ast.FunctionDef) and each.name == "__init__" for each in of.node.body)


def _is_ready(view: ModuleView, call: CallSite, node: ast.AST, names: tuple[str, str] = (_OLD, _NEW)) -> bool:
    """Whether code does not run under the target, asks which spelling is taken, or has tried the other one.

    Args:
        view: the module.
        call: the call.
        node: its argument, or where that is written.
        names: the spellings.
    """
    if view.guards.is_dead(node) or view.guards.is_dead(call.node) or arguments.is_tried_otherwise(view, call, node):
        return True
    return any(
        isinstance(part, ast.Constant) and part.value in names
        for each in (node, call.node)
        for test, _ in view.reach.conditions(each)
        for part in ast.walk(test)
    )


def _keywords(view: ModuleView) -> Iterator[Finding]:
    for call, keyword in view.keywords({_OLD}):
        reached = arguments.reach(call, _OLD, _makes)
        if not reached.functions or _is_ready(view, call, keyword):
            continue
        name = reached.functions[0]
        if call.keyword(_NEW) is not None:
            message = f"`{name}` takes no `{_OLD}=` since transformers 5.0, and gets `{_NEW}=`"
            yield view.finding(keyword, message)
        else:
            edit = Edit(*view.name_span(keyword), _NEW)
            fix = _renaming(edit) if not reached.is_asked_for and (reached.is_sure or not reached.way) else None
            yield view.finding(keyword, _keyword_message(name), fix=fix)


def _keyword_message(name: str) -> str:
    return f"`{name}` takes no `{_OLD}=` since transformers 5.0: it is `{_NEW}=`"


def _renaming(edit: Edit) -> Fix:
    return Fix(f"Rename the argument to `{_NEW}=`", [edit], requires=_SINCE)


def _entries(view: ModuleView) -> Iterator[Finding]:
    """The argument in a dict that becomes the keywords of a processor."""
    done: set[ast.AST] = set()
    for start in arguments.starts(view, {_OLD}):
        flow = view.dicts.flow(start)
        splats = [CallSite(view, each.call) for each in flow.receivers if each.how == "splat" and each.call is not None]
        made = [(call, arguments.reach(call, _OLD, _makes)) for call in splats]
        made = [(call, reached) for call, reached in made if reached.functions]
        for entry in flow.entries if made else ():
            if entry.key != _OLD or entry.how == "removal" or entry.node in done:
                continue
            done.add(entry.node)
            if any(_is_ready(view, call, entry.node) for call, _ in made):
                continue
            if isinstance(entry.node, ast.Name) and len(view.values(entry.node)) > 1:
                continue  # the spelling is chosen somewhere
            receivers = [each for each in flow.receivers if each.how != "read"]
            mine = [each for each in receivers if any(each.call is call.node for call, _ in made)]
            if all(view.dicts.is_taken_out(flow, each, _OLD) for each in mine):
                continue
            alone = len(mine) == len(receivers) and not view.dicts.may_lose(flow, _OLD)
            is_asked = _is_asked_of(view, flow) or any(reached.is_asked_for for _, reached in made)
            edit = _key_edit(view, entry) if alone and not is_asked else None
            name = made[0][1].functions[0]
            yield view.finding(entry.node, _keyword_message(name), fix=_renaming(edit) if edit else None)


def _is_asked_of(view: ModuleView, flow: Flow) -> bool:
    """Whether a dict is asked for the argument: `kwargs["feature_extractor"]` would find nothing any more."""
    asked = [asked_of(view, each) for each in flow.aliases]
    return any(each is not None and _OLD in view.constants(each) for each in asked)


def _key_edit(view: ModuleView, entry: Entry) -> Edit | None:
    if isinstance(entry.node, ast.keyword):
        return Edit(*view.name_span(entry.node), _NEW)
    if not isinstance(entry.node, ast.Constant):
        return None
    start, end = view.span(entry.node)
    at = view.text.find(_OLD, start, end)
    return Edit(at, at + len(_OLD), _NEW) if at >= 0 else None


# What is read from a processor


def _attributes(view: ModuleView) -> Iterator[Finding | Unseen]:
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if node.attr != _OLD or not isinstance(node.ctx, ast.Load):
            continue
        kind, name = processor_behind(view, node.value)
        if not kind and _may_be_processor(view, node.value):
            yield from _of_unknown(view, node)
            continue
        if not kind or view.guards.is_dead(node) or _is_prepared(view, node, node.value):
            continue
        if kind == "unknown":
            yield view.unseen(node, "whether this processor is for images or for audio is not known")
            continue
        text = f"`{name}` has no `{_OLD}` since transformers 5.0: it is `{_NEW}`"
        edits = [Edit(*view.name_span(node), _NEW)]
        safety = library.safety_of(view, node.value)
        size = _size_set_of(view, node) if name in _REVERSED else None
        if size is None or is_dict_or_number(view, size):
            fix = Fix(f"Read `{_NEW}`", edits, applicability=safety, requires=_SINCE)
            yield view.finding(node, text, fix=fix)
            continue
        text += f"; {SIZE_TELL}"
        if turned := height_and_width(view, size):
            edits.append(view.replace(size, turned))
        said = f"Set the size of `{_NEW}` as a dict"
        turning = Fix(said, edits, applicability=safety, requires=_SINCE) if turned else None
        yield view.finding(node, text, fix=turning)


def _of_unknown(view: ModuleView, node: ast.Attribute) -> Iterator[Finding | Unseen]:
    """`processor.feature_extractor`, where only the name says what it is asked of."""
    if view.guards.is_dead(node) or _is_prepared(view, node, node.value):
        return
    beside = modality.by_models(view)
    if beside is not None and beside.kind == "image":
        text = f"processors for images have no `{_OLD}` since transformers 5.0, and {beside.because}: it is `{_NEW}`"
        edits = [Edit(*view.name_span(node), _NEW)]
        item = _item_of_size(view, node)
        if item is not None:
            text += "; its `size` is no list, and has a `height` and a `width`"
            edits = _turned_size(view, node, item)
        is_known = bool(edits) and not _size_set_of(view, node)
        fix = Fix(f"Read `{_NEW}`", edits, applicability="unsafe", requires=_SINCE) if is_known else None
        yield view.finding(node, text, fix=fix)
    elif beside is None:
        yield view.unseen(node, "whether this processor is for images or for audio is not known")


def _may_be_processor(view: ModuleView, node: ast.expr) -> bool:
    """Whether nothing is known of an expression but that it is called a processor."""
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    if name.rpartition("_")[2] != "processor" or not any(library.imported_names(view)):
        return False
    return all(isinstance(each, Unknown) for each in view.values(node))


def _set_attributes(view: ModuleView) -> Iterator[Finding]:
    """`processor.feature_extractor = ...`, which nothing reads any more."""
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if node.attr != _OLD or not isinstance(node.ctx, ast.Store):
            continue
        kind, name = processor_behind(view, node.value)
        if kind != "image" or view.guards.is_dead(node) or _is_prepared(view, node, node.value):
            continue
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            continue  # a subclass that has one of its own
        yield view.finding(
            node,
            f"`{name}` does not read its `{_OLD}` since transformers 5.0: it is `{_NEW}`",
            fix=Fix(f"Set `{_NEW}`", [Edit(*view.name_span(node), _NEW)], applicability="unsafe", requires=_SINCE),
        )


def _size_set_of(view: ModuleView, node: ast.expr) -> ast.expr | None:
    """The value that `<node>.size = ...` sets."""
    parent = view.tree.parents[node]
    if not isinstance(parent, ast.Attribute) or parent.attr != "size" or not isinstance(parent.ctx, ast.Store):
        return None
    statement = view.tree.parents[parent]
    return statement.value if isinstance(statement, ast.Assign) and len(statement.targets) == 1 else None


def _item_of_size(view: ModuleView, node: ast.expr) -> ast.Subscript | None:
    """What is taken of `<node>.size` as of a list: `[::-1]`, `[0]`."""
    size = view.tree.parents[node]
    item = view.tree.parents[size]
    if not isinstance(size, ast.Attribute) or size.attr != "size" or not isinstance(item, ast.Subscript):
        return None
    return None if item.value is not size or view.constants(item.slice, str) else item


def _turned_size(view: ModuleView, node: ast.Attribute, item: ast.Subscript) -> list[Edit]:
    """The edits that write `<node>.size[::-1]`, (height, width) of a list, with the keys; none of another item."""
    if ast.unparse(item.slice) != "::-1":
        return []
    size = f"{view.source(node.value)}.{_NEW}.size"
    return [view.replace(item, f'[{size}["height"], {size}["width"]]')]


def is_dict_or_number(view: ModuleView, size: ast.expr) -> bool:
    """Whether a size that is set means the same in every release, as far as is known."""
    if isinstance(size, ast.Subscript) and isinstance(size.slice, ast.Slice):
        return False
    return all(
        isinstance(each, Mapping)
        or (isinstance(each, Constant) and isinstance(each.value, int))
        or (isinstance(each, Instance) and each.of == External("builtins.dict"))
        for each in view.values(size)
    )


def height_and_width(view: ModuleView, size: ast.expr) -> str:
    """A dict, as source, in the place of what is (width, height); "" where the two cannot be told apart."""
    if isinstance(size, (ast.Tuple, ast.List)) and len(size.elts) == 2:
        width, height = (view.source(each) for each in size.elts)
        return f'{{"height": {height}, "width": {width}}}'
    if (
        isinstance(size, ast.Subscript)
        and isinstance(size.slice, ast.Slice)
        and ast.unparse(size.slice) == "::-1"
        and isinstance(library.root_of(size.value), ast.Name)
    ):
        turned = view.source(size.value)
        return f'{{"height": {turned}[0], "width": {turned}[1]}}'
    return ""


def _fetched(view: ModuleView) -> Iterator[Finding]:
    """`getattr(processor, "feature_extractor")`."""
    for call in view.calls({"getattr"}):
        name = call.args[1] if len(call.args) > 1 else None
        if not isinstance(name, ast.Constant) or name.value != _OLD or view.guards.is_dead(call.node):
            continue
        kind, of = processor_behind(view, call.args[0])
        if kind != "image" or _is_prepared(view, call.node, call.args[0]):
            continue
        text = f"`{of}` has no `{_OLD}` since transformers 5.0: it is `{_NEW}`"
        if len(call.args) > 2:
            if view.source(call.args[2]) == "None":
                yield view.finding(name, f"{text}; the default hides it")
            continue
        start, end = view.span(name)
        at = view.text.find(_OLD, start, end)
        fix = Fix(f"Read `{_NEW}`", [Edit(at, at + len(_OLD), _NEW)], requires=_SINCE) if at >= 0 else None
        yield view.finding(name, text, fix=fix)


def processor_behind(view: ModuleView, node: ast.expr) -> tuple[str, str]:
    """What a processor is for, "image", "unknown" or "" (audio, or none of transformers), and its class.

    One that sets a feature extractor of its own (`self.feature_extractor = ...`) keeps it.
    """
    for of in view.classes_of(node) or _made_out_of_sight(view, node) or elsewhere.classes(view, node):
        if view.links.defines([of], _OLD):
            continue
        for name in library.library_classes(view, of):
            if _wants_image_processor(view, name):
                return "image", name
            if name == "AutoProcessor":
                load = next(iter(_loads_of(view, node)), None)
                if load is None:
                    return "unknown", name
                found = modality.modality(view, load)
                return {"image": "image", "": "unknown", "mixed": "unknown"}.get(found.kind, ""), name
    return "", ""


def _made_out_of_sight(view: ModuleView, node: ast.expr) -> list[External | LocalClass]:
    """The classes of what a helper gives among other things: `model, processor = load()`."""
    return [of for each in origins.origins(view, node).found for of in origins.made_classes(each.call)]


def _loads_of(view: ModuleView, node: ast.expr) -> Iterator[CallSite]:
    """The calls of `AutoProcessor.from_pretrained` whose result an expression may be."""
    wanted = ast.dump(node)
    for call in view.calls({"from_pretrained"}):
        if any(
            isinstance(each, External) and each.name == "AutoProcessor" for each in call.owners({"from_pretrained"})
        ):
            aliases = view.aliases(call.node)
            if node in aliases or any(ast.dump(each) == wanted for each in aliases):
                yield call


def _is_prepared(view: ModuleView, node: ast.expr, processor: ast.expr) -> bool:
    """Whether `hasattr(processor, ...)` decides over the node, or it stands in for `.image_processor`.

    Or it is there after all: `if not hasattr(processor, "feature_extractor"): processor.feature_extractor = ...`.
    """
    if _is_asked(view, node) or any(
        each.attr == _OLD  # type: ignore[attr-defined]
        and isinstance(each.ctx, ast.Store)  # type: ignore[attr-defined]
        and ast.dump(each.value) == ast.dump(processor)  # type: ignore[attr-defined]
        and _is_asked(view, each)
        for each in view.tree.nodes.get(ast.Attribute, ())
    ):
        return True
    handled = view.guards.handled(node, IMPORT_ERRORS)
    if handled is not None and _reads_new(handled.handler, processor):
        return True
    if view.guards.in_fallback(node, lambda statement: any(_reads_new(each, processor) for each in statement.body)):
        return True
    return second_choices.is_second_choice(view, node, processor)


def _is_asked(view: ModuleView, node: ast.AST) -> bool:
    """Whether `hasattr(...)` decides over a node."""
    return any(
        isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "hasattr"
        for test, _ in view.reach.conditions(node)
        for call in ast.walk(test)
    )


def _reads_new(around: ast.AST, processor: ast.expr) -> bool:
    wanted = ast.dump(processor)
    return any(
        isinstance(each, ast.Attribute) and each.attr == _NEW and ast.dump(each.value) == wanted
        for each in ast.walk(around)
    )


# Trainers


def _trainers(view: ModuleView) -> Iterator[Finding]:
    for call, keyword in view.keywords({"tokenizer"}):
        if not takes_extractor(view, call, keyword) or _is_ready(view, call, keyword, _OF_TRAINERS):
            continue
        message = "`Trainer` takes no `tokenizer=` since transformers 5.0: it is `processing_class=`"
        if _is_of_unknown(view, keyword.value):
            message += f"; a processor for images has an `{_NEW}` and no `{_OLD}` any more"
        yield view.finding(
            keyword,
            message,
            fix=Fix(
                "Rename the argument to `processing_class=`",
                [Edit(*view.name_span(keyword), "processing_class")],
                requires=_PROCESSING_CLASS_SINCE,
            ),
        )


def _is_of_unknown(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is the feature extractor of a processor of which the class is not known."""
    if not isinstance(node, ast.Attribute) or node.attr != _OLD:
        return False
    return not view.classes_of(node.value) and not _made_out_of_sight(view, node.value)


def takes_extractor(view: ModuleView, call: CallSite, keyword: ast.keyword) -> bool:
    """Whether a trainer gets a feature extractor or image processor by a keyword, in a file that V5001 looks at."""
    if not any(token in view.text for token in TOKENS) or not _is_extractor(view, keyword.value):
        return False
    names: list[str] = []
    for callee in call.callees:
        if isinstance(callee, External) or (isinstance(callee, LocalClass) and not _has_init(callee)):
            names += library.library_classes(view, callee)
    return any(name in _TRAINERS for name in names)


def _is_extractor(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is a feature extractor or image processor, or the one of a processor."""
    if isinstance(node, ast.Attribute) and node.attr in (_OLD, _NEW):
        return True
    for of in view.classes_of(node):
        for name in library.library_classes(view, of):
            if name.endswith(("FeatureExtractor", "ImageProcessor", "ImageProcessorFast")):
                return True
    return False
