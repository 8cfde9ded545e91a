"""V5703: LoRA on every linear layer of a SigLIP model."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules.parts import adapters
from v5lint.view.values import Constant, Elements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.adapters import Adaptation
    from v5lint.rules.parts.models import Model
    from v5lint.view.module import ModuleView

_EVERY = "all-linear"
_POOLED = "out_proj"


class LoraAllLinearSiglip(Rule):
    """LoRA on every linear layer of a SigLIP model, the pooling attention among them.

    ## What it does

    Finds `target_modules="all-linear"`, or a list with `out_proj`, where the model that is adapted is a SigLIP or
    SigLIP 2 model with a vision tower.

    ## Why it breaks

    The vision tower pools with an `nn.MultiheadAttention`, which computes with the weight of its `out_proj` and never
    calls the layer: LoRA on it changes the output by exactly 0.0 (measured on 5.23.0 with peft 0.21.2), its parameters
    get no gradient, and distributed training with `ddp_find_unused_parameters=False` dies of that. A classifier
    (`SiglipForImageClassification`) does not use the pooling head at all, so `head.mlp` is adapted for nothing, too;
    and `SiglipModel` has a text tower, which `all-linear` adapts along with the vision tower. No release of
    transformers says a word.

    ## Example

        model = get_peft_model(siglip, LoraConfig(target_modules="all-linear", modules_to_save=["classifier"]))

    write

        targets = ["q_proj", "k_proj", "v_proj", "fc1", "fc2"]
        model = get_peft_model(siglip, LoraConfig(target_modules=targets, exclude_modules=r"(.*[.])?head[.].*",
                                                  modules_to_save=["classifier"]))

    which leaves the vision tower's pooling head out under its path of 4.x and of 5.x (measured with peft 0.21.2).

    ## Fix safety

    No fix: which layers are meant is a person's choice. `v5lint.runtime.lora_config_for(model)` chooses them by role.

    ## References

    - https://huggingface.co/docs/peft/package_reference/lora
    """

    code = "V5703"
    name = "lora-all-linear-siglip"
    since = "4.37"
    tokens = (_EVERY, _POOLED)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for each in adapters.adaptations(module):
            if not module.guards.is_dead(each.meeting.node):
                yield from _check(module, each)


def _check(view: ModuleView, adaptation: Adaptation) -> Iterator[Finding]:
    config, found = adaptation.config, adaptation.models.found
    if not found or any(not _has_pooling(each) for each in found) or config.values_of("exclude_modules"):
        return
    values = config.values_of("target_modules")
    every = Constant(_EVERY) in values
    if not every and not any(
        isinstance(value, Elements) and any(Constant(_POOLED) in item for item in value.items) for value in values
    ):
        return
    name = found[0].name
    said = f"`{_EVERY if every else _POOLED}` puts LoRA on the pooling attention of `{name}`, where it has no effect"
    if every and name in ("SiglipModel", "Siglip2Model"):
        said += ", and on the text tower"
    here = config.argument("target_modules") if config.view is view else None
    yield view.finding(here or adaptation.meeting.node, f"{said}: name the layers, with `exclude_modules` for `head`")


def _has_pooling(model: Model) -> bool:
    return model.model_type.startswith("siglip") and "Text" not in model.name and not model.is_own
