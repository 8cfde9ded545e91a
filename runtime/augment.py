"""Random changes of training images, before the backbone's own statistics are applied.

Pictures are cropped, mirrored and coloured as pictures; what follows (resizing with the backbone's filter, its mean
and its std) is the same for training and evaluation. RandAugment, mixup and CutMix are timm's.
"""

from __future__ import annotations

import importlib.util
import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL.Image import Transpose

from v5lint.runtime.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL import Image

RANDAUGMENT = "rand-m9-mmax9-mstd0.5-inc1"
"""The policy of timm's recipes for NaFlexViT and ViT: magnitude 9, with deviation, only increasing severities.

Capped at 9: at 10, timm 1.0 posterises to no bits at all, for which Pillow 13 raises ValueError.
"""
_ASPECT = 4 / 3
_ATTEMPTS = 10


@dataclass(frozen=True)
class Augmentation:
    """What happens to a training image.

    Attributes:
        crop_area: Least share of the image that a random crop keeps.
        flip: Whether half of the images are mirrored.
        aspect: How far a crop's aspect ratio may be from the image's own, as a factor.
        policy: timm's RandAugment, or `None`.
    """

    crop_area: float = 0.5
    flip: bool = True
    aspect: float = _ASPECT
    policy: Callable[[Image.Image], Image.Image] | None = None

    def box(self, width: int, height: int, draw: random.Random) -> tuple[int, int, int, int]:
        """A random crop: left, upper, right and lower edge in pixels, in the way of torchvision's RandomResizedCrop.

        Where no crop of the drawn area and aspect fits within ten draws, it is the whole image.
        """
        for _ in range(_ATTEMPTS):
            area = width * height * draw.uniform(self.crop_area, 1.0)
            aspect = width / height * math.exp(draw.uniform(-math.log(self.aspect), math.log(self.aspect)))
            across, down = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < across <= width and 0 < down <= height:
                left, upper = draw.randint(0, width - across), draw.randint(0, height - down)
                return left, upper, left + across, upper + down
        return 0, 0, width, height

    def after_resize(self, image: Image.Image, draw: random.Random) -> Image.Image:
        """Mirror and colour an image that has its final size: the cheapest place to do so."""
        if self.flip and draw.random() < 0.5:
            image = image.transpose(Transpose.FLIP_LEFT_RIGHT)
        if self.policy is None:
            return image
        random.seed(draw.random())  # timm draws from the generators of the process
        np.random.seed(draw.getrandbits(32))
        return self.policy(image)


def draws(seed: int, epoch: int, index: int) -> random.Random:
    """The chance of one image in one epoch.

    It depends on nothing else: not on the process or the worker that loads the image, nor on whether the run was
    interrupted. The generators of the process could not do this, for a loader fetches a batch ahead.
    """
    return random.Random(f"{seed} {epoch} {index}")


def randaugment(mean: Sequence[float], size: int) -> Callable[[Image.Image], Image.Image]:
    """Timm's RandAugment, which fills what it moves out of the picture with the backbone's mean.

    Args:
        mean: Of the backbone's pre-training, a channel of an image in [0, 1].
        size: Shorter side of the images in pixels.

    Raises:
        MissingDependencyError: timm or torchvision, which timm needs, is not installed.
    """
    require_timm("augmentation 'randaugment'")
    from timm.data.auto_augment import rand_augment_transform

    fill = tuple(min(255, round(255 * value)) for value in mean)
    policy: Any = rand_augment_transform(RANDAUGMENT, {"translate_const": int(size * 0.45), "img_mean": fill})
    return policy


def mixup(
    alpha: float, cutmix_alpha: float, label_smoothing: float, classes: int
) -> Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """Timm's mixup and CutMix of a batch: images [B, 3, H, W] and labels [B] to mixed images and targets [B, classes].

    Raises:
        MissingDependencyError: timm or torchvision, which timm needs, is not installed.
    """
    require_timm("mixup or cutmix")
    from timm.data.mixup import Mixup, mixup_target

    mixer = Mixup(mixup_alpha=alpha, cutmix_alpha=cutmix_alpha, label_smoothing=label_smoothing, num_classes=classes)

    def mix(images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if len(images) % 2:  # timm mixes pairs: the odd image out of the last batch stays as it is
            mixed, targets = mix(images[:-1], labels[:-1]) if len(images) > 1 else (images[:0], images[:0, 0, 0])
            alone = mixup_target(labels[-1:], classes, 1.0, label_smoothing)
            return torch.cat([mixed, images[-1:]]), torch.cat([targets.reshape(-1, classes), alone])
        mixed, targets = mixer(images, labels)
        return mixed, targets

    return mix


def require_timm(what: str) -> None:
    """Raise unless timm, and torchvision, without which it cannot be imported, are installed.

    Raises:
        MissingDependencyError: One is not; the message has the command that installs both.
    """
    if any(importlib.util.find_spec(name) is None for name in ("timm", "torchvision")):
        raise MissingDependencyError(f"{what} needs timm and torchvision: pip install timm torchvision")
