from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import datasets
import numpy
import pytest
import torch
from PIL import Image

from v5lint.runtime.checks.training import TrainingChecks
from v5lint.runtime.cli import main
from v5lint.runtime.errors import DataError, FamilyError, UsageError
from v5lint.runtime.tasks import retrieval_training
from v5lint.runtime.tasks.checkpoint import open_checkpoint
from v5lint.runtime.tasks.pairs import load_pairs
from v5lint.runtime.tasks.retrieval import pair_logits, recall_at, retrieval_metrics, sigmoid_loss
from v5lint.runtime.tasks.retrieval_training import (
    RetrievalConfig,
    _RetrievalTrainer,
    _training_arguments,
    finetune_retrieval,
)
from v5lint.runtime.tasks.zero_shot import text_inputs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from v5lint.runtime.tasks.checkpoint import OpenCheckpoint

pytest.importorskip("datasets", reason="needs datasets")
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture(scope="module")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits with a caption each, in the layout of `datasets`' image folder."""
    sklearn = pytest.importorskip("sklearn.datasets", reason="needs scikit-learn")
    folder = tmp_path_factory.mktemp("captioned")
    digits = sklearn.load_digits()
    rows = []
    for index in range(100):
        image = Image.fromarray((digits.images[index] * 15).astype("uint8")).convert("RGB").resize((48, 48))
        image.save(folder / f"{index:03}.png")
        rows.append((f"{index:03}.png", f"the number {WORDS[digits.target[index]]}"))
    with (folder / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file_name", "text"), *rows])
    return folder


@pytest.mark.texts
@pytest.mark.parametrize("variant", ["siglip", "siglip2"])
def test_the_loss_is_transformers_own(variant: str, opened: Callable[..., OpenCheckpoint]) -> None:
    model = opened(variant, "retrieval")
    whole: Any = model.model
    random = numpy.random.default_rng(0)
    images = [Image.fromarray(random.integers(0, 256, (40, 50, 3), dtype=numpy.uint8)) for _ in range(4)]
    inputs = {**model.inputs(images), **text_inputs(model, ["a", "b c", "d", "e"])}
    with torch.no_grad():
        output = whole(**inputs, return_loss=True)
    torch.testing.assert_close(sigmoid_loss(output.logits_per_image, torch.eye(4).bool()), output.loss)


def test_the_loss_does_not_train_equal_texts_apart() -> None:
    logits = torch.randn(3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    index = torch.tensor([0, 1, 0])
    loss = sigmoid_loss(logits, index.unsqueeze(1) == index)
    expected = 0.0
    for image in range(3):
        for text in range(3):
            probability = 1 / (1 + numpy.exp(-logits[image, text].item()))
            expected -= numpy.log(probability if index[image] == index[text] else 1 - probability) / 3
    assert loss.item() == pytest.approx(expected)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_recall_is_that_of_sorting(k: int) -> None:
    random = numpy.random.default_rng(k)
    similarity = random.normal(size=(40, 12))
    index = numpy.concatenate([numpy.arange(12), random.integers(0, 12, 28)])
    found = retrieval_metrics(torch.from_numpy(similarity), index.tolist(), ks=(k,))
    best_texts = numpy.argsort(-similarity, axis=1)[:, :k]
    assert found[f"image_to_text_recall@{k}"] == numpy.mean([index[i] in best_texts[i] for i in range(40)])
    best_images = numpy.argsort(-similarity, axis=0)[:k]
    hits = [any(index[image] == text for image in best_images[:, text]) for text in range(12)]
    assert found[f"text_to_image_recall@{k}"] == pytest.approx(numpy.mean(hits))


def test_an_image_is_answered_by_any_of_its_texts() -> None:
    """Image 0 has the texts 0 and 1, image 1 the texts 1 and 2: text 1 is answered by both."""
    similarity = torch.tensor([[0.1, 0.9, 0.8], [0.2, 0.4, 0.3]])
    found = retrieval_metrics(similarity, [0, 1, 1, 2], (1,), image_index=[0, 0, 1, 1])
    assert found["image_to_text_recall@1"] == 1.0
    assert found["text_to_image_recall@1"] == pytest.approx(1 / 3)


def test_recall_of_one_match_a_row_is_scikit_learns_top_k_accuracy() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="needs scikit-learn")
    similarity = torch.randn(30, 8, generator=torch.Generator().manual_seed(0))
    truth = torch.arange(30) % 8
    for k in (1, 5):
        expected = metrics.top_k_accuracy_score(truth.numpy(), similarity.numpy(), k=k)
        assert retrieval_metrics(similarity, truth.tolist(), (k,))[f"image_to_text_recall@{k}"] == pytest.approx(
            expected
        )


def test_collapsed_embeddings_recall_nothing() -> None:
    assert recall_at(torch.zeros(4, 4), torch.eye(4).bool(), 1) == 0.0
    assert recall_at(torch.zeros(4, 4), torch.eye(4).bool(), 4) == 1.0
    assert recall_at(torch.full((4, 4), torch.nan), torch.eye(4).bool(), 1) == 0.0


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """Ten images with three captions each, as captioned data mostly is; all ten share the last."""
    random, rows = numpy.random.default_rng(0), []
    for index in range(10):
        Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=numpy.uint8)).save(tmp_path / f"{index}.png")
        rows += [(f"{index}.png", f"first {index}"), (f"{index}.png", f"second {index}"), (f"{index}.png", "Noise")]
    rows[-1] = ("9.png", "noise")
    with (tmp_path / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file_name", "text"), *rows])
    return tmp_path / "pairs.csv"


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_all_captions_of_an_image_are_on_one_side(form: str, several: Path, tmp_path: Path) -> None:
    """Split by rows, most images to evaluate on would have been trained on with another of their captions."""
    source = several
    if form == "parquet":
        rows = datasets.Dataset.from_csv(str(several))
        cells = [(several.parent / name).read_bytes() for name in rows["file_name"]]
        source = tmp_path / "d.parquet"
        datasets.Dataset.from_dict({"picture": cells, "text": rows["text"]}).to_parquet(str(source))
    train, evaluation = load_pairs(str(source))
    assert (len(train), len(evaluation)) == (24, 6)
    assert (len(train.distinct_images), len(evaluation.distinct_images)) == (8, 2)
    assert sum(text.lower() == "noise" for text in evaluation.distinct_texts) == 1
    assert evaluation.image_index == (0, 0, 0, 1, 1, 1)
    assert evaluation.text_index[2] == evaluation.text_index[5]


@pytest.mark.texts
def test_captions_of_one_image_are_not_trained_apart(
    several: Path, checkpoints: Callable[..., Path], tmp_path: Path
) -> None:
    """The loss of a batch is that of which every pair that belongs together is a match."""
    dual_encoder = open_checkpoint(checkpoints("siglip"), "retrieval", device="cpu")
    train, evaluation = load_pairs(str(several))
    config = RetrievalConfig("c", "d", str(tmp_path / "out"), batch_size=6, progress=False)
    trainer = _RetrievalTrainer(dual_encoder, train, evaluation, config, TrainingChecks("off", "c"))
    batch = trainer.data_collator([trainer.train_dataset[index] for index in range(6)])
    with torch.no_grad():
        loss = trainer.compute_loss(dual_encoder.model, dict(batch))
        output: Any = dual_encoder.model(**{name: batch[name] for name in ("input_ids", "pixel_values")})
    matches = torch.block_diag(torch.ones(3, 3), torch.ones(3, 3)).bool()
    matches[2, 5] = matches[5, 2] = True  # noise of both
    torch.testing.assert_close(loss, sigmoid_loss(output.logits_per_image, matches))


@pytest.mark.texts
def test_the_checks_look_at_a_retrieval_training(
    captioned: Path, checkpoints: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["retrieval", str(checkpoints("siglip2")), str(captioned), "--epochs", "1", "--batch-size", "16"]
    assert main([*words, "--no-progress", "--output", str(tmp_path / "right")]) == 0
    checks = json.loads((tmp_path / "right" / "report.json").read_text())["checks"]
    found = {check["name"] for check in checks if check["status"] == "passed"}
    assert found == {"parameters", "setup", "weights", "resolution", "preprocessing", "split", "movement", "reload"}
    assert not [check for check in checks if check["status"] in ("failed", "note")]

    # A fault of the collator: what the model gets is not what its processor makes.
    right = retrieval_training._Collate.__call__

    def darker(self: Any, items: Any) -> dict[str, torch.Tensor]:
        batch = right(self, items)
        return {**batch, "pixel_values": batch["pixel_values"] / 2}

    monkeypatch.setattr(retrieval_training._Collate, "__call__", darker)
    assert main([*words, "--no-progress", "--output", str(tmp_path / "wrong")]) == 1
    assert not (tmp_path / "wrong" / "adapter").exists()
    checks = json.loads((tmp_path / "wrong" / "report.json").read_text())["checks"]
    assert "preprocessing" in {check["name"] for check in checks if check["status"] == "failed"}
    assert (
        main([*words, "--no-progress", "--validate", "report", "--overwrite", "--output", str(tmp_path / "wrong")]) == 1
    )
    assert (tmp_path / "wrong" / "adapter").is_dir()


@pytest.mark.texts
@pytest.mark.parametrize("variant", ["siglip", "siglip2"])
def test_a_fine_tune_learns_and_its_adapter_can_be_loaded(
    variant: str, captioned: Path, checkpoints: Callable[..., Path], tmp_path: Path
) -> None:
    config = RetrievalConfig(
        checkpoint=str(checkpoints(variant)),
        data=str(captioned),
        output=str(tmp_path),
        lora_r=8,
        epochs=6,
        batch_size=16,
        learning_rate=1e-2,
        lora_dropout=0.0,
        progress=False,
    )
    result = finetune_retrieval(config)
    losses = [loss.loss for loss in result.report.losses]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    layers, width, rank = 3 + 2, 64, 8
    assert result.report.trainable_parameters == layers * 2 * rank * (width + width)
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["metrics"]["train_pairs"] == 80
    assert written["metrics"]["eval_pairs"] == 20

    _, evaluation = load_pairs(str(captioned))
    again = open_checkpoint(tmp_path, "retrieval", device="cpu")
    recalls = retrieval_metrics(pair_logits(again, evaluation, 7), evaluation.text_index)
    assert recalls == {name: written["metrics"][name] for name in recalls}
    base = open_checkpoint(checkpoints(variant), "retrieval", device="cpu")
    untrained = retrieval_metrics(pair_logits(base, evaluation, 7), evaluation.text_index)
    assert untrained == {name: written["metrics"]["before"][name] for name in untrained}

    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "report.json"]
    with pytest.raises(UsageError, match="has the results of another run"):
        finetune_retrieval(config)


def losses_of(processes: int, batch: int, words: list[str], output: Path) -> tuple[list[float], str]:
    """The losses of a training in so many processes, and what it prints."""
    launcher = ["-m", "torch.distributed.run", "--nproc_per_node", str(processes)] if processes > 1 else []
    command = [sys.executable, *launcher, "-m", "v5lint.runtime.cli", "retrieval", *words]
    command += ["--batch-size", str(batch), "--output", str(output), "--no-progress"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return [entry["loss"] for entry in json.loads((output / "report.json").read_text())["losses"]], done.stdout


@pytest.mark.texts
@pytest.mark.skipif(sys.platform != "linux", reason="starts two processes with gloo")
def test_two_processes_train_as_one_with_twice_the_batch(
    captioned: Path, checkpoints: Callable[..., Path], tmp_path: Path
) -> None:
    """Each image is told apart from the texts of both processes: the losses are those of one, to four decimals."""
    words = [str(checkpoints("siglip")), str(captioned), "--epochs", "2", "--learning-rate", "1e-2", "--warmup", "0"]
    words += ["--lora-dropout", "0"]
    one, _ = losses_of(1, 32, words, tmp_path / "1")
    two, printed = losses_of(2, 16, words, tmp_path / "2")
    assert len(one) == 4
    assert one[-1] < one[0] - 1
    assert two == pytest.approx(one, abs=1e-4)
    assert printed.count("adapter: ") == 1


@pytest.mark.texts
@pytest.mark.skipif(sys.platform != "linux", reason="starts two processes with gloo")
def test_a_batch_of_two_processes_may_be_larger_than_the_data(
    captioned: Path, checkpoints: Callable[..., Path], tmp_path: Path
) -> None:
    """80 pairs, and batches of 2 x 60: dropping what does not fill them would leave no step."""
    losses, _ = losses_of(2, 60, [str(checkpoints("siglip")), str(captioned), "--epochs", "1"], tmp_path / "out")
    assert len(losses) == 1


@pytest.mark.texts
def test_class_folders_are_captioned_by_the_template(
    tmp_path: Path, checkpoints: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    random = numpy.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for index in range(6):
            pixels = random.integers(0, 256, (32, 32, 3), dtype=numpy.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{index}.png")
    train, evaluation = load_pairs(str(tmp_path / "data"), eval_fraction=0.34)
    assert (len(train), len(evaluation)) == (8, 4)
    assert set(train.texts) == {"This is a photo of cat.", "This is a photo of dog."}
    assert [evaluation.distinct_texts[index] for index in evaluation.text_index] == list(evaluation.texts)
    words = ["retrieval", str(checkpoints("siglip2")), str(tmp_path / "data"), "--epochs", "1", "--batch-size", "4"]
    assert main([*words, "--tower", "vision", "--no-progress", "--output", str(tmp_path / "out")]) == 0
    assert "recall" in capsys.readouterr().out
    assert (tmp_path / "out" / "adapter" / "adapter_model.safetensors").is_file()
    assert main(words) == 2


def test_a_parquet_file_of_another_program(tmp_path: Path) -> None:
    """Its images are bytes, which a fine-tune takes as well."""
    cells, texts = [], [f"text {index}" for index in range(10)]
    for index in range(10):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(tmp_path / "a.png")
        cells.append((tmp_path / "a.png").read_bytes())
    datasets.Dataset.from_dict({"picture": cells, "text": texts}).to_parquet(str(tmp_path / "d.parquet"))
    train, evaluation = load_pairs(str(tmp_path / "d.parquet"))
    assert (len(train), len(evaluation), train.image(0).size) == (8, 2, (8, 8))


def test_data_without_texts_is_refused(captioned: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no column 'words'"):
        load_pairs(str(captioned), text_column="words")
    with pytest.raises(UsageError, match=r"has no \{label\}"):
        load_pairs(str(captioned), template="a photo")
    with pytest.raises(UsageError, match="eval_fraction"):
        load_pairs(str(captioned), eval_fraction=1.5)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "metadata.csv").write_text("file_name,text\na.png,\n")
    with pytest.raises(DataError):
        load_pairs(str(tmp_path))


@pytest.mark.parametrize(
    "option", [{"seed": -1}, {"weight_decay": -0.1}, {"epochs": float("nan")}, {"lora_dropout": 1}, {"validate": "no"}]
)
def test_options_that_cannot_be(option: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(option))} '?{next(iter(option.values()))}"):
        RetrievalConfig("checkpoint", "data", "output", **option)


@pytest.mark.parametrize(("pairs", "epochs", "warmup"), [(6, 1.0, 0), (6, 0.1, 0), (6, 2.0, 1), (400, 3.0, 30)])
def test_a_short_training_is_not_all_warm_up(pairs: int, epochs: float, warmup: int) -> None:
    """The rate of a first step of warm-up is zero: with one step, an adapter would be saved that was never trained."""
    config = RetrievalConfig("checkpoint", "data", "output", batch_size=4, epochs=epochs)
    assert _training_arguments(config, pairs).warmup_steps == warmup


def test_a_model_without_texts_is_refused(captioned: Path, checkpoints: Callable[..., Path], tmp_path: Path) -> None:
    config = RetrievalConfig(str(checkpoints("vit")), str(captioned), str(tmp_path / "out"))
    with pytest.raises(FamilyError, match="has no text tower"):
        finetune_retrieval(config)
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="at least 2"):
        RetrievalConfig("a", "b", "c", batch_size=1)
