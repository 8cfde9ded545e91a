"""V5903: weights of a 4.x file that `load_state_dict` passes over."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.parts import library, models, origins
from v5lint.rules.parts.reload_losses import loss_of
from v5lint.view.values import Constant, Instance, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.models import Model
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

#: Functions that read a file of weights.
_READERS = frozenset({"load", "load_file", "torch_load", "load_state_dict_from_url"})

#: Methods of a dict that give its entries, and functions that copy one.
_TAKES = frozenset({"items", "get", "pop", "copy"})
_COPIES = frozenset({"dict", "OrderedDict"})

#: How many such steps a state dict is followed back.
_DEPTH = 6

#: What `save_pretrained` calls its files, whose names of weights are those of 4.x under every release.
_FILES = ("pytorch_model.bin", "model.safetensors")


class StateDictMismatch(Rule):
    """A file of weights whose names the model no longer has, loaded with `load_state_dict`.

    ## What it does

    Finds `load_state_dict(torch.load(...), strict=False)`, or the same through `safetensors`, on a model whose layers
    are called otherwise than in 4.x: ViT, Swin, SegFormer since 5.9, DINOv2 since 5.18, mixtures of experts since 5.0;
    also on a module of the repository that holds such a model. Without `strict=False` it is a finding only where the
    file is one that `save_pretrained` writes (`pytorch_model.bin`, `model.safetensors`), which has the old names
    always. `load_from_checkpoint(..., strict=False)` of a Lightning module that holds such a model is the same.

    ## Why it breaks

    With `strict=False` nothing is loaded into the renamed layers and nothing is raised (measured on a small ViT saved
    by 4.57.6: 32 of 40 tensors missing); they keep what they were initialised with. Without it, 5.x says

        RuntimeError: Error(s) in loading state_dict for ViTForImageClassification: Missing key(s) in state_dict: ...

    ## Example

        model = ViTForImageClassification(config)
        model.load_state_dict(torch.load("out/pytorch_model.bin"), strict=False)

    write

        model = ViTForImageClassification.from_pretrained("out", config=config)

    `from_pretrained` renames while it loads; it takes the weights themselves, too: `from_pretrained(None,
    config=config, state_dict=weights)` (on 5.23.0 both give the logits of the model that was saved).

    ## Fix safety

    No fix: where the file comes from is not in sight.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/core_model_loading.py
    """

    code = "V5903"
    name = "state-dict-mismatch"
    since = "5.0"
    tokens = ("load_state_dict", "load_from_checkpoint")
    beside = ("transformers",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls({"load_state_dict"}):
            given = call.argument("state_dict", 0)
            if given is None or not isinstance(call.func, ast.Attribute):
                continue
            loose = Constant(False) in call.values_of("strict", 1)
            file = _file(module, given)
            if file is None or not (loose or file.endswith(_FILES)) or _is_written_here(module, given):
                continue
            yield from _check(module, call, _models(module, call.func.value), loose=loose)
        for call in module.calls({"load_from_checkpoint"}):
            if isinstance(call.func, ast.Attribute) and Constant(False) in call.values_of("strict"):
                of = [each for each in module.values(call.func.value) if isinstance(each, LocalClass)]
                yield from _check(module, call, [each for one in of for each in _held(module, one)], loose=True)


def _check(view: ModuleView, call: CallSite, found: list[Model], *, loose: bool) -> Iterator[Finding]:
    losses = [loss_of(each, view.settings.target) for each in found]
    if not losses or not all(losses) or any(each.is_adapted for each in found) or view.guards.is_dead(call.node):
        return
    loss = losses[0]
    assert loss is not None
    said = f"{loss.lost} of the {loss.total} tensors of `{loss.name}` have other names than in a file of 4.x"
    effect = "they are passed over without a word" if loose else "RuntimeError: Missing key(s) in state_dict"
    yield view.finding(
        call.node, f"{said}, and {effect}: load it with `from_pretrained`, which renames", since=loss.since
    )


def _models(view: ModuleView, node: ast.expr) -> list[Model]:
    """The models that an expression may be, or that a module of the repository holds."""
    found = models.models(view, node).found
    if found:
        return found
    for value in view.values(node):
        if isinstance(value, Instance) and isinstance(value.of, LocalClass):
            found += _held(view, value.of)
    return found[:1]


def _held(view: ModuleView, of: LocalClass) -> list[Model]:
    """The models of transformers that a module of the repository holds."""
    if any(library.library_classes(view, of)):
        return []
    assigned = of.view.links.self_assignments(of.node).values()
    calls = [each for values in assigned for each in values if isinstance(each, ast.Call)]
    return [model for each in calls for model in models.models(of.view, each).found]


def _file(view: ModuleView, node: ast.expr, depth: int = 0) -> str | None:
    """The file that a state dict is read from, "" where its name is not known; None where it is from no file."""
    for origin in origins.origins(view, node).found:
        if origin.call.name in _READERS:
            return next(iter(library.texts(origin.call.values_of("f", 0))), "")
    if depth > _DEPTH:
        return None
    for each in _inside(view, node):
        found = _file(view, each, depth + 1)
        if found is not None:
            return found
    return None


def _inside(view: ModuleView, node: ast.expr) -> list[ast.expr]:
    """What a state dict is taken out of, or made from: `file["state_dict"]`, `{rename(k): v for k, v in ...}`."""
    if isinstance(node, ast.Subscript):
        return [node.value]
    if isinstance(node, ast.DictComp):
        return [node.generators[0].iter]
    if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
        return [node.generators[0].iter]
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in _TAKES:
            return [node.func.value]
        return node.args[:1] if isinstance(node.func, ast.Name) and node.func.id in _COPIES else []
    if isinstance(node, ast.Name):
        return [each.value for each in view.links.bindings_read(node) if each.kind == "assign" and each.value]
    return []


def _is_written_here(view: ModuleView, node: ast.expr) -> bool:
    """Whether the module writes the file itself, under the names that its own release gives the weights."""
    paths = {
        ast.unparse(origin.call.args[0])
        for origin in origins.origins(view, node).found
        if origin.call.name in _READERS and origin.call.args
    }
    return any(ast.unparse(call.args[1]) in paths for call in view.calls({"save", "save_file"}) if len(call.args) > 1)
