"""Project metadata is read as the tools that it is for read it, and every span is where it says."""

from __future__ import annotations

import pytest

from v5lint.document import UnreadableError
from v5lint.metadata import kind_of, requirements_in
from v5lint.metadata.requirement import from_poetry


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("pyproject.toml", "pyproject"),
        ("a/setup.cfg", "setup_cfg"),
        ("requirements.txt", "requirement_file"),
        ("requirements-dev.txt", "requirement_file"),
        ("dev_requirements.in", "requirement_file"),
        ("requirements/base.txt", "requirement_file"),
        ("constraints.txt", "requirement_file"),
        ("environment.yml", "conda"),
        ("conda_env.yaml", "conda"),
        ("conda-environment-gpu.yml", "conda"),
        ("app/Pipfile", "pipfile"),
        ("Pipfile.lock", None),
        ("setup.py", None),
        ("notes.txt", None),
        ("requirements.md", None),
        ("docker-compose.yml", None),
        ("poetry.lock", None),
        ("other.toml", None),
    ],
)
def test_which_files_are_metadata(path: str, kind: str | None) -> None:
    assert kind_of(path) == kind


@pytest.mark.parametrize(
    ("poetry", "specifier"),
    [
        ("^5.1", ">=5.1,<6"),
        ("^0.20.3", ">=0.20.3,<0.21"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("~4.40", ">=4.40,<4.41"),
        ("~4.40.2", ">=4.40.2,<4.41"),
        ("~4", ">=4,<5"),
        ("4.30.1", "==4.30.1"),
        (">=4.30, <5", ">=4.30,<5"),
        ("*", ""),
        ("~=4.30", "~=4.30"),
    ],
)
def test_versions_of_poetry(poetry: str, specifier: str) -> None:
    assert from_poetry(poetry) == specifier


def _read(kind: str, text: str) -> list[tuple[str, str, str, str]]:
    return [
        (each.name, each.specifier, text[each.start : each.end], text[slice(*each.versions)])
        for each in requirements_in(kind, text)
    ]


def test_lines_of_a_requirement_file() -> None:
    text = (
        "# transformers==1\r\n  Torch_Vision [extra] >= 0.2 , < 1 ; python_version > '3' # why\r\n"
        "-r other.txt\nx==1 \\\n  --hash=sha256:0\nname @ https://example.org/a#b\n./local\nfoo (>=2)\n"
    )
    assert _read("requirement_file", text) == [
        ("torch-vision", ">= 0.2 , < 1", "Torch_Vision [extra] >= 0.2 , < 1", ">= 0.2 , < 1"),
        ("x", "==1", "x==1", "==1"),
        ("name", "", "name", ""),
        ("foo", ">=2", "foo (>=2)", ">=2"),
    ]


def test_pipfile() -> None:
    text = (
        '[packages]\na = "==4.31"\nb = {version = "<1", extras = ["x"]}\nc = "*"\n[dev-packages.d]\nversion = "~=2.0"\n'
        '[requires]\npython_version = "3.8"\n[scripts]\ne = "==1"\n'
    )
    assert _read("pipfile", text) == [
        ("a", "==4.31", 'a = "==4.31"', "==4.31"),
        ("b", "<1", 'b = {version = "<1", extras = ["x"]}', "<1"),
        ("c", "", 'c = "*"', "*"),
        ("d", "~=2.0", 'version = "~=2.0"', "~=2.0"),
        ("python", "==3.8.*", "3.8", "3.8"),
    ]
    assert not any(each.is_library for each in requirements_in("pipfile", text))


def test_conda_versions() -> None:
    text = "dependencies:\n  - python=3.9\n  - a=1.2=py39_0\n  - c::b>=1,<2\n  - pip:\n    - d==1\n  - e\n"
    assert [(name, specifier) for name, specifier, *_ in _read("conda", text)] == [
        ("python", "==3.9.*"),
        ("a", "==1.2"),
        ("b", ">=1,<2"),
        ("d", "==1"),
        ("e", ""),
    ]


def test_toml_strings_elsewhere_are_no_requirements() -> None:
    text = "[project]\ndependencies = ['a>=1']\ndescription = 'b>=1'\n[tool.x]\nnote = 'c>=1'  # 'a>=1'\n"
    assert _read("pyproject", text) == [("a", ">=1", "a>=1", ">=1")]


def test_toml_that_does_not_parse_names_its_line() -> None:
    with pytest.raises(UnreadableError) as caught:
        requirements_in("pyproject", "[project]\nname = \ntransformers = 1\n")
    assert caught.value.row == 2


def test_strings_of_setup_py_that_are_certain() -> None:
    text = (
        "# é\nNEEDS = ['é', 'transformers==4.1', 'a[b]', 'a word', \"c>=1; x\", 'd>=' '1', r'e>=1']\n"
        "setup(python_requires='>=3.8')\n"
    )
    assert _read("setup_py", text) == [
        ("transformers", "==4.1", "transformers==4.1", "==4.1"),
        ("a", "", "a[b]", ""),
        ("c", ">=1", "c>=1", ">=1"),
        ("python", ">=3.8", ">=3.8", ">=3.8"),
    ]
