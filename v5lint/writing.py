"""Replacing files, so that a file is whole at every moment."""

from __future__ import annotations

import contextlib
import os
import stat

from v5lint.reading import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class UnwritableError(Exception):
    """A file that could not be replaced; it is as it was."""


def replace_bytes(path: str, before: bytes, after: bytes) -> None:
    """Put new bytes in the place of a file's, at once or not at all.

    The new file is written beside the old one and takes its name. It keeps the mode, the extended attributes and,
    where that is permitted, the owner. Of a symbolic link, the file that it leads to is replaced. Other hard links to
    the file keep the old content: no way to replace a file at once can reach them.

    Args:
        path: the file.
        before: what was read from it.
        after: what it shall hold.

    Raises:
        UnwritableError: it cannot be written, or does not hold `before` any more.
    """
    target = os.path.realpath(path)
    beside = ""
    try:
        old = os.stat(target)
        if not old.st_mode & 0o222 or not os.access(target, os.W_OK):
            raise UnwritableError("it is read-only")
        for attempt in range(100):
            beside = os.path.join(os.path.dirname(target), f".v5lint-{os.getpid()}-{attempt}.tmp")
            try:
                descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
                break
            except FileExistsError:
                beside = ""
        else:
            raise UnwritableError("there is no free name for a temporary file beside it")
        with open(descriptor, "wb") as file:
            file.write(after)
            file.flush()
            _keep(old, target, file.fileno())
            os.fsync(file.fileno())
        with open(target, "rb") as file:
            if file.read() != before:
                raise UnwritableError("it has changed since it was read; run v5lint again")
        os.replace(beside, target)
    except OSError as error:
        raise UnwritableError(f"it cannot be written: {reason(error)}") from None
    finally:
        if beside:
            with contextlib.suppress(FileNotFoundError):  # it has taken the name of the file
                os.unlink(beside)


def _keep(old: os.stat_result, target: str, descriptor: int) -> None:
    """Give a new file the owner, the extended attributes and the mode of the old one."""
    if not hasattr(os, "fchmod"):
        return  # Windows: a new file inherits what its folder grants
    with contextlib.suppress(OSError):  # only root may give files away
        os.fchown(descriptor, old.st_uid, old.st_gid)
    if hasattr(os, "listxattr"):
        with contextlib.suppress(OSError):  # some belong to the system, some file systems have none
            for name in os.listxattr(target):
                os.setxattr(descriptor, name, os.getxattr(target, name))
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let a request to terminate end a run as an interrupt from the keyboard does: files whole, nothing left behind."""
    import signal

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {}
    for name in ("SIGTERM", "SIGHUP"):
        with contextlib.suppress(AttributeError, ValueError):  # not on this system; not in the main thread
            number = getattr(signal, name)
            before[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
