"""Images of containers that bring Python or PyTorch along: what their tags say, as requirements."""

from __future__ import annotations

import re

from v5lint.metadata.requirement import Requirement

#: `python:3.8-slim`, `docker.io/library/python:3.8.10`; `pytorch/pytorch:1.13.1-cuda11.6-cudnn8-runtime`.
_PYTHON = re.compile(r"(?:[\w.-]+/)*python:(?P<version>\d+\.\d+)(?:\.\d+)?(?:-[\w.-]+)?\Z")
_TORCH = re.compile(r"(?:[\w.-]+/)*pytorch/pytorch:(?P<version>\d+\.\d+(?:\.\d+)?)(?:-[\w.-]+)?\Z")


def read(image: str, at: int) -> Requirement | None:
    """What an image holds, as a requirement on one version; None where its name does not say.

    Args:
        image: its name with the tag.
        at: the offset of the name in the file.
    """
    span = (at, at + len(image))
    if found := _PYTHON.match(image):
        return Requirement("python", f"=={found['version']}.*", span, (span[1], span[1]), style="image")
    if found := _TORCH.match(image):
        return Requirement("torch", f"=={found['version']}", span, (span[1], span[1]), style="image")
    return None
