"""The rules that read scripts, on the magics and the shell lines of a notebook."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from v5lint.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def made(path: Path, *cells: str) -> Path:
    """Write a notebook of some cells."""
    cell = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    whole = [{**cell, "source": source.splitlines(keepends=True)} for source in cells]
    path.write_text(json.dumps({"cells": whole, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1))
    return path


def fixed(path: Path, *options: str) -> list[str]:
    """The cells after --fix."""
    main([str(path), "--fix", "--isolated", "-q", "--select", "V5003,V5303,V5602,V5801", *options])
    return ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"]]


def test_variables(tmp_path: Path) -> None:
    path = made(
        tmp_path / "a.ipynb",
        "%env HF_HOME=/x\n%env TRANSFORMERS_CACHE=/models\n!mkdir -p $TRANSFORMERS_CACHE\nx = 1",
        "%%bash\n# export TRANSFORMERS_CACHE=/old\n\nls $TRANSFORMERS_CACHE",
        "%%writefile notes.txt\nnothing",
    )
    assert fixed(path) == [
        "%env HF_HOME=/x\n%env HF_HUB_CACHE=/models\n!mkdir -p $HF_HUB_CACHE\nx = 1",
        "%%bash\n# export TRANSFORMERS_CACHE=/old\n\nls $HF_HUB_CACHE",
        "%%writefile notes.txt\nnothing",
    ]
    assert fixed(path) == fixed(path)


def test_a_variable_that_the_code_names_as_well(tmp_path: Path) -> None:
    cells = ["%env TRANSFORMERS_CACHE=/models\n", "import os\nprint(os.environ['TRANSFORMERS_CACHE'])"]
    assert fixed(made(tmp_path / "a.ipynb", *cells), "--unsafe-fixes") == cells


def test_a_variable_of_the_code_that_a_line_names_as_well(tmp_path: Path) -> None:
    cells = ["import os\nos.environ['TRANSFORMERS_CACHE'] = '/models'", "!ls $TRANSFORMERS_CACHE"]
    assert fixed(made(tmp_path / "a.ipynb", *cells), "--unsafe-fixes") == cells


def test_a_variable_that_is_set_after_the_import(tmp_path: Path) -> None:
    cells = ["import transformers", "%env TRANSFORMERS_CACHE=/models"]
    path = made(tmp_path / "a.ipynb", *cells)
    assert fixed(path) == cells
    assert fixed(path, "--unsafe-fixes") == ["import transformers", "%env HF_HUB_CACHE=/models"]


def test_code_that_a_magic_runs(tmp_path: Path) -> None:
    path = made(
        tmp_path / "a.ipynb",
        "from transformers import AutoModelForCausalLM, ViTFeatureExtractor",
        "for _ in range(2):\n    %timeit -n 3 ViTFeatureExtractor()  # each\n%time\n%time !ls",
        "%time model = AutoModelForCausalLM.from_pretrained('somebody/with-a-long-name', device_map='auto', "
        "load_in_4bit=True, bnb_4bit_quant_type='nf4')",
    )
    expected = [
        "from transformers import AutoModelForCausalLM, BitsAndBytesConfig, ViTImageProcessor",
        "for _ in range(2):\n    %timeit -n 3 ViTImageProcessor()  # each\n%time\n%time !ls",
        "%time model = AutoModelForCausalLM.from_pretrained('somebody/with-a-long-name', device_map='auto', "
        "quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type='nf4'))",
    ]
    assert fixed(path, "--select", "V5001,V5002") == expected
    assert fixed(path, "--select", "V5001,V5002") == expected


def test_the_place_of_code_that_a_magic_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made(tmp_path / "a.ipynb", "import transformers", "%time x = transformers.ViTFeatureExtractor()")
    main([str(path), "--isolated", "--output-format", "json"])
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["cell"], found["location"]) == (2, {"row": 1, "column": 11})


def test_a_line_that_would_go_gets_another_name(tmp_path: Path) -> None:
    cell = "%%bash\nexport HF_HOME=/x\nexport TRANSFORMERS_CACHE=/x/hub\nls"  # v5lint: ignore[V5003]
    path = made(tmp_path / "a.ipynb", cell)
    assert fixed(path) == ["%%bash\nexport HF_HOME=/x\nexport HF_HUB_CACHE=/x/hub\nls"]


def test_commands(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "from transformers import HfArgumentParser, TrainingArguments\n"
        "(args,) = HfArgumentParser(TrainingArguments).parse_args_into_dataclasses()\n"
    )
    path = made(
        tmp_path / "a.ipynb",
        "if True:\n    !huggingface-cli download a/b \\\n        --local-dir x\n%pip install -q transformers==4.30",
        "!python train.py --no_cuda",
    )
    assert fixed(path, "--unsafe-fixes") == [
        "if True:\n    !hf download a/b \\\n        --local-dir x\n%pip install -q 'transformers>=5.0'",
        "!python train.py --use_cpu",
    ]


def test_a_comment_of_the_code_is_no_reader(tmp_path: Path) -> None:
    cells = ["%env TRANSFORMERS_CACHE=/models\n# %env TRANSFORMERS_CACHE=/old\nx = 1"]
    assert fixed(made(tmp_path / "a.ipynb", *cells)) == [
        "%env HF_HUB_CACHE=/models\n# %env TRANSFORMERS_CACHE=/old\nx = 1"
    ]


def test_a_notebook_that_databricks_saved(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    text = (
        "# Databricks notebook source\r\n# MAGIC %md\r\n# MAGIC TRANSFORMERS_CACHE is read here\r\n\r\n"
        "# COMMAND ----------\r\n\r\n# MAGIC %env {}=/dbfs/models\r\n\r\n# COMMAND ----------\r\n\r\n"
        "# MAGIC %sh\r\n# MAGIC mkdir -p ${}\r\n\r\nimport os\r\n"
    )
    path.write_bytes(text.format("TRANSFORMERS_CACHE", "TRANSFORMERS_CACHE").encode())
    report = tmp_path / "report.json"
    main([str(path), "--isolated", "--output-format", "json", "--output-file", str(report)])
    places = [(each["location"]["row"], each["location"]["column"]) for each in json.loads(report.read_text())]
    assert places == [(7, 14)]
    main([str(path), "--fix", "--isolated", "-q"])
    assert path.read_bytes().decode() == text.format("HF_HUB_CACHE", "HF_HUB_CACHE")
