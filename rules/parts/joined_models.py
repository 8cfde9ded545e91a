"""Models that are put together from two others: what the part of theirs that sees the images is."""

from __future__ import annotations

from v5lint.rules.parts import checkpoints, library, loaded_together
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from v5lint.rules.parts.models import Model
    from v5lint.view.values import Value

#: The classes: the part that sees the images, and what builds them from two checkpoints, with the parameter that names
#: the one of this part.
JOINED = {
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

#: What the encoder of checkpoints of these is (those of Donut and Nougat, a DonutSwin, are as they were).
_ENCODERS = {"microsoft/trocr-small-": "deit", "microsoft/trocr-": "vit", "nlpconnect/vit-gpt2-": "vit"}

#: Processors that only checkpoints of one family have, and the encoder of that family.
_BY_PROCESSOR = {"TrOCRProcessor": "vit"}


def type_of_part(model: Model) -> str:
    """The type of the part that sees the images; "" where it is not known for sure.

    Args:
        model: a model of one of the classes in `JOINED`.
    """
    _, builder, parameter = JOINED[model.name]
    call = model.call
    if call is None:
        return ""
    if call.name == builder:
        types = {_told(value, checkpoints.model_type_of) for value in call.values_of(parameter, 0)}
    else:
        types = {_told(value, _type_in_checkpoint) for value in call.values_of(*library.CHECKPOINT)}
    found = types.pop() if len(types) == 1 else ""
    beside = () if found else loaded_together.classes_beside(call)
    return found or next((_BY_PROCESSOR[each] for each in beside if each in _BY_PROCESSOR), "")


def _told(value: Value, told: Callable[[str], str]) -> str:
    return told(value.value) if isinstance(value, Constant) and isinstance(value.value, str) else ""


def _type_in_checkpoint(checkpoint: str) -> str:
    return next((found for start, found in _ENCODERS.items() if checkpoint.startswith(start)), "")
