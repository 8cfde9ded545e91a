"""What is left of one project after a fixer that mends one import, undefines one name and takes one from a sibling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remaining import main, missing_from_siblings
from test_compare import reference

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

BEFORE = {
    "a.py": "from transformers import Old\n\nprint(Old)\n",
    "b.py": "from transformers import Gone\n\nprint(Gone)\n",
    "c.py": "from a import Old\nfrom . import b\n\nprint(Old, b)\n",
    "__init__.py": "",
}


def lay_out(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "p" / name).write_text(text)
    return folder


def run(tmp_path: Path, fixed: dict[str, str], left: list[str]) -> int:
    for name, lines in (("before", [reference(1, "Old"), reference(1, "Gone", file="b.py")]), ("after", left)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "p.jsonl").write_text("".join(lines))
    root = lay_out(tmp_path / "root", BEFORE)
    copy = lay_out(tmp_path / "fixed", {**BEFORE, **fixed})
    folders = ["--before", str(tmp_path / "before"), "--after", str(tmp_path / "after")]
    return main([*folders, "--root", str(root), "--fixed", str(copy)])


def test_good_fix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fixed = {"a.py": "from transformers import New as Old\n\nprint(Old)\n"}
    assert run(tmp_path, fixed, [reference(1, "Gone", file="b.py")]) == 0
    out = capsys.readouterr().out
    assert "Files with a failing name: 2, and 1 after the fixes; names: 2, and 1" in out
    assert "- left: p/b.py: from transformers import Gone" in out


def test_bad_fix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fixed = {"a.py": "from transformers import New\n\nprint(New)\n", "b.py": "print(Gone)\n"}
    assert run(tmp_path, fixed, []) == 1
    out = capsys.readouterr().out
    assert "New failures: 0; names newly undefined: 1; gone from a sibling: 1" in out
    assert "- broken: p/c.py/a/Old" in out


def test_siblings(tmp_path: Path) -> None:
    project = lay_out(tmp_path, {**BEFORE, "d.py": "from .c import b, gone\nfrom nowhere import x\n"}) / "p"
    assert missing_from_siblings(project) == {("d.py", ".c", "gone")}
