"""Pictures whose answer is known: plain colours, a texture that no geometry hides, shapes that are not square."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

_COLOURS = (
    (0, 0, 0), (255, 255, 255), (200, 40, 90), (30, 180, 60), (60, 90, 220), (128, 128, 128), (230, 160, 20),
)  # fmt: skip


def plain_images(size: tuple[int, int] = (96, 64)) -> list[Image.Image]:
    """Images of one colour each: crops, flips and filters leave them as they are, so they show statistics alone.

    Args:
        size: Width and height in pixels.
    """
    return [Image.new("RGB", size, colour) for colour in _COLOURS]


def textured_images(sizes: tuple[tuple[int, int], ...] = ((96, 96), (128, 64), (60, 110))) -> list[Image.Image]:
    """Images of random coloured texture on all scales, of these widths and heights in pixels."""
    return [Image.fromarray(_texture(width, height, seed)) for seed, (width, height) in enumerate(sizes)]


def _texture(width: int, height: int, seed: int) -> np.ndarray[Any, Any]:
    """Noise whose strength falls with its frequency, as in photographs: [H, W, 3] of eight bits."""
    generator = np.random.default_rng(seed)
    rows = np.fft.fftfreq(height)[:, None]
    columns = np.fft.fftfreq(width)[None, :]
    frequency = np.maximum(np.hypot(rows, columns), 1 / max(width, height))
    channels = []
    for _ in range(3):
        phase = generator.uniform(0, 2 * np.pi, (height, width))
        values = np.real(np.fft.ifft2(np.exp(1j * phase) / frequency))
        low, high = np.percentile(values, (1, 99))
        channels.append(np.clip((values - low) / (high - low), 0, 1))
    texture: np.ndarray[Any, Any] = (np.stack(channels, axis=-1) * 255).astype(np.uint8)
    return texture
