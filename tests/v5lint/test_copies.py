"""Copies of transformers in a repository are left alone, and what is only called so is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from v5lint.cli import main

OLD = "from transformers import ViTFeatureExtractor\n"
LIBRARY = ("__init__.py", "modeling_utils.py", "configuration_utils.py")


def _write(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(OLD if path.name == "held.py" else "")


@pytest.mark.parametrize(
    ("names", "status"),
    [
        (tuple(f"src/transformers/{name}" for name in (*LIBRARY, "models/held.py")), 0),
        (tuple(f"transformers/{name}" for name in (*LIBRARY, "models/held.py")), 0),
        (("held.py",), 1),
        (("transformers/examples/held.py",), 1),
        (("own/__init__.py", *(f"own/transformers/{name}" for name in (*LIBRARY, "held.py"))), 1),
    ],
)
def test_a_file_of_a_copy_is_left_alone(names: tuple[str, ...], status: int, tmp_path: Path) -> None:
    _write(tmp_path, *names)
    assert main(["--isolated", "-q", "-j", "1", str(tmp_path)]) == status
    (held,) = tmp_path.rglob("held.py")
    assert main(["--isolated", "-q", "-j", "1", str(held)]) == status


def test_a_path_may_begin_inside_of_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, *(f"src/transformers/{name}" for name in (*LIBRARY, "models/held.py")))
    monkeypatch.chdir(tmp_path / "src/transformers/models")
    assert main(["--isolated", "-q", "-j", "1", "held.py"]) == 0
