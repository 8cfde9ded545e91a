from __future__ import annotations

import ast
import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
import pytest
import torch
import transformers
from PIL import Image

from v5lint.cli import main as lint
from v5lint.runtime.backbones import catalogue
from v5lint.runtime.cli import main
from v5lint.runtime.distributed import has_accelerator
from v5lint.runtime.errors import FamilyError, MissingDependencyError, UsageError
from v5lint.runtime.families import all_families, require_libraries
from v5lint.runtime.loading import load_model
from v5lint.runtime.new import write_script
from v5lint.runtime.processors import load_processor
from v5lint.runtime.tasks.checkpoint import open_checkpoint
from v5lint.runtime.tasks.images import find_images
from v5lint.runtime.tasks.predict import predict_images

if TYPE_CHECKING:
    from collections.abc import Callable

    from v5lint.runtime.families import Task

pytestmark = pytest.mark.filterwarnings("ignore:DINOv3's image processor needs torchvision")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scikit-learn's digits 0 to 3 as an image folder."""
    sklearn = pytest.importorskip("sklearn.datasets", reason="needs scikit-learn")
    folder = tmp_path_factory.mktemp("digits")
    data = sklearn.load_digits(n_class=4)
    for index in range(200):
        place = folder / "zero one two three".split()[data.target[index]]
        place.mkdir(exist_ok=True)
        Image.fromarray((data.images[index] * 15).astype("uint8")).convert("RGB").save(place / f"{index}.png")
    return folder


def run_script(path: Path) -> None:
    try:
        runpy.run_path(str(path), run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise


@pytest.mark.parametrize("task", ["classification", "retrieval", "dense"])
def test_v5lint_finds_nothing_in_a_script(
    family: str, task: str, checkpoints: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = all_families()[family]
    checkpoint, path = str(checkpoints(family)), tmp_path / "train.py"
    if task == "retrieval" and not known.dual_encoder:
        with pytest.raises(FamilyError, match="has no text tower; retrieval takes SigLIP"):
            write_script(path, checkpoint, "retrieval")
        assert not path.exists()
        return
    written = write_script(path, checkpoint, task)  # type: ignore[arg-type]
    assert lint([str(path), "--isolated", "--no-cache"]) == 0, capsys.readouterr().out
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring is not None
    assert written.sentence.replace(checkpoint, Path(checkpoint).name, 1) in docstring.replace("\n    ", " ")
    # What the docstring names is what is loaded and called.
    model = load_model(checkpoint, task, **({"labels": 3} if task == "classification" else {}))  # type: ignore[arg-type]
    assert f"Classes of transformers 5: {type(model).__name__}, {written.processor_class}" in docstring
    if task != "retrieval":
        assert known.accepts_processor(written.processor_class)
        assert known.accepts_processor(load_processor(checkpoint))


@pytest.mark.parametrize("task", ["classification", "retrieval", "dense"])
def test_a_script_is_in_order_where_v5lint_is_a_third_party(
    task: str, checkpoints: Callable[..., Path], tmp_path: Path
) -> None:
    pytest.importorskip("ruff", reason="needs ruff")
    write_script(tmp_path / "train.py", str(checkpoints("siglip2")), task)  # type: ignore[arg-type]
    wide = ["--line-length", "120"]
    for words in (
        ["check", "--select", "E,F,W,I,UP,B,C4,SIM,RUF", *wide],
        ["format", "--check", *wide],
        ["check"],  # what ruff asks for by itself
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--isolated", "train.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout


def test_v5lint_does_read_the_script(
    checkpoints: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same script with one idiom of transformers 4 in it is not clean."""
    path = tmp_path / "train.py"
    write_script(path, str(checkpoints("vit")))
    text = path.read_text().replace("import Trainer,", "import Trainer, ViTFeatureExtractor,")
    path.write_text(text)
    assert lint([str(path), "--isolated", "--no-cache"]) == 1
    assert "V5001" in capsys.readouterr().out


@pytest.mark.parametrize("name", list(catalogue())[::6])
def test_a_backbone_of_the_catalogue_needs_no_network(name: str, tmp_path: Path) -> None:
    try:
        require_libraries(catalogue()[name].family)
    except MissingDependencyError as error:
        pytest.skip(str(error))
    written = write_script(tmp_path / "train.py", name)
    text = written.path.read_text()
    assert f'CHECKPOINT = "{name}"' in text
    assert written.licence == catalogue()[name].licence
    assert f"Licence: {written.licence}" in text
    assert lint([str(written.path), "--isolated", "--no-cache"]) == 0


def test_the_script_trains_and_its_adapter_predicts(
    family: str, digits: Path, checkpoints: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["new", str(tmp_path / "train.py"), "--checkpoint", str(checkpoints(family)), "--data", str(digits)]
    main([*words, "--results", str(out), "--output", str(tmp_path / "report")])
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["family"] == family
    # The weights of a tiny checkpoint are random: it takes larger steps than a trained backbone.
    text = (tmp_path / "train.py").read_text()
    for constant, other in (("EPOCHS = 3", "EPOCHS = 5"), ("BATCH_SIZE = 32", "BATCH_SIZE = 16"), ("5e-4", "5e-3")):
        assert text.count(constant) == 1
        text = text.replace(constant, other)
    (tmp_path / "train.py").write_text(text)
    capsys.readouterr()
    run_script(tmp_path / "train.py")
    assert "eval_balanced_accuracy" in capsys.readouterr().out
    checked = json.loads((out / "report.json").read_text())["checks"]
    assert {check["name"].split()[0] for check in checked} >= {
        "parameters",
        "preprocessing",
        "movement",
        "split",
        "reload",
    }
    assert not [check for check in checked if check["status"] == "failed"]
    state = torch.load(max((out / "training").glob("checkpoint-*/trainer_state.json")).with_name("optimizer.pt"))
    assert state["state"]
    saved = next((out / "training").glob("checkpoint-*/training_args.bin"))
    assert torch.load(saved, weights_only=False).use_cpu is not has_accelerator()
    classifier = open_checkpoint(out / "adapter", "classification", device="cpu")
    (found,) = predict_images(classifier, find_images([next((digits / "two").iterdir())]), top_k=4)
    assert set(found.labels) == {"zero", "one", "two", "three"}


@pytest.mark.texts
def test_the_retrieval_script_runs(digits: Path, checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    script, out = tmp_path / "train.py", tmp_path / "out"
    write_script(script, str(checkpoints("siglip2")), "retrieval", data=str(digits), output=str(out))
    run_script(script)
    assert (out / "adapter" / "adapter_model.safetensors").is_file()


def test_the_dense_script_runs(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / "data" / name).mkdir(parents=True)
    random = numpy.random.default_rng(0)
    for index in range(6):
        mask = random.integers(0, 2, (8, 8), dtype=numpy.uint8)
        Image.fromarray(mask * 200).convert("RGB").save(tmp_path / "data" / "images" / f"{index}.png")
        Image.fromarray(mask).save(tmp_path / "data" / "masks" / f"{index}.png")
    script, out = tmp_path / "train.py", tmp_path / "out"
    write_script(script, str(checkpoints("dinov2")), "dense", data=str(tmp_path / "data"), output=str(out))
    run_script(script)
    assert (out / "head" / "segmentation.json").is_file()


def test_a_path_with_quotes_and_backslashes_stays_what_it_is(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    odd = 'C:\\new "data"\\$home'
    written = write_script(tmp_path / "train.py", str(checkpoints("vit")), data=odd)
    tree = ast.parse(written.path.read_text())
    values = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    assert values["DATA"] == odd
    assert values["CHECKPOINT"] == str(checkpoints("vit"))


@pytest.mark.parametrize("task", ["classification", "retrieval", "dense"])
def test_a_long_path_is_wrapped(task: Task, checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    long = str(tmp_path / "a rather long name" / ("画像 " * 30))
    folder = Path(long, "siglip2")
    shutil.copytree(checkpoints("siglip2"), folder)
    write_script(tmp_path / "train.py", str(folder), task, data=long, output=long)
    text = (tmp_path / "train.py").read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 120
    constants = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    assert constants.count(long) == 2
    assert constants.count(str(folder)) == 1


def test_a_script_that_is_there_is_not_replaced_unasked(checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        write_script(path, str(checkpoints("vit")))
    assert path.read_text() == "mine"
    with pytest.raises(UsageError, match="task 'detection': must be one of"):
        write_script(path, str(checkpoints("vit")), "detection", overwrite=True)  # type: ignore[arg-type]
    write_script(path, str(checkpoints("vit")), overwrite=True)
    assert path.read_text() != "mine"


def test_the_command_chooses_a_backbone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["new", str(tmp_path / "train.py"), "--task", "retrieval", "--resolution", "mixed", "--compute", "16GB"]
    main([*words, "--output", str(tmp_path)])
    report = json.loads((tmp_path / "report.json").read_text())
    assert catalogue()[report["checkpoint"]].mixed_aspect_ratios
    assert report["metrics"]["model_class"] == "Siglip2Model"
    assert any(check["name"].endswith("transformers") for check in report["checks"])
    assert report["checkpoint"] in capsys.readouterr().out
    assert report["versions"]["transformers"] == transformers.__version__
    assert main([*words, "--compute", "much"]) == 2
