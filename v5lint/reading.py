"""Reading files whole."""

from __future__ import annotations

import os
import stat

from v5lint.document import UnreadableError

#: Larger files are data (of 50,000 Python files of packages none is half as large); parsing takes 200 times the size.
MAX_BYTES = 10_000_000

#: Notebooks hold their pictures.
MAX_NOTEBOOK_BYTES = 50_000_000

#: Byte-order marks with what they announce; that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


class VanishedError(UnreadableError):
    """A file that is not there, or not any more."""


class TooLargeError(UnreadableError):
    """A file that is too large to be linted."""


def read_bytes(path: str) -> bytes:
    """Read a whole file.

    Raises:
        VanishedError: it is not there.
        TooLargeError: it is too large.
        UnreadableError: it cannot be read, or is no regular file.
    """
    try:
        with open(path, "rb", opener=_opened) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableError("it is not a regular file")
            size = status.st_size
            limit = MAX_NOTEBOOK_BYTES if path.endswith(".ipynb") else MAX_BYTES
            if size > limit:
                raise TooLargeError(
                    f"it is too large to be linted ({size / 1e6:.0f} MB; the limit is {limit / 1e6:.0f} MB)",
                    hint="exclude the file",
                )
            return file.read()
    except FileNotFoundError:
        raise VanishedError("it has vanished") from None
    except OSError as error:
        raise UnreadableError(f"it cannot be read: {reason(error)}") from None


def mark_of(raw: bytes) -> tuple[bytes, str]:
    """The byte-order mark of a requirement file and its encoding, as pip takes them: PowerShell writes UTF-16."""
    return next(((mark, encoding) for mark, encoding in _MARKS if raw.startswith(mark)), (b"", "utf-8"))


def _opened(path: str, flags: int) -> int:
    """Open a file without waiting: opening a FIFO waits for somebody who writes into it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def reason(error: OSError) -> str:
    """What the system says, to stand after a colon."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]
