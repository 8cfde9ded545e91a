"""The faults, one function each: what a script does wrong, the check that must name it, and the families it concerns.

Each function takes a correct `Scene` and makes one part of it wrong. None of them raises by itself in the libraries
that it concerns, unless its description says so.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from fault_scene import DIGITS, Pictures, tiny, with_16_bits, with_lying_photographs
from peft import LoraConfig, PeftModel, get_peft_model
from PIL import Image, ImageOps
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForImageClassification, Trainer, TrainerCallback, get_linear_schedule_with_warmup

from v5lint.runtime.checks.pictures import statistics_of
from v5lint.runtime.heads import classification_class
from v5lint.runtime.loading import load_config, load_model
from v5lint.runtime.lora import lora_config_for
from v5lint.runtime.processors import load_processor
from v5lint.runtime.roles import backbone_of, classification_head, encoder_layers, unwrap

if TYPE_CHECKING:
    from fault_scene import Scene

IMAGE_FAMILIES = ("vit", "siglip", "dinov2", "dinov2_with_registers", "dinov3_vit", "dinov3_convnext", "timm_vit",
                  "timm_dinov3", "timm_naflexvit")  # fmt: skip
ATTENTION = ("vit", "siglip", "siglip2", "dinov2", "dinov2_with_registers", "dinov3_vit")
CHECKPOINTING = (*ATTENTION,)
ALL = ("vit", "siglip", "siglip2", "dinov2", "dinov2_with_registers", "dinov3_vit", "dinov3_convnext", "timm_vit",
       "timm_dinov3", "timm_naflexvit")  # fmt: skip
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        name: Of the function that makes it.
        make: Makes one part of a scene wrong.
        check: The check that must fail.
        says: Regular expression that one of its failures must match.
        families: The families that it concerns.
        what: What the script does, for the documentation.
        status: `note` where a script may rightly do the same, so that nothing fails.
    """

    name: str
    make: Callable[[Scene], None]
    check: str
    says: str
    families: tuple[str, ...]
    what: str
    status: str = "failed"


FAULTS: list[Fault] = []


def fault(
    check: str, says: str, families: tuple[str, ...] = ALL, status: str = "failed"
) -> Callable[[Callable[[Scene], None]], None]:
    """Register a fault; its docstring says what the script does."""

    def register(make: Callable[[Scene], None]) -> None:
        FAULTS.append(Fault(make.__name__, make, check, says, families, str(make.__doc__), status))

    return register


def _head(model: Any) -> nn.Module:
    inner = unwrap(model)
    return inner.get_submodule(classification_head(inner)[0])


# --- what is trained -------------------------------------------------------------------------------------------------


@fault("parameters", r"The head \(.*\) is frozen, at random values")
def head_forgotten(scene: Scene) -> None:
    """The head is not in modules_to_save."""
    scene.config = lambda model: lora_config_for(model, r=8, train_head=False)


@fault("parameters", r"modules_to_save: clasifier matches no module")
def head_misspelt(scene: Scene) -> None:
    """modules_to_save names a module that does not exist."""

    def config(model: Any) -> LoraConfig:
        made = lora_config_for(model, r=8, train_head=False)
        made.modules_to_save = ["clasifier"]
        return made

    scene.config = config


@fault("parameters", r"The head \(.*\) is frozen", ("siglip", "siglip2"))
def pooler_in_place_of_head(scene: Scene) -> None:
    """modules_to_save=["head"], which in SigLIP is a pooler that the classifier does not read."""

    def config(model: Any) -> LoraConfig:
        made = lora_config_for(model, r=8, train_head=False)
        made.modules_to_save = ["head"]
        return made

    scene.config = config


@fault("parameters", r"is trained and not saved with the adapter")
def head_unfrozen_by_hand(scene: Scene) -> None:
    """The head is unfrozen by hand and not in modules_to_save."""
    scene.config = lambda model: lora_config_for(model, r=8, train_head=False)

    def finish(model: Any) -> Any:
        for parameter in _head(model).parameters():
            parameter.requires_grad_(True)
        return model

    scene.finish = finish


@fault("parameters", r"target_modules: query matches no module", ATTENTION)
def half_of_the_targets_match(scene: Scene) -> None:
    """target_modules mixes names of two releases: ["query", "v_proj"]."""
    scene.config = lambda model: LoraConfig(r=8, target_modules=["query", "v_proj"], modules_to_save=["classifier"])


@fault("parameters", r"target_modules: query, value matches no module", ATTENTION)
def only_the_head_is_adapted(scene: Scene) -> None:
    """target_modules=["query", "value", "classifier"] of an older release matches the classifier alone."""
    scene.config = lambda model: LoraConfig(r=8, target_modules=["query", "value", "classifier"])


@fault("parameters", r"Keys are adapted and queries are not", ATTENTION)
def keys_in_place_of_queries(scene: Scene) -> None:
    """target_modules=["k_proj", "v_proj"]."""

    def config(model: Any) -> LoraConfig:
        made = lora_config_for(model, r=8)
        made.target_modules = {"k_proj", "v_proj"} if isinstance(made.target_modules, set) else ["k_proj", "v_proj"]
        return made

    scene.config = config


@fault("parameters", r"of \d+ layers have no adapter")
def one_layer_alone(scene: Scene) -> None:
    """target_modules holds the paths of the first layer, copied from a print."""

    def config(model: Any) -> LoraConfig:
        made = lora_config_for(model, r=8)
        layer = encoder_layers(model)[0]
        made.target_modules = set(layer.paths("query") or layer.mlp)
        return made

    scene.config = config


@fault("parameters", r"belongs to nn.MultiheadAttention", ("siglip", "siglip2"))
def inside_multihead_attention(scene: Scene) -> None:
    """target_modules has out_proj, which SigLIP's pooler keeps inside nn.MultiheadAttention."""
    scene.config = lambda model: LoraConfig(
        r=8, target_modules=["q_proj", "v_proj", "out_proj"], modules_to_save=["classifier"]
    )


@fault("parameters", r"its scale \(lora_alpha / r\)")
def alpha_near_zero(scene: Scene) -> None:
    """lora_alpha is so small that the adapter does nothing; lora_B still moves."""
    scene.config = lambda model: lora_config_for(model, r=8, lora_alpha=1e-6)  # type: ignore[arg-type]


@fault("parameters", r"What the adapter adds is multiplied by")
def alpha_far_too_large(scene: Scene) -> None:
    """lora_alpha is a hundred times r."""
    scene.config = lambda model: lora_config_for(model, r=8, lora_alpha=800)


@fault("parameters", r"it is frozen")
def adapter_frozen(scene: Scene) -> None:
    """All parameters but the head's are frozen after the adapter is attached."""

    def finish(model: Any) -> Any:
        for name, parameter in model.named_parameters():
            if ".lora_" in name:
                parameter.requires_grad_(False)
        return model

    scene.finish = finish


@fault("parameters", r"No parameter is trainable|it is frozen")
def inference_mode(scene: Scene) -> None:
    """The adapter is attached with inference_mode=True."""

    def config(model: Any) -> LoraConfig:
        made = lora_config_for(model, r=8)
        made.inference_mode = True
        return made

    scene.config = config


@fault("parameters", r"The adapter is switched off in")
def adapter_disabled(scene: Scene) -> None:
    """disable_adapter_layers() of an evaluation was never undone."""

    def finish(model: Any) -> Any:
        model.base_model.disable_adapter_layers()
        return model

    scene.finish = finish


@fault("parameters", r"The adapter is merged into the weights")
def merged_before_training(scene: Scene) -> None:
    """merge_adapter() of an evaluation was never undone."""

    def finish(model: Any) -> Any:
        model.merge_adapter()
        return model

    scene.finish = finish


@fault("parameters", r"tensors of the frozen model .* are trainable")
def backbone_unfrozen(scene: Scene) -> None:
    """The whole backbone is unfrozen after the adapter is attached."""

    def finish(model: Any) -> Any:
        for parameter in model.parameters():
            parameter.requires_grad_(parameter.is_floating_point())
        return model

    scene.finish = finish


@fault("parameters", r"tensors of the frozen model .* are trainable")
def norms_unfrozen(scene: Scene) -> None:
    """The layer norms are unfrozen, and not saved with the adapter."""

    def finish(model: Any) -> Any:
        for name, parameter in model.named_parameters():
            if "norm" in name and ".lora_" not in name:
                parameter.requires_grad_(True)
        return model

    scene.finish = finish


@fault("parameters", r"tensors of the frozen model .* are trainable")
def embeddings_unfrozen(scene: Scene) -> None:
    """Patch or position embeddings are unfrozen, and not saved with the adapter."""

    def finish(model: Any) -> Any:
        for name, parameter in model.named_parameters():
            if "embed" in name or "stem" in name or "downsample" in name:
                parameter.requires_grad_(True)
        return model

    scene.finish = finish


@fault("parameters", r"No parameter is trainable")
def frozen_by_a_name_that_changed(scene: Scene) -> None:
    """Without PEFT: what is trained is chosen by the parameter names of an older release, which match nothing."""

    def adapt(model: Any) -> Any:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("encoder.layer.2.attention.attention.query" in name)
        return model

    scene.adapt = adapt


@fault("parameters", r"lora_B are all zero")
def adapter_loaded_as_a_no_op(scene: Scene) -> None:
    """A trained adapter whose module names were changed by a release loads without a tensor of it arriving."""

    def adapt(model: Any) -> Any:
        trained = get_peft_model(load_model(scene.checkpoint, labels=DIGITS), scene.config(model))
        for name, parameter in trained.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(parameter)
        folder = scene.folder / "adapter"
        trained.save_pretrained(folder)
        path = folder / "adapter_model.safetensors"
        tensors = {name.replace("layer", "older"): value for name, value in load_file(path).items()}
        save_file({name.replace("blocks", "older"): value for name, value in tensors.items()}, path)
        return PeftModel.from_pretrained(model, str(folder), is_trainable=True)

    scene.adapt = adapt
    scene.known = {"trained": True}


@fault("parameters", r"there is no layer 7", ATTENTION)
def layer_that_is_not_there(scene: Scene) -> None:
    """layers_to_transform was written for a deeper model: PEFT leaves out what is not there."""

    def config(model: Any) -> LoraConfig:
        pattern = encoder_layers(model)[0].name.split(".")[-2]
        return LoraConfig(r=8, target_modules=["q_proj", "v_proj"], modules_to_save=["classifier"],
                          layers_to_transform=[2, 7], layers_pattern=pattern)  # fmt: skip

    scene.config = config


# --- what moves ------------------------------------------------------------------------------------------------------


@fault("movement", r"re-entrant checkpointing drops them", CHECKPOINTING)
def reentrant_checkpointing(scene: Scene) -> None:
    """Activation checkpointing with use_reentrant=True, the default of transformers 4."""

    def finish(model: Any) -> Any:
        unwrap(model).gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": True})
        return model

    scene.finish = finish


@fault("movement", r"LoRA tensors, such as .*, received no gradient")
def merged_in_training(scene: Scene) -> None:
    """merge_adapter() before the training: the head learns alone."""

    def finish(model: Any) -> Any:
        model.merge_adapter()
        return model

    scene.finish = finish
    scene.mode = "train"


@fault("movement", r"The gradients are NaN or infinite at step 1|norm is nan at step 1")
def pixels_not_a_number(scene: Scene) -> None:
    """A broken image gives NaN, which the log shows as a loss of 0.0."""
    scene.prepare = lambda image: {
        name: tensor * float("nan") if name == "pixel_values" else tensor
        for name, tensor in scene.prepared(image).items()
    }
    scene.mode = "train"


@fault("movement", r"tensors that were frozen at the start have changed")
def frozen_weights_written(scene: Scene) -> None:
    """A callback of the script (an average of weights, a weight decay of its own) writes to the frozen weights."""

    class Decay(TrainerCallback):  # type: ignore[misc]
        def on_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
            for name, parameter in model.named_parameters():
                if "lora_" not in name and parameter.dim() > 1:
                    parameter.data.mul_(0.999)

    scene.trainer_options = lambda model: {"callbacks": [Decay()]}
    scene.mode = "train"


@fault("movement", r"updates are rounded away in bfloat16")
def updates_rounded_away(scene: Scene) -> None:
    """The adapter is in bfloat16 with a learning rate below its resolution."""

    def adapt(model: Any) -> Any:
        adapted = get_peft_model(model, scene.config(model))
        for name, parameter in adapted.named_parameters():
            if "lora_A" in name:
                with torch.no_grad():
                    parameter.add_(torch.sign(parameter) * 0.5)
        return adapted.to(torch.bfloat16)

    scene.adapt = adapt
    prepared = scene.prepared
    scene.prepare = lambda image: {
        name: tensor.to(torch.bfloat16) if name == "pixel_values" else tensor
        for name, tensor in prepared(image).items()
    }
    scene.options = {"learning_rate": 1e-5}
    scene.mode = "train"


# --- how it is trained -----------------------------------------------------------------------------------------------


@fault("setup", r"The optimiser does not hold \d+ trainable tensors")
def optimizer_before_the_adapter(scene: Scene) -> None:
    """The optimiser is made from the base model, before the adapter is attached."""

    def adapt(model: Any) -> Any:
        scene.known["made"] = torch.optim.AdamW(model.parameters(), lr=1e-3)
        return get_peft_model(model, scene.config(model))

    scene.adapt = adapt
    scene.trainer_options = lambda model: {"optimizers": (scene.known.pop("made"), None)}
    scene.mode = "train"


@fault("setup", r"The optimiser does not hold \d+ trainable tensors")
def optimizer_of_the_head_alone(scene: Scene) -> None:
    """The optimiser holds the head, and the adapter is trainable beside it."""
    scene.trainer_options = lambda model: {
        "optimizers": (torch.optim.AdamW([p for p in _head(model).parameters() if p.requires_grad], lr=1e-3), None)
    }
    scene.mode = "train"


@fault("setup", r"tensors that the optimiser holds are not in the model")
def optimizer_of_another_model(scene: Scene) -> None:
    """The optimiser was made from a model that was loaded again since."""

    def options(model: Any) -> dict[str, Any]:
        other = get_peft_model(scene.load(), scene.config(scene.load()))
        return {"optimizers": (torch.optim.AdamW([p for p in other.parameters() if p.requires_grad], lr=1e-3), None)}

    scene.trainer_options = options
    scene.mode = "train"


@fault("setup", r"parameter groups is 0")
def learning_rate_of_zero(scene: Scene) -> None:
    """learning_rate=0."""
    scene.options = {"learning_rate": 0.0}
    scene.mode = "train"


@fault("setup", r"The learning rate never rises above")
def warm_up_longer_than_training(scene: Scene) -> None:
    """warmup_steps is a number of steps where a share was meant."""
    scene.options = {"warmup_steps": 1000, "max_steps": 6}
    scene.mode = "train"


@fault("setup", r"is 0 at half and at three quarters", ATTENTION)
def schedule_of_another_length(scene: Scene) -> None:
    """The schedule was made for fewer steps than are taken: it ends at 0 early on."""

    def options(model: Any) -> dict[str, Any]:
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
        return {"optimizers": (optimizer, get_linear_schedule_with_warmup(optimizer, 0, 4))}

    scene.trainer_options = options
    scene.options = {"max_steps": -1, "num_train_epochs": 1}
    scene.mode = "train"


@fault("setup", r"The schedule belongs to another optimiser", ATTENTION)
def schedule_of_another_optimizer(scene: Scene) -> None:
    """The schedule was made from an optimiser that was replaced since: the learning rate never falls."""

    def options(model: Any) -> dict[str, Any]:
        first, second = (torch.optim.AdamW([p for p in model.parameters() if p.requires_grad]) for _ in range(2))
        return {"optimizers": (first, get_linear_schedule_with_warmup(second, 0, 3))}

    scene.trainer_options = options
    scene.mode = "train"


@fault("setup", r"in evaluation mode while it trains", ATTENTION)
def evaluation_mode_in_training(scene: Scene) -> None:
    """The model's eval() is called within the step: the dropout of the adapter does nothing."""
    scene.config = lambda model: lora_config_for(model, r=8, lora_dropout=0.2)

    def finish(model: Any) -> Any:
        unwrap(model).register_forward_pre_hook(lambda module, inputs: model.eval() and None)
        return model

    scene.finish = finish
    scene.mode = "train"


@fault("setup", r"sorted by class and shown in its own order", ATTENTION)
def sampler_in_stored_order(scene: Scene) -> None:
    """Training data sorted by class, and a Trainer of the script's own that does not shuffle."""
    scene.train = _sorted_by_class(scene)

    class Sequential(Trainer):  # type: ignore[misc]
        def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)

    scene.trainer_class = Sequential
    scene.mode = "train"


@fault("setup", r"is augmented at random")
def evaluation_augmented(scene: Scene) -> None:
    """Evaluation images are mirrored at random."""

    def prepare(image: Image.Image) -> Any:
        return scene.prepared(ImageOps.mirror(image) if torch.rand(()) < 0.5 else image)

    scene.prepare_evaluation = prepare


@fault("setup", r"In evaluation mode the model gives two outputs")
def dropout_always_on(scene: Scene) -> None:
    """A head of the script's own calls dropout without asking whether the model trains."""

    def finish(model: Any) -> Any:
        _head(model).register_forward_pre_hook(lambda module, inputs: (nn.functional.dropout(inputs[0], 0.3),))
        return model

    scene.finish = finish


def _sorted_by_class(scene: Scene) -> Any:
    pictures, targets = scene.train
    order = sorted(range(len(targets)), key=lambda index: targets[index])
    return [pictures[i] for i in order], [targets[i] for i in order]


@fault("setup", r"sorted by class and shown in its own order")
def sorted_and_not_shuffled(scene: Scene) -> None:
    """Training data sorted by class, with train_sampling_strategy="sequential"."""
    scene.train = _sorted_by_class(scene)
    scene.options = {"train_sampling_strategy": "sequential"}
    scene.mode = "trainer"


@fault("setup", r"SubsetRandomSampler shows \d+ of \d+ training items", ("vit", "siglip2", "dinov2"))
def sampler_of_a_part(scene: Scene) -> None:
    """The sampler of a trial run, over the first images, was left in."""

    class Sampled(Trainer):
        def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
            return torch.utils.data.SubsetRandomSampler(range(24))

    scene.trainer_class = Sampled
    scene.mode = "train"


@fault("setup", r"There is no batch to train on")
def no_full_batch(scene: Scene) -> None:
    """A batch is larger than the data set, and the last batch is dropped."""
    scene.options = {"per_device_train_batch_size": 256, "dataloader_drop_last": True}
    scene.mode = "train"


@fault("setup", r"The training ends after \d+ of \d+ items", status="note")
def steps_that_end_early(scene: Scene) -> None:
    """max_steps of a trial run was left in: a quarter of the images is shown."""
    scene.options = {"max_steps": 3, "per_device_train_batch_size": 8}
    scene.mode = "train"


@fault(
    "setup", r"An epoch has 64 of \d+ items .*: the last batch is dropped", ("vit", "siglip2", "dinov2"), status="note"
)
def last_batch_dropped(scene: Scene) -> None:
    """dataloader_drop_last=True with batches of more than half of the images."""
    scene.options = {"per_device_train_batch_size": 64, "dataloader_drop_last": True, "max_steps": 2}
    scene.mode = "train"


# --- class and weights -----------------------------------------------------------------------------------------------


def _class(name: str) -> Any:
    import transformers

    return getattr(transformers, name)


@fault("weights", r"The checkpoint is of model_type", ("siglip", "siglip2"))
def other_siglip_class(scene: Scene) -> None:
    """FixRes class on a NaFlex checkpoint or the reverse, with ignore_mismatched_sizes=True to swap the head."""
    name = "Siglip2ForImageClassification" if scene.family == "siglip" else "SiglipForImageClassification"
    scene.load = lambda: _class(name).from_pretrained(
        scene.checkpoint, num_labels=10, ignore_mismatched_sizes=True, dtype=torch.float32
    )


@fault("weights", r"The checkpoint is of model_type", ("dinov2_with_registers",))
def registers_in_a_class_without(scene: Scene) -> None:
    """Dinov2ForImageClassification on a checkpoint with registers: the whole backbone is random."""
    scene.load = lambda: _class("Dinov2ForImageClassification").from_pretrained(
        scene.checkpoint, num_labels=10, dtype=torch.float32
    )


@fault("weights", r"tensors outside the head .* are not the checkpoint's")
def random_backbone(scene: Scene) -> None:
    """The model is made from the configuration, not from the weights."""

    def load() -> Any:
        config = load_config(scene.checkpoint)
        config.num_labels = 10
        return classification_class(config)(config)

    scene.load = load
    scene.known = {"checkpoint": scene.checkpoint}


@fault("weights", r"tensors outside the head .* are not the checkpoint's")
def one_layer_not_loaded(scene: Scene) -> None:
    """One layer keeps its random values: load_state_dict(strict=False) with names of another release."""

    def load() -> Any:
        model = load_model(scene.checkpoint, labels=DIGITS)
        layer = encoder_layers(model)[1]
        for module in model.get_submodule(layer.name).modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.1)
        return model

    scene.load = load


@fault("weights", r"tensors outside the head .* are not the checkpoint's")
def weights_of_another_checkpoint(scene: Scene) -> None:
    """The weights of another model of the same shape were loaded over these."""

    def load() -> Any:
        model = load_model(scene.checkpoint, labels=DIGITS)
        other = load_model(tiny(scene.family, scene.seed + 1000), labels=DIGITS)
        backbone_of(model).load_state_dict(backbone_of(other).state_dict())
        return model

    scene.load = load


@fault("weights", r"features and those of the checkpoint have a cosine", ("vit", "siglip", "siglip2", "dinov2",
       "dinov2_with_registers", "dinov3_vit"))  # fmt: skip
def fewer_layers_than_the_checkpoint(scene: Scene) -> None:
    """num_hidden_layers was changed in the configuration: the last layer of the checkpoint is left out."""

    def load() -> Any:
        model = load_model(scene.checkpoint, labels=DIGITS)
        for module in model.modules():
            for name, child in module.named_children():
                if isinstance(child, nn.ModuleList) and len(child) == 3:
                    setattr(module, name, child[:2])
        return model

    scene.load = load


# --- resolution ------------------------------------------------------------------------------------------------------


@fault("resolution", r"The processor is \w+ and the model is")
def processor_of_another_family(scene: Scene) -> None:
    """The processor of another family prepares the images."""
    other = "dinov2" if scene.family not in ("dinov2", "dinov2_with_registers") else "vit"
    scene.processor = load_processor(tiny(other, 0))


@fault("resolution", r"rows and \d+ columns of pixels are (dropped, silently|refused)", IMAGE_FAMILIES)
def rest_that_fills_no_patch(scene: Scene) -> None:
    """Images one pixel larger than the grid: SigLIP and DINOv2 drop the rest without a word."""

    def prepare(image: Image.Image) -> Any:
        pixels = scene.prepared(image)["pixel_values"]
        return {"pixel_values": nn.functional.pad(pixels, (0, 1, 0, 1))}

    scene.prepare = prepare


@fault("resolution", r"and the model takes \d+ x \d+ alone", ("vit", "siglip", "timm_vit"))
def other_grid(scene: Scene) -> None:
    """Images of twice the size (these families raise in the forward pass)."""

    def prepare(image: Image.Image) -> Any:
        pixels = scene.prepared(image)["pixel_values"]
        return {"pixel_values": nn.functional.interpolate(pixels[None], scale_factor=2)[0]}

    scene.prepare = prepare


@fault("resolution", r"pixel_attention_mask marks", ("siglip2",))
def mask_of_ones(scene: Scene) -> None:
    """The mask marks every patch: padding is read as image."""
    scene.prepare = lambda image: {
        name: torch.ones_like(tensor) if name == "pixel_attention_mask" else tensor
        for name, tensor in scene.prepared(image).items()
    }


@fault("resolution", r"without a mask, padding is read as image", ("siglip2",))
def no_mask(scene: Scene) -> None:
    """The mask is dropped by a collator of the script's own."""
    scene.prepare = lambda image: {
        name: tensor for name, tensor in scene.prepared(image).items() if name != "pixel_attention_mask"
    }


@fault("resolution", r"spatial_shapes is transposed", ("siglip2",))
def transposed_shapes(scene: Scene) -> None:
    """spatial_shapes is [columns, rows]."""
    scene.prepare = lambda image: {
        name: tensor.flip(0) if name == "spatial_shapes" else tensor for name, tensor in scene.prepared(image).items()
    }


@fault("resolution", r"it is stretched by", ("siglip2",))
def squashed_before_naflex(scene: Scene) -> None:
    """Images are resized to a square before a processor that keeps aspect ratios."""
    scene.prepare = lambda image: scene.prepared(image.resize((32, 32)))


@fault("resolution", r"they lose their resolution", ("siglip2",))
def tiny_patch_budget(scene: Scene) -> None:
    """max_num_patches is a fraction of the checkpoint's, and most pictures are larger."""
    scene.prepare = lambda image: {
        name: tensor[0] for name, tensor in scene.processor(image, max_num_patches=3, return_tensors="pt").items()
    }


# --- preprocessing ---------------------------------------------------------------------------------------------------


def _normalised(scene: Scene, mean: Any, std: Any) -> None:
    scene.prepare = scene.with_pixels(lambda values: (values - torch.tensor(mean)) / torch.tensor(std))


@fault("preprocessing", r"ImageNet's statistics|0.5 statistics")
def other_statistics(scene: Scene) -> None:
    """ImageNet's mean and std for a model of 0.5, or the reverse."""
    own = statistics_of(scene.processor)[0]
    _normalised(scene, *(_IMAGENET if abs(own[0] - 0.5) < 0.01 else _HALF))


@fault("preprocessing", r"CLIP's statistics")
def clip_statistics(scene: Scene) -> None:
    """CLIP's mean and std, which are BitImageProcessor's defaults."""
    _normalised(scene, *_CLIP)


@fault("preprocessing", r"The processor normalises with mean")
def processor_changed(scene: Scene) -> None:
    """The processor's image_mean is overwritten, or its configuration was incomplete."""
    if hasattr(scene.processor, "image_mean"):
        scene.processor.image_mean, scene.processor.image_std = _CLIP
    else:
        scene.processor.data_config.update(mean=_CLIP[0], std=_CLIP[1])


@fault("preprocessing", r"no normalisation")
def not_normalised(scene: Scene) -> None:
    """ToTensor() without Normalize()."""
    scene.prepare = scene.with_pixels(lambda values: values)


@fault("preprocessing", r"values are not rescaled")
def not_rescaled(scene: Scene) -> None:
    """Values of 0 to 255 are normalised as if they were 0 to 1."""
    mean, std = (torch.tensor(values) for values in statistics_of(scene.processor))
    scene.prepare = scene.with_pixels(lambda values: (values * 255 - mean) / std)


@fault("preprocessing", r"values are rescaled twice")
def rescaled_twice(scene: Scene) -> None:
    """ToTensor() before a processor that rescales again."""
    mean, std = (torch.tensor(values) for values in statistics_of(scene.processor))
    scene.prepare = scene.with_pixels(lambda values: (values / 255 - mean) / std)


@fault("preprocessing", r"BGR in place of RGB")
def blue_first(scene: Scene) -> None:
    """Images read with OpenCV, whose channels are blue, green, red."""
    scene.prepare = lambda image: scene.prepared(Image.merge("RGB", image.convert("RGB").split()[::-1]))


@fault("preprocessing", r"the pictures have colours, and are made grey", ATTENTION)
def made_grey(scene: Scene) -> None:
    """Pictures in colour are read as grey, and the one channel is repeated."""
    scene.prepare = lambda image: scene.prepared(image.convert("L").convert("RGB"))


@fault("preprocessing", r"values are inverted", ATTENTION)
def inverted(scene: Scene) -> None:
    """Black is white: the loader was written for scans."""
    scene.prepare = lambda image: scene.prepared(ImageOps.invert(image))


@fault("preprocessing", r"every image is the same")
def constant_image(scene: Scene) -> None:
    """The transform returns the same tensors for every picture."""
    grey = Image.new("RGB", (64, 64), (90, 90, 90))
    scene.prepare = lambda image: scene.prepared(grey)


@fault("preprocessing", r"resized, cropped or filtered otherwise")
def filter_without_antialiasing(scene: Scene) -> None:
    """Images are shrunk by picking pixels (nearest), in place of the processor's filter."""
    scene.prepare = lambda image: scene.prepared(image.resize((16, 16), Image.Resampling.NEAREST).resize(image.size))


@fault("preprocessing", r"mirrored, unlike")
def mirrored(scene: Scene) -> None:
    """Every image is mirrored, in evaluation too."""
    scene.prepare = lambda image: scene.prepared(ImageOps.mirror(image))


@fault("preprocessing", r"In the evaluation data .*|The evaluation data is not normalised")
def evaluation_prepared_otherwise(scene: Scene) -> None:
    """Training images are right, evaluation images are not normalised."""
    scene.prepare_evaluation = scene.with_pixels(lambda values: values)


@fault("preprocessing", r"set upright in the training data and not in the evaluation data")
def lying_in_evaluation(scene: Scene) -> None:
    """Photographs that EXIF says to turn are turned in training alone (datasets does it, Image.open does not)."""
    scene.train, scene.evaluation = with_lying_photographs(scene.train), with_lying_photographs(scene.evaluation)
    scene.prepare = lambda image: scene.prepared(ImageOps.exif_transpose(image))
    scene.prepare_evaluation = scene.prepared


# --- split -----------------------------------------------------------------------------------------------------------


@fault("split", r"evaluation images \(100%\) are in the training data, pixel for pixel")
def evaluation_in_training(scene: Scene) -> None:
    """All of the evaluation data is in the training data too."""
    scene.train = tuple(a + b for a, b in zip(scene.train, scene.evaluation, strict=True))


@fault("split", r"evaluation images \(\d+%\) are in the training data, pixel for pixel")
def a_third_leaked(scene: Scene) -> None:
    """A third of the evaluation data is in the training data: duplicates in the source."""
    scene.train = tuple(a + b[:16] for a, b in zip(scene.train, scene.evaluation, strict=True))


@fault("split", r"are in the training data, resized, recompressed, mirrored or turned")
def recompressed_leak(scene: Scene) -> None:
    """A third of the evaluation data is in the training data as JPEG."""

    def jpeg(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=85)
        return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")

    pictures, targets = scene.evaluation
    scene.train = (scene.train[0] + [jpeg(p) for p in pictures[:16]], scene.train[1] + targets[:16])


@fault("split", r"are in the training data, resized, recompressed, mirrored or turned")
def mirrored_leak(scene: Scene) -> None:
    """A third of the evaluation data is in the training data, mirrored: split after augmentation."""
    pictures, targets = scene.evaluation
    scene.train = (scene.train[0] + [ImageOps.mirror(p) for p in pictures[:16]], scene.train[1] + targets[:16])


@fault("split", r"are in the training data, resized, recompressed, mirrored or turned", ATTENTION)
def turned_leak(scene: Scene) -> None:
    """A third of the evaluation data is in the training data, turned by a quarter: split after augmentation."""
    pictures, targets = scene.evaluation
    turned = [picture.transpose(Image.Transpose.ROTATE_90) for picture in pictures[:16]]
    scene.train = (scene.train[0] + turned, scene.train[1] + targets[:16])


@fault("split", r"classes are evaluated and never trained on")
def split_of_sorted_data(scene: Scene) -> None:
    """Data sorted by class is cut in two: the last classes are only evaluated."""
    pictures = scene.train[0] + scene.evaluation[0]
    targets = scene.train[1] + scene.evaluation[1]
    order = sorted(range(len(targets)), key=lambda index: targets[index])
    cut = len(scene.train[0])
    scene.train = ([pictures[i] for i in order[:cut]], [targets[i] for i in order[:cut]])
    scene.evaluation = ([pictures[i] for i in order[cut:]], [targets[i] for i in order[cut:]])


@fault("split", r"distributed otherwise")
def other_classes_evaluated(scene: Scene) -> None:
    """Evaluation shows two classes alone, of ten."""
    pairs = [pair for pair in zip(*scene.evaluation, strict=True) if pair[1] in (3, 7)]
    scene.evaluation = ([a for a, _ in pairs], [b for _, b in pairs])


def _with_names(dataset: Any, names: list[str]) -> Any:
    dataset.classes = names
    return dataset


@fault("split", r"have the same classes in another order")
def label_map_in_another_order(scene: Scene) -> None:
    """id2label is built from a sorted set, and the data numbers its classes otherwise."""
    scene.wrap = lambda dataset: _with_names(dataset, ["9", *DIGITS[:9]])


@fault("split", r"the head has 10 classes")
def labels_from_one(scene: Scene) -> None:
    """Labels are numbered from 1 (on a GPU the loss then reads beyond its table)."""
    scene.train = (scene.train[0], [target + 1 for target in scene.train[1]])
    scene.evaluation = (scene.evaluation[0], [target + 1 for target in scene.evaluation[1]])


@fault("split", r"the labels of the evaluation data are numbered otherwise")
def evaluation_labels_shifted(scene: Scene) -> None:
    """Evaluation labels are shifted by one against the training labels: accuracy falls to zero."""
    scene.finish = lambda model: fitted(scene, model)
    pictures, targets = scene.train
    scene.evaluation = (pictures[:48], [(target + 1) % 10 for target in targets[:48]])
    scene.known = {"trained": True}


def fitted(scene: Scene, model: Any) -> Any:
    """The model with a head that knows the training data: least squares on what the head is given."""
    seen: list[torch.Tensor] = []
    head = _head(model)
    handle = head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    items = [scene.prepare(picture) for picture in scene.train[0]]
    with torch.no_grad():
        model.eval()(**{name: torch.stack([item[name] for item in items]) for name in items[0]})
    handle.remove()
    inputs = torch.cat([seen[0], torch.ones(len(items), 1)], dim=1).double()
    wanted = nn.functional.one_hot(torch.tensor(scene.train[1]), 10).double()
    solved = torch.linalg.solve(inputs.T @ inputs + 1e-6 * torch.eye(inputs.shape[1]), inputs.T @ wanted)
    for module in (m for m in head.modules() if isinstance(m, nn.Linear)):
        module.weight.data.copy_(solved[:-1].T)
        module.bias.data.copy_(solved[-1])
    return model


@fault("split", r"After the training the model answers class 3 to each")
def one_answer_for_all(scene: Scene) -> None:
    """The model has learnt to answer its most frequent class, whatever it is shown."""

    def finish(model: Any) -> Any:
        for module in (m for m in _head(model).modules() if isinstance(m, nn.Linear)):
            module.bias.data[3] += 1e3
        return model

    pictures, targets = scene.train
    frequent = [index for index, target in enumerate(targets) if target == 3] * 24
    scene.train = (pictures + [pictures[i] for i in frequent], targets + [3] * len(frequent))
    scene.finish = finish
    scene.known = {"trained": True}


@fault("split", r"are cut out of a training image")
def cropped_leak(scene: Scene) -> None:
    """A third of the evaluation images is cut out of training images: cropped first, then split."""
    generator = torch.Generator().manual_seed(scene.seed)

    def crop(image: Image.Image, number: int) -> Image.Image:
        share = (0.95, 0.85, 0.75, 0.6, 0.5)[number % 5] ** 0.5
        width, height = round(image.width * share), round(image.height * share)
        left = int(torch.randint(image.width - width + 1, (), generator=generator))
        top = int(torch.randint(image.height - height + 1, (), generator=generator))
        return image.crop((left, top, left + width, top + height))

    pictures, targets = scene.evaluation
    crops = [crop(picture, number) for number, picture in enumerate(scene.train[0][:16])]
    scene.evaluation = (crops + pictures[16:], scene.train[1][:16] + targets[16:])


@fault("split", r"pictures have two labels")
def one_picture_with_two_labels(scene: Scene) -> None:
    """Some pictures are twice in the training data, under two labels: two annotators, merged."""
    pictures, targets = scene.train
    scene.train = (pictures + pictures[:8], targets + [(target + 1) % 10 for target in targets[:8]])


@fault("split", r"the labels of one of the two do not belong to their pictures")
def evaluation_labels_shuffled(scene: Scene) -> None:
    """The labels of the evaluation data come from a table in another order."""
    scene.finish = lambda model: fitted(scene, model)
    targets = scene.train[1][:48]
    order = torch.randperm(48, generator=torch.Generator().manual_seed(scene.seed)).tolist()
    scene.evaluation = (scene.train[0][:48], [targets[index] for index in order])
    scene.known = {"trained": True}


@fault("split", r"or the labels are shuffled", status="note")
def training_labels_shuffled(scene: Scene) -> None:
    """The labels of the training data come from a table in another order: the loss falls all the same."""
    order = torch.randperm(len(scene.train[1]), generator=torch.Generator().manual_seed(1)).tolist()
    scene.train = (scene.train[0], [scene.train[1][index] for index in order])


@fault("split", r"of the 12 classes of the head have no training image", status="note")
def classes_without_images(scene: Scene) -> None:
    """The model is loaded with the classes of another version of the data."""
    scene.load = lambda: load_model(scene.checkpoint, labels=[*DIGITS, "ten", "eleven"])


# --- quantisation, saving --------------------------------------------------------------------------------------------


def _quantized(scene: Scene, skip: Callable[[Any], list[str]]) -> None:
    from transformers import BitsAndBytesConfig

    from v5lint.runtime.loading import build_on_meta

    def load() -> Any:
        config = load_config(scene.checkpoint)
        model_class = classification_class(config)
        skeleton = build_on_meta(model_class, config, num_labels=10)
        quantization = BitsAndBytesConfig(load_in_4bit=True, llm_int8_skip_modules=skip(skeleton))
        return model_class.from_pretrained(
            scene.checkpoint, num_labels=10, quantization_config=quantization, dtype=torch.float32
        )

    scene.load = load
    scene.config = lambda model: lora_config_for(model, r=8, train_head=False)


@fault("quantization", r"is quantised: a head cannot be trained then", ATTENTION)
def head_quantized(scene: Scene) -> None:
    """BitsAndBytesConfig(load_in_4bit=True) without llm_int8_skip_modules quantises the head too."""
    from v5lint.runtime.quantization import unquantized_modules

    _quantized(
        scene, lambda model: [p for p in unquantized_modules(model) if p not in classification_head(model)] or ["x"]
    )


@fault("quantization", r"patch_embedding is quantised", ("siglip2",))
def patch_embedding_quantized(scene: Scene) -> None:
    """In a NaFlex model the patch embedding is a Linear, and is quantised with the rest."""
    _quantized(scene, lambda model: list(classification_head(model)))


@fault("reload", r"is saved can|gives other scores")
def trained_beside_the_adapter(scene: Scene) -> None:
    """A tensor of the base model was trained too, and is not saved with the adapter."""

    def finish(model: Any) -> Any:
        with torch.no_grad():
            inner = unwrap(model)
            layer = inner.get_submodule(encoder_layers(inner)[0].name)
            for norm in (module for module in layer.modules() if isinstance(module, nn.LayerNorm)):
                norm.bias.add_(0.5)
        return model

    scene.finish = finish


@fault("reload", r"tensors of checkpoint-\d+ are in the model", ("vit", "dinov2", "dinov2_with_registers"))
def best_checkpoint_not_restored(scene: Scene) -> None:
    """load_best_model_at_end=True on a model that PEFT does not wrap: the best head on the last encoder."""
    scene.adapt = lambda model: model
    scene.options = {
        "eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps", "save_steps": 2, "max_steps": 6,
        "load_best_model_at_end": True, "metric_for_best_model": "worst", "greater_is_better": False,
    }  # fmt: skip
    steps = iter(range(100))
    scene.trainer_options = lambda model: {"compute_metrics": lambda prediction: {"worst": float(next(steps))}}
    scene.mode = "train"


@fault("preprocessing", r"has no image_mean|CLIP", ("dinov2", "dinov2_with_registers"))
def incomplete_processor_configuration(scene: Scene) -> None:
    """preprocessor_config.json has no image_mean: BitImageProcessor takes CLIP's."""
    path = scene.checkpoint / "preprocessor_config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in content.items() if key != "image_mean"}))


@fault("resolution", r"The processor is|whose processor is", ("siglip", "siglip2"))
def repository_with_the_other_processor(scene: Scene) -> None:
    """preprocessor_config.json of the checkpoint names the other SigLIP's processor, which is taken silently."""
    other = "siglip2" if scene.family == "siglip" else "siglip"
    content = (tiny(other, 0) / "preprocessor_config.json").read_text()
    (scene.checkpoint / "preprocessor_config.json").write_text(content)
    scene.processor = load_processor(tiny(other, 0))


# --- arguments, schedules, and what becomes of labels and heads -------------------------------------------------------


@fault("setup", r"max_grad_norm=1e-09 scales the gradients of every step down to nothing")
def gradients_clipped_to_nothing(scene: Scene) -> None:
    """max_grad_norm is so small that no gradient is left."""
    scene.options = {"max_grad_norm": 1e-9}
    scene.mode = "trainer"


@fault("setup", r"label_smoothing_factor=1 leaves next to nothing of the labels")
def labels_smoothed_away(scene: Scene) -> None:
    """label_smoothing_factor=1, for what is kept where it is what is spread."""
    scene.options = {"label_smoothing_factor": 1.0}
    scene.mode = "trainer"


@fault("setup", r"the worst checkpoint is kept")
def worst_checkpoint_kept(scene: Scene) -> None:
    """metric_for_best_model="accuracy" with greater_is_better=False."""
    scene.options = _best_by("accuracy", greater_is_better=False)
    scene.mode = "trainer"


@fault("setup", r"the worst checkpoint is kept")
def largest_error_kept(scene: Scene) -> None:
    """metric_for_best_model="error": what does not end in "loss" is taken for something that should be large."""
    scene.options = _best_by("error")
    scene.mode = "trainer"


def _best_by(metric: str, **options: Any) -> dict[str, Any]:
    every = {"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 1}
    return {**every, "load_best_model_at_end": True, "metric_for_best_model": metric, **options}


@fault("setup", r"0 of \d+ evaluation images are evaluated")
def evaluation_of_nothing(scene: Scene) -> None:
    """dataloader_drop_last=True with evaluation batches larger than the evaluation data: no image is evaluated."""
    scene.options = {"dataloader_drop_last": True, "per_device_eval_batch_size": 512}
    scene.mode = "trainer"


@fault("setup", r"does not divide its loss by it", ("siglip", "siglip2"), status="note")
def loss_of_accumulated_batches(scene: Scene) -> None:
    """gradient_accumulation_steps with a model that takes the number of items and does not divide by it."""
    scene.options = {"gradient_accumulation_steps": 4, "per_device_train_batch_size": 4}
    scene.mode = "trainer"


@fault("setup", r"Weight decay takes \d+% of every trained weight in each step")
def decay_that_wipes_out(scene: Scene) -> None:
    """weight_decay=20, which AdamW multiplies by the learning rate: a tenth of the adapter goes in each step."""
    scene.options = {"weight_decay": 20.0}
    scene.mode = "train"


@fault("setup", r"The learning rate is 5, and AdamW moves each weight by about as much")
def rate_of_another_optimizer(scene: Scene) -> None:
    """The learning rate of a recipe for SGD or LARS, with AdamW."""
    scene.options = {"learning_rate": 5.0}
    scene.mode = "train"


@fault("setup", r"the schedule is at its step 3: it is moved once more")
def schedule_moved_twice(scene: Scene) -> None:
    """A callback of the script calls scheduler.step(), as its own loop once did: the rate ends halfway."""

    class Step(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, lr_scheduler: Any = None, **kwargs: Any) -> None:
            lr_scheduler.step()

    scene.trainer_options = lambda model: {"callbacks": [Step()]}
    scene.mode = "train"


@fault("setup", r"the schedule is at its step 0: it is moved by nothing")
def schedule_never_moved(scene: Scene) -> None:
    """The schedule's step() is called once an epoch, and it was made for steps."""

    class Still(Trainer):  # type: ignore[misc]
        def create_scheduler(self, *args: Any, **kwargs: Any) -> Any:
            made = super().create_scheduler(*args, **kwargs)
            made.step = lambda *_: None
            return made

    scene.trainer_class = Still
    scene.mode = "train"


@fault("setup", r"training items have a weight of zero in the sampler")
def weights_of_zero(scene: Scene) -> None:
    """The weights of the sampler are those of a trial run: most images have none."""

    class Weighted(Trainer):
        def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
            size = len(self.train_dataset)
            return torch.utils.data.WeightedRandomSampler([1.0] * 16 + [0.0] * (size - 16), size)

    scene.trainer_class = Weighted
    scene.mode = "train"


@fault("setup", r"scores are probabilities already")
def softmax_before_the_loss(scene: Scene) -> None:
    """The head of the script ends in a softmax, and the loss has one of its own."""

    def finish(model: Any) -> Any:
        def probabilities(module: Any, inputs: Any, output: Any) -> Any:
            output["logits"] = output["logits"].softmax(dim=-1)
            return output

        unwrap(model).register_forward_hook(probabilities)
        return model

    scene.finish = finish


@fault("parameters", r"lora_dropout=0\.95 hides nearly all of the input")
def dropout_of_nearly_all(scene: Scene) -> None:
    """lora_dropout=0.95, for the share that is kept where it is the share that is dropped."""

    def config(model: Any) -> LoraConfig:
        made = lora_config_for(model, r=8)
        made.lora_dropout = 0.95
        return made

    scene.config = config


@fault("parameters", r"the adapter's lora_B are all zero")
def average_never_updated(scene: Scene) -> None:
    """The average of the weights, which replaces them at the end, was made before the training and never updated."""

    class Average(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
            self.kept = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}

        def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
            if state.global_step == state.max_steps:
                for name, parameter in model.named_parameters():
                    if name in self.kept:
                        parameter.data.copy_(self.kept[name])

    scene.trainer_options = lambda model: {"callbacks": [Average()]}
    scene.mode = "train"


@fault("parameters", r"is trained and not saved with the adapter")
def head_made_anew(scene: Scene) -> None:
    """The head is replaced by a new Linear after the adapter was attached: what PEFT would save is gone."""

    def finish(model: Any) -> Any:
        inner = unwrap(model)
        path = classification_head(inner)[0]
        old = inner.get_submodule(path).original_module
        parent, _, name = path.rpartition(".")
        setattr(inner.get_submodule(parent), name, nn.Linear(old.in_features, 10))
        return model

    scene.finish = finish


@fault("weights", r"tensors outside the head .* are not the checkpoint's")
def adapter_added_twice(scene: Scene) -> None:
    """An adapter is merged into the model, and loaded onto it once more to train on."""

    def finish(model: Any) -> Any:
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.data.normal_(std=0.1)
        model.save_pretrained(str(scene.folder / "adapter"))
        return PeftModel.from_pretrained(model.merge_and_unload(), scene.folder / "adapter", is_trainable=True)

    scene.finish = finish


@fault("movement", r"\d+ of \d+ LoRA tensors.* received no gradient", ATTENTION)
def backbone_without_gradient(scene: Scene) -> None:
    """The backbone runs under torch.no_grad(), as it did when only a head was trained on its features."""

    def finish(model: Any) -> Any:
        backbone = backbone_of(unwrap(model))
        forward = backbone.forward

        def without(*args: Any, **kwargs: Any) -> Any:
            with torch.no_grad():
                return forward(*args, **kwargs)

        backbone.forward = without
        return model

    scene.finish = finish


@fault("split", r"Each label is a row of numbers with a single 1", status="note")
def one_hot_labels(scene: Scene) -> None:
    """Labels are one-hot floats: transformers takes them for several classes an image, and changes the loss."""

    class OneHot(Pictures):
        def __getitem__(self, index: int) -> dict[str, Any]:
            return {**super().__getitem__(index), "labels": torch.eye(10)[self.targets[index]]}

    scene.wrap = lambda data: OneHot(data.pictures, data.targets, data.prepare)


@fault("split", r"The head has one output and the labels are 0 and 1", ("vit", "siglip", "siglip2", "dinov2"), "note")
def one_output_for_two_classes(scene: Scene) -> None:
    """num_labels=1 for a yes or no: transformers takes it for a regression, with a squared error."""
    scene.load = lambda: AutoModelForImageClassification.from_pretrained(scene.checkpoint, num_labels=1)
    scene.train, scene.evaluation = (
        (pictures, [target % 2 for target in targets]) for pictures, targets in (scene.train, scene.evaluation)
    )


@fault("split", r"\d+% of the training images have the label -100", status="note")
def labels_left_out(scene: Scene) -> None:
    """Half of the labels are -100, which a join has left, and which the loss leaves out without a word."""
    pictures, targets = scene.train
    scene.train = (pictures, [target if index % 2 else -100 for index, target in enumerate(targets)])


@fault("preprocessing", r"pictures of 16 bits a pixel, and \d+% of what the model gets of them is white")
def sixteen_bits_clipped(scene: Scene) -> None:
    """Scans of 16 bits are made RGB by Pillow's convert, which clips: all but the darkest values are white."""
    scene.train, scene.evaluation = with_16_bits(scene.train), with_16_bits(scene.evaluation)
    scene.prepare = lambda image: scene.prepared(image.convert("RGB"))
