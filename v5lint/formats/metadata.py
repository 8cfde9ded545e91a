"""Project metadata: `pyproject.toml`, `setup.cfg`, requirement files, conda environments; see `v5lint.metadata`."""

from __future__ import annotations

from v5lint.document import Document, Region, UnreadableError
from v5lint.metadata import conda, kind_of
from v5lint.reading import mark_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_BOM = b"\xef\xbb\xbf"


def read(path: str, raw: bytes) -> Document:
    """Decode a file; YAML that lists no dependencies is no conda environment, whatever it is called.

    Raises:
        UnreadableError: it is not UTF-8, nor, where it is a requirement file, what its byte-order mark says.
    """
    bom, encoding = mark_of(raw) if kind_of(path) == "requirement_file" else (_BOM * raw.startswith(_BOM), "utf-8")
    body = raw[len(bom) :]
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        row = body.count(b"\n", 0, error.start) + 1
        raise UnreadableError(f"it is not valid {encoding.upper()} (byte 0x{body[error.start]:02x})", row=row) from None
    if path.endswith((".yml", ".yaml")) and not conda.is_one(text):
        from v5lint.formats import script

        return script.read(path, raw)
    return MetadataDocument(path, raw, text, bom, encoding)


class MetadataDocument(Document):
    """One file of project metadata: one region, the whole text."""

    def __init__(self, path: str, raw: bytes, text: str, bom: bytes, encoding: str) -> None:
        super().__init__(path, raw, (Region("requirements", text),))
        self._bom = bom
        self._encoding = encoding

    @property
    def searched(self) -> bytes:
        """See Document."""
        return self.raw if self._encoding == "utf-8" else self.regions[0].text.encode()

    def replaced(self, texts: Sequence[str]) -> bytes:
        """See Document."""
        (text,) = texts
        return self._bom + text.encode(self._encoding)

    def reread(self, raw: bytes) -> Document:
        """See Document."""
        return read(self.path, raw)
