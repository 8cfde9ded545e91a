"""What a model costs, from its configuration alone: parameters, FLOPs and memory of a LoRA training step.

Nothing is allocated: the step runs on fake tensors, which have shapes and no data, through torch's own
`FlopCounterMode`, and autograd says which tensors it keeps for the backward pass. A seven-billion-parameter model
costs seconds.
"""

from __future__ import annotations

import copy
import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import flop_counter
from torch.utils.flop_counter import FlopCounterMode

from v5lint.runtime.backbones import BYTES_PER_TRAINED
from v5lint.runtime.families import find_family
from v5lint.runtime.inputs import sample_inputs
from v5lint.runtime.loading import build_on_meta
from v5lint.runtime.lora import attach_lora

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CellType

    from transformers import PreTrainedConfig, PreTrainedModel


@dataclass(frozen=True)
class TrainingCost:
    """The cost of one LoRA training step.

    Attributes:
        batch_size: Images in the batch.
        dtype: What the frozen weights and the activations are kept in.
        parameters: Parameters of the model with its head, without the adapter.
        trainable: Parameters that are trained: adapter and head.
        forward_flops: Floating-point operations of the forward pass of the batch (a multiply-add counts as two).
        training_flops: Those of the forward and the backward pass.
        activation_bytes: What autograd keeps for the backward pass of the batch.
    """

    batch_size: int
    dtype: torch.dtype
    parameters: int
    trainable: int
    forward_flops: int
    training_flops: int
    activation_bytes: int

    @property
    def state_bytes(self) -> int:
        """Frozen weights in `dtype`, and of what is trained: weights, gradients and AdamW's moments in float32."""
        return self.parameters * int(self.dtype.itemsize) + self.trainable * BYTES_PER_TRAINED

    @property
    def memory_bytes(self) -> int:
        """States and activations: the least that a step needs, without the allocator's and the library's own share."""
        return self.state_bytes + self.activation_bytes


def count_parameters(model: nn.Module) -> int:
    """All parameters of a model, tied ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def training_cost(
    model_class: type[PreTrainedModel],
    config: PreTrainedConfig,
    *,
    batch_size: int = 1,
    image_size: int | tuple[int, int] | None = None,
    dtype: torch.dtype = torch.float32,
    num_labels: int = 101,
    r: int = 16,
) -> TrainingCost:
    """The cost of one LoRA training step of a model, without weights and without data.

    Args:
        model_class: A class of transformers or of `heads.py`.
        config: Its configuration.
        batch_size: Images in the batch.
        image_size: Height and width in pixels; by default the configured size.
        dtype: Of frozen weights and activations; the adapter and the head are kept in float32.
        num_labels: Classes of the head, where the class has one.
        r: Rank of the adapter on the query and value projections.
    """
    family = find_family(config)

    def measured(config: PreTrainedConfig, real: bool) -> TrainingCost:
        model = build_on_meta(model_class, config, num_labels=num_labels)
        return _step(model, batch_size, image_size, dtype, r, real=real)

    if family is None or family.layout != "patches":
        return measured(config, False)
    # A NaFlex model reads the grids of its inputs as numbers, which fake tensors do not have. Every layer costs the
    # same, so one and two layers with real data give the cost of all of them exactly.
    depth = int(getattr(config, "vision_config", config).num_hidden_layers)
    one, two = (measured(_with_depth(config, layers), True) for layers in (1, 2))

    def total(of: Callable[[TrainingCost], int]) -> int:
        return of(one) + (depth - 1) * (of(two) - of(one))

    return TrainingCost(
        batch_size=batch_size,
        dtype=dtype,
        parameters=total(lambda cost: cost.parameters),
        trainable=total(lambda cost: cost.trainable),
        forward_flops=total(lambda cost: cost.forward_flops),
        training_flops=total(lambda cost: cost.training_flops),
        activation_bytes=total(lambda cost: cost.activation_bytes),
    )


def _step(
    skeleton: PreTrainedModel,
    batch_size: int,
    image_size: int | tuple[int, int] | None,
    dtype: torch.dtype,
    r: int,
    *,
    real: bool,
) -> TrainingCost:
    parameters = count_parameters(skeleton)
    untrained: Any = skeleton
    model = attach_lora(untrained.to(dtype), r=r).train()
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    inputs = sample_inputs(model, batch_size, image_size=image_size, device="cpu", text=False)
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    if real:
        model.to_empty(device="cpu")
        return _count(model, inputs, batch_size, dtype, parameters, trainable)
    try:
        with mode:
            model.to_empty(device="cpu")
            inputs = {name: torch.empty_like(tensor) for name, tensor in inputs.items()}
            return _count(model, inputs, batch_size, dtype, parameters, trainable)
    finally:
        _clear_caches(model)


def _count(
    model: nn.Module,
    inputs: dict[str, torch.Tensor],
    batch_size: int,
    dtype: torch.dtype,
    parameters: int,
    trainable: int,
) -> TrainingCost:
    weights = {_storage(parameter) for parameter in model.parameters()}
    kept: dict[int, torch.Tensor] = {}  # holds the tensors, so that no storage is given to another one meanwhile

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if _storage(tensor) not in weights:
            kept.setdefault(_storage(tensor), tensor)
        return tensor

    with FlopCounterMode(display=False, custom_mapping=_cpu_attention()) as counter:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            output = model(**inputs)
        forward = counter.get_total_flops()
        scores = output["logits"] if "logits" in output else output["last_hidden_state"]
        scores.float().sum().backward()
        training = counter.get_total_flops()
    return TrainingCost(
        batch_size=batch_size,
        dtype=dtype,
        parameters=parameters,
        trainable=trainable,
        forward_flops=forward,
        training_flops=training,
        activation_bytes=sum(tensor.untyped_storage().nbytes() for tensor in kept.values()),
    )


def _clear_caches(model: nn.Module) -> None:
    """Empty the caches of functions that a model's forward calls.

    DINOv3 keeps the coordinates of its patches in an `lru_cache`, by size, dtype and device. Fake ones left there
    would be handed to every real model of the process.
    """
    for name in {type(module).__module__ for module in model.modules()}:
        for function in list(vars(sys.modules[name]).values()):
            # transformers wraps the cached function in another, which has it in its closure alone.
            cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or () if _is_filled(cell)]
            for cached in (function, *cells):
                if callable(getattr(cached, "cache_clear", None)) and hasattr(cached, "cache_info"):
                    cached.cache_clear()


def _is_filled(cell: CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _with_depth(config: PreTrainedConfig, layers: int) -> PreTrainedConfig:
    shallow = copy.deepcopy(config)
    vision: Any = getattr(shallow, "vision_config", shallow)
    vision.num_hidden_layers = layers
    return shallow


def _cpu_attention() -> dict[Any, Any]:
    """FLOP formulas for the CPU's fused attention, which torch's own registry leaves out up to 2.13."""
    aten = torch.ops.aten
    forward, backward = (
        aten._scaled_dot_product_flash_attention_for_cpu,
        aten._scaled_dot_product_flash_attention_for_cpu_backward,
    )
    if forward in flop_counter.flop_registry:
        return {}

    def forward_flops(query: Any, key: Any, value: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        batch, heads, length, width = query
        return 2 * int(math.prod((batch, heads, length, key[-2]))) * int(width + value[-1])

    def backward_flops(grad: Any, query: Any, key: Any, value: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        # Recomputes the scores, then the gradients of values, scores, queries and keys: five products to the
        # forward's two.
        batch, heads, length, width = query
        products = 3 * width + 2 * value[-1]
        return 2 * int(math.prod((batch, heads, length, key[-2]))) * int(products)

    return {forward: forward_flops, backward: backward_flops}
