from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.v5lint.conftest import Outcome
from v5lint.writing import UnwritableError, interruptible, replace_bytes

Lint = Callable[..., Outcome]
Write = Callable[..., Path]


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".v5lint-*")]


def test_mode_is_kept(write: Write, folder: Path) -> None:
    path = write("a.py", "old")
    for mode in (0o644, 0o755, 0o600, 0o6755):
        path.chmod(mode)
        replace_bytes(str(path), path.read_bytes(), b"new %o" % mode)
        assert path.read_bytes() == b"new %o" % mode
        assert path.stat().st_mode & 0o7777 == mode
    assert os.listdir(folder) == ["a.py"]


def test_owner_and_extended_attributes_are_kept(write: Write) -> None:
    path = write("a.py", "old")
    if os.geteuid() == 0:
        os.chown(path, 12345, 54321)
    try:
        os.setxattr(path, "user.note", b"kept")
        kept = b"kept"
    except OSError:
        kept = b""
    before = path.stat()
    replace_bytes(str(path), b"old", b"new")
    after = path.stat()
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino
    if kept:
        assert os.getxattr(path, "user.note") == kept


def test_links_stay_links(write: Write, folder: Path) -> None:
    path = write("real/a.py", "old")
    (folder / "one.py").symlink_to("real/a.py")
    (folder / "two.py").symlink_to("one.py")
    replace_bytes("two.py", b"old", b"new")
    assert path.read_bytes() == b"new"
    assert os.readlink(folder / "two.py") == "one.py"
    assert os.readlink(folder / "one.py") == "real/a.py"
    assert not leftovers(folder)


def test_another_hard_link_keeps_the_old_content(write: Write, folder: Path) -> None:
    path = write("a.py", "old")
    os.link(path, folder / "b.py")
    replace_bytes("a.py", b"old", b"new")
    assert (folder / "b.py").read_bytes() == b"old"


def test_a_file_that_has_changed_is_left_alone(write: Write, folder: Path) -> None:
    path = write("a.py", "somebody's edit")
    with pytest.raises(UnwritableError, match="it has changed since it was read"):
        replace_bytes("a.py", b"old", b"new")
    assert path.read_bytes() == b"somebody's edit"
    assert not leftovers(folder)
    path.unlink()
    with pytest.raises(UnwritableError, match="no such file"):
        replace_bytes("a.py", b"old", b"new")
    assert os.listdir(folder) == []


def test_a_read_only_file_is_reported_and_the_rest_fixed(lint: Lint, write: Write, folder: Path) -> None:
    closed = write("a.py", "old\n")
    closed.chmod(0o444)
    other = write("b.py", "old\n")
    outcome = lint(".", "--fix", "--output-format", "json")
    assert outcome.status == 2
    assert closed.read_text() == "old\n"
    assert other.read_text() == "new\n"
    assert outcome.found == [("a.py", "T1001", 1, 1)]
    assert "error: a.py: it is read-only (its fixes are not applied)\n" in outcome.err
    assert "Fixed 1 finding in 1 file." in outcome.err
    assert not leftovers(folder)


def test_a_folder_that_takes_no_files(start: Any, unprivileged: list[str], write: Write, folder: Path) -> None:
    path = write("closed/a.py", "old\n")
    (folder / "closed").chmod(0o555)
    try:
        process = start(".", "--fix", "-q", prefix=unprivileged)
        out, err = process.communicate()
    finally:
        (folder / "closed").chmod(0o755)
    assert process.returncode == 2
    assert err == b"error: closed/a.py: it cannot be written: permission denied (its fixes are not applied)\n"
    assert b"T1001" in out
    assert path.read_text() == "old\n"


def test_a_left_over_temporary_file_is_in_nobodys_way(write: Write, folder: Path) -> None:
    path = write("a.py", "old")
    write(f".v5lint-{os.getpid()}-0.tmp", "of another run")
    replace_bytes("a.py", b"old", b"new")
    assert path.read_bytes() == b"new"
    assert (folder / f".v5lint-{os.getpid()}-0.tmp").read_text() == "of another run"


def test_a_full_disk_leaves_every_file_whole(start: Any, write: Write, folder: Path) -> None:
    names = ["a.py", "b.py"]
    for name in names:
        write(name, "old\n" + "#" * 5000)
    program = """
import resource
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
rules = catalogue()
"""
    process = start("--fix", "-j", "1", ".", rules=program)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    for name in names:
        assert f"error: {name}: it cannot be written: file too large" in err.decode()
        assert (folder / name).read_text().startswith("old\n#")
    assert not leftovers(folder)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")
@pytest.mark.parametrize("options", [["."], [".", "--diff"], [".", "--output-file", "/dev/full"], ["--fix", "-"]])
def test_a_report_that_finds_no_room(start: Any, write: Write, options: list[str]) -> None:
    write("a.py", "old\n" * 2000)
    with open("/dev/full", "wb") as full, open("a.py", "rb") as file:
        process = start(*options, stdin=file, stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.decode().strip().endswith("error: the report cannot be written: no space left on device")


@pytest.mark.parametrize("moment", ["fsync", "replace", "fchmod"])
def test_an_interrupt_leaves_the_file_whole(
    write: Write, folder: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    path = write("a.py", "old")

    def interrupt(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    monkeypatch.setattr(os, moment, interrupt)
    with pytest.raises(KeyboardInterrupt), interruptible():
        replace_bytes("a.py", b"old", b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(folder) == ["a.py"]


def test_signals_are_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interruptible():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0.3, 0.9, 1.4])
def test_an_interrupted_run_leaves_every_file_whole(
    start: Any, write: Write, folder: Path, number: signal.Signals, delay: float
) -> None:
    for name in range(40):
        write(f"{name}.py", "slow\n" + "x = 1\n" * (number % 7))
    source = (folder / "0.py").read_bytes()
    process = start(".", "--fix", "-j1", rules="rules = catalogue(Replace('slow', 'fast'), Slow())")
    time.sleep(delay)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGTERM)
    for path in folder.glob("*.py"):
        assert path.read_bytes() in (source, source.replace(b"slow", b"fast"))
    assert not leftovers(folder)
