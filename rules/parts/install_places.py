"""What a script installs transformers into: the image of a container, an environment that it makes."""

from __future__ import annotations

import os.path
from itertools import pairwise

from v5lint.metadata import command as commands
from v5lint.metadata import images
from v5lint.metadata.conda import conda_requirement
from v5lint.metadata.requirement import Requirement
from v5lint.patterns import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from v5lint.scripts.script import Command
    from v5lint.view.script import ScriptView

#: What is in the text of a script that has such a place.
TOKENS = ("python:", "pytorch/pytorch:", "python=", "--python", "-p 3", "-p python", "-m venv")

#: How uv calls the environment that is given no name.
_DEFAULT = ".venv"

_CONDA = frozenset({"conda", "mamba", "micromamba"})
_STAGE = pattern(r"[ \t]+as[ \t]+(\S+)")
_OWN = pattern(r"(?:python)?(\d+\.\d+)(?:\.\d+)?\Z")


def given(view: ScriptView) -> Iterator[Requirement]:
    """The versions of Python and PyTorch that transformers is installed beside, each at the place that brings it."""
    if view.kind == "dockerfile":
        yield from _of_images(view)
    elif view.kind in ("shell", "fences"):
        yield from _of_environments(view)


def _of_images(view: ScriptView) -> Iterator[Requirement]:
    """The images of the stages of a Dockerfile, and of those that are made from such a stage."""
    stages = view.script.images
    for index, (start, image) in enumerate(stages):
        at = view.text.find(image, start) if image else -1
        found = images.read(image, at) if at >= 0 else None
        if found is None:
            continue
        ends = [place for place, _ in stages[index + 1 :]] + [len(view.text)]
        spans = [(start, ends[0])]
        label = _STAGE.match(view.text[found.end : ends[0]].lower())
        for place, (other, base) in enumerate(stages):
            if label and place > index and base.lower() == label[1]:
                spans.append((other, stages[place + 1][0] if place + 1 < len(stages) else len(view.text)))
        inside = [each for each in view.commands if any(first <= each.words[0].start < last for first, last in spans)]
        if any(_installs(view, each) for each in inside):
            yield found


def _of_environments(view: ScriptView) -> Iterator[Requirement]:
    """The environments that a script makes, and installs transformers into behind that."""
    made: Requirement | None = None
    named: set[str] = set()
    for command in view.commands:
        texts = [word.text for word in command.words]
        if _makes(texts):
            made, named = _python_of(view, command, texts), {_DEFAULT, *texts[1:]}
        elif "deactivate" in texts or (_enters(texts) and named.isdisjoint(_names_in(texts[-1]))):
            made = None
        if made is not None and _installs(view, command):
            yield made
            made = None


def _makes(texts: Sequence[str]) -> bool:
    """Whether a command makes an environment."""
    program = texts[0].rpartition("/")[2]
    if program in _CONDA:
        return "create" in texts[1:3]
    return program == "virtualenv" or texts[:2] == ["uv", "venv"] or ("venv" in texts[1:3] and "-m" in texts[1:2])


def _enters(texts: Sequence[str]) -> bool:
    """Whether a command enters an environment, which its last word names."""
    return "activate" in texts[:2] or (texts[0] in ("source", ".") and texts[-1].endswith("/activate"))


def _names_in(path: str) -> set[str]:
    """What an environment may be called that is entered by a path: `envs/a/bin/activate` by `envs/a` and by `a`."""
    return {path.removesuffix("/bin/activate"), *path.split("/")}


def _python_of(view: ScriptView, command: Command, texts: Sequence[str]) -> Requirement | None:
    """The Python of the environment that a command makes; None where it does not say."""
    if texts[0].rpartition("/")[2] in _CONDA:
        for word in command.words[1:]:
            written = view.text[word.start : word.end]
            if word.text.startswith("python") and written == word.text:
                found = conda_requirement(word.text, word.start)
                if found is not None and found.name == "python" and found.specifier:
                    return found
        return None
    words = command.words[:1] if "-m" in texts[1:2] else command.words
    for before, word in zip([None, *words], words, strict=False):
        option, equal, value = word.text.partition("=")
        if equal and option == "--python":
            text = value
        elif before is None or before.text in ("-p", "--python"):
            text = word.text.rpartition("/")[2]
        else:
            continue
        if version := _OWN.match(text):
            return Requirement(
                "python", f"=={version[1]}.*", (word.start, word.end), (word.end, word.end), style="image"
            )
    return None


def _installs(view: ScriptView, command: Command) -> bool:
    """Whether a command installs transformers: by its name, from a list of requirements, or with the project."""
    if any(each.name == "transformers" for each in commands.read(view.text, command)):
        return True
    texts = [word.text for word in command.words]
    if "install" not in texts or not any(each.rpartition("/")[2].startswith("pip") for each in texts):
        return False
    following = texts[texts.index("install") + 1 :]
    if any(each == "." or each.startswith(".[") for each in following):
        return bool(view.project.required("transformers", view.path))
    lists = [after for before, after in pairwise(following) if before in ("-r", "--requirement")]
    lists += [each.partition("=")[2] for each in following if each.startswith("--requirement=")]
    folder = os.path.dirname(view.path)  # the file is named from there, or copied from there into an image
    places = [os.path.join(folder, each) for name in lists for each in (name, os.path.basename(name))]
    return any(map(names_transformers, places))


def names_transformers(path: str) -> bool:
    """Whether a list of requirements has transformers in it; one that is not there has nothing."""
    from v5lint.metadata import requirements_in

    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return False
    return any(each.name == "transformers" for each in requirements_in("requirement_file", text))
