"""The oracle on sources and on a library small enough to know every answer by heart."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from oracle import key_of, own_package, resolve, settle
from oracle_collect import references_in_notebook, references_in_source

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from transformers import A, B as C", [("from", "transformers.A", ""), ("from", "transformers.B", "")]),
        ("from .transformers import A", []),
        ("from transformers import *", [("import", "transformers", "")]),
        (
            "import transformers as tf\ntf.A.b()",
            [("import", "transformers", ""), ("attribute", "transformers.A.b", "")],
        ),
        ("def f(transformers):\n    return transformers.A", []),
        ("import transformers\ndef f(transformers):\n    return transformers.A", [("import", "transformers", "")]),
        (
            "try:\n    import transformers\nexcept ImportError:\n    transformers = None\nx = transformers.A",
            [("import", "transformers", "try"), ("attribute", "transformers.A", "")],
        ),
        (
            "try:\n    from peft import A\nexcept ImportError:\n    from peft import B as A",
            [("from", "peft.A", "try"), ("from", "peft.B", "handler")],
        ),
        ("try:\n    from peft import A\nexcept ImportError:\n    raise RuntimeError", [("from", "peft.A", "reraise")]),
        ("try:\n    from peft import A\nexcept KeyError:\n    pass", [("from", "peft.A", "")]),
        ("if is_peft_available():\n    from peft import A", [("from", "peft.A", "available")]),
        ("if version.parse(v) < old:\n    from peft import A", [("from", "peft.A", "version")]),
        (
            "import peft\nif hasattr(peft, 'A'):\n    peft.A",
            [("import", "peft", ""), ("attribute", "peft.A", "version")],
        ),
        ("import peft\npeft.a.B = 1", [("import", "peft", ""), ("patch", "peft.a.B", "")]),
        ("import peft\ngetattr(peft, 'A')", [("import", "peft", ""), ("getattr", "peft.A", "")]),
        ("import peft\ngetattr(peft, 'A', None)", [("import", "peft", ""), ("getattr", "peft.A", "default")]),
        ("importlib.import_module('peft.a')", [("import_module", "peft.a", "")]),
    ],
)
def test_references(source: str, expected: list[tuple[str, str, str]]) -> None:
    found = references_in_source(source)
    assert [(reference.kind, reference.target, reference.guard) for reference in found] == expected


def test_notebook_places_and_broken_cells() -> None:
    def cell(source: str) -> dict[str, object]:
        return {"cell_type": "code", "source": source.splitlines(keepends=True)}

    cells = [cell("!pip install peft\nimport peft"), cell("this is no Python"), cell("x = 1\n\npeft.A")]
    found = references_in_notebook(json.dumps({"cells": [{"cell_type": "markdown", "source": "import peft"}, *cells]}))
    assert [(reference.target, reference.cell, reference.line) for reference in found] == [
        ("peft", 2, 2),
        ("peft.A", 4, 3),
    ]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "peft"
    root.mkdir()
    (root / "__init__.py").write_text(
        "def __getattr__(name):\n    if name == 'Alias':\n        return int\n    raise AttributeError(name)\n"
    )
    (root / "kept.py").write_text("class Kept: ...\nif False:\n    class Optional: ...\n")
    (root / "needs.py").write_text("import a_package_that_is_not_there\n")
    (root / "deadly.py").write_text("import os\nos._exit(3)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("source", "status", "missing"),
    [
        ("from peft.kept import Kept", "resolves", ""),
        ("from peft import Alias", "resolves", ""),
        ("from peft import kept", "resolves", ""),
        ("from peft import Gone", "removed", "peft.Gone"),
        ("from peft.kept import Gone", "removed", "peft.kept.Gone"),
        ("from peft.gone import A, B", "removed", "peft.gone"),
        ("import peft.gone.deeper", "removed", "peft.gone"),
        ("from peft.kept import Optional", "missing dependency", "peft.kept.Optional"),
        ("from peft.needs import A", "missing dependency", "a_package_that_is_not_there"),
        ("from peft.deadly import A", "crash", ""),
    ],
)
def test_resolution_of_imports(source: str, status: str, missing: str) -> None:
    references = references_in_source(source)
    answers: dict[str, dict[str, str]] = {}
    resolve({key_of(reference) for reference in references}, sys.executable, answers)
    for row in settle(references, answers):
        assert (row["status"], row["missing"]) == (status, missing)


@pytest.mark.usefixtures("library")
def test_resolution_of_attributes() -> None:
    source = """
import peft, peft.kept
from peft import Gone
peft.kept.Kept.anything
peft.kept.Gone.anything
Gone.anything
try:
    from peft import Gone as A
except ImportError:
    from peft import Lost as A
"""
    references = references_in_source(source)
    answers: dict[str, dict[str, str]] = {}
    resolve({key_of(reference) for reference in references}, sys.executable, answers)
    failing = [
        (row["line"], row["missing"], row["guarded"])
        for row in settle(references, answers)
        if row["status"] != "resolves"
    ]
    assert failing == [
        (3, "peft.Gone", False),
        (5, "peft.kept.Gone", False),
        (8, "peft.Gone", True),
        (10, "peft.Lost", False),  # the fallback is as dead as what it stands in for
    ]


def test_own_package(tmp_path: Path) -> None:
    for name in ("vendored/src/peft", "package/inner/peft", "package/other"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("vendored/src/peft", "package", "package/inner", "package/inner/peft"):
        (tmp_path / name / "__init__.py").touch()
    assert own_package(tmp_path / "vendored", tmp_path, "peft")
    assert own_package(tmp_path / "vendored" / "src" / "peft", tmp_path, "peft")
    assert not own_package(tmp_path / "package" / "inner", tmp_path, "peft")
    assert not own_package(tmp_path / "package" / "other", tmp_path, "peft")
