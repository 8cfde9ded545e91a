"""Chance in a training: dropout that drops nearly all, and augmentation that draws the same numbers in every worker.

Trainer seeds the generators of torch, NumPy and Python in each worker of a loader. A generator that the data set keeps
for itself is copied with it: all workers draw the same numbers, and without persistent workers each epoch does again.
"""

from __future__ import annotations

import functools
import random
import types
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import Trainer
from transformers.trainer_utils import seed_worker

from v5lint.runtime.checks.findings import shown
from v5lint.runtime.checks.preserve import undisturbed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from v5lint.runtime.checks.findings import Findings
    from v5lint.runtime.checks.subject import Subject

_MOST_DROPOUT = 0.8
_DEPTH, _OBJECTS, _FIRST = 6, 2000, 16
"""How far, and at how many objects, and at how many of a list, generators are looked for."""
_ITEMS = 4
_SHARED: tuple[Any, ...] = (
    torch.default_generator,
    random.random.__self__,  # type: ignore[attr-defined]
    np.random.get_state.__self__,  # type: ignore[attr-defined]
)
"""The generators behind the functions of torch, Python and NumPy, which Trainer seeds."""


def check_dropout(findings: Findings, subject: Subject) -> None:
    """No layer of the model drops nearly all of its input; of the adapter's own, the check `parameters` says it."""
    if not subject.training:
        return
    wild = {
        name: float(module.p)
        for name, module in subject.bare.named_modules()
        if isinstance(module, torch.nn.modules.dropout._DropoutNd)
        and module.p > _MOST_DROPOUT
        and "lora_dropout" not in name
    }
    config: Any = getattr(subject.bare, "config", None)
    said = config.to_dict() if hasattr(config, "to_dict") else {}
    for part in (said, said.get("vision_config") or {}):
        for name, value in part.items():
            if "dropout" in name and isinstance(value, float) and value > _MOST_DROPOUT:
                wild[name] = value
    if wild:
        name, value = next(iter(wild.items()))
        findings.fail(
            "dropout",
            f"{shown(wild)} drops {value:.0%} of its input while the model trains.",
            "0.0 to 0.1 is usual: it is the share that is dropped.",
            value,
            f"<= {_MOST_DROPOUT:g}",
        )


def check_workers(findings: Findings, subject: Subject) -> None:
    """Augmentation draws other numbers in each worker."""
    source, workers = subject.train, int(getattr(subject.args, "dataloader_num_workers", 0) or 0)
    if source is None or not workers or not source.indexable or not len(source):
        return
    if _seeds_itself(subject.loader, subject.trainer):
        return
    generators = own_generators([source.dataset, source.collate])
    if not generators:
        return
    states = [_state(each) for each in generators]
    indices = source.spread(_ITEMS)
    drawn = []
    try:
        for seed in range(2):
            for each, state in zip(generators, states, strict=True):
                _restore(each, state)
            with undisturbed(seed=seed):
                drawn.append(source.batch(indices))
        with undisturbed(seed=1):
            again = source.batch(indices)
    finally:
        for each, state in zip(generators, states, strict=True):
            _restore(each, state)
    if _alike(drawn[0], drawn[1]) and not _alike(drawn[1], again):
        report = findings.fail if workers > 1 else findings.note
        report(
            "workers",
            f"The training data draws from a generator of its own, which every worker copies: {workers} workers draw "
            "the same numbers, and each epoch the same again.",
            "Draw from torch's generator, which is seeded in each worker, or seed this one in worker_init_fn.",
            workers,
            0,
        )


def own_generators(roots: Iterable[Any]) -> list[Any]:
    """The generators that objects hold, in their attributes, in their transforms, in what their functions enclose."""
    found: list[Any] = []
    seen: set[int] = set()
    level = list(roots)
    for _ in range(_DEPTH):
        below: list[Any] = []
        for each in level:
            if id(each) in seen or len(seen) > _OBJECTS:
                continue
            seen.add(id(each))
            if isinstance(each, np.random.Generator | np.random.RandomState | random.Random | torch.Generator):
                if not any(each is one for one in _SHARED):
                    found.append(each)
            else:
                below += _held(each)
        level = below
    return found


def _held(each: Any) -> list[Any]:
    """What an object holds, as far as a generator may be in it."""
    if isinstance(each, torch.Tensor | np.ndarray | str | bytes | int | float | type | types.ModuleType | None):
        return []
    if isinstance(each, dict):
        return list(each.values())[:_FIRST]
    if isinstance(each, list | tuple):
        return list(each[:_FIRST])
    if isinstance(each, functools.partial):
        return [each.func, *each.args, *each.keywords.values()]
    if isinstance(each, types.MethodType | types.BuiltinMethodType):
        return [each.__self__]
    if isinstance(each, types.FunctionType):
        cells = [cell.cell_contents for cell in each.__closure__ or () if _is_filled(cell)]
        return cells + [each.__globals__[name] for name in each.__code__.co_names if name in each.__globals__]
    slots = [getattr(each, "format", None)] if hasattr(each, "set_transform") else []  # of the datasets library
    return [*slots, *vars(each).values()] if hasattr(each, "__dict__") else slots


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # a variable that is not bound yet
        return False


def _seeds_itself(loader: Any, trainer: Any) -> bool:
    """Whether a loader seeds its workers in a way of the script's own, as far as it is there."""
    if loader is None:
        return getattr(type(trainer), "get_train_dataloader", None) is not Trainer.get_train_dataloader
    given = getattr(loader, "worker_init_fn", None)
    return given is not None and getattr(given, "func", given) is not seed_worker


def _state(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    if isinstance(generator, random.Random):
        return generator.getstate()
    return generator.get_state()


def _restore(generator: Any, state: Any) -> None:
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif isinstance(generator, random.Random):
        generator.setstate(state)
    else:
        generator.set_state(state)


def _alike(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        tensor.shape == other[name].shape and torch.equal(tensor, other[name]) for name, tensor in one.items()
    )
