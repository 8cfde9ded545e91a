"""The unified diff of `--diff`: byte for byte what `patch -p0` and `git apply -p0` take."""

from __future__ import annotations

import difflib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_NO_NEWLINE = b"\n\\ No newline at end of file\n"


def unified(path: str, before: bytes, after: bytes) -> Iterator[bytes]:
    """The diff of one file.

    Lines end at LF, as diff and patch count them: a CR before it is a part of the line.

    Args:
        path: the file.
        before: its bytes now.
        after: its bytes then.
    """
    name = _quoted(path)
    pieces = difflib.diff_bytes(difflib.unified_diff, _lines(before), _lines(after), name, name)
    for piece in pieces:
        yield piece if piece.endswith(b"\n") else piece + _NO_NEWLINE


def _lines(raw: bytes) -> list[bytes]:
    *lines, last = raw.split(b"\n")
    return [line + b"\n" for line in lines] + [last] * bool(last)


def _quoted(path: str) -> bytes:
    """A file name as Git writes it in a diff: quoted where it holds a quote or a control character."""
    raw = path.encode("utf-8", "surrogateescape")
    if not any(byte < 32 or byte in b'"\\\x7f' for byte in raw):
        return raw
    escaped = bytearray()
    for byte in raw:
        if byte in b'"\\':
            escaped += b"\\" + bytes([byte])
        elif byte < 32 or byte == 127:
            escaped += b"\\%03o" % byte
        else:
            escaped.append(byte)
    return b'"' + bytes(escaped) + b'"'
