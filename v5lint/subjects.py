"""Which projects of a run have to do with the packages that the rules speak of at all."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Subjects:
    """The projects of which some file names one of the packages.

    Most rules follow values, and a value that comes from transformers comes in through an import that names it. Where
    no file of a whole project does, a `config.prefix` or a `Cache` is somebody else's, and parsing the file that holds
    it, and those that it imports, would be for nothing.
    """

    def __init__(self, packages: Sequence[str]) -> None:
        """Prepare.

        Args:
            packages: strings of which one stands in every project that the rules may say something of; empty where
                that is not known.
        """
        self._names = [package.encode() for package in packages]
        self._folders: set[str] = set()
        self._answers: dict[str, bool] = {}

    def note(self, root: str, raw: bytes) -> None:
        """Take note of a file.

        Args:
            root: the top of its project.
            raw: its bytes.
        """
        # UTF-16 hides every name.
        if root not in self._folders and (b"\0" in raw or any(name in raw for name in self._names)):
            self._folders.add(root)

    def may_concern(self, root: str) -> bool:
        """Whether the rules may speak of a project, once all of its files, and those of projects in it, are noted."""
        if not self._names:
            return True
        if root not in self._answers:
            top = root.rstrip(os.sep) + os.sep
            self._answers[root] = any((folder + os.sep).startswith(top) for folder in self._folders)
        return self._answers[root]
