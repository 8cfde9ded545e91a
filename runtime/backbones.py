"""The catalogue of backbones, and the choice of one by specification. Needs neither torch nor a network.

The numbers stand in `backbones.toml`. They are not copied from model cards: the tests compute each from the
configuration and compare it with what was published.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from v5lint.runtime.errors import BackboneError
from v5lint.runtime.families import TASKS, Family, Task, get_family
from v5lint.runtime.tables import frozen, read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GIB = 2**30
BYTES_PER_TRAINED = 16
"""Of one trained parameter: itself, its gradient and AdamW's two moments, all in float32."""
CPU_GFLOPS = 100.0
"""What a training step may cost per image for `compute="cpu"`: a few images a second on two cores."""
_PERMISSIVE = ("apache-2.0", "mit", "bsd-3-clause")


@dataclass(frozen=True)
class Backbone:
    """One entry of the catalogue; the meaning of each field stands on top of `backbones.toml`."""

    id: str
    family_name: str
    size: str
    tasks: tuple[Task, ...]
    resolution: int
    patch_size: int
    tokens: int
    embedding: int
    parameters: int
    trainable: int
    forward_gflops: float
    training_gflops: float
    activation_mib: float
    licence: str
    gated: bool
    resample: str
    config: Mapping[str, Any]
    published_parameters: str
    published_counts: str
    published_in: str
    image_mean: tuple[float, ...]
    image_std: tuple[float, ...]
    checkpoint_parameters: int | None = None
    max_num_patches: int | None = None
    pretraining_resolution: int | None = None
    discrepancy: str = ""

    @property
    def family(self) -> Family:
        """What holds for the whole family: forward inputs, head, processor, what another grid does."""
        return get_family(self.family_name)

    @property
    def source(self) -> str:
        """Where the checkpoint is."""
        return f"https://huggingface.co/{self.id}"

    @property
    def mixed_aspect_ratios(self) -> bool:
        """Whether images keep their aspect ratio: NaFlex, with a patch budget in place of a size."""
        return "naflex" in self.id

    def fits(self, resolution: int | tuple[int, int]) -> float:
        """How far a resolution is from what the backbone takes without a change by the user.

        Args:
            resolution: Side of a square, or height and width, in pixels.

        Returns:
            0.0, or the distance of the areas in octaves.
        """
        height, width = _sides(resolution)
        if self.mixed_aspect_ratios or (height, width) == (self.resolution, self.resolution):
            return 0.0
        if self.family.off_grid == "silent" and height % self.patch_size == width % self.patch_size == 0:
            return 0.0
        return max(0.01, abs(math.log2(height * width / self.resolution**2)))

    def training_memory(
        self,
        batch_size: int,
        resolution: int | tuple[int, int] | None = None,
        task: Task = "classification",
    ) -> float:
        """GiB of a LoRA step (r=16, 101 labels) in bfloat16: frozen weights, trained states, and activations.

        Args:
            batch_size: Images in the batch.
            resolution: Where it is not the native one; activations grow with the number of patches.
            task: For `retrieval`, the frozen text tower counts as well.
        """
        parameters = self.parameters
        if task == "retrieval" and self.checkpoint_parameters is not None:
            parameters = self.checkpoint_parameters
        area = 1.0
        if resolution is not None and not self.mixed_aspect_ratios:
            height, width = _sides(resolution)
            area = height * width / self.resolution**2
        activations = self.activation_mib * 2**20 / 2 * batch_size * area
        return (parameters * 2 + self.trainable * BYTES_PER_TRAINED + activations) / GIB


@dataclass(frozen=True)
class RunnerUp:
    """A backbone that was not chosen, and why."""

    backbone: Backbone
    reason: str


@dataclass(frozen=True)
class BackboneChoice:
    """A decision that can be read: what was chosen, why, and what would have been next."""

    backbone: Backbone
    reasons: tuple[str, ...]
    runners_up: tuple[RunnerUp, ...] = field(default=())

    def __str__(self) -> str:
        lines = [f"{self.backbone.id}", *(f"  because {reason}" for reason in self.reasons)]
        lines += [f"  next: {runner.backbone.id} ({runner.reason})" for runner in self.runners_up]
        return "\n".join(lines)


@cache
def catalogue() -> Mapping[str, Backbone]:
    """All backbones by their name on the Hub."""
    entries: dict[str, Backbone] = {}
    for entry in read_table("backbones")["backbone"]:
        family = get_family(entry["family"])
        fields: dict[str, Any] = {"image_mean": family.image_mean, "image_std": family.image_std, **frozen(entry)}
        fields["family_name"] = fields.pop("family")
        entries[entry["id"]] = Backbone(**fields)
    return entries


def get_backbone(name: str) -> Backbone:
    """The entry of this name.

    Raises:
        BackboneError: There is none; the message lists those that are alike.
    """
    try:
        return catalogue()[name]
    except KeyError:
        tail = name.rpartition("/")[2].split("-")[0]
        alike = [key for key in catalogue() if tail and tail in key][:8] or list(catalogue())[:8]
        raise BackboneError(f"{name!r} is not in the catalogue. It has, for example: {', '.join(alike)}.") from None


def choose_backbone(
    *,
    task: Task = "classification",
    resolution: int | tuple[int, int] | Literal["mixed"] | None = None,
    licence: str | None = None,
    compute: str | float | None = None,
    batch_size: int = 16,
    allow_gated: bool = False,
) -> BackboneChoice:
    """Choose a backbone by what it is for, not by its name.

    Args:
        task: `classification`, `retrieval` (of images by text, so a dual encoder) or `dense`.
        resolution: Side of a square or (height, width) in pixels, or `mixed` for images of many aspect ratios.
        licence: A name (`apache-2.0`, `dinov3-license`), `permissive`, or `any`. By default permissive: a licence
            with terms of its own is for a person to accept.
        compute: GPU memory in GB (`"16GB"`, `16`), or `cpu`; by default no limit, and the base size.
        batch_size: Images in a training batch, for the memory.
        allow_gated: Whether to take weights for which one must ask and be granted access; then the default licence is
            any.

    Returns:
        The choice with its reasons, and up to three runners-up, each with what stood against it.

    Raises:
        BackboneError: Nothing in the catalogue fits; the message says which demand ruled out how many.
        ValueError: An argument is none of the above.
    """
    if task not in TASKS:
        raise ValueError(f"task={task!r}: must be one of {', '.join(TASKS)}")
    if isinstance(resolution, str) and resolution != "mixed":
        raise ValueError(f"resolution={resolution!r}: must be a number of pixels, (height, width) or 'mixed'")
    sides = () if resolution is None or isinstance(resolution, str) else _sides(resolution)
    if any(side < 1 for side in sides):
        raise ValueError(f"resolution={resolution!r}: must be at least 1 pixel")
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size!r}: must be at least 1")
    memory = _memory(compute)
    size = None if resolution == "mixed" else resolution
    demands: dict[str, Callable[[Backbone], bool]] = {
        f"task {task}": lambda b: task in b.tasks,
        "licence": lambda b: _licence_fits(b, licence or ("any" if allow_gated else "permissive")),
        "not gated": lambda b: allow_gated or not b.gated,
    }
    if resolution == "mixed":
        demands["mixed aspect ratios"] = lambda b: b.mixed_aspect_ratios
    if memory is not None:
        demands[f"{memory:g} GB at batch {batch_size}"] = lambda b: b.training_memory(batch_size, size, task) <= memory
    if compute == "cpu":
        demands[f"at most {CPU_GFLOPS:g} GFLOP an image on a CPU"] = lambda b: b.training_gflops <= CPU_GFLOPS
    fitting = [b for b in catalogue().values() if all(demand(b) for demand in demands.values())]
    if not fitting:
        out = (f"{sum(not demand(b) for b in catalogue().values())} by {name}" for name, demand in demands.items())
        raise BackboneError(f"None of {len(catalogue())} backbones fits. Ruled out: {', '.join(out)}.")
    order = _order(task, size, compute)
    ranked = sorted(fitting, key=order)
    chosen = ranked[0]
    reasons = _reasons(chosen, task, size, compute, memory, batch_size)
    return BackboneChoice(chosen, reasons, _runners_up(chosen, ranked, demands, order, task, size))


def _order(task: Task, size: int | tuple[int, int] | None, compute: str | float | None) -> Callable[[Backbone], Any]:
    """Best first: takes the resolution as it is, suits the task, and then the base size or the largest that fits."""
    preference = [rank["family"] for rank in read_table("backbones")["preference"] if rank["task"] == task]

    def key(backbone: Backbone) -> tuple[float, int, float, float, str]:
        distance = 0.0 if size is None else backbone.fits(size)
        rank = preference.index(backbone.family_name) if backbone.family_name in preference else len(preference)
        wanted = abs(math.log(backbone.parameters / 86e6)) if compute is None else -float(backbone.parameters)
        usual = abs(math.log2(backbone.tokens / 256))  # of equals, the one with the usual number of tokens
        return (round(distance, 2), rank, round(wanted, 1), round(usual, 1), backbone.id)

    return key


def _reasons(
    backbone: Backbone,
    task: Task,
    size: int | tuple[int, int] | None,
    compute: str | float | None,
    memory: float | None,
    batch_size: int,
) -> tuple[str, ...]:
    preferences = {(row["task"], row["family"]): row["why"] for row in read_table("backbones")["preference"]}
    why = preferences.get((task, backbone.family_name), "")
    reasons = [f"{backbone.family.title} suits {task}: {why}" if why else f"it does {task}"]
    if backbone.mixed_aspect_ratios:
        reasons.append(f"it keeps the aspect ratio of every image within {_budget(backbone)} patches")
    elif size is not None:
        how = "natively" if size == backbone.resolution else "without a change to its weights"
        if backbone.fits(size):
            how = f"only after resizing: its own resolution is {backbone.resolution}"
        reasons.append(f"it takes {size} pixels {how}")
    gate = "gated: access must be asked for" if backbone.gated else "not gated"
    reasons.append(f"its licence is {backbone.licence}, {gate}")
    need = backbone.training_memory(batch_size, size, task)
    if memory is not None:
        reasons.append(
            f"a LoRA step at batch {batch_size} in bfloat16 needs {need:.1f} of {memory:g} GiB, the largest that fits"
        )
    elif compute == "cpu":
        reasons.append(
            f"a training step costs {backbone.training_gflops:.0f} GFLOP an image, the largest that a CPU does at pace"
        )
    else:
        reasons.append(f"no limit on compute was given, so it is of base size ({need:.1f} GiB at batch {batch_size})")
    return tuple(reasons)


def _runners_up(
    chosen: Backbone,
    ranked: list[Backbone],
    demands: Mapping[str, Callable[[Backbone], bool]],
    order: Callable[[Backbone], Any],
    task: Task,
    size: int | tuple[int, int] | None,
) -> tuple[RunnerUp, ...]:
    """The next of each other family that fits, and the best that one demand alone ruled out."""
    runners: list[RunnerUp] = []
    seen = {chosen.family_name}
    for backbone in ranked[1:]:
        if backbone.family_name in seen or len(runners) == 2:
            continue
        seen.add(backbone.family_name)
        if size is not None and backbone.fits(size) > chosen.fits(size):
            reason = f"its own resolution is {backbone.resolution}, not {size}"
        else:
            reason = f"suits {task} less than {chosen.family.title}"
        runners.append(RunnerUp(backbone, reason))
    near = [
        (b, failed[0])
        for b in catalogue().values()
        if len(failed := [name for name, demand in demands.items() if not demand(b)]) == 1
        and not failed[0].startswith("task")
    ]
    better = sorted(((b, why) for b, why in near if order(b) < order(chosen)), key=lambda pair: order(pair[0]))
    if better:
        runners.insert(0, RunnerUp(better[0][0], f"ruled out by: {better[0][1]}"))
    return tuple(runners)


def _sides(resolution: int | tuple[int, int]) -> tuple[int, int]:
    return (resolution, resolution) if isinstance(resolution, int) else resolution


def _budget(backbone: Backbone) -> int:
    return backbone.max_num_patches or (backbone.resolution // backbone.patch_size) ** 2


def _licence_fits(backbone: Backbone, licence: str) -> bool:
    if licence == "any":
        return True
    if licence == "permissive":
        return backbone.licence in _PERMISSIVE
    return backbone.licence == licence.lower()


def _memory(compute: str | float | None) -> float | None:
    """GiB of memory of `16`, `"16GB"` or `"16 GiB"`; `None` for no limit and for `cpu`."""
    if compute is None or compute == "cpu":
        return None
    if isinstance(compute, int | float) and not isinstance(compute, bool):
        value = float(compute)
    else:
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:GB|GiB|G)?\s*", str(compute), re.IGNORECASE)
        if match is None:
            raise ValueError(f"compute={compute!r}: must be 'cpu' or GPU memory such as '16GB'")
        value = float(match[1])
    if not 0 < value < math.inf:
        raise ValueError(f"compute={compute!r}: memory must be positive")
    return value
