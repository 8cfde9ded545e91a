from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.v5lint.conftest import Outcome
from tests.v5lint.rules import catalogue
from v5lint.discovery import Discovered, discover
from v5lint.registry import Registry
from v5lint.settings import SettingsFinder

Lint = Callable[..., Outcome]
Write = Callable[..., Path]


def found(*paths: str, **overrides: Any) -> Discovered:
    keys = {key.replace("_", "-"): value for key, value in overrides.items()}
    return discover(paths or (".",), SettingsFinder(Registry([catalogue()]), overrides=keys))


@pytest.fixture
def tree(write: Write) -> Callable[..., None]:
    def tree(*names: str) -> None:
        for name in names:
            write(name, "x = 1\n")

    return tree


def test_a_walk_is_in_order_and_takes_what_is_known(tree: Any) -> None:
    tree("b.py", "a/z.py", "a/b/c.pyi", "a.py", "a/run.pyw", "a/notes.txt", "a/script", "a-b/c.py", ".hidden.py")
    assert found().files == [".hidden.py", "a/b/c.pyi", "a/run.pyw", "a/z.py", "a-b/c.py", "a.py", "b.py"]


def test_paths_are_shown_as_they_were_named(tree: Any, folder: Path) -> None:
    tree("a/b.py", "c.py")
    assert found("./a/", "c.py").files == ["a/b.py", "c.py"]
    assert found(str(folder)).files == [str(folder / "a/b.py"), str(folder / "c.py")]
    assert found("a/../c.py").files == ["a/../c.py"]
    assert found("..").files == ["../work/a/b.py", "../work/c.py"]


def test_default_exclusions(tree: Any) -> None:
    tree(
        "a.py",
        ".venv/x.py",
        "node_modules/x.py",
        "outputs/.hydra/x.py",
        "build/lib/x.py",
        "sub/__pycache__/x.py",
        "builder/x.py",
    )
    tree("my-environment/pyvenv.cfg", "my-environment/lib/x.py", "build.py")
    discovered = found()
    assert discovered.files == ["a.py", "build.py", "builder/x.py"]
    assert discovered.excluded == 6
    assert found("build").files == ["build/lib/x.py"]
    assert found("my-environment").files == ["my-environment/lib/x.py"]


def test_exclusion_patterns(tree: Any) -> None:
    tree("a.py", "gen/a.py", "sub/gen/a.py", "sub/x_gen.py", "sub/x.py", "build/keep.py")
    assert found(exclude=["gen"]).files == ["a.py", "sub/x.py", "sub/x_gen.py"]
    assert found(exclude=["/gen", "*_gen.py"]).files == ["a.py", "sub/gen/a.py", "sub/x.py"]
    assert found(exclude=["sub/**", "!build"]).files == ["a.py", "build/keep.py", "gen/a.py"]
    assert found(exclude=["sub/*", "!sub/x.py"]).files == ["a.py", "gen/a.py", "sub/x.py"]


def test_exclusions_of_configuration_and_command_line(tree: Any, write: Write) -> None:
    tree("a.py", "one/a.py", "two/a.py", "two/three/a.py")
    write(".v5lint.toml", 'exclude = ["one", "two/three"]')
    assert found().files == ["a.py", "two/a.py"]
    assert found(exclude=["!one"]).files == ["a.py", "one/a.py", "two/a.py"]
    assert found(exclude=["two"]).files == ["a.py"]


def test_what_is_named_is_linted_unless_exclusion_is_forced(tree: Any, write: Write) -> None:
    tree("gen/a.py", "gen/deep/b.py", ".venv/c.py", "d.py")
    write(".v5lint.toml", 'exclude = ["gen/"]')
    named = ("gen/a.py", "gen/deep", ".venv/c.py", "d.py")
    assert found(*named).files == [".venv/c.py", "d.py", "gen/a.py", "gen/deep/b.py"]
    forced = found(*named, force_exclude=True)
    assert forced.files == ["d.py"]
    assert [(notice.path, notice.text) for notice in forced.skipped] == [
        ("gen/a.py", "excluded"),
        ("gen/deep", "excluded"),
        (".venv/c.py", "excluded"),
    ]


def test_folders_above_the_configuration_do_not_exclude(
    tree: Any, write: Write, monkeypatch: Any, folder: Path
) -> None:
    tree("build/project/a.py", "build/project/build/b.py")
    write("build/project/.v5lint.toml", "")
    named = (str(folder / "build/project/a.py"), str(folder / "build/project/build/b.py"))
    for current in ("/", str(folder), str(folder / "build/project")):
        monkeypatch.chdir(current)
        assert found(*named, force_exclude=True).files == [named[0]]


def test_what_is_excluded_is_counted(lint: Lint, tree: Any) -> None:
    tree("a.py", "build/b.py", "c.py")
    assert "1 file checked.\n" in lint(".", "--exclude", "c.py").out
    assert "1 file checked, 2 files and folders excluded.\n" in lint(".", "--exclude", "c.py", "--verbose").out


def test_patterns_hold_inside_a_named_folder_that_they_do_not_match(tree: Any, write: Write) -> None:
    tree("gen/a.py", "gen/skip.py", "gen/deep/skip.py")
    write(".v5lint.toml", 'exclude = ["gen", "skip.py"]')
    assert found("gen").files == ["gen/a.py"]


def test_gitignore(tree: Any, write: Write, folder: Path) -> None:
    subprocess.run(["git", "init", "-q", folder], check=True)
    tree("a.py", "out/a.py", "sub/out/a.py", "sub/keep/a.py", "sub/b_gen.py", "sub/deep/b_gen.py", "sub/deep/c.py")
    tree("secret/a.py", "\\odd.py", "sub/private.py")
    write(".gitignore", "/out\n*_gen.py\n!\n\n# comment\n[\n")
    write("sub/.gitignore", "out/\n!b_gen.py\n/deep/b_gen.py\n")
    write(".git/info/exclude", "secret\n")
    listed = subprocess.run(
        ["git", "ls-files", "-o", "--exclude-standard", "*.py"], capture_output=True, text=True, check=True, cwd=folder
    ).stdout.splitlines()
    assert set(found().files) == {name.strip('"').replace("\\\\", "\\") for name in listed}
    assert found("sub").files == ["sub/b_gen.py", "sub/deep/c.py", "sub/keep/a.py", "sub/private.py"]
    assert found("out").files == ["out/a.py"]
    assert found("sub/out/a.py").files == ["sub/out/a.py"]


def test_ignore_files_of_working_trees_and_submodules(tree: Any, write: Write, folder: Path) -> None:
    def git(*arguments: str, at: str = "top") -> None:
        settings = ("-c", "user.name=n", "-c", "user.email=n@n", "-c", "protocol.file.allow=always")
        subprocess.run(["git", *settings, *arguments], check=True, cwd=folder / at, capture_output=True)

    tree("top/a.py", "top/private.py")
    git("init", "-q")
    git("add", "a.py")
    git("commit", "-qm", "a")
    git("worktree", "add", "-q", "../beside")
    git("submodule", "add", "-q", str(folder / "top"), "within")
    write("top/.git/info/exclude", "private.py\n")
    write("top/.git/modules/within/info/exclude", "secret.py\n")
    tree("beside/private.py", "top/within/secret.py")
    assert found("beside").files == ["beside/a.py"]
    assert found("top").files == ["top/a.py", "top/within/a.py"]
    assert found("top/within").files == ["top/within/a.py"]
    write("beside/.git", "gitdir: /nowhere\n")
    assert found("beside").files == ["beside/a.py", "beside/private.py"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["FIFO", "folder"])
def test_an_ignore_file_that_is_none(lint: Lint, tree: Any, make: Callable[[str], None]) -> None:
    tree("a.py")
    make(".gitignore")
    outcome = lint(".")
    assert outcome.status == 2
    assert "1 file checked" in outcome.out
    assert ".gitignore: it " in outcome.err
    assert outcome.err.rstrip().endswith("what it ignores is linted")


def test_an_ignore_file_of_other_bytes(tree: Any, write: Write) -> None:
    tree("a.py", "b.py")
    write(".gitignore", b"\xef\xbb\xbfcaf\xe9\na.py\n")
    assert found().files == ["b.py"]


def test_gitignore_outside_of_a_repository_does_not_reach_down(tree: Any, write: Write) -> None:
    tree("sub/a.py", "sub/b.py")
    write(".gitignore", "a.py\n")
    assert found("sub").files == ["sub/a.py", "sub/b.py"]
    assert found(".").files == ["sub/b.py"]


def test_links(tree: Any, folder: Path) -> None:
    tree("real/a.py", "b.py")
    (folder / "link_to_folder").symlink_to("real", target_is_directory=True)
    (folder / "real/loop").symlink_to("..", target_is_directory=True)
    (folder / "c_link.py").symlink_to("b.py")
    outside = folder.parent / "outside.py"
    outside.write_text("x = 1\n")
    (folder / "d_link.py").symlink_to(outside)
    (folder / "e_link.py").symlink_to(outside)
    assert found().files == ["b.py", "d_link.py", "real/a.py"]
    assert found("link_to_folder").files == ["link_to_folder/a.py"]
    assert found("c_link.py").files == ["c_link.py"]
    assert found("c_link.py", "b.py", "link_to_folder", "real").files == ["c_link.py", "link_to_folder/a.py"]


def test_emacs_locks_are_no_broken_links(folder: Path, tree: Any) -> None:
    tree("a.py")
    (folder / ".#a.py").symlink_to("me@machine.4711:99")
    discovered = found()
    assert (discovered.files, discovered.problems) == (["a.py"], [])


def test_paths_that_are_no_files(lint: Lint, write: Write, folder: Path) -> None:
    write("good.py", "old\n")
    (folder / "broken.py").symlink_to("nowhere.py")
    (folder / "loop.py").symlink_to("loop.py")
    os.mkfifo(folder / "fifo.py")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.py")
        named = lint(
            *(
                "good.py",
                "broken.py",
                "loop.py",
                "fifo.py",
                "socket.py",
                "missing.py",
                "missing/",
                "/dev/null",
                "",
                "good.py/inside.py",
                "a" * 300 + ".py",
                "nul\0.py",
            ),
            "--output-format",
            "json",
            "-q",
        )
        walked = lint(".", "--output-format", "json", "-q")
    assert (named.status, walked.status) == (2, 2)
    assert named.found == walked.found == [("good.py", "T1001", 1, 1)]
    assert named.err.splitlines() == [
        "error: broken.py: it is a broken link: `nowhere.py` does not exist",
        "error: loop.py: it is a link that cannot be followed: too many levels of symbolic links",
        "error: fifo.py: it is a FIFO, not a file",
        "error: socket.py: it is a socket, not a file",
        "error: missing.py: it does not exist",
        "error: missing: it does not exist",
        "error: /dev/null: it is a device, not a file",
        "error: it does not exist",
        "error: good.py/inside.py: not a directory",
        f"error: {'a' * 300}.py: file name too long",
        "error: nul\\x00.py: it cannot be the name of a file",
    ]
    assert sorted(walked.err.splitlines()) == [
        "error: broken.py: it is a broken link: `nowhere.py` does not exist",
        "error: fifo.py: it is a FIFO, not a file",
        "error: loop.py: it is a link that cannot be followed: too many levels of symbolic links",
        "error: socket.py: it is a socket, not a file",
    ]


def test_files_of_other_kinds_are_skipped_and_counted(lint: Lint, write: Write) -> None:
    write("README.rst", "old\n")
    write("script", "#!/usr/bin/env python3\nold\n")
    write("other", "#!/usr/bin/env ruby\nold\n")
    outcome = lint("README.rst", "script", "other", "-v", "--output-format", "concise")
    assert outcome.status == 1
    assert outcome.out.splitlines()[0].startswith("script:2:1: T1001")
    assert outcome.out.splitlines()[-1] == "1 file checked, 2 skipped."
    assert "1 file checked, 2 skipped (--verbose says why)." in lint("README.rst", "script", "other").out
    assert "skipped: README.rst: not a kind of file that v5lint lints" in outcome.err


def test_a_folder_that_may_not_be_read(start: Any, unprivileged: list[str], write: Write, folder: Path) -> None:
    write("good.py", "old\n")
    write("closed/a.py", "old\n")
    (folder / "closed").chmod(0)
    try:
        out, err = start(".", "-q", "--output-format", "concise", prefix=unprivileged).communicate()
    finally:
        (folder / "closed").chmod(0o755)
    assert out == b"good.py:1:1: T1001 [*] breaks: `old` is gone\n"
    assert err == b"error: closed: the folder cannot be read: permission denied\n"
