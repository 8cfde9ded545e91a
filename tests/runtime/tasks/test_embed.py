from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy
import pytest
import torch
from PIL import Image

from v5lint.runtime.cli import main
from v5lint.runtime.errors import OutputError
from v5lint.runtime.families import get_family
from v5lint.runtime.loading import load_model
from v5lint.runtime.lora import attach_lora
from v5lint.runtime.tasks.checkpoint import open_checkpoint
from v5lint.runtime.tasks.embed import embed_images, write_embeddings
from v5lint.runtime.tasks.images import find_images

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from v5lint.runtime.tasks.checkpoint import OpenCheckpoint

parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")


def test_the_file_holds_the_pooled_output(
    family: str, pictures: Path, opened: Callable[..., OpenCheckpoint], tmp_path: Path
) -> None:
    model = opened(family, "dense")
    rows = embed_images(model, find_images([pictures]), batch_size=3)
    assert write_embeddings(rows, tmp_path / "e.parquet", name="image", checkpoint="tiny") == (7, 64)
    table = parquet.read_table(tmp_path / "e.parquet")
    assert table.schema.metadata == {b"checkpoint": b"tiny"}
    assert table["image"].to_pylist() == [str(path) for path in find_images([pictures]).paths]
    stored = numpy.stack(table["embedding"].to_pylist())
    bare: Any = model.model
    for path, embedding in zip(find_images([pictures]).paths, stored, strict=True):
        inputs = model.processor([Image.open(path).convert("RGB")], return_tensors="pt")
        with torch.no_grad():
            output = bare(**inputs)
        pooled = output.last_hidden_state[:, 0] if get_family(family).pooling == "cls" else output.pooler_output
        numpy.testing.assert_allclose(embedding, pooled[0].numpy(), atol=2e-5)


@pytest.mark.texts
@pytest.mark.parametrize("variant", ["siglip", "siglip2"])
def test_images_and_texts_of_a_dual_encoder_share_a_space(
    variant: str,
    pictures: Path,
    checkpoints: Callable[..., Path],
    opened: Callable[..., OpenCheckpoint],
    tmp_path: Path,
) -> None:
    (tmp_path / "texts.txt").write_text("a cat\nTwo dogs\n")
    common = ["embed", str(checkpoints(variant)), "--normalize", "--device", "cpu"]
    assert main([*common, str(pictures), "--output", str(tmp_path / "images")]) == 0
    assert main([*common, str(tmp_path / "texts.txt"), "--texts", "--output", str(tmp_path / "texts")]) == 0
    images, texts = (parquet.read_table(tmp_path / name / "embeddings.parquet") for name in ("images", "texts"))
    assert texts["text"].to_pylist() == ["a cat", "Two dogs"]
    vectors = [numpy.stack(table["embedding"].to_pylist()).astype(numpy.float64) for table in (images, texts)]
    for part in vectors:
        numpy.testing.assert_allclose(numpy.linalg.norm(part, axis=1), 1, atol=1e-6)
    model = opened(variant, "retrieval")
    whole: Any = model.model
    tokens = model.processor.tokenizer(["a cat", "two dogs"], padding="max_length", max_length=64, return_tensors="pt")
    pixels = model.inputs([Image.open(path).convert("RGB") for path in find_images([pictures]).paths])
    with torch.no_grad():
        logits = whole(input_ids=tokens["input_ids"], **pixels).logits_per_image.numpy()
    scale, bias = whole.logit_scale.exp().item(), whole.logit_bias.item()
    numpy.testing.assert_allclose(vectors[0] @ vectors[1].T * scale + bias, logits, atol=1e-3)


def test_an_adapter_changes_the_embeddings(
    pictures: Path, checkpoints: Callable[..., Path], opened: Callable[..., OpenCheckpoint], tmp_path: Path
) -> None:
    """An adapter of a whole dual encoder is put onto the whole, though only the vision tower is asked."""
    for name in ("dinov2", "siglip"):
        task: Any = "retrieval" if name == "siglip" else "dense"
        adapted = attach_lora(load_model(checkpoints(name), task))
        with torch.no_grad():
            for parameter_name, parameter in adapted.named_parameters():
                if "lora_B" in parameter_name:
                    parameter.fill_(0.3)
        adapted.save_pretrained(tmp_path / name)
        files = find_images([pictures / "0.png"])
        ((_, before),) = embed_images(opened(name, "dense"), files)
        ((_, after),) = embed_images(open_checkpoint(tmp_path / name, "dense", device="cpu"), files)
        assert (before - after).abs().max() > 1e-3


def test_what_was_there_stays_when_something_fails(
    pictures: Path, opened: Callable[..., OpenCheckpoint], tmp_path: Path
) -> None:
    target = tmp_path / "e.parquet"
    target.write_text("before")

    def failing() -> Any:
        yield next(embed_images(opened("vit", "dense"), find_images([pictures]), batch_size=2))
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        write_embeddings(failing(), target, name="image")
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(OutputError, match="cannot be written"):
        write_embeddings(iter(()), target / "below" / "e.parquet", name="image")


def test_the_command_says_what_is_missing(
    pictures: Path, checkpoints: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["embed", str(checkpoints("vit")), str(pictures / "0.png"), "--device", "cpu"]
    assert main(words) == 2
    assert "--output is needed" in capsys.readouterr().err
    assert main([*words, "--texts", "--output", str(tmp_path)]) == 2
    assert "0.png cannot be read" in capsys.readouterr().err
    assert main(["embed", words[1], "table.csv", "--texts", "--output", str(tmp_path)]) == 2
    assert "table.csv is a table" in capsys.readouterr().err
    assert main([*words, "--output", str(tmp_path), "--batch-size", "0"]) == 2
    assert not list(tmp_path.iterdir())
    assert main([*words, "--output", str(tmp_path)]) == 0
    metrics = json.loads((tmp_path / "report.json").read_text())["metrics"]
    assert (metrics["count"], metrics["width"], metrics["normalized"]) == (1, 64, False)
