"""The smaller fault matrix: every fault on the first family of a few that it concerns, and correct runs of all.

The whole of it is `fault_matrix.py run`; what that measured is in `docs/fault-matrix.md`, which is held against the
record here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

import torch
import transformers
from fault_matrix import PAGE, RECORD, correct, inject, page
from fault_table import ALL, FAULTS, Fault
from packaging.version import Version

from v5lint.runtime.families import all_families

if TYPE_CHECKING:
    from collections.abc import Iterator

if Version(transformers.__version__) < Version("5.18"):
    pytest.skip("the faults are those of module names since transformers 5.18", allow_module_level=True)

CHOSEN = (("vit", 0), ("siglip2", 1), ("dinov2_with_registers", 0))
TWICE = {"parameters", "weights", "resolution", "preprocessing", "split"}
"""Checks that need no training, whose faults run on two families."""


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def cases() -> list[tuple[Fault, str, int]]:
    found = []
    for fault in FAULTS:
        families = [(family, seed) for family, seed in CHOSEN if family in fault.families] or [(fault.families[0], 0)]
        found += [(fault, family, seed) for family, seed in families[: 2 if fault.check in TWICE else 1]]
    return found


@pytest.mark.parametrize(
    ("fault", "name", "seed"), [pytest.param(*case, id=f"{case[0].name}-{case[1]}") for case in cases()]
)
def test_a_fault_is_named(fault: Fault, name: str, seed: int) -> None:
    if fault.check == "quantization":
        pytest.importorskip("bitsandbytes")
    found = inject(fault, name, seed)
    assert found["caught"], found["results"]


@pytest.mark.filterwarnings("ignore:DINOv3's image processor needs torchvision")
def test_a_correct_run_passes(family: str) -> None:
    assert correct(family, 0, train=False) == []


@pytest.mark.parametrize(("name", "seed"), [("vit", 0), ("siglip2", 1)])
def test_a_correct_training_passes(name: str, seed: int) -> None:
    assert correct(name, seed, train=True) == []


def test_the_faults_are_told_apart() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 30
    assert set(ALL) == set(all_families())
    assert all(set(fault.families) <= set(ALL) and fault.what.strip() for fault in FAULTS)


def test_every_check_has_a_fault() -> None:
    assert {fault.check for fault in FAULTS} == {
        "parameters", "movement", "weights", "resolution", "preprocessing", "split", "quantization", "reload", "setup",
    }  # fmt: skip


def test_the_page_is_that_of_the_record() -> None:
    record = json.loads(RECORD.read_text())
    assert page(record) == PAGE.read_text()
    assert set(record["faults"]) == {fault.name for fault in FAULTS}
    assert all(cell["caught"] for families in record["faults"].values() for cell in families.values())
    assert not any(entry["failures"] for kinds in record["correct"].values() for entry in kinds.values())
