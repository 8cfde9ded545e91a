"""Load the processor of a checkpoint: of its own family, with its own statistics, with or without torchvision."""

# transformers is typed in part: its classes and loaders are not.
# mypy: allow-untyped-calls

from __future__ import annotations

import importlib
import importlib.util
import warnings
from typing import TYPE_CHECKING, Any

import transformers
from transformers import AutoImageProcessor, AutoProcessor, AutoTokenizer
from transformers.utils.import_utils import DummyObject

from v5lint.runtime.errors import MissingDependencyError, ProcessorError
from v5lint.runtime.families import Family, Task, find_family, require_libraries
from v5lint.runtime.hub import hub_options, read_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def load_processor(checkpoint: str | Path, task: Task = "classification", **options: Any) -> Any:
    """The processor of a checkpoint: of its own family, with its own statistics.

    Args:
        checkpoint: A local folder, or the name of a repository on the Hub.
        task: For `retrieval` with a dual encoder, the processor tokenises too; otherwise it is the image processor.
        **options: Further options of `from_pretrained` (`revision`, `token`, `backend`, ...).

    Returns:
        An image processor, or a processor with `image_processor` and `tokenizer`.

    Raises:
        ProcessorError: The checkpoint has no processor configuration, an incomplete one, or one of another family.
        MissingDependencyError: The processor needs torchvision or timm.
    """
    config = read_json(checkpoint, "config.json", **options)
    if config is None:
        raise ProcessorError(f"{checkpoint} has no config.json, so the family of its processor is not known.")
    family = find_family(config)
    require_libraries(family)
    if family is not None and family.is_timm:
        return AutoImageProcessor.from_pretrained(checkpoint, **options)
    saved = _saved_processor(checkpoint, options)
    saved_type = str(saved.get("image_processor_type") or saved.get("feature_extractor_type") or "")
    saved_type = saved_type.replace("FeatureExtractor", "ImageProcessor")
    if family is not None:
        _check_saved_processor(checkpoint, family, saved, saved_type)
    try:
        if family is not None and family.dual_encoder and task == "retrieval":
            return _whole_processor(checkpoint, saved_type, options)
        return _image_processor(checkpoint, saved_type, options)
    except MissingDependencyError:
        raise
    except ImportError as error:  # a processor that exists for torchvision only
        reason = " ".join(str(error).split()).partition(" Check out ")[0]
        raise MissingDependencyError(
            f"{checkpoint}: {reason} Install it, or another transformers than {transformers.__version__}."
        ) from error


def _saved_processor(checkpoint: str | Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """The saved image processor: `preprocessor_config.json`, or a part of `processor_config.json` (transformers 5)."""
    saved = read_json(checkpoint, "preprocessor_config.json", **options)
    if saved is None:
        whole = read_json(checkpoint, "processor_config.json", **options) or {}
        saved = whole.get("image_processor")
    if not saved:
        raise ProcessorError(
            f"{checkpoint} has no preprocessor_config.json, so nobody knows how its images were prepared. Save the "
            "base model's processor into the folder: load_processor(BASE).save_pretrained(FOLDER)."
        )
    return dict(saved)


def _check_saved_processor(checkpoint: str | Path, family: Family, saved: Mapping[str, Any], saved_type: str) -> None:
    if saved_type and not family.accepts_processor(saved_type):
        raise ProcessorError(
            f"{checkpoint}: the processor is {saved_type}, but the model is of {family.title}, whose "
            f"processor is {' or '.join(family.image_processors)}. Save the base model's processor into the folder."
        )
    if family.image_processors == ("BitImageProcessor",):
        # BitImageProcessor's defaults are CLIP's statistics; DINOv2 was trained on ImageNet's.
        absent = [key for key in ("image_mean", "image_std") if saved.get(key) is None]
        if absent:
            raise ProcessorError(
                f"{checkpoint}: preprocessor_config.json has no {' and no '.join(absent)}, and BitImageProcessor would "
                f"take CLIP's. {family.title} was trained with mean {family.image_mean} and std {family.image_std}."
            )


def _image_processor(checkpoint: str | Path, saved_type: str, options: Mapping[str, Any]) -> Any:
    if importlib.util.find_spec("torchvision") is not None:
        try:
            return AutoImageProcessor.from_pretrained(checkpoint, **options)
        except ValueError as error:
            # A release before 5.4 does not know the names that later ones save, where the model_type says nothing.
            processor_class = _pil_class(_plain(saved_type))
            if processor_class is None:
                raise ProcessorError(f"{checkpoint}: transformers cannot read its processor: {error}") from error
            return processor_class.from_pretrained(checkpoint, **options)
    # Without torchvision, AutoImageProcessor itself cannot be used in transformers 5.4 to 5.17, and DINOv3's
    # processor in none: it exists for torchvision only. ViT's has the same squash, filter and statistics, and resizes
    # before it scales.
    name = _plain(saved_type)
    processor_class = _dinov3_pil() if name == "DINOv3ViTImageProcessor" else _pil_class(name)
    if processor_class is None:
        return AutoImageProcessor.from_pretrained(checkpoint, **options)
    return processor_class.from_pretrained(checkpoint, **options)


def _plain(name: str) -> str:
    """The name of a processor without its backend."""
    return name.removesuffix("Fast").removesuffix("Pil")


def _pil_class(name: str) -> Any:
    """The PIL class of a processor: a class of its own since transformers 5.4, the class itself before."""
    own = getattr(transformers, f"{name}Pil", None)
    if isinstance(own, DummyObject):  # SigLIP 2's, kept behind torchvision in 5.4, which it does not use
        own = getattr(importlib.import_module(own.__module__), own.__name__)
    return own or getattr(transformers, name, None)


def _dinov3_pil() -> type[Any]:
    """ViT's PIL processor under DINOv3's name: what it saves loads as DINOv3's own where torchvision is installed."""
    warnings.warn(
        "DINOv3's image processor needs torchvision, which is not installed: ViT's PIL processor stands in for it with "
        "the same size, statistics and filter (pixels differ by up to one grey level).",
        stacklevel=4,
    )
    base = _pil_class("ViTImageProcessor")

    def to_dict(self: Any) -> dict[str, Any]:
        return {**base.to_dict(self), "image_processor_type": "DINOv3ViTImageProcessorFast"}

    return type("DINOv3ViTImageProcessorPil", (base,), {"to_dict": to_dict, "__module__": base.__module__})


def _whole_processor(checkpoint: str | Path, saved_type: str, options: Mapping[str, Any]) -> Any:
    if isinstance(getattr(transformers, f"{_plain(saved_type)}Pil", None), DummyObject):
        # The one of _pil_class, which AutoProcessor does not find.
        tokenizer = AutoTokenizer.from_pretrained(checkpoint, **hub_options(options))
        return _with_own_budget(
            transformers.Siglip2Processor(_image_processor(checkpoint, saved_type, options), tokenizer)
        )
    pil = {"backend": "pil"} if importlib.util.find_spec("torchvision") is None else {}
    try:
        processor = AutoProcessor.from_pretrained(checkpoint, **{**pil, **options})
    except AttributeError as error:
        if importlib.util.find_spec("sentencepiece") is None:
            raise MissingDependencyError(
                f"{checkpoint}: this release of transformers finds no tokenizer for SigLIP without sentencepiece: "
                "pip install sentencepiece"
            ) from error
        raise
    if getattr(processor, "image_processor", None) is None or getattr(processor, "tokenizer", None) is None:
        raise ProcessorError(
            f"{checkpoint}: {type(processor).__name__} has no tokenizer beside its image processor. Save the tokenizer "
            "of the base model into the folder with save_pretrained()."
        )
    return _with_own_budget(processor) if hasattr(processor.image_processor, "max_num_patches") else processor


def _with_own_budget(processor: Any) -> Any:
    """Make a NaFlex processor use the patch budget that its image processor was saved with.

    `Siglip2Processor` hands its own defaults (256 patches of 16 pixels) to the image processor, whatever the
    checkpoint says.
    """
    base = type(processor)

    def call(self: Any, images: Any = None, *args: Any, **kwargs: Any) -> Any:
        if images is not None:
            kwargs.setdefault("max_num_patches", self.image_processor.max_num_patches)
            kwargs.setdefault("patch_size", self.image_processor.patch_size)
        return base.__call__(self, images, *args, **kwargs)

    # The same name, for it is what save_pretrained writes as the processor's class.
    processor.__class__ = type(base.__name__, (base,), {"__call__": call, "__module__": base.__module__})
    return processor
