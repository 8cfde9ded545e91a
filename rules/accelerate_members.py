"""V5212: what accelerate dropped before the releases that transformers 5 takes."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import members
from v5lint.view.values import External, Instance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_PACKAGE, _CLASS, _TYPES = "accelerate", "Accelerator", "DistributedType"
_HOLDERS = frozenset({_CLASS, "AcceleratorState"})

_FP16, _TPU, _XLA = "use_fp16", "TPU", "XLA"

#: Arguments of Accelerator that are fields of `DataLoaderConfiguration` now.
_MOVED = ("split_batches", "dispatch_batches", "even_batches", "use_seedable_sampler")
_CONFIG, _KEYWORD = "DataLoaderConfiguration", "dataloader_config"
_IGNORED = "split_batches"

_FOLDER, _PROJECT = "logging_dir", "project_dir"

#: Expressions that a comparison stands in without parentheses.
_LOOSE = (ast.If, ast.While, ast.IfExp, ast.BoolOp, ast.Assign, ast.Return, ast.keyword, ast.Assert)

_TAKES = "and transformers 5 takes 1.1 or newer"


class RemovedAccelerateMember(Rule):
    """What `accelerate` dropped before the releases that transformers 5 takes.

    ## What it does

    Finds what the training loops of 4.x ask accelerate for: `use_fp16` of an `Accelerator` (or `AcceleratorState`),
    `DistributedType.TPU`, and the arguments `dispatch_batches`, `even_batches`, `use_seedable_sampler`,
    `split_batches` and `logging_dir` of `Accelerator`, in the call or in a dict that is splatted into it. What is asked
    for first (`hasattr`, `try`) is left alone.

    ## Why it breaks

    transformers 5 takes accelerate from 1.1 on. `TPU` became `XLA` in 0.28, `logging_dir` went in 0.20, the rest in
    1.0. Measured on 1.1.0 and 1.15.0 (Python 3.11; the second error has more words from 3.12 on):

        AttributeError: 'Accelerator' object has no attribute 'use_fp16'
        AttributeError: TPU
        TypeError: Accelerator.__init__() got an unexpected keyword argument 'dispatch_batches'
        TypeError: Accelerator.__init__() got an unexpected keyword argument 'logging_dir'

    `split_batches` is still taken, and nothing reads it: each process gets a whole batch.

    ## Example

        collator = DataCollatorWithPadding(tokenizer, pad_to_multiple_of=(8 if accelerator.use_fp16 else None))
        if accelerator.distributed_type == DistributedType.TPU:
            model.tie_weights()

    becomes

        collator = DataCollatorWithPadding(
            tokenizer, pad_to_multiple_of=(8 if accelerator.mixed_precision != "no" else None)
        )
        if accelerator.distributed_type == DistributedType.XLA:
            model.tie_weights()

    ## Fix safety

    Safe: `use_fp16` was `mixed_precision != "no"`, true with bf16, too, and the fields of `DataLoaderConfiguration`
    are what the arguments were. Unsafe for `logging_dir`: `project_dir` is the folder of checkpoints as well.

    ## References

    - https://github.com/huggingface/accelerate/releases/tag/v1.0.0
    - https://huggingface.co/docs/accelerate/package_reference/accelerator
    """

    code = "V5212"
    name = "removed-accelerate-member"
    since = "5.0"
    tokens = (_FP16, f".{_TPU}", *_MOVED, _FOLDER)
    beside = (_CLASS, _TYPES)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.Attribute, ()):
            assert isinstance(node, ast.Attribute)
            if node.attr not in (_FP16, _TPU) or not isinstance(node.ctx, ast.Load) or module.guards.is_dead(node):
                continue
            if node.attr == _FP16 and _is_holder(module, node.value) and not members.is_prepared(module, node):
                yield _precision(module, node)
            elif node.attr == _TPU and any(_is_ours(each, {_TYPES}) for each in module.values(node.value)):
                message = f"`{_TYPES}.{_TPU}` is `{_XLA}` since accelerate 0.28, {_TAKES}"
                start, end = module.name_span(node)
                yield module.finding(node, message, fix=Fix(f"Write `{_XLA}`", [Edit(start, end, _XLA)]))
        for call in module.calls({_CLASS}):
            if any(_is_ours(each, {_CLASS}) for each in call.callees) and not module.guards.is_dead(call.node):
                yield from _arguments(call)


def _is_ours(value: object, names: set[str] | frozenset[str]) -> bool:
    return isinstance(value, External) and value.package == _PACKAGE and value.name in names


def _is_holder(view: ModuleView, node: ast.expr) -> bool:
    return any(isinstance(each, Instance) and _is_ours(each.of, _HOLDERS) for each in view.values(node))


def _precision(view: ModuleView, node: ast.Attribute) -> Finding:
    new = f'{view.source(node.value)}.mixed_precision != "no"'
    written = new if _is_alone(view, node) else f"({new})"
    message = f'`{view.source(node)}` is gone since accelerate 1.0, {_TAKES}: it was `mixed_precision != "no"`'
    return view.finding(node, message, fix=Fix(f"Write `{new}`", [view.replace(node, written)]))


def _is_alone(view: ModuleView, node: ast.Attribute) -> bool:
    parent = view.tree.parents[node]
    return isinstance(parent, _LOOSE) or (isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not))


def _arguments(call: CallSite) -> Iterator[Finding]:
    view = call.view
    moved = [each for each in call.node.keywords if each.arg in _MOVED]
    fix = _configured(call, moved)
    for keyword in moved:
        yield view.finding(keyword, _moved(str(keyword.arg)), fix=fix)
    folder = call.keyword(_FOLDER)
    if folder is not None:
        start, end = view.name_span(folder)
        free = call.keyword(_PROJECT) is None and not call.is_open
        yield view.finding(folder, _gone(), fix=_renamed([Edit(start, end, _PROJECT)]) if free else None)
    entries = [entry for splat in call.splats for entry in view.dicts.flow(splat).entries if entry.how != "removal"]
    given = {entry.key for entry in entries}
    for entry in entries:
        if entry.key in _MOVED:
            yield view.finding(entry.node, _moved(str(entry.key)))
        elif entry.key == _FOLDER:
            written = entry.node.slice if isinstance(entry.node, ast.Subscript) else entry.node
            free = _PROJECT not in given and call.keyword(_PROJECT) is None
            is_text = free and isinstance(written, ast.Constant)
            edits = [view.replace(written, f'"{_PROJECT}"')] if is_text else []
            yield view.finding(entry.node, _gone(), fix=_renamed(edits) if edits else None)


def _renamed(edits: list[Edit]) -> Fix:
    return Fix(f"Write `{_PROJECT}`", edits, applicability="unsafe")


def _gone() -> str:
    return f"`{_CLASS}` takes no `{_FOLDER}` since accelerate 0.20, {_TAKES}: write `{_PROJECT}`"


def _moved(name: str) -> str:
    what = f"ignores `{name}`" if name == _IGNORED else f"takes no `{name}`"
    return f"`{_CLASS}` {what} since accelerate 1.0, {_TAKES}: give `{_KEYWORD}={_CONFIG}({name}=...)`"


def _configured(call: CallSite, moved: list[ast.keyword]) -> Fix | None:
    """The fix that puts the arguments into a configuration; None where there is one, or may be."""
    if not moved or call.keyword(_KEYWORD) is not None or call.splats:
        return None
    view = call.view

    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        name = imports.use(f"{_PACKAGE}.utils", _CONFIG, call.node)
        fields = ", ".join(f"{each.arg}={view.source(each.value)}" for each in moved)
        first, *rest = moved
        edit = edit_arguments(view, call.node, remove=rest, replace={first: f"{_KEYWORD}={name}({fields})"})
        return [edit, *imports.edits()]

    return Fix(f"Give `{_KEYWORD}`", edits)
