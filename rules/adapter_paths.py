"""V5904: an adapter that loads and changes nothing."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules.parts import library, linear_layers, models
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_BEFORE = "4.57"


class AdapterWithoutEffect(Rule):
    """An adapter of the time before a renaming, which PEFT loads without effect.

    ## What it does

    Finds `PeftModel.from_pretrained(model, adapter)` on a model whose layers kept their own names while the path to
    them changed: `CLIPVisionModel`, `CLIPTextModel` and `SiglipVisionModel` since 5.6, `DINOv3ViTModel` since 5.4. Off
    by default: whether the adapter is older than the change is not in sight.

    ## Why it breaks

    The adapter's targets (`q_proj`) still match, so LoRA layers are made; the adapter's weights carry the old paths
    (`vision_model.encoder.layers...`), match none of them and are passed over. The new layers start at zero: the model
    computes exactly what it computes without an adapter (measured with peft 0.21.2 on 5.23.0), and PEFT only warns of
    "missing adapter keys".

    ## Example

        vision = SiglipVisionModel.from_pretrained("google/siglip-base-patch16-224")
        vision = PeftModel.from_pretrained(vision, "my-adapter")

    write

        vision = SiglipVisionModel.from_pretrained("google/siglip-base-patch16-224")
        vision.load_adapter("my-adapter")

    which renames (the output is exact), or migrate the adapter once with `v5lint.runtime.migrate_adapter`.

    ## Fix safety

    No fix: `load_adapter` puts the layers into the model itself, and what follows may expect a `PeftModel`.

    ## References

    - https://huggingface.co/docs/peft/package_reference/peft_model
    """

    code = "V5904"
    name = "adapter-without-effect"
    since = "5.4"
    tokens = ("PeftM",)
    default = False

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls({"from_pretrained"}):
            owners = call.owners({"from_pretrained"})
            if not any(
                isinstance(each, External) and each.package == "peft" and "PeftM" in each.name for each in owners
            ):
                continue
            given = call.argument("model", 0)
            found = models.models(module, given).found if given is not None else []
            moved = [_moved_in(each.model_type, module.settings.target) for each in found]
            if not found or not all(moved) or module.guards.is_dead(call.node):
                continue
            message = (
                f"an adapter that was saved before {moved[0]} loads onto `{found[0].name}` without effect: use "
                "`model.load_adapter`, or migrate it with `v5lint.runtime.migrate_adapter`"
            )
            yield module.finding(call.node, message, since=moved[0])


def _moved_in(model_type: str, release: tuple[int, ...]) -> str:
    """The release in which the path to a family's layers changed, and their own names did not; "" where none did."""
    old = linear_layers.layer_paths(model_type, _BEFORE)
    new = linear_layers.layer_paths(model_type, library.release_text(release))
    if not old or not new or old & new or _leaves(old) != _leaves(new):
        return ""
    for minor in range(release[1] + 1 if len(release) > 1 else 1):
        text = f"{release[0]}.{minor}"
        if linear_layers.layer_paths(model_type, text) == new:
            return text
    return ""


def _leaves(paths: frozenset[str]) -> set[str]:
    return {path.rpartition(".")[2] for path in paths}
