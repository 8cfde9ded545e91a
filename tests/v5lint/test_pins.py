from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from v5lint.pins import admits_before, excludes_from, lower_bound, pinned_minimum, project_root
from v5lint.releases import parse_release

Write = Callable[..., Path]


@pytest.mark.parametrize(
    ("specifier", "bound"),
    [
        (">=4.40", "4.40"),
        (">=4.40,<6", "4.40"),
        (">= 4.40.1 , != 4.41 , != 5.0.0", "4.40.1"),
        (">4.40", "4.40"),
        (">=4.40,>=4.45", "4.45"),
        (">=5.2", "5.2"),
        ("~=5.2", "5.2"),
        ("==5.23.0", "5.23"),
        ("==5.*", "5.0"),
        (">=4.40,<=5.0", "4.40"),
        (">=4.40,<5.1", "4.40"),
        # no v5 release meets these: the project is being moved
        ("==4.31.0", None),
        ("===4.31.0", None),
        ("==4.*", None),
        ("<5", None),
        (">=4.40,<5.0.0", None),
        (">=4.40,<=4.57", None),
        ("~=4.40", None),
        (">=4.40,!=5.*", None),
        # no bound, or none that is understood
        ("", None),
        ("<6", None),
        ("!=4.41", None),
        ("@ git+https://example.org/transformers", None),
        (">=4.40 || <3", None),
        (">=latest", None),
    ],
)
def test_lower_bound(specifier: str, bound: str | None) -> None:
    assert lower_bound(specifier) == (parse_release(bound) if bound else None)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", '[project]\ndependencies = ["torch", "transformers[torch]>=4.40"]'),
        ("pyproject.toml", '[project.optional-dependencies]\nhf = ["transformers (>=4.40)"]'),
        (
            "pyproject.toml",
            '[dependency-groups]\ndev = [{include-group = "x"}, "Transformers >= 4.40 ; extra == \'x\'"]',
        ),
        ("pyproject.toml", '[tool.poetry.dependencies]\ntransformers = ">=4.40"'),
        ("pyproject.toml", '[tool.poetry.dependencies]\ntransformers = {version = ">=4.40", extras = ["torch"]}'),
        (
            "pyproject.toml",
            '[tool.poetry.group.ml.dependencies]\ntransformers = [{version = ">=4.40"}, {version = ">=4.50"}]',
        ),
        ("pyproject.toml", '[tool.uv]\ndev-dependencies = ["transformers>=4.40"]'),
        ("pyproject.toml", '[tool.pdm.dev-dependencies]\nx = ["transformers>=4.40"]'),
        ("setup.cfg", "[options]\ninstall_requires =\n    torch\n    transformers>=4.40\n"),
        ("setup.cfg", "[options.extras_require]\nhf = transformers>=4.40\n"),
        ("setup.py", "from setuptools import setup\nsetup(install_requires=['torch', 'transformers>=4.40'])\n"),
        (
            "setup.py",
            "_deps = ['transformers>=4.40']\nsetup(extras_require={'hf': _deps}, description='transformers for all')",
        ),
        ("requirements.txt", "torch\n  transformers>=4.40  # the Trainer\n"),
        ("requirements-dev.txt", "transformers>=4.40,<6 ; python_version > '3.8'\n"),
        ("requirements/base.txt", "-r other.txt\ntransformers>=4.40\n"),
    ],
)
def test_where_requirements_are_read(write: Write, folder: Path, name: str, text: str) -> None:
    write(name, text)
    assert pinned_minimum(str(folder)) == (4, 40)


def test_requirement_files_of_powershell(folder: Path) -> None:
    (folder / "requirements.txt").write_bytes(b"\xff\xfe" + "torch\r\ntransformers>=4.40\r\n".encode("utf-16-le"))
    assert pinned_minimum(str(folder)) == (4, 40)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", '[project]\ndependencies = ["sentence-transformers>=2.0", "transformers-interpret>=0.1"]'),
        ("pyproject.toml", '[project]\ndependencies = ["transformers"]'),
        ("pyproject.toml", '[project]\ndependencies = "transformers>=4.40"'),
        ("pyproject.toml", '[tool.poetry.dependencies]\ntransformers = "*"'),
        ("pyproject.toml", "transformers = [broken"),
        ("setup.cfg", "transformers>=4.40 without a section"),
        ("setup.py", "transformers>=4.40 = syntax error"),
        ("requirements.txt", "# transformers>=4.40\n"),
        ("requirements.md", "transformers>=4.40\n"),
    ],
)
def test_what_is_no_requirement_with_a_bound(write: Write, folder: Path, name: str, text: str) -> None:
    write(name, text)
    assert pinned_minimum(str(folder)) is None


def test_the_lowest_of_one_folder_counts(write: Write, folder: Path) -> None:
    write("pyproject.toml", '[project]\ndependencies = ["transformers>=4.40"]')
    write("requirements.txt", "transformers==4.57.1\n")
    write("requirements-new.txt", "transformers==5.2\n")
    assert pinned_minimum(str(folder)) == (4, 40)


def test_the_nearest_folder_counts_up_to_the_top_of_the_repository(write: Write, folder: Path) -> None:
    write("requirements.txt", "transformers>=4.20\n")
    write("repo/.git/HEAD", "")
    write("repo/src/deep/x.py", "")
    write("repo/examples/requirements.txt", "transformers>=5.1\n")
    write("repo/examples/sub/x.py", "")
    assert pinned_minimum(str(folder / "repo/src/deep")) is None
    write("repo/setup.py", "setup(install_requires=['transformers>=4.30'])")
    assert pinned_minimum(str(folder / "repo/src/deep")) == (4, 30)
    assert pinned_minimum(str(folder / "repo/examples/sub")) == (5, 1)


def test_a_project_that_is_being_moved_hides_what_is_above(write: Write, folder: Path) -> None:
    write(".git/HEAD", "")
    write("requirements.txt", "transformers>=4.20\n")
    write("sub/requirements.txt", "transformers==4.31.0\n")
    assert pinned_minimum(str(folder / "sub")) is None


def test_project_root(write: Write, folder: Path) -> None:
    write("repo/.git/HEAD", "")
    write("repo/package/setup.cfg", "")
    write("repo/package/deep/x.py", "")
    assert project_root(str(folder / "repo/package/deep")) == str(folder / "repo/package")
    assert project_root(str(folder / "repo")) == str(folder / "repo")
    assert project_root(str(folder)) is None


@pytest.mark.parametrize("specifier", ["==0.8.6", "<0.9", "<0.12", "<=0.11.4", "~=0.9.4", ">=0.7,<0.10", "==0.11.*"])
def test_requirements_that_leave_a_release_and_all_newer_ones_out(specifier: str) -> None:
    assert excludes_from(specifier, (0, 12))
    assert admits_before(specifier, (0, 12))


@pytest.mark.parametrize(("specifier", "older"), [(">=0.7", True), ("~=0.9", True), ("", True), (">=0.12,<1", False)])
def test_requirements_that_admit_a_release(specifier: str, older: bool) -> None:
    assert not excludes_from(specifier, (0, 12))
    assert admits_before(specifier, (0, 12)) is older
