"""Python source: PEP 263 encodings, byte-order mark, any newline."""

from __future__ import annotations

from v5lint.document import Document, Region, UnreadableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_BOM = b"\xef\xbb\xbf"


def read(path: str, raw: bytes) -> Document:
    """Decode a module; one that Databricks saved has its magics beside it.

    Raises:
        UnreadableError: it is binary, declares an unknown encoding, is not written in the one it declares, or would not
            come out of it as the same bytes.
    """
    if (nul := raw.find(b"\0")) >= 0:
        raise UnreadableError(
            "it holds a NUL byte: not Python source",
            row=raw.count(b"\n", 0, nul) + 1,
            hint="exclude the file",
        )
    bom, body = (_BOM, raw[3:]) if raw.startswith(_BOM) else (b"", raw)
    encoding = _declared_encoding(body)
    if bom and encoding != "utf-8":
        raise UnreadableError(f"it has a UTF-8 byte-order mark and declares the encoding `{encoding}`", row=1)
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadableError(
            f"it is not valid {encoding} (byte 0x{body[error.start]:02x})",
            row=body.count(b"\n", 0, error.start) + 1,
            hint="save it as UTF-8 or declare its encoding in the first line: # -*- coding: latin-1 -*-",
        ) from None
    except (LookupError, UnicodeError):
        # `rot13` and `zlib` turn text into text or bytes into bytes, `undefined` refuses everything.
        raise UnreadableError(f"it cannot be decoded by the encoding that it declares: {encoding}", row=1) from None
    if encoding != "utf-8" and text.encode(encoding) != body:
        raise UnreadableError(f"it does not come out of {encoding} as the same bytes")
    module = PythonDocument(path, raw, text, bom, encoding)
    if text.startswith("# Databricks"):
        from v5lint.formats import databricks

        if databricks.is_notebook(text):
            return databricks.DatabricksDocument(module)
    return module


def _declared_encoding(body: bytes) -> str:
    head = body[:512] if b"coding" in body[:512] else b""
    if not head:
        return "utf-8"
    import tokenize

    lines = iter([*body.split(b"\n", 2)[:2]])
    try:
        name, _ = tokenize.detect_encoding(lambda: next(lines) + b"\n")
    except SyntaxError as error:
        if "unknown encoding" in str(error):
            declared = str(error).rpartition(": ")[2]
            raise UnreadableError(f"it declares an unknown encoding: {declared}", row=1) from None
        return "utf-8"  # not UTF-8 in its first two lines: the decoding says where
    return "utf-8" if name == "utf-8-sig" else name


class PythonDocument(Document):
    """One Python module: one region, the whole text."""

    def __init__(self, path: str, raw: bytes, text: str, bom: bytes, encoding: str) -> None:
        super().__init__(path, raw, (Region("python", text),))
        self._bom = bom
        self._encoding = encoding

    def replaced(self, texts: Sequence[str]) -> bytes:
        """See Document."""
        (text,) = texts
        try:
            return self._bom + text.encode(self._encoding)
        except UnicodeEncodeError as error:
            raise UnreadableError(f"`{text[error.start]}` cannot be written in {self._encoding}") from None

    def reread(self, raw: bytes) -> Document:
        """See Document."""
        return read(self.path, raw)
