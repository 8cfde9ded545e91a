"""The table of lost attributes: how it is made, and what is in it."""

from __future__ import annotations

from pathlib import Path

from v5lint.rules.knowledge import tables
from v5lint.rules.knowledge.collect import lost_attributes
from v5lint.rules.knowledge.collect.lost_attributes import Source
from v5lint.toml import loads

PLACE = "transformers/models/a/modeling_a.py"

BASE = """
class Base(nn.Module):
    kept = 1

    def _helper(self):
        return self.kept


class AAttention(Base):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.num_heads = config.num_attention_heads
        self.head_dim, self.scale = 1, 2
        self.register_buffer("mask", None)
"""

LATER = """
class AAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.kept = self.scale = 1
"""


def _classes(text: str, tmp_path: Path, name: str) -> lost_attributes.Release:
    import zipfile

    wheel = tmp_path / name
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(PLACE, text)
    known: dict[str, dict[str, Source]] = {}
    return lost_attributes.classes_of(wheel, known)


def test_what_a_class_and_its_bases_bind_is_compared(tmp_path: Path) -> None:
    """An attribute is lost in the first release without it; what moved to the class itself is kept."""
    old, new = _classes(BASE, tmp_path, "old.whl"), _classes(LATER, tmp_path, "new.whl")
    found = loads(lost_attributes.table({(4, 40): old, (4, 41): old, (4, 42): new, (5, 0): new}))
    assert found == {"lost": [["4.42", "_helper head_dim mask num_heads=num_attention_heads", "AAttention"]]}


def test_what_answers_for_any_name_loses_nothing(tmp_path: Path) -> None:
    """A class with `__getattr__`, or one that sets names which are computed, is left out."""
    for line in ("    def __getattr__(self, name):\n        return 1\n", "        setattr(self, name, 1)\n"):
        new = _classes(LATER + line, tmp_path, "new.whl")
        assert loads(lost_attributes.table({(4, 40): _classes(BASE, tmp_path, "old.whl"), (5, 0): new})) == {"lost": []}


def test_the_committed_table_is_in_the_form_of_the_generator() -> None:
    """Each row is a release, attributes and classes, and each class stands once beside an attribute."""
    seen = set()
    for since, attributes, classes in tables.table("lost_attributes")["lost"]:
        assert [int(part) for part in since.split(".")] >= [4, 32]
        for name in attributes.split():
            for of in classes.split():
                assert (of, name.partition("=")[0]) not in seen
                seen.add((of, name.partition("=")[0]))
    assert ("LlamaAttention", "num_heads") in seen
    assert ("LlamaAttention", "head_dim") not in seen
