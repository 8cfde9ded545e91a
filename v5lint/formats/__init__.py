"""The file formats: which files are linted, and how bytes become a Document. One module a format.

To add one: a module here with a `read(path, raw)` that returns a Document, and a row in `_BY_SUFFIX` or `_BY_NAME`.
"""

from __future__ import annotations

import os.path

from v5lint import scripts
from v5lint.patterns import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.document import Document

#: Formats by the ending of the file name.
_BY_SUFFIX = {".py": "python", ".pyi": "python", ".pyw": "python", ".ipynb": "notebook"}

#: Endings of Markdown.
_MARKDOWN = frozenset({".md", ".markdown", ".mdx"})

#: Names of Markdown that tells what was: its code is old on purpose.
_OF_THE_PAST = pattern(
    r"(?i)(?:change|history|release|news|upgrad)|.*(?:changelog|migrat|release.?notes|breaking|deprecat)"
)

#: Endings of files some of which are project metadata; the whole name decides.
_MAYBE_METADATA = frozenset({".toml", ".cfg", ".ini", ".txt", ".in", ".yml", ".yaml"})

#: The kinds of regions that documents of a format have, where they have others than Python. What conda's
#: environments are called other YAML is called, too.
_KINDS = {
    "metadata": ("requirements", "script"),
    "script": ("script",),
    "containers": ("script",),
    "notebook": ("python", "script"),
    "markdown": ("python", "script"),
}

#: Formats by the whole name, of files whose name has no ending.
_BY_NAME = {"Pipfile": "metadata"}


def format_of(path: str) -> str | None:
    """The name of the format of a file, or None when v5lint does not lint such files."""
    suffix = os.path.splitext(path)[1]
    if (known := _BY_SUFFIX.get(suffix)) is not None:
        return known
    if suffix in _MARKDOWN:
        return None if _OF_THE_PAST.match(os.path.basename(path)) is not None else "markdown"
    if not suffix and (known := _BY_NAME.get(os.path.basename(path))) is not None:
        return known
    if suffix in _MAYBE_METADATA:
        from v5lint.metadata import kind_of

        if kind_of(path) is not None:
            return "metadata"
    if scripts.kind_of(path) is not None:
        return "script"
    return "containers" if suffix == ".json" else None


def format_of_text(raw: bytes) -> str:
    """The format of a file whose name says nothing, which a user names: by its first line."""
    return "script" if scripts.is_shell(raw) else "python"


def kinds_of(format_name: str) -> tuple[str, ...]:
    """The kinds of regions that documents of a format can have: only rules for these can fire on such a file."""
    return _KINDS.get(format_name, ("python",))


def searched(raw: bytes, format_name: str) -> bytes:
    """The bytes of a file in which the tokens of rules are looked for before it is read."""
    if format_name == "notebook":
        from v5lint.formats import notebook

        return notebook.searched(raw)
    if format_name == "markdown":
        from v5lint.formats import markdown

        return markdown.searched(raw)
    if format_name == "containers":
        from v5lint.formats import containers

        return containers.searched(raw)
    return raw


def read_document(path: str, raw: bytes, format_name: str) -> Document:
    """Read bytes as a document.

    Args:
        path: where the bytes come from, for messages.
        raw: the whole file.
        format_name: as `format_of` gave it.

    Raises:
        UnreadableError: the bytes are not what the format says.
    """
    from importlib import import_module

    document: Document = import_module(f"v5lint.formats.{format_name}").read(path, raw)
    return document
