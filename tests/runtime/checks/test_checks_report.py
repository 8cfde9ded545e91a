"""`validate` and its report."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from torch import nn

from v5lint.runtime import validate
from v5lint.runtime.checks import CHECKS
from v5lint.runtime.checks.findings import Findings
from v5lint.runtime.checks.html import html_of
from v5lint.runtime.checks.pictures import Album
from v5lint.runtime.checks.validation import Report
from v5lint.runtime.errors import UsageError, ValidationError
from v5lint.runtime.figures import confusion_picture
from v5lint.runtime.loading import load_model
from v5lint.runtime.lora import attach_lora
from v5lint.runtime.results import CheckResult

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES = [
    "parameters", "movement", "weights", "resolution", "preprocessing", "split", "quantization", "device", "reload",
    "setup",
]  # fmt: skip


def test_the_names_are_stable() -> None:
    assert list(CHECKS) == NAMES


def test_every_check_says_something_without_data(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    report = validate(attach_lora(load_model(checkpoints("vit"), labels=3)))
    assert {result.name for result in report.results} == set(NAMES)
    assert report.status == "passed"
    skipped = {result.name: result.detail for result in report.results if result.status == "skipped"}
    assert "training data set" in skipped["split"]
    assert skipped["quantization"] == "The model is not quantised."
    content = json.loads(report.to_json())
    assert content["status"] == "passed"
    assert content["family"] == "vit"
    assert list(content["metrics"]["seconds"]) == NAMES
    console = Console(record=True, width=200)
    report.print(console)
    assert "parameters" in console.export_text()
    page = report.to_html(tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == len(report.pictures) > 0
    assert all(f'<th scope="row">{name}</th>' in page for name in NAMES)


def test_the_page_is_safe_legible_and_alone() -> None:
    results = [
        CheckResult(
            "split", "failed", {"leak": 0.5, "rest": None}, {"leak": 0.0}, "<script> & 'names'", "Split <again>."
        ),
        CheckResult("device", "skipped", {"fp16": None}, None, "float16 needs a GPU."),
    ]
    album = Album()
    for title in ("training 0", "training 1", "confusion"):
        album.add(title, partial(Image.new, "RGB", (2, 2)))
    page = html_of(Report(results, pictures=album))
    assert "<script>" not in page
    assert "&lt;script&gt; &amp; &#x27;names&#x27;" in page
    assert "<caption>1 failed, 0 passed, 0 note, 1 skipped</caption>" in page
    assert page.count("<details>") == 1  # of what has no numbers, none are offered
    assert "None" not in page
    assert "null" not in page
    assert not re.search(r"(src|href)=\"(?!data:image/png)", page)
    assert "prefers-color-scheme: dark" in page
    assert re.findall(r'alt="([^"]*)"', page) == [
        "Training images, as the model gets them, 0",
        "Training images, as the model gets them, 1",
        "Answers on the evaluation images: rows are the true classes, columns the answers",
    ]


def test_a_confusion_matrix_says_its_classes_and_counts() -> None:
    """The same counts under other names, and other counts of the same shares, are other pictures."""
    counts = np.array([[9, 1], [0, 4]])
    picture = np.asarray(confusion_picture(counts, ["cat", "dog"]))
    for matrix, names in ((counts, ["cat", "emu"]), (2 * counts, ["cat", "dog"])):
        assert not np.array_equal(picture, np.asarray(confusion_picture(matrix, names)))
    unnamed = confusion_picture(counts, [])
    assert np.array_equal(np.asarray(unnamed), np.asarray(confusion_picture(counts, ["犬", " "])))
    assert confusion_picture(np.eye(100), []).size == (1200, 1200)


def test_a_model_is_left_as_it_was(checkpoints: Callable[..., Path]) -> None:
    model = attach_lora(load_model(checkpoints("siglip2"), labels=3)).train()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    state = torch.get_rng_state()
    validate(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.training
    assert not any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())


def test_checks_are_chosen_by_name(checkpoints: Callable[..., Path]) -> None:
    report = validate(load_model(checkpoints("vit"), labels=3), checks=["setup", "parameters"])
    assert list(report.seconds) == ["parameters", "setup"]
    with pytest.raises(UsageError, match="There is no check colour"):
        validate(load_model(checkpoints("vit"), labels=3), checks=["colour"])


def test_a_check_that_cannot_be_done_is_skipped_with_the_reason(checkpoints: Callable[..., Path]) -> None:
    class Broken(list[Any]):
        def __getitem__(self, key: Any) -> Any:
            raise RuntimeError("the file is gone")

    data = Broken([{"image": 1, "labels": 0}] * 4)
    report = validate(load_model(checkpoints("vit"), labels=3), train_dataset=data, eval_dataset=data, checks=["setup"])
    assert {result.status for result in report.results if "the file is gone" in result.detail} == {"skipped"}


def plain_network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))


def test_a_model_of_which_nothing_else_is_known_raises_nothing(checkpoints: Callable[..., Path]) -> None:
    """What V5990 writes behind a training loop."""
    report = validate(load_model(checkpoints("vit"), labels=3), trained=True).raise_if_failed()
    assert report.status == "passed"
    assert validate(plain_network()).raise_if_failed().failed == []


def test_every_failed_check_is_named_with_its_remedy(checkpoints: Callable[..., Path]) -> None:
    model = attach_lora(load_model(checkpoints("vit"), labels=3), train_head=False)
    model.base_model.model.vit.layernorm.weight.data.fill_(2.0)
    report = validate(model)
    with pytest.raises(ValidationError) as caught:
        report.raise_if_failed()
    first, *lines = str(caught.value).splitlines()
    assert first == "The validation failed."
    assert {"parameters", "weights"} <= {line.partition(":")[0] for line in lines}
    assert len(lines) == len(report.failed)
    for result, line in zip(report.failed, lines, strict=True):
        assert result.detail in line
        assert result.remedy
        assert line.endswith(result.remedy)


def test_findings() -> None:
    findings = Findings("split")
    findings.measure("share", 0.1, 0.0)
    findings.skip("names", "there are none")
    assert [(r.status, r.detail) for r in findings.results("fine")] == [
        ("passed", "fine"), ("skipped", "there are none")
    ]  # fmt: skip
    findings.fail("share", "too large", "make it smaller", 0.1, 0.0)
    assert [(r.status, r.measured) for r in findings.results("fine")] == [
        ("failed", {"share": 0.1}), ("skipped", {"names": None})
    ]  # fmt: skip
