"""The comparison of what scripts print, and what counts as a failed run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from . import runs
from .environments import Environment
from .proofs import SCRIPTS, Ending, Proof, load, load_all

HERE = Environment(Path(sys.prefix))
NOTHING: dict[str, list[float]] = {"losses": [1.0, 2.0]}


@pytest.fixture
def proof(tmp_path: Path) -> Proof:
    folder = tmp_path / "script"
    folder.mkdir()
    return Proof(folder, "train.py", "safe", [], 1e-4, "", Ending())


def run(proof: Proof, code: str) -> runs.Run:
    (proof.folder / proof.script).write_text(code, encoding="utf-8")
    return runs.run(proof, proof.folder, HERE, proof.folder / "home")


@pytest.mark.parametrize(
    ("expected", "actual", "found"),
    [
        (NOTHING, {"losses": [1.0, 2.00005]}, []),
        (NOTHING, {"losses": [1.0, 2.0002]}, ["$.losses[1]: 2.0 expected, not 2.0002 (tolerance 0.0001)"]),
        (NOTHING, {"losses": [1.0]}, ["$.losses: [1.0, 2.0] expected, not [1.0]"]),
        (NOTHING, {"loss": [1.0, 2.0]}, ["$: {'losses': [1.0, 2.0]} expected, not {'loss': [1.0, 2.0]}"]),
        ("word", "word", []),
        ("word", "sword", ["$: 'word' expected, not 'sword'"]),
        (True, 1, ["$: True expected, not 1"]),
        (1, 1.0, []),
        (None, 0, ["$: None expected, not 0"]),
    ],
)
def test_differences(expected: object, actual: object, found: list[str]) -> None:
    assert runs.differences(expected, actual, 1e-4) == found


def test_dots_stand_for_any_text_and_nothing_else_does() -> None:
    assert runs.matches("TypeError: f() got ... 'a'", "TypeError: f() got an unexpected\nargument 'a'")
    assert not runs.matches("TypeError: f(.*)", "TypeError: f()")
    assert not runs.matches("TypeError", "TypeError: f()")


def test_numbers_are_the_last_line_printed(proof: Proof) -> None:
    assert run(proof, "print('epoch 1')\nprint('{\"loss\": 1.5}')").numbers == {"loss": 1.5}


def test_error_is_the_exceptions_whole_message(proof: Proof) -> None:
    ended = run(proof, "raise ValueError('first\\nTraceback (most recent call last):\\n  last')")
    assert ended.numbers is None
    assert ended.error == "ValueError: first\nTraceback (most recent call last):\n  last"


def test_scripts_import_their_neighbours_and_run_as_main(proof: Proof) -> None:
    (proof.folder / "neighbour.py").write_text("number = 3", encoding="utf-8")
    assert run(proof, "import neighbour\nif __name__ == '__main__': print(neighbour.number)").numbers == 3


@pytest.mark.parametrize("code", ["pass", "print('done')", "print(float('nan'))", "import sys; sys.exit(3)"])
def test_run_without_numbers_or_exception_fails(proof: Proof, code: str) -> None:
    with pytest.raises(AssertionError, match=r"train\.py"):
        run(proof, code)


def test_what_steers_libraries_does_not_reach_a_script(proof: Proof, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFORMERS_CACHE", "elsewhere")
    monkeypatch.setenv("HF_HUB_CACHE", "elsewhere")
    code = "import json, os; print(json.dumps([os.environ.get(n) for n in ('TRANSFORMERS_CACHE', 'HF_HUB_CACHE')]))"
    assert run(proof, code).numbers == [None, None]


def test_checkpoints_stand_in_the_scripts_own_cache_alone(proof: Proof, tmp_path: Path) -> None:
    (tmp_path / "hub" / "models--a--b").mkdir(parents=True)
    cached = replace(proof, cache="model_cache")
    (proof.folder / proof.script).write_text(
        "import json, os; print(json.dumps([os.listdir('model_cache'), os.path.exists(os.environ['HF_HOME'])]))",
        encoding="utf-8",
    )
    assert runs.run(cached, proof.folder, HERE, tmp_path).numbers == [["models--a--b"], False]


def test_reference_replaces_whole_names(proof: Proof) -> None:
    script = proof.folder / proof.script
    script.write_text("SiglipModel, SiglipModelOutput", encoding="utf-8")
    runs.replace(replace(proof, reference={"SiglipModel": "Siglip2Model"}), proof.folder)
    assert script.read_text(encoding="utf-8") == "Siglip2Model, SiglipModelOutput"


def test_outcomes_of_snippets(tmp_path: Path) -> None:
    snippets = ["result = 1 + 1", "1 / 0", "print('no result')"]
    assert runs.outcomes(snippets, HERE, tmp_path) == ["2", "ZeroDivisionError: division by zero", "None"]


def test_every_script_has_a_proof_and_names_its_tolerance() -> None:
    proofs = load_all()
    assert {proof.folder for proof in proofs} == {file.parent for file in SCRIPTS.glob("*/*.py")}
    for proof in proofs:
        assert (proof.folder / proof.script).is_file()
        assert proof.because
        assert proof.fix in ("safe", "unsafe")
        assert proof.v5.error or proof.v5.numbers == "other" or not proof.rules


def test_unknown_key_of_a_proof_is_refused(tmp_path: Path) -> None:
    (tmp_path / "proof.toml").write_text('script = "a.py"\ntolerence = 1.0\n[v5]\nerror = ""', encoding="utf-8")
    with pytest.raises(TypeError, match="tolerence"):
        load(tmp_path / "proof.toml")
