"""What trainers and configurations of trl took and take."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from v5lint.rules.knowledge.collect import trl_arguments
from v5lint.rules.knowledge.tables import table
from v5lint.rules.parts import trl_arguments as asked
from v5lint.toml import loads

if TYPE_CHECKING:
    from pathlib import Path

TOP = "from .trainer import AConfig, ATrainer, OpenTrainer\n"

BEFORE = """class Base:
    old_field: int = 1
    evaluation_mode: str = ""


class AConfig(Base):
    kept: int = 0
    no_cuda: bool = False
    logging_steps: int = 1


class ATrainer:
    def __init__(self, model, tokenizer=None, kept=0, lost=None): ...


class OpenTrainer:
    def __init__(self, model, lost=None): ...


class Hidden:
    def __init__(self, lost): ...
"""

NOW = """class AConfig:
    kept: int = 0


class ATrainer:
    def __init__(self, model): ...


class OpenTrainer:
    def __init__(self, model, **kwargs): ...


class Hidden:
    def __init__(self): ...
"""


def _wheel(folder: Path, release: str, text: str) -> None:
    with zipfile.ZipFile(folder / f"trl-{release}-py3-none-any.whl", "w") as archive:
        archive.writestr("trl/__init__.py", TOP)
        archive.writestr("trl/trainer.py", text)


def test_what_classes_lost_is_read_from_the_wheels(tmp_path: Path) -> None:
    """Fields of bases count; what TrainingArguments has, open constructors and private classes do not."""
    _wheel(tmp_path, "0.9.1", BEFORE)
    _wheel(tmp_path, "0.10.2", NOW)

    assert loads(trl_arguments.table(tmp_path)) == {
        "AConfig": {"0.10": "evaluation_mode no_cuda old_field"},
        "ATrainer": {"0.10": "kept lost", "moved": "kept"},
    }


def test_every_new_name_is_of_an_argument_that_went() -> None:
    """The tables written by hand speak of what the generated one holds."""
    lost = {
        f"{of}.{name}"
        for of, rows in table("trl_arguments").items()
        for release, names in rows.items()
        if release != "moved"
        for name in names.split()
    }

    advice = table("trl_advice")
    assert set(advice["renamed"]) <= lost
    assert set(advice["arguments"]) <= lost | asked.names()
