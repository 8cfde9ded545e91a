"""How the linear layers of one more release are added to what is known of the older ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from v5lint.rules.knowledge.collect.linear import linear_lines
from v5lint.rules.knowledge.store import Store, pack

if TYPE_CHECKING:
    from pathlib import Path


Paths = dict[str, list[str]]


def scan(folder: Path, release: str, linear: Paths, heads: Paths, failed: str = "") -> None:
    content = {"linear": linear, "heads": heads, "failed": {failed: "TypeError"} if failed else {}}
    (folder / f"linear-{release}.json").write_text(json.dumps(content))


def earlier(*, linear: list[str], heads: list[str]) -> Store:
    return Store(pack({"linear": linear, "heads": heads}), "the earlier file")


KNOWN = earlier(
    linear=["bert\t=query value", "vit\t=query value|5.9=q_proj v_proj", "old\t=fc", "broken\t=a b|5.2=a"],
    heads=["BertForMaskedLM\t=cls", "OldForX\t=fc", "BrokenForX\t5.23=fc"],
)


def test_a_new_release_is_added(tmp_path: Path) -> None:
    scan(
        tmp_path,
        "5.24.0",
        {"bert": ["q_proj", "v_proj"], "vit": ["q_proj", "v_proj"], "new": ["fc"], "empty": []},
        {"BertForMaskedLM": ["head"], "NewForX": ["fc"], "BareModel": []},
        failed="broken:BrokenForX",
    )
    linear, heads = linear_lines(tmp_path, KNOWN)
    assert linear == [
        "bert\t=query value|5.24=q_proj v_proj",
        "broken\t=a b|5.2=a",
        "new\t5.24=fc",
        "old\t=fc|5.24=",
        "vit\t=query value|5.9=q_proj v_proj",
    ]
    assert heads == ["BertForMaskedLM\t=cls|5.24=head", "BrokenForX\t5.23=fc", "NewForX\t5.24=fc", "OldForX\t=fc|5.24="]


def test_adding_it_again_changes_nothing(tmp_path: Path) -> None:
    scan(tmp_path, "5.24.0", {"bert": ["q_proj"], "vit": ["fc"]}, {"NewForX": ["fc"]})
    linear, heads = linear_lines(tmp_path, KNOWN)
    assert linear_lines(tmp_path, earlier(linear=linear, heads=heads)) == (linear, heads)


def test_without_heads_they_stay(tmp_path: Path) -> None:
    scan(tmp_path, "5.24.0", {"bert": ["q_proj"]}, {})
    assert linear_lines(tmp_path, KNOWN)[1] == sorted("\t".join(each) for each in KNOWN.records("heads"))


def test_from_the_first_release_on_nothing_earlier_counts(tmp_path: Path) -> None:
    scan(tmp_path, "4.57.6", {"bert": ["query"]}, {"BertForMaskedLM": ["cls"]})
    scan(tmp_path, "5.0.0", {"bert": ["q_proj"]}, {})
    assert linear_lines(tmp_path, KNOWN) == (["bert\t=query|5.0=q_proj"], ["BertForMaskedLM\t=cls"])


def test_new_releases_alone_need_an_earlier_file(tmp_path: Path) -> None:
    scan(tmp_path, "5.24.0", {}, {})
    with pytest.raises(FileNotFoundError, match=r"begins with 5\.24\.0"):
        linear_lines(tmp_path)
