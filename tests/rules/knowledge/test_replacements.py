"""The curated tables against the wheels: what is to be written exists, and what it replaces is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from v5lint.rules.knowledge import lookup
from v5lint.rules.knowledge import store as store_module
from v5lint.toml import loads

FOLDER = Path(store_module.__file__).with_name("replace")

NAMES: dict[str, dict[str, Any]] = {
    key: entry for file in ("names", "hub") for key, entry in loads((FOLDER / f"{file}.toml").read_text()).items()
}
PLAIN = {key: entry for key, entry in NAMES.items() if "*" not in key}


@pytest.mark.parametrize("path", sorted(PLAIN))
def test_what_is_replaced_is_gone(path: str) -> None:
    assert lookup.removed_in(path) is not None


@pytest.mark.parametrize(
    "new", sorted({entry["new"] for entry in PLAIN.values() if entry.get("new", "").replace(".", "").isidentifier()})
)
def test_what_is_to_be_written_is_there(new: str) -> None:
    if new.partition(".")[0] in ("transformers", "huggingface_hub", "peft"):
        assert lookup.resolves(new), new
        assert lookup.removed_in(new) is None


@pytest.mark.parametrize("holder", ["TrainingArguments", "Trainer"])
def test_arguments_to_be_written_are_there(holder: str) -> None:
    table = loads((FOLDER / "arguments.toml").read_text())[holder]
    known = lookup.parameters(holder)
    assert known is not None
    for name, entry in table.items():
        if name.startswith("_"):
            continue  # an attribute that dataclasses take as a field, and no parameter that is documented
        assert lookup.removed_parameter(holder, name) is not None, name
        if "new" in entry:
            assert entry["new"].partition("=")[0] in known, entry["new"]


def test_string_choices_have_their_replacement() -> None:
    gone = lookup.removed_choice("optim", "adamw_hf")
    assert gone is not None
    assert gone.replacement is not None
    assert (gone.gone, gone.replacement.new) == ("4.50", "adamw_torch")
    assert lookup.removed_choice("optim", gone.replacement.new) is None
