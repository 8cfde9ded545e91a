"""Which models lose weights when a checkpoint of theirs is loaded without the renaming that `from_pretrained` does.

`save_pretrained` writes the names of 4.x; the models of 5.x have names of their own. `knowledge/reload_losses.toml`
holds, for every class of the newest release that an Auto class loads, how many tensors of its state_dict have another
name in the file that it saves, and since which minor release: measured by building each model on the meta device and
undoing the conversion of its weights (see `knowledge/collect/reload_losses.py`). Types that are put together from two
others (`vision-encoder-decoder`) lose what their parts lose, and are not in it: for them the encoder is asked for.
"""

from __future__ import annotations

import os.path

from v5lint.releases import parse_release
from v5lint.rules import knowledge
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import checkpoints, library
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from v5lint.releases import Release
    from v5lint.rules.parts.models import Model
    from v5lint.view.values import Value

#: Models that are put together from two others: the part that sees the images, and what builds them from two
#: checkpoints, with the parameter that names the one of this part.
_JOINED = {
    "VisionEncoderDecoderModel": (
        "encoder",
        "from_encoder_decoder_pretrained",
        "encoder_pretrained_model_name_or_path",
    ),
    "VisionTextDualEncoderModel": (
        "vision_model",
        "from_vision_text_pretrained",
        "vision_model_name_or_path",
    ),
}

#: What the encoder of checkpoints of these is (those of Donut and Nougat, a DonutSwin, lose nothing).
_ENCODERS = {"microsoft/trocr-": "vit", "nlpconnect/vit-gpt2-": "vit"}

_losses: dict[str, dict[str, Loss]] = {}


class Loss:
    """What a model loses.

    Attributes:
        name: its class.
        lost: the tensors that do not come back.
        total: all of them.
        since: the first release in which it loses them.
    """

    __slots__ = ("lost", "name", "since", "total")

    def __init__(self, name: str, lost: int, total: int, since: str) -> None:
        self.name = name
        self.lost = lost
        self.total = total
        self.since = since

    @property
    def kept(self) -> int:
        """The tensors that come back."""
        return self.total - self.lost


def loss_of(model: Model, release: Release) -> Loss | None:
    """What a model loses under a release; None where that is nothing, or not known.

    Args:
        model: the model. A class that was not measured loses what the others of its type lose.
        release: the target.
    """
    if not _losses:
        _losses.update(_read())
    name, shown, model_type = model.name, model.name, model.model_type
    if name in _JOINED:
        model_type = _type_of_encoder(model)
        facts = lookup.model_type(model_type) if model_type else None
        shown = f"{name}.{_JOINED[name][0]}"
        name = facts.models.get("AutoModel", "") if facts is not None else ""
    classes = _losses.get(model_type)
    if classes is None:
        return None
    found = classes.get(name) or max(classes.values(), key=lambda each: each.lost / each.total)
    if not found.lost or parse_release(found.since) > release:
        return None
    return Loss(shown, found.lost, found.total, found.since)


def _type_of_encoder(model: Model) -> str:
    """The type of the part that sees the images; "" where it is not known for sure."""
    _, builder, parameter = _JOINED[model.name]
    call = model.call
    if call is None:
        return ""
    if call.name == builder:
        types = {_type_of(value, checkpoints.model_type_of) for value in call.values_of(parameter, 0)}
    else:
        types = {_type_of(value, _type_in_checkpoint) for value in call.values_of(*library.CHECKPOINT)}
    return types.pop() if len(types) == 1 else ""


def _type_of(value: Value, told: Callable[[str], str]) -> str:
    return told(value.value) if isinstance(value, Constant) and isinstance(value.value, str) else ""


def _type_in_checkpoint(checkpoint: str) -> str:
    return next((found for start, found in _ENCODERS.items() if checkpoint.startswith(start)), "")


def _read() -> dict[str, dict[str, Loss]]:
    from v5lint.toml import loads

    found: dict[str, dict[str, Loss]] = {}
    with open(os.path.join(os.path.dirname(knowledge.__file__), "reload_losses.toml"), encoding="utf-8") as file:
        table = loads(file.read())
    for model_type, classes in table.items():
        since = classes.pop("since")
        found[model_type] = {name: Loss(name, lost, total, since) for name, (lost, total) in classes.items()}
    return found
