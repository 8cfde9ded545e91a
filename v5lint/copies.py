"""Copies of transformers that repositories hold: what is in them is the copy's own, whatever release is installed."""

from __future__ import annotations

import os
from functools import cache

_NAME = "transformers"

#: What the package has had in every release since 2.0.
_FILES = ("__init__.py", "modeling_utils.py", "configuration_utils.py")


def is_in_one(path: str) -> bool:
    """Whether a file belongs to a top-level package `transformers` that is the library itself.

    One that is only called so is linted, and so is a copy inside of another package: `import transformers` reaches the
    installed one from there.
    """
    folder = os.path.dirname(os.path.abspath(path))
    if _NAME not in folder:
        return False
    parts = folder.split(os.sep)
    return any(_is_copy(os.sep.join(parts[: place + 1])) for place, part in enumerate(parts) if part == _NAME)


@cache
def _is_copy(folder: str) -> bool:
    is_inner = os.path.isfile(os.path.join(os.path.dirname(folder), "__init__.py"))
    return not is_inner and all(os.path.isfile(os.path.join(folder, name)) for name in _FILES)
