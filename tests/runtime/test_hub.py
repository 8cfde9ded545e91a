from __future__ import annotations

from pathlib import Path

import pytest

from v5lint.runtime.errors import CheckpointError
from v5lint.runtime.hub import hub_options, read_json


def test_reads_a_local_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "config.json").write_text("{}")
    assert read_json(tmp_path, "config.json") == {"model_type": "vit"}
    assert read_json(tmp_path, "config.json", subfolder="part") == {}
    assert read_json(tmp_path, "other.json") is None


@pytest.mark.parametrize("content", ["{", "[1]", "\udcff"])
def test_a_broken_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        read_json(tmp_path, "config.json")


@pytest.mark.parametrize("name", ["./nowhere", "/no/where"])
def test_a_folder_that_is_none_is_not_looked_for_on_the_hub(name: str) -> None:
    with pytest.raises(CheckpointError, match="is no folder"):
        read_json(name, "config.json")


def test_without_a_network_the_error_says_so(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="needs huggingface_hub")
    with pytest.raises(CheckpointError, match="google/vit"):
        read_json("google/vit", "config.json", local_files_only=True, cache_dir=tmp_path)


def test_only_options_that_choose_a_file_are_passed_on() -> None:
    assert hub_options({"revision": "v1", "token": None, "dtype": 1}) == {"revision": "v1"}
