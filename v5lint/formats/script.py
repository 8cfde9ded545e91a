"""Shell scripts, Dockerfiles, `.env`, YAML and their like; see `v5lint.scripts`."""

from __future__ import annotations

from v5lint.document import Document, Region

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_BOM = b"\xef\xbb\xbf"


def read(path: str, raw: bytes, form: str = "") -> ScriptDocument:
    """Decode a file; bytes that are no UTF-8 are kept as they are, since what is looked for is ASCII.

    Args:
        path: the file.
        raw: its bytes.
        form: what it is written in, where its name does not say it.
    """
    bom, body = (_BOM, raw[3:]) if raw.startswith(_BOM) else (b"", raw)
    return ScriptDocument(path, raw, body.decode("utf-8", "surrogateescape"), bom, form)


class ScriptDocument(Document):
    """One script: one region, the whole text."""

    def __init__(self, path: str, raw: bytes, text: str, bom: bytes, form: str) -> None:
        region = Region("script", text)
        region.form = form
        super().__init__(path, raw, (region,))
        self._bom = bom
        self._form = form

    def replaced(self, texts: Sequence[str]) -> bytes:
        """See Document."""
        (text,) = texts
        return self._bom + text.encode("utf-8", "surrogateescape")

    def reread(self, raw: bytes) -> ScriptDocument:
        """See Document."""
        return read(self.path, raw, self._form)
