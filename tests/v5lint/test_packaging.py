"""What `pyproject.toml` says is installed is all that there is: a module left out is missing in a wheel alone."""

from __future__ import annotations

from pathlib import Path

from v5lint.toml import loads

ROOT = Path(__file__).parents[2]
SETUPTOOLS = loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
FOLDERS = {name: ROOT / folder for name, folder in SETUPTOOLS["package-dir"].items()}


def test_every_package_is_installed() -> None:
    there = set()
    for name, folder in FOLDERS.items():
        for init in folder.rglob("__init__.py"):
            there.add(".".join([name, *init.parent.relative_to(folder).parts]))
    assert set(SETUPTOOLS["packages"]) == there


def test_every_table_is_installed() -> None:
    for name, patterns in SETUPTOOLS["package-data"].items():
        parent = max((each for each in FOLDERS if f"{name}.".startswith(f"{each}.")), key=len)
        folder = FOLDERS[parent].joinpath(*name.removeprefix(parent).split(".")[1:])
        listed = {path for pattern in patterns for path in folder.glob(pattern)}
        kept = {path for path in folder.glob("*.*") if path.suffix in (".toml", ".dat")}
        assert kept <= listed, f"{name}: {kept - listed}"
