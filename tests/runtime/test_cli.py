from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from v5lint.runtime import cli
from v5lint.runtime.errors import UsageError, ValidationError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]):
    def run(*words: str) -> tuple[int, str, str]:
        try:
            status = cli.main(list(words))
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        output = capsys.readouterr()
        return status, output.out, output.err

    return run


def test_help_has_every_command_with_its_summary(said) -> None:
    for words in ([], ["--help"]):
        status, out, _ = said(*words)
        assert status == 0
        for name in cli.command_names():
            assert f"  {name} " in out
            assert cli.load_command(name).SUMMARY in out


@pytest.mark.parametrize("name", cli.command_names())
def test_a_command_says_what_it_takes_and_has_an_output(name: str, said) -> None:
    if name in ("finetune",):
        pytest.importorskip("transformers", reason="its options are made by transformers")
    status, out, _ = said(name, "--help")
    assert status == 0
    assert "--output" in out
    assert cli.load_command(name).SUMMARY.split()[0] in out


def test_importing_the_commands_imports_no_library() -> None:
    code = (
        "import sys\nfrom v5lint.runtime import cli\nfor name in cli.command_names(): cli.load_command(name)\n"
        "heavy = {'torch', 'transformers', 'peft', 'numpy', 'datasets'} & set(sys.modules)\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_package_is_the_same_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "v5lint.runtime", "--version"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("v5lint-runtime")


def test_an_unknown_command_names_those_that_there_are(said) -> None:
    status, _, err = said("finetun")
    assert status == 2
    assert "'finetune'" in err


def test_a_choice_of_a_backbone_with_its_report(said, tmp_path: Path) -> None:
    status, out, _ = said("choose", "--resolution", "384", "--output", str(tmp_path))
    assert status == 0
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["checkpoint"] == out.splitlines()[0]
    assert report["metrics"]["reasons"]
    assert set(report) == {
        "family",
        "checkpoint",
        "versions",
        "trainable_parameters",
        "total_parameters",
        "losses",
        "metrics",
        "checks",
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["choose", "--resolution", "large"], "--resolution large: must be a number of pixels"),
        (["choose", "--licence", "nonsense"], "None of"),
        (["choose", "--batch-size", "-3", "--compute", "16GB"], "--batch-size -3: must be at least 1"),
        (["contract", "--space", "nan"], "--space nan: must be a number of GiB"),
        (["migrate-adapter", "/nowhere"], "/nowhere is no folder"),
        (["demo", "--family", "vit", "--all"], "not allowed with argument --family"),
        (["describe", "/nowhere"], "/nowhere"),
        (["describe", "google/vit-base-patch16-224", "--batch-size", "0"], "--batch-size 0: must be at least 1"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_2(words: list[str], message: str, said) -> None:
    if words[0] not in ("choose", "contract"):
        pytest.importorskip("torch", reason="needs torch")
    status, _, err = said(*words)
    assert status == 2
    assert message in err
    assert "Traceback" not in err


def test_results_of_an_earlier_command_are_not_replaced_unasked(said, tmp_path: Path) -> None:
    words = ("choose", "--output", str(tmp_path))
    assert said(*words)[0] == 0
    before = (tmp_path / "report.json").read_bytes()
    status, _, err = said(*words, "--resolution", "384")
    assert status == 2
    assert "(report.json): replace them (--overwrite)" in err
    assert (tmp_path / "report.json").read_bytes() == before
    assert said(*words, "--resolution", "384", "--overwrite")[0] == 0
    assert (tmp_path / "report.json").read_bytes() != before


@pytest.mark.parametrize("name", cli.command_names())
def test_every_command_asks_before_it_replaces(name: str, said) -> None:
    if name in ("finetune",):
        pytest.importorskip("transformers", reason="its options are made by transformers")
    if name == "migrate-adapter":  # never does
        return
    assert "--overwrite" in said(name, "--help")[1]


def test_a_message_of_the_library_is_said_in_flags(said, monkeypatch: pytest.MonkeyPatch) -> None:
    said_by_library = [
        ("batch_size 0: must be at least 1", "error: --batch-size 0: must be at least 1"),
        ("task 'x' cannot be used", "error: --task 'x' cannot be used"),
        ("labels 0: must", "error: labels 0: must"),
        ("task /data/x cannot be written", "error: task /data/x cannot be written"),
    ]
    for message, shown in said_by_library:

        def fail_shortly(arguments: object, message: str = message) -> int:
            raise UsageError(message)

        monkeypatch.setattr(cli.load_command("choose"), "run", fail_shortly)
        assert shown in said("choose")[2]

    def fail(arguments: object) -> int:
        raise UsageError(
            "/data/base=1: pass base=, or allow_gated=True, batch_size=-3, licence='x'; overwrite=True. labels= stays"
        )

    monkeypatch.setattr(cli.load_command("choose"), "run", fail)
    assert (
        "/data/base=1: pass base=, or --allow-gated, --batch-size -3, --licence 'x'; --overwrite. labels= stays"
        in said("choose")[2]
    )


def test_the_contract_as_a_command(said, tmp_path: Path) -> None:
    status, out, _ = said("contract", "--output", str(tmp_path))
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert "version python" in out
    assert status == int(any(check["status"] == "failed" for check in report["checks"]))


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (ValidationError("the backbone moved"), 1, "the backbone moved"),
        (OSError(28, "No space left on device", "/data/x"), 2, "/data/x: No space left on device"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), 2, "needs torch, which is not installed"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_an_error_becomes_a_status(
    error: BaseException, status: int, message: str, said, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(arguments: object) -> int:
        raise error

    monkeypatch.setattr(cli.load_command("choose"), "run", fail)
    assert said("choose")[0] == status
    assert message in said("choose")[2]


def test_a_fault_of_our_own_is_shown_and_is_no_failed_check(said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.load_command("choose"), "run", lambda arguments: 1 / 0)
    status, _, err = said("choose")
    assert status == 2
    assert "Traceback (most recent call last)" in err
    assert err.splitlines()[-1].endswith("choose was ended by an error that it does not know, above: ZeroDivisionError")


class OutOfMemoryError(RuntimeError):
    """As torch calls what a GPU has no room for."""


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore"),
        MemoryError("Unable to allocate 8 GiB"),
        MemoryError(),
    ],
)
def test_too_little_memory_is_one_line(error: Exception, said, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: object) -> int:
        raise error

    monkeypatch.setattr(cli.load_command("choose"), "run", fail)
    status, _, err = said("choose")
    assert status == 2
    assert len(err.splitlines()) == 1
    assert "out of memory (" in err
    assert "take a smaller batch" in err


def test_torch_has_no_room_for_a_tensor(said, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of its allocator for CPUs, which has no class of error of its own."""
    torch = pytest.importorskip("torch", reason="needs torch")
    monkeypatch.setattr(cli.load_command("choose"), "run", lambda arguments: torch.empty(2**50, dtype=torch.uint8))
    status, _, err = said("choose")
    assert (status, len(err.splitlines())) == (2, 1), err
    assert "out of memory (" in err
