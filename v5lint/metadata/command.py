"""`pip install` and its like in a command line: the requirements that it is told to install."""

from __future__ import annotations

import re
from itertools import pairwise

from v5lint.metadata.conda import conda_requirement
from v5lint.metadata.requirement import Requirement, from_poetry, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.scripts.script import Command, Word

#: Options of `pip install` and its like that are followed by a value.
_WITH_VALUE = frozenset(
    "-r --requirement -c --constraint -i --index-url --extra-index-url -f --find-links -t --target --root --prefix -e "
    "--editable --platform --python-version --abi --implementation --src --progress-bar --timeout --retries --proxy "
    "--trusted-host --cert --cache-dir --log --index --default-index --python -p -n --name --channel "
    "--upgrade-strategy --group --optional -G --extra -E --source --script --package".split()
)
_PIP = re.compile(r"pip3?(?:\.\d+)?\Z|pipenv\Z")
#: What adds a requirement to a project.
_PROJECTS = frozenset({"uv", "poetry", "pdm", "rye", "pixi"})
#: What names the place to install to; what makes, enters or leaves an environment.
_ENVIRONMENTS = frozenset("-n --name -p --prefix --python -t --target --root".split())
_SWITCHES = frozenset("source . activate deactivate workon virtualenv mkvirtualenv".split())
_SWITCHES_BEHIND = frozenset("activate deactivate venv create".split())

#: How Poetry takes versions: `poetry add "transformers@^4.30"`.
_OF_POETRY = re.compile(r"(?P<name>[\w.-]+)(?:\[[^\]]*\])?@(?P<versions>[\^~<>=!\d][^@]*)")
_CONDA = frozenset({"conda", "mamba", "micromamba"})


def read(text: str, command: Command) -> list[Requirement]:
    """The requirements that a command installs, each at its place in a text.

    Args:
        text: the script that the command stands in.
        command: the command.
    """
    words = command.words
    names = [word.text.rpartition("/")[2] for word in words]
    found = [*_beside(text, words, names)]
    at = next((place for place, name in enumerate(names) if name in ("install", "add")), 0)
    before = names[:at]
    is_conda = any(name in _CONDA for name in before) and "run" not in before
    installs = is_conda or any(_PIP.match(name) for name in before)
    if not at or not (installs if names[at] == "install" else any(name in _PROJECTS for name in before)):
        return found
    skipped = False
    for word in words[at + 1 :]:
        if skipped or word.text.startswith("-"):
            skipped = not skipped and word.text in (_WITH_VALUE | {"-c"} if is_conda else _WITH_VALUE)
            continue
        found += _requirement(text, word, is_conda=is_conda, is_poetry="poetry" in before)
    return found


def place(command: Command) -> str:
    """Where a command installs to, as far as it says so itself: the path of its pip, the name of an environment."""
    texts = [word.text for word in command.words]
    named = [after for before, after in pairwise(texts) if before in _ENVIRONMENTS]
    path, _, program = texts[0].rpartition("/")
    return " ".join([path, "conda" if program in _CONDA else "", *named])


def switches(command: Command) -> bool:
    """Whether what follows a command may be installed elsewhere: it makes, enters or leaves an environment."""
    texts = [word.text for word in command.words]
    return texts[0] in _SWITCHES or any(each in _SWITCHES_BEHIND for each in texts[1:3])


def _beside(text: str, words: list[Word], names: list[str]) -> Iterator[Requirement]:
    """What `uv run --with` and `uvx --with` install for one run."""
    if not {"uv", "uvx"} & {*names[:3]}:
        return
    for option, word in pairwise(words):
        if option.text == "--with":
            yield from _requirement(text, word)


def _requirement(text: str, word: Word, *, is_conda: bool = False, is_poetry: bool = False) -> list[Requirement]:
    """The requirement that a word is, at its place in the text; none where it is something else."""
    source = text[word.start : word.end]
    start = word.start + (source[:1] in ("'", '"'))
    if not word.text or text[start : start + len(word.text)] != word.text or "$" in word.text:
        return []
    if is_poetry and (named := _OF_POETRY.fullmatch(word.text)) is not None:
        first, last = named.span("versions")
        versions = (start + first, start + last)
        span = (start, start + len(word.text))
        return [Requirement(named["name"], from_poetry(named["versions"]), span, versions, style="poetry")]
    requirement = conda_requirement(word.text, start) if is_conda else parse(word.text, start)
    return [requirement] if requirement is not None else []
