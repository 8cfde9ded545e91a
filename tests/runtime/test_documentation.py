"""Every block of `docs/runtime.md` and `docs/checks.md` runs, with tiny checkpoints in the place of those named."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
import pytest
from PIL import Image

from v5lint.runtime.backbones import catalogue
from v5lint.runtime.cli import command_names, main

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).parents[2] / "docs" / "runtime.md"
TEXT = PAGE.read_text(encoding="utf-8")
CHECKS_TEXT = PAGE.with_name("checks.md").read_text(encoding="utf-8")
BLOCKS = [
    pytest.param(kind, needs, body, id=f"{page} {text[: found.start()].count(chr(10)) + 1}")
    for page, text in (("line", TEXT), ("checks.md", CHECKS_TEXT))
    for found in re.finditer(r"^```(python|console)(?: needs=(\w+))?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for kind, needs, body in [found.groups()]
]
pytestmark = pytest.mark.texts


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the page's commands read; they share it, as a reader's commands do."""
    sklearn = pytest.importorskip("sklearn.datasets", reason="needs scikit-learn")
    pytest.importorskip("datasets", reason="needs datasets")
    folder = tmp_path_factory.mktemp("page")
    for name in ("photos", "captioned", "squares/images", "squares/masks"):
        (folder / name).mkdir(parents=True)
    random = numpy.random.default_rng(0)
    digits = sklearn.load_digits(n_class=4)
    captions = ["file_name,text"]
    for index in range(160):
        image = Image.fromarray((digits.images[index] * 15).astype("uint8")).convert("RGB").resize((40, 40))
        label = folder / "digits" / str(digits.target[index])
        label.mkdir(parents=True, exist_ok=True)
        image.save(label / f"{index}.png")
        if index < 40:
            image.save(folder / "captioned" / f"{index}.png")
            captions.append(f"{index}.png,the number {digits.target[index]}")
        if index < 4:
            image.resize((60, 40)).save(folder / "photos" / f"{index}.png")
        if index < 10:
            mask = random.integers(0, 2, (4, 4), dtype=numpy.uint8).repeat(8, axis=0).repeat(8, axis=1)
            Image.fromarray(mask * 200).convert("RGB").save(folder / "squares/images" / f"{index}.png")
            Image.fromarray(mask).save(folder / "squares/masks" / f"{index}.png")
    (folder / "captioned" / "metadata.csv").write_text("\n".join(captions))
    (folder / "texts.txt").write_text("a cat\na dog\n")
    return folder


def with_tiny_checkpoints(text: str, checkpoints: Callable[..., Path]) -> str:
    for name, backbone in catalogue().items():
        text = re.sub(
            rf"(?<![\w/]){re.escape(name)}(?![\w.-])", lambda _, b=backbone: str(checkpoints(b.family_name)), text
        )
    return text


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "needs", "body"), BLOCKS)
def test_a_block_runs(
    kind: str,
    needs: str | None,
    body: str,
    place: Path,
    checkpoints: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if needs:
        pytest.importorskip(needs, reason=f"needs {needs}")
    monkeypatch.chdir(place)
    text = with_tiny_checkpoints(body, checkpoints)
    if kind == "python":
        exec(compile(text, str(PAGE), "exec"), {"__name__": "page"})
        return
    for line in text.splitlines():
        program, *words = shlex.split(line)
        assert program == "v5lint-runtime"
        # 1: a check failed, as the device or the disk of the machine at hand may make it do.
        assert main(words) in ((0, 1) if words[0] in ("contract", "new", "finetune", "validate") else (0,)), line


def test_every_command_is_on_the_page() -> None:
    shown = set(re.findall(r"v5lint-runtime ([a-z-]+)", TEXT))
    assert shown <= set(command_names())
    assert {"predict", "zero-shot", "embed", "dense", "segment", "retrieval", "new"} <= shown


def test_every_check_is_on_its_page() -> None:
    from v5lint.runtime.checks import CHECKS

    assert re.findall(r"^\| `(\w+)` \|", CHECKS_TEXT, re.MULTILINE) == list(CHECKS)
