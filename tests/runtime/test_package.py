from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import v5lint.runtime as runtime

SOURCE = Path(runtime.__file__)


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_the_package_imports_no_library() -> None:
    done = run(
        "import sys, v5lint.runtime as r\n"
        "r.choose_backbone(); r.all_families(); r.check_access('.')\n"
        "heavy = {'torch', 'transformers', 'peft', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("library", ["torch", "transformers", "peft"])
def test_a_missing_library_is_named_with_the_way_to_install_it(library: str) -> None:
    done = run(f"import sys; sys.modules[{library!r}] = None\nfrom v5lint.runtime import lora_config_for")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "MissingDependencyError" in last
    assert "pip install 'v5lint[runtime]'" in last


def test_another_missing_module_is_not_blamed_on_the_extra() -> None:
    done = run("import sys; sys.modules['v5lint.runtime.tables'] = None\nfrom v5lint.runtime import choose_backbone")
    assert "MissingDependencyError" not in done.stderr
    assert "ModuleNotFoundError" in done.stderr


def test_the_names_for_type_checkers_are_the_names_at_run_time() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    checked = {
        (str(node.module).removeprefix("v5lint.runtime."), alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    loaded = {(module, name) for module, names in runtime._PUBLIC.items() for name in names}
    assert checked | {("errors", "MissingDependencyError")} == loaded
    assert sorted(runtime.__all__) == sorted(name for _, name in loaded)


def test_no_public_name_is_also_a_module() -> None:
    """`v5lint.runtime.x` would be the function or the module, by what was imported first."""
    modules = {path.stem for path in SOURCE.parent.iterdir()}
    assert not modules & set(runtime.__all__)


def test_the_package_imports_nothing_of_the_linter() -> None:
    for path in SOURCE.parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            ours = [name for name in names if name.split(".")[0] == "v5lint"]
            assert all(name.startswith("v5lint.runtime") for name in ours), (path.name, ours)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_modell'"):
        _ = runtime.load_modell
    assert "load_model" in dir(runtime)
