"""What is looked up in the files around a file, whatever these are."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from v5lint.project import Project, bytes_of
from v5lint.settings import Settings

Write = Callable[..., Path]


def importers(folder: Path, name: str = "Name") -> list[str]:
    return [os.path.relpath(file, folder) for file in Project(str(folder)).importers(str(folder / "a.py"), name)]


def test_who_gets_a_name_from_a_file(write: Write, folder: Path) -> None:
    write("pyproject.toml", "")
    write("a.py", "from transformers import Name\n")
    write("by_name.py", "from a import (\n    Other,  # comment\n    Name as N,\n)\n")
    write("by_star.py", "from a import *\nName()\n")
    write("by_attribute.py", "import a\na . Name()\n")
    write("by_alias.py", "import a as b\nb.Name()\n")
    write("by_table.py", 'TABLE = {"Name": "package.a"}\n')
    write("none.py", "from b import Name\nimport a\nc.Name()\n")
    write("star_without.py", "from a import *\n")
    found = importers(folder)
    assert found == ["by_alias.py", "by_attribute.py", "by_name.py", "by_star.py", "by_table.py"]


def test_what_is_no_file_is_not_waited_for(write: Write, folder: Path) -> None:
    write("pyproject.toml", "")
    write("a.py", "Name = 1\n")
    write("b.py", "from a import Name\n")
    os.mkfifo(folder / "fifo.py")
    (folder / "zeros.py").symlink_to("/dev/zero")
    (folder / "broken.py").symlink_to("nowhere.py")
    (folder / "folder.py").mkdir()
    assert importers(folder) == ["b.py"]
    assert bytes_of(str(folder / "fifo.py")) == b""


def test_a_long_word_takes_no_longer_than_many_short_ones(write: Write, folder: Path) -> None:
    write("pyproject.toml", "")
    write("a.py", "Name = 1\n")
    write("data.py", "Name = '" + "a" * 3_000_000 + "'\n")
    start = time.process_time()
    assert importers(folder) == []
    assert time.process_time() - start < 5


def test_a_table_of_data_is_no_module_that_is_followed(write: Write, folder: Path) -> None:
    settings = Settings([], target=(5, 23), minimum=(5,))
    project = Project(str(folder))
    write("small.py", "Name = 1\n")
    write("large.py", "Name = 1\n" * 200_000)
    assert project.view(str(folder / "small.py"), settings) is not None
    assert project.view(str(folder / "large.py"), settings) is None
    assert project.view(str(folder / "large.py"), settings) is None


@pytest.mark.parametrize(("is_project", "found"), [(True, 2), (False, 1)])
def test_below_a_folder_that_is_no_project_only_packages_are_read(
    write: Write, folder: Path, is_project: bool, found: int
) -> None:
    if is_project:
        write("pyproject.toml", "")
    write("a.py", "Name = 1\n")
    write("package/__init__.py", "")
    write("package/b.py", "from a import Name\n")
    write("downloads/c.py", "from a import Name\n")
    assert len(importers(folder)) == found
