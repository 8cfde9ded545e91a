"""The one place that knows what a *family* of backbones is: how to recognise it, what it eats, how it ends.

The facts stand in `families.toml`; here they are read. Nothing in this module needs torch or transformers, so a table
of families can be printed, and a `config.json` recognised, where neither is installed. What depends on the modules of
a model (which Linear is the query projection, which one is the head) is not here but in `roles.py`: it changes
between releases of transformers, a family does not.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from v5lint.runtime.errors import FamilyError, MissingDependencyError
from v5lint.runtime.tables import frozen, read_table

Task = Literal["classification", "retrieval", "dense"]
TASKS: tuple[Task, ...] = ("classification", "retrieval", "dense")

_BACKEND_SUFFIX = re.compile(r"(Fast|Pil)$")


@dataclass(frozen=True)
class Family:
    """One family of backbones; the meaning of each field stands on top of `families.toml`."""

    name: str
    title: str
    model_types: tuple[str, ...]
    forward_inputs: tuple[str, ...]
    layout: Literal["image", "patches"]
    pooling: Literal["cls", "mean", "pooler"]
    head_features: Literal["cls", "mean", "cls+mean", "pooler"]
    head: Literal["library", "own"]
    off_grid: Literal["error", "silent"]
    remainder: Literal["error", "silent"]
    resize: Literal["squash", "crop", "budget"]
    image_processors: tuple[str, ...]
    classes: Mapping[Task, str]
    optional_inputs: tuple[str, ...] = ()
    architectures: str = ""
    dual_encoder: bool = False
    requires: tuple[str, ...] = ()
    image_mean: tuple[float, ...] | None = None
    image_std: tuple[float, ...] | None = None

    @property
    def is_timm(self) -> bool:
        """Whether the model is timm's own, inside the wrapper of transformers."""
        return bool(self.architectures)

    def accepts_processor(self, processor: object) -> bool:
        """Whether an image processor (an instance, a class or a class name) is one of this family's.

        `Fast` and `Pil` at the end of a name stand for a backend; transformers 5.4 renamed both, the processor is the
        same.
        """
        if isinstance(processor, str):
            name = processor
        else:
            name = (processor if isinstance(processor, type) else type(processor)).__name__
        return _BACKEND_SUFFIX.sub("", name) in self.image_processors

    def matches(self, model_type: str, architecture: str) -> bool:
        """Whether a configuration with this `model_type` (and, under timm, this `architecture`) is of this family."""
        if model_type not in self.model_types:
            return False
        return not self.architectures or re.fullmatch(self.architectures, architecture) is not None


@cache
def all_families() -> Mapping[str, Family]:
    """All families by name, in the order of `families.toml`."""
    return {name: Family(**{"name": name, **frozen(fields)}) for name, fields in read_table("families").items()}


def get_family(name: str) -> Family:
    """The family of this name.

    Raises:
        FamilyError: There is none; the message lists those that there are.
    """
    try:
        return all_families()[name]
    except KeyError:
        raise FamilyError(f"No family is called {name!r}. There are: {', '.join(all_families())}.") from None


def find_family(source: object) -> Family | None:
    """The family of a configuration or a model, or `None` where it is none of the catalogue's.

    Args:
        source: The content of a `config.json`, a configuration of transformers, or a model (wrapped by PEFT or not).
    """
    model_type, architecture = _identity(source)
    for family in all_families().values():
        if family.matches(model_type, architecture):
            return family
    return None


def family_of(source: object) -> Family:
    """Like `find_family`, for callers that cannot go on without a family.

    Raises:
        FamilyError: The configuration or the model is of no family that the runtime knows.
    """
    family = find_family(source)
    if family is None:
        model_type, architecture = _identity(source)
        what = f"model_type {model_type!r}" + (f" with architecture {architecture!r}" if architecture else "")
        known = ", ".join(f"{family.title} ({family.name})" for family in all_families().values())
        raise FamilyError(f"{what} is none of the families that the runtime knows: {known}.")
    return family


def missing_libraries(family: Family | None) -> list[str]:
    """The libraries that a family needs beside transformers (timm, torchvision) and that are not installed."""
    return [name for name in (family.requires if family else ()) if importlib.util.find_spec(name) is None]


def require_libraries(family: Family | None) -> None:
    """Raise unless the libraries that a family needs beside transformers are installed.

    Raises:
        MissingDependencyError: One is not; the message has the command that installs it.
    """
    missing = missing_libraries(family)
    if family is not None and missing:
        raise MissingDependencyError(f"{family.title} needs {' and '.join(missing)}: pip install {' '.join(missing)}")


def _identity(source: object) -> tuple[str, str]:
    """`model_type` and timm's `architecture`, each empty where there is none."""
    if isinstance(source, Mapping):
        # What timm writes to the Hub has no model_type; transformers recognises it by its pretrained_cfg, as here.
        model_type = source.get("model_type") or ("timm_wrapper" if "pretrained_cfg" in source else "")
        return str(model_type), str(source.get("architecture") or "")
    config = _config_of(source)
    if config is None:
        raise FamilyError(
            f"{type(source).__name__} has no configuration of transformers. Pass a model of transformers, its "
            "configuration or the content of its config.json; a bare timm model goes through TimmWrapper."
        )
    return str(getattr(config, "model_type", "") or ""), str(getattr(config, "architecture", "") or "")


def _config_of(source: object) -> Any:
    if hasattr(source, "model_type"):
        return source
    get_base_model = getattr(
        source, "get_base_model", None
    )  # a PeftModel forwards unknown names, but not on all releases
    model = get_base_model() if callable(get_base_model) else source
    config = getattr(model, "config", None)
    return config if hasattr(config, "model_type") else None
