"""What an output folder holds is not lost unasked, and a half-written checkpoint is not taken for a whole one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from v5lint.runtime.commands.zero_shot import lines_of
from v5lint.runtime.config import FinetuneConfig
from v5lint.runtime.demo import run_demo
from v5lint.runtime.errors import AdapterError, OutputError, UsageError
from v5lint.runtime.export import known_base, read_labels, whole_checkpoint, whole_folder
from v5lint.runtime.restore import is_complete
from v5lint.runtime.runs import check_apart, check_kept, claim_output

if TYPE_CHECKING:
    from pathlib import Path

PARTS = {"trainer_state.json": '{"global_step": 2}', "optimizer.pt": "x", "scheduler.pt": "x"}


def config(output: Path, **options: Any) -> FinetuneConfig:
    return FinetuneConfig(checkpoint="base", data="data", output=str(output), **options)


def checkpoint(output: Path, step: int, **other: str) -> Path:
    folder = output / "training" / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    for name, content in {**PARTS, **other}.items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def test_nothing_is_left_of_a_checkpoint_that_cannot_be_written(tmp_path: Path) -> None:
    """Of a retrieval fine-tune too, where torch said `unexpected pos 90880 vs 90772` on a full disk."""

    def write() -> None:
        with whole_checkpoint(tmp_path / "checkpoint-8", "start again"):
            (tmp_path / "checkpoint-8").mkdir()
            raise RuntimeError("unexpected pos")

    with pytest.raises(OutputError, match=r"checkpoint-8 cannot be written \(unexpected pos\).*start again\."):
        write()
    assert not list(tmp_path.iterdir())


def test_results_do_not_lie_among_the_data(tmp_path: Path) -> None:
    """The figures of a run in `cats-and-dogs/out` would be images of a third class in the next one."""
    data = tmp_path / "data"
    data.mkdir()
    for output in (data, data / "out" / "put", tmp_path / "not" / ".." / "data" / "out"):
        with pytest.raises(UsageError, match=r"output .* lies inside of the data"):
            check_apart(output, None, str(data))
    for output in (tmp_path, tmp_path / "database"):
        check_apart(output, str(data), "name-of-a-data-set")


def test_a_base_model_is_not_replaced_by_what_was_trained_on_it(tmp_path: Path) -> None:
    """`--checkpoint out/merged --output out --overwrite` left an adapter whose base it had removed."""
    base = tmp_path / "out" / "merged"
    base.mkdir(parents=True)
    for output in (base, tmp_path / "out"):
        with pytest.raises(UsageError, match="beside, or in place of, the base model"):
            check_kept(str(base), output)
    for output in (tmp_path, tmp_path / "other", base / "below"):
        check_kept(str(base), output)
    check_kept("facebook/dinov2-small", tmp_path)


def test_a_run_goes_on_from_its_last_whole_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim_output(config(tmp_path))
    whole = checkpoint(tmp_path, 2)
    half = checkpoint(tmp_path, 4, **{"trainer_state.json": '{"global_step": 4, "log_hist'})
    empty = checkpoint(tmp_path, 6, **{"optimizer.pt": ""})
    assert claim_output(config(tmp_path, resume=True)) == whole
    assert not half.exists()
    assert not empty.exists()
    said = capsys.readouterr().err
    assert f"going on from {whole}" in said
    assert "checkpoint-6, checkpoint-4 was not written to the end" in said


def test_a_run_without_a_checkpoint_says_that_it_starts_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert claim_output(config(tmp_path / "new", resume=True)) is None
    assert "no whole checkpoint in" in capsys.readouterr().err
    assert claim_output(config(tmp_path / "another")) is None
    assert not capsys.readouterr().err


def test_results_whose_checkpoints_are_gone_are_not_trained_over(tmp_path: Path) -> None:
    claim_output(config(tmp_path))
    (tmp_path / "adapter").mkdir()
    with pytest.raises(UsageError, match=r"results of a run \(adapter\), and no whole checkpoint in training"):
        claim_output(config(tmp_path, resume=True))


def test_what_no_fine_tune_wrote_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match=r"has model, README.md, and no finetune.json"):
        claim_output(config(tmp_path, overwrite=True))
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("missing", PARTS)
def test_a_checkpoint_with_a_part_missing_is_not_whole(missing: str, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, 2)
    assert is_complete(folder)
    (folder / missing).unlink()
    assert not is_complete(folder)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_demonstration_does_not_replace_data_of_the_users(overwrite: bool, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="has data"):
        run_demo("vit", tmp_path, overwrite=overwrite)
    assert (tmp_path / "data" / "mine.txt").read_text(encoding="utf-8") == "mine"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with (
        pytest.raises(OutputError, match=r"file/adapter cannot be written: "),
        whole_folder(tmp_path / "file" / "adapter"),
    ):
        pass


def test_class_names_of_an_editor_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text('{"labels": ["ape", "bee"]}', encoding="utf-8-sig")
    assert read_labels(tmp_path) == ["ape", "bee"]
    (tmp_path / "labels.txt").write_text("ape\n\nbee\n", encoding="utf-8-sig")
    assert lines_of(tmp_path / "labels.txt") == ["ape", "bee"]


def test_a_base_model_that_is_relative_to_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "./base"}', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert known_base(tmp_path) == "./base"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(AdapterError, match=r"names, \./base, cannot be read from .*elsewhere; pass base="):
        known_base(tmp_path)
