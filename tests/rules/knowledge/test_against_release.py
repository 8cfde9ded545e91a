"""The knowledge against the installed release: what it says resolves does, and what it says is gone is not there.

Every name is fetched with `getattr`, so that aliases of a module's `__getattr__` count as Python counts them. Names
that need a library that is not installed raise ImportError, which is no answer.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect

import pytest

from tests.rules.test_recall_names import PUBLIC
from v5lint.releases import parse_release
from v5lint.rules.knowledge import lookup
from v5lint.rules.knowledge.tables import table

transformers = pytest.importorskip("transformers")

RELEASE = transformers.__version__
#: Every so manieth name: fetching one imports its model's modules.
_STEP = 9

if parse_release(RELEASE)[:2] != parse_release(lookup.newest())[:2]:
    pytest.skip(f"transformers {RELEASE} is not the newest that is known", allow_module_level=True)


def _is_there(module: str, name: str) -> bool | None:
    try:
        owner = importlib.import_module(module)
        getattr(owner, name)
    except AttributeError:
        # A submodule is an attribute only once it was imported, which other tests may have done.
        return hasattr(owner, "__path__") and importlib.util.find_spec(f"{module}.{name}") is not None
    except (ImportError, RuntimeError):
        return None  # another library is missing
    return True


def test_top_level_names() -> None:
    assert len(PUBLIC) > 3000
    wrong = []
    for name in (name for name in PUBLIC[::_STEP] if not name.startswith("_")):
        found = _is_there("transformers", name)
        if found is not None and found is not lookup.resolves(f"transformers.{name}"):
            wrong.append(name)
    assert not wrong


def test_the_public_names_of_the_release_are_known_to_be_there() -> None:
    names = [name for name in dir(transformers) if not name.startswith("_")]
    assert len(names) > 3000
    helpers = {"DummyObject"}  # what `transformers/__init__.py` itself works with
    assert [name for name in names if not lookup.resolves(f"transformers.{name}") and name not in helpers] == []


def test_dropped_names_are_not_in_the_modules_that_had_them() -> None:
    gone = [
        ("transformers.modeling_utils", "find_pruneable_heads_and_indices"),
        ("transformers.models.vit.modeling_vit", "ViTSelfAttention"),
        ("transformers.models.bert.modeling_bert", "BERT_INPUTS_DOCSTRING"),
        ("transformers.generation.utils", "GreedySearchOutput"),
        ("transformers.utils", "TRANSFORMERS_CACHE"),
    ]
    for module, name in gone:
        assert _is_there(module, name) is False
        assert not lookup.resolves(f"{module}.{name}")


@pytest.mark.parametrize("module", ["huggingface_hub", "huggingface_hub.utils", "huggingface_hub.file_download"])
def test_names_of_the_hub_that_are_there_are_not_gone(module: str) -> None:
    hub = pytest.importorskip("huggingface_hub")
    if parse_release(hub.__version__)[:2] != parse_release(lookup.newest("huggingface_hub"))[:2]:
        pytest.skip(f"huggingface_hub {hub.__version__} is not the newest that is known")
    names = dir(importlib.import_module(module))
    assert len(names) > 60
    assert [name for name in names if lookup.removed_in(f"{module}.{name}") is not None] == []


def test_models_that_are_taken_for_ones_that_divide_their_loss_take_any_keyword() -> None:
    names = [name for listed in table("scaled_losses").values() for name in listed]
    wrong = []
    for name in names[::_STEP]:
        if _is_there("transformers", name):
            given = inspect.signature(getattr(transformers, name).forward).parameters.values()
            if not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in given):
                wrong.append(name)
    assert not wrong
