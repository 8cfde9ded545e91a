from __future__ import annotations

import importlib.metadata
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from v5lint.runtime import contract
from v5lint.runtime.contract import Contract, cache_folder, check_access, check_contract
from v5lint.runtime.errors import RuntimeSetupError
from v5lint.runtime.results import CheckResult

GOOD = {"transformers": "5.23.0", "torch": "2.13.0+cpu", "peft": "0.21.2", "accelerate": "1.15.0"}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The versions that are installed, by name; a test may change them."""
    versions = dict(GOOD)

    def version(name: str) -> str:
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["peft>=0.20.0", "torch>=2.6", "rich"])
    return versions


def by_name(found: Contract) -> dict[str, CheckResult]:
    return {result.name: result for result in found.results}


def test_supported_versions_pass(installed: dict[str, str]) -> None:
    results = by_name(check_contract(environment={}))
    for name in ("python", *GOOD):
        assert results[f"version {name}"].status == "passed"
    assert results["requirements"].status == "passed"
    assert results["environment"].status == "passed"


@pytest.mark.parametrize(
    ("library", "version"),
    [
        ("transformers", "4.57.6"),
        ("transformers", "6.0.0"),
        ("peft", "0.17.1"),
        ("torch", "2.3.1"),
        ("accelerate", "1.2.1"),
        ("accelerate", None),
    ],
)
def test_a_version_outside_fails_with_the_command(installed: dict[str, str], library: str, version: str | None) -> None:
    if version is None:
        del installed[library]
    else:
        installed[library] = version
    found = check_contract(environment={})
    result = by_name(found)[f"version {library}"]
    assert result.status == "failed"
    assert result.measured == version
    assert result.remedy.startswith("pip install ")
    assert not found.ok
    with pytest.raises(RuntimeSetupError, match=library):
        found.raise_if_broken()


def test_the_bounds_of_transformers_itself_are_checked(installed: dict[str, str]) -> None:
    """transformers 5.23 needs peft 0.20 and says so only when an adapter is loaded."""
    installed["peft"] = "0.18.0"
    result = by_name(check_contract(environment={}))["requirements"]
    assert result.status == "failed"
    assert result.measured == ["peft>=0.20.0 (installed: 0.18.0)"]
    assert result.remedy == "pip install 'peft>=0.20.0'"


def test_a_dead_cache_variable_fails_with_its_exact_replacement() -> None:
    result = by_name(check_contract(environment={"TRANSFORMERS_CACHE": "/models"}))["environment TRANSFORMERS_CACHE"]
    assert result.status == "failed"
    assert "HF_HUB_CACHE=/models" in result.remedy


@pytest.mark.parametrize(
    ("other", "status", "remedy"),
    [("/models", "note", "Remove it: HF_HUB_CACHE is set to the same"), ("/else", "failed", "move its value")],
)
def test_a_replacement_that_is_set_already(other: str, status: str, remedy: str) -> None:
    variables = {"PYTORCH_TRANSFORMERS_CACHE": "/models", "HF_HUB_CACHE": other}
    result = by_name(check_contract(environment=variables))["environment PYTORCH_TRANSFORMERS_CACHE"]
    assert result.status == status
    assert remedy in result.remedy


def test_a_dead_variable_that_costs_nothing_is_a_note() -> None:
    result = by_name(check_contract(environment={"USE_TF": "1"}))["environment USE_TF"]
    assert result.status == "note"
    assert "no TensorFlow" in result.remedy


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}, "/a"),
        ({"HUGGINGFACE_HUB_CACHE": "/a"}, "/a"),
        ({"HF_HOME": "/b"}, "/b/hub"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
        ({"TRANSFORMERS_CACHE": "/d", "HF_HOME": "/b"}, "/b/hub"),
    ],
)
def test_the_cache_is_where_the_hub_library_keeps_it(variables: dict[str, str], folder: str) -> None:
    assert cache_folder(variables) == Path(folder)


def test_the_cache_folder_is_the_hub_librarys_own() -> None:
    constants = pytest.importorskip("huggingface_hub.constants", reason="needs huggingface_hub")
    assert str(cache_folder()) == constants.HF_HUB_CACHE


def test_a_full_disk_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 2**29))
    result = by_name(check_contract(environment={"HF_HUB_CACHE": str(tmp_path / "not" / "yet")}))["cache"]
    assert result.status == "failed"
    assert result.measured["free_gib"] == 0.5
    assert "HF_HUB_CACHE" in result.remedy
    assert "0.5 GiB free, and " in result.detail


@pytest.mark.parametrize(
    ("present", "status"),
    [({"torch"}, "passed"), ({"torch", "tensorflow"}, "passed"), ({"tensorflow", "flax"}, "failed"), (set(), "failed")],
)
def test_only_tensorflow_or_flax_fails(monkeypatch: pytest.MonkeyPatch, present: set[str], status: str) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if name in present else None)
    result = contract._frameworks()
    assert result.status == status
    assert result.measured == [name for name in ("torch", "tensorflow", "flax") if name in present]


def test_access_to_a_local_folder_needs_nothing(tmp_path: Path) -> None:
    assert check_access(str(tmp_path)).status == "passed"


def hub_error(name: str) -> Exception:
    errors = pytest.importorskip("huggingface_hub.errors", reason="needs huggingface_hub")
    kind = getattr(errors, name)
    error: Exception = kind.__new__(kind)
    Exception.__init__(error, "said the Hub")
    return error


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        ("GatedRepoError", "failed", "Accept the licence"),
        ("RepositoryNotFoundError", "failed", "Check the spelling"),
        ("HfHubHTTPError", "skipped", "Without a network"),
        (None, "passed", ""),
    ],
)
def test_access_is_told_apart(monkeypatch: pytest.MonkeyPatch, error: str | None, status: str, words: str) -> None:
    huggingface_hub = pytest.importorskip("huggingface_hub", reason="needs huggingface_hub")

    def auth_check(repository: str, *, token: Any = None) -> None:
        if error is not None:
            raise hub_error(error)

    monkeypatch.setattr(huggingface_hub, "auth_check", auth_check)
    result = by_name(check_contract(environment={}, checkpoints=("facebook/dinov3-vitb16",)))[
        "access facebook/dinov3-vitb16"
    ]
    assert result.status == status
    assert words in result.remedy


def test_gated_is_a_kind_of_not_found() -> None:
    """Why the order of the two `except` matters."""
    errors = pytest.importorskip("huggingface_hub.errors", reason="needs huggingface_hub")
    assert issubclass(errors.GatedRepoError, errors.RepositoryNotFoundError)


def test_the_device_is_reported() -> None:
    results = by_name(check_contract(environment={}))
    assert results["device"].status in ("passed", "note", "skipped")
    assert results["bf16"].detail
    assert "device" in str(check_contract(environment={}))


@pytest.mark.parametrize(
    ("peft", "transformers", "fails"),
    [("0.19.0", "5.0.0", True), ("0.18.1", "5.0.0", False), ("0.21.2", "5.1.0", False)],
)
def test_versions_that_fail_together(
    peft: str, transformers: str, fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured: with peft 0.19 under transformers 5.0, no adapter of a timm model loads."""
    versions = {"peft": peft, "transformers": transformers}
    monkeypatch.setattr(contract, "_installed", versions.get)
    found = contract._pairs()
    assert [result.status for result in found] == ["failed"] * fails
    assert all("pip install 'transformers>=5.1', or 'peft<0.19'" in result.remedy for result in found)
