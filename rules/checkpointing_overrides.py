"""V5537: methods of a model that switch checkpointing on, and have no room for what they are given."""

from __future__ import annotations

import ast

from v5lint.patterns import pattern
from v5lint.project import bytes_of
from v5lint.rule import Fix, Rule
from v5lint.rules.parts import library, parameters
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_ENABLE, _SET = "gradient_checkpointing_enable", "_set_gradient_checkpointing"

#: What 4.57 gave a method by name, without which it was of no use to its Trainer, and what it is given beside that now.
_GAVE = {_ENABLE: "gradient_checkpointing_kwargs", _SET: "gradient_checkpointing_func"}
_GIVES = {_ENABLE: ("every_n_layers", "offload"), _SET: ("every_n_layers",)}

#: The parameter of the old form of the second one, which is told from the others by it.
_OLD_FORM = "value"

#: A file that takes a trainer from transformers or from trl.
_TRAINS = pattern(
    rb"\bfrom[ \t]+(?:transformers|trl)[\w.]*[ \t]+import[ \t]*(?:\([^)]*|[^\n(]*)\b\w*Trainer\b"
    rb"|\btransformers\.\w*Trainer\b"
)


class CheckpointingOverride(Rule):
    """A method of a model that switches checkpointing on, and has no room for what it is given.

    ## What it does

    Finds `gradient_checkpointing_enable(self, gradient_checkpointing_kwargs=None)` in models of one's own, be they
    models of transformers or modules of torch, where the repository takes a Trainer of transformers or trl; and
    `_set_gradient_checkpointing(self, enable, gradient_checkpointing_func)` in models of transformers.

    ## Why it breaks

    Since 5.16 the Trainer that is told `gradient_checkpointing=True` gives `every_n_layers`, too, and since 5.18
    `offload` (measured on 5.24):

        TypeError: MyModel.gradient_checkpointing_enable() got an unexpected keyword argument 'every_n_layers'
        TypeError: MyModel._set_gradient_checkpointing() got an unexpected keyword argument 'every_n_layers'

    ## Example

        class MyModel(PreTrainedModel):
            def gradient_checkpointing_enable(self, gradient_checkpointing_kwargs=None):
                self.encoder.gradient_checkpointing_enable(gradient_checkpointing_kwargs)

    becomes

        class MyModel(PreTrainedModel):
            def gradient_checkpointing_enable(self, gradient_checkpointing_kwargs=None, **kwargs):
                self.encoder.gradient_checkpointing_enable(gradient_checkpointing_kwargs)

    ## Fix safety

    Safe: what is taken and ignored is the default of both, every layer and no offloading.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/trainer.py
    """

    code = "V5537"
    name = "checkpointing-override"
    since = "5.16"
    tokens = tuple(f"def {method}" for method in _GAVE)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            for method in node.body:
                if not isinstance(method, ast.FunctionDef) or method.name not in _GAVE or not _is_narrow(method):
                    continue
                of = LocalClass(module, node)
                if module.guards.is_dead(method) or not _is_meant(module, of, method.name):
                    continue
                if method.name == _SET or _trains(module):  # the first is called by the model itself
                    said = f"`{method.name}` is given `every_n_layers` as well since transformers 5.16: take `**kwargs`"
                    yield module.finding_at_name(method, said, fix=_fix(module, method))


def _is_narrow(method: ast.FunctionDef) -> bool:
    """Whether a method takes what it was given, and has no room for what it is given now."""
    args = method.args
    names = {each.arg for each in (*args.args, *args.kwonlyargs)}
    return (
        args.kwarg is None
        and not method.decorator_list
        and _GAVE[method.name] in names
        and _OLD_FORM not in names
        and not names.issuperset(_GIVES[method.name])
    )


def _is_meant(view: ModuleView, of: LocalClass, name: str) -> bool:
    """Whether a class is a model that a Trainer may be given, or one whose layers transformers switches."""
    if any(
        each == "PreTrainedModel" or each.endswith(("Model", "Mixin")) or "For" in each
        for each in library.library_classes(view, of)
    ):
        return True
    return name == _ENABLE and any(root.path.startswith("torch.nn.") for root in view.roots(of))


def _trains(view: ModuleView) -> bool:
    """Whether a file of the repository takes a Trainer of transformers or trl."""
    own = view.text.encode("utf-8", "surrogatepass")
    return _TRAINS.search(own) is not None or bool(view.project.noted((_ENABLE, "Trainer"), lambda: _trainers(view)))


def _trainers(view: ModuleView) -> list[str]:
    return [file for file in view.project.mentioning(b"Trainer", "") if _TRAINS.search(bytes_of(file))]


def _fix(view: ModuleView, method: ast.FunctionDef) -> Fix | None:
    """Add `**kwargs` behind the last parameter."""
    if "kwargs" in {each.arg for each in (*method.args.args, *method.args.kwonlyargs)}:
        return None
    edits = parameters.added(view, method, "**kwargs")
    return Fix("Take `**kwargs`", edits) if edits is not None else None
