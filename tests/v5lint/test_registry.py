from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.v5lint.rules import Replace, catalogue
from v5lint.registry import (
    GROUP,
    Registry,
    RegistryError,
    UnknownRuleError,
    _load,
    did_you_mean,
    installed_catalogues,
    scan,
)
from v5lint.rule import Catalogue


def distribution(folder: Path, name: str, entry_points: str) -> None:
    info = folder / name
    info.mkdir(parents=True)
    stem = name.partition("-")[0]
    (info / ("METADATA" if name.endswith("dist-info") else "PKG-INFO")).write_text(f"Name: {stem}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(entry_points)


def by_metadata(folders: list[str]) -> list[tuple[str, str]]:
    found = [each for each in importlib.metadata.distributions(path=folders) if "Name" in each.metadata]
    unique = {each.name.replace("-", "_").replace(".", "_").lower(): each for each in reversed(found)}
    return sorted(
        (entry.name, entry.value.partition("[")[0].strip())
        for each in unique.values()
        for entry in each.entry_points
        if entry.group == GROUP
    )


def test_the_scan_finds_what_importlib_metadata_finds_here() -> None:
    mine = sorted((name, value) for _, name, value in scan(sys.path))
    theirs = sorted((entry.name, entry.value) for entry in importlib.metadata.entry_points(group=GROUP))
    assert mine == theirs
    assert mine


def test_the_scan_finds_what_importlib_metadata_finds_in_odd_folders(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    distribution(
        one, "plain-1.0.dist-info", f"[console_scripts]\nx = a:b\n\n[{GROUP}]\nplain = plain.rules:catalogue\n"
    )
    distribution(
        one, "Old_Egg-0.1-py3.11.egg-info", f"[{GROUP}]\n# a comment\n egg=egg:make [extra]\n\n[other]\nz = q:r\n"
    )
    distribution(one, "nothing-2.0.dist-info", f"[console_scripts]\n{GROUP} = a:b\n")
    distribution(two, "plain-2.0.dist-info", f"[{GROUP}]\nplain = shadowed:catalogue\n")
    distribution(two, "two_more-2.0.dist-info", f"[{GROUP}]\na = two:one\nb = two:other\n")
    (one / "broken-1.0.dist-info").mkdir()
    (two / "file.egg-info").write_text("Name: file\n")
    folders = [str(one), str(tmp_path / "missing"), str(two)]
    mine = sorted((name, value) for _, name, value in scan(folders))
    assert mine == by_metadata(folders)
    assert mine == [("a", "two:one"), ("b", "two:other"), ("egg", "egg:make"), ("plain", "plain.rules:catalogue")]


def test_the_installed_rules_load() -> None:
    registry = Registry(installed_catalogues())
    assert registry.newest > (5, 0)
    assert all(rule.tokens or rule.words for rule in registry.rules)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no_such_module_anywhere:catalogue", "ModuleNotFoundError"),
        ("tests.v5lint.rules:nothing", "AttributeError"),
        ("tests.v5lint.test_registry:not_a_catalogue", "AttributeError"),
    ],
)
def test_a_plugin_that_fails_is_named(value: str, message: str) -> None:
    with pytest.raises(RegistryError, match=f"the rules of `their-package` .*{value}.* fail to load: {message}"):
        _load("their-package", "theirs", value)


def not_a_catalogue() -> int:
    return 3


def run_with_plugin(folder: Path, plugins: Path) -> subprocess.CompletedProcess[str]:
    (folder / "a.py").write_text("import plugged\n")
    environment = {**os.environ, "PYTHONPATH": str(plugins)}
    command = [sys.executable, "-m", "v5lint", "a.py", "--output-format", "concise", "-q"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_another_distribution_brings_rules(folder: Path, tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    distribution(plugins, "their_rules-1.0.dist-info", f"[{GROUP}]\ntheirs = their_rules:catalogue\n")
    (plugins / "their_rules.py").write_text(
        "from v5lint.rule import Catalogue, Finding, Rule\n"
        "class Plugged(Rule):\n"
        "    code, name, tokens = 'X1', 'plugged', ('plugged',)\n"
        "    def check(self, module):\n"
        "        yield Finding('found by a plugin', 7, 14)\n"
        "def catalogue():\n"
        "    return Catalogue([Plugged()])\n"
    )
    done = run_with_plugin(folder, plugins)
    assert (done.returncode, done.stdout) == (1, "a.py:1:8: X1 breaks: found by a plugin\n")


def test_another_distribution_that_fails_is_named(folder: Path, tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    distribution(plugins, "their_rules-1.0.dist-info", f"[{GROUP}]\ntheirs = their_rules:catalogue\n")
    (plugins / "their_rules.py").write_text("import nothing_of_this_name\n")
    done = run_with_plugin(folder, plugins)
    assert done.returncode == 2
    assert done.stderr == (
        "error: the rules of `their_rules-1.0` (entry point theirs = their_rules:catalogue) fail to load: "
        "ModuleNotFoundError: No module named 'nothing_of_this_name'\n"
    )


def test_distributions_in_zip_files_are_found_where_the_scan_finds_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "plugins.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: zipped\nVersion: 1.0\n")
        file.writestr("zipped-1.0.dist-info/entry_points.txt", f"[{GROUP}]\nzipped = zipped_rules:catalogue\n")
        file.writestr(
            "zipped_rules.py",
            "from v5lint.rule import Catalogue, Rule\n"
            "class Zipped(Rule):\n"
            "    code, name = 'Z1', 'zipped'\n"
            "def catalogue():\n"
            "    return Catalogue([Zipped()])\n",
        )
    monkeypatch.setattr(sys, "path", [str(archive)])
    assert [rule.code for catalogue in installed_catalogues() for rule in catalogue.rules] == ["Z1"]


def test_two_rules_of_one_code_or_name() -> None:
    with pytest.raises(RegistryError, match=r"two rules are called `T1001`: .*Replace and .*Replace"):
        Registry([catalogue(Replace()), catalogue(Replace(name="other"))])
    with pytest.raises(RegistryError, match="two rules are called `old-word`"):
        Registry([catalogue(Replace(), Replace(code="T2"))])


def test_no_rules() -> None:
    with pytest.raises(RegistryError, match="no rules are installed"):
        Registry([Catalogue([])])


def test_the_newest_release_of_all_catalogues_counts() -> None:
    registry = Registry([catalogue(newest="5.9"), catalogue(Replace(code="T2", name="two"), newest="5.23.1")])
    assert registry.newest == (5, 23, 1)


def test_pages() -> None:
    registry = Registry([catalogue(url="https://example.org/{code}#{name}"), catalogue(Replace(code="T2", name="two"))])
    assert registry.url("T1001") == "https://example.org/T1001#old-word"
    assert registry.url("T2") == ""


def test_selectors() -> None:
    registry = Registry([catalogue(Replace(), Replace(code="T1002", name="two"), Replace(code="T2", name="three"))])

    def codes(selector: str) -> list[str]:
        return [rule.code for rule in registry.matching(selector)]

    assert codes("T1001") == codes("old-word") == ["T1001"]
    assert codes("T1") == ["T1001", "T1002"]
    assert codes("ALL") == ["T1001", "T1002", "T2"]
    for wrong in ("", "t1", "old", "X", "T9"):
        with pytest.raises(UnknownRuleError):
            registry.matching(wrong)


def test_did_you_mean() -> None:
    assert did_you_mean("v5o01", ["V5001", "V5002"]) == ": did you mean `V5001`?"
    assert did_you_mean("something-else", ["V5001"]) == ""
