"""Project metadata: the requirements that a project states, each with its place. One module a kind of file.

To add one: a module here with `read(text)` that yields a Requirement for each, and a row in `kind_of`.
"""

from __future__ import annotations

import os.path
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from v5lint.metadata.requirement import Requirement

#: Kinds of files that hold nothing but metadata, by their whole name.
_BY_NAME = {
    "pyproject.toml": "pyproject",
    "setup.cfg": "setup_cfg",
    "tox.ini": "setup_cfg",
    "Pipfile": "pipfile",
    "pixi.toml": "pixi",
}

#: By the form of the name: what pip reads with `-r` or `-c`, conda's environments and recipes.
_BY_FORM = (
    (re.compile(r"(.*[-_.])?(requirements|constraints)([-_.].*)?\.(txt|in)\Z", re.IGNORECASE), "requirement_file"),
    (re.compile(r"(.*[-_.])?(environment|env|conda([-_]env)?)([-_.].*)?\.ya?ml\Z", re.IGNORECASE), "conda"),
    (re.compile(r"(?:meta|recipe)\.ya?ml\Z"), "conda"),
)

#: Where Weights & Biases keeps what a run was made with: a record of what was installed, and no requirement.
_OF_A_RUN = re.compile(r"(?:offline-)?run-\d{8}_\d{6}-\w+\Z")


def kind_of(path: str) -> str | None:
    """Which module reads a file, or None where it is no metadata: `setup.py`, say, is Python first."""
    folder, name = os.path.split(path)
    if (kind := _BY_NAME.get(name)) is None:
        if name.endswith((".txt", ".in")) and os.path.basename(folder) == "requirements":
            kind = "requirement_file"
        else:
            kind = next((kind for form, kind in _BY_FORM if form.match(name)), None)
    if kind is None or any(_OF_A_RUN.match(os.path.basename(each)) for each in (folder, os.path.dirname(folder))):
        return None
    return kind


def requirements_in(kind: str, text: str) -> Sequence[Requirement]:
    """The requirements that a text states, in the order of their places.

    Args:
        kind: as `kind_of` gave it, or "setup_py".
        text: the whole file.

    Raises:
        UnreadableError: the text is not what its kind says.
    """
    from importlib import import_module

    found: list[Requirement] = list(import_module(f"v5lint.metadata.{kind}").read(text))
    return sorted(found, key=lambda requirement: requirement.start)
