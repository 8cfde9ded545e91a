"""Which model types compute attention maps by default: the table of V5912 against the model files of the release."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from pathlib import Path

import pytest

from v5lint.rules.attention_maps import EAGER, SINCE
from v5lint.rules.knowledge import NEWEST, lookup

_LINE = re.compile(r"^class (\w+)\(([^)]*)\)|^    _supports_sdpa(?:: \w+)? = (True|False)", re.MULTILINE)


@pytest.fixture(scope="module")
def without_sdpa() -> dict[str, bool]:
    """Of each model type whether its `AutoModel` class, or a class that it inherits from, says nothing of SDPA."""
    found = importlib.util.find_spec("transformers")
    if found is None or not importlib.metadata.version("transformers").startswith(f"{NEWEST}."):
        pytest.skip(f"transformers {NEWEST} is not installed")
    bases: dict[str, list[str]] = {}
    says: dict[str, bool] = {}
    for folder in found.submodule_search_locations or ():
        for file in sorted(Path(folder, "models").glob("*/modeling_*.py")):
            name = ""
            for match in _LINE.finditer(file.read_text(encoding="utf-8")):
                if match[1]:
                    name = match[1]
                    bases.setdefault(name, [each.strip() for each in match[2].split(",")])
                else:
                    says[name] = match[3] == "True"

    def supports(name: str) -> bool:
        return says[name] if name in says else any(supports(each) for each in bases.get(name, ()))

    classes = {each: lookup.model_type(each) for each in lookup.model_types()}
    names = {each: facts.models.get("AutoModel", "") for each, facts in classes.items() if facts is not None}
    return {each: not supports(name) for each, name in names.items() if name in bases}


def test_the_table_is_complete(without_sdpa: dict[str, bool]) -> None:
    assert {each for each, is_eager in without_sdpa.items() if is_eager} - EAGER == set()


def test_the_table_names_no_other(without_sdpa: dict[str, bool]) -> None:
    assert {each for each in EAGER if not without_sdpa.get(each, True)} == set()


def test_what_changed_later_has_sdpa_now(without_sdpa: dict[str, bool]) -> None:
    assert {each for each in SINCE if without_sdpa.get(each, False)} == set()


def test_the_model_files_were_read(without_sdpa: dict[str, bool]) -> None:
    assert len(without_sdpa) > len(EAGER)
    assert not without_sdpa["bert"]
    assert without_sdpa["deberta"]
