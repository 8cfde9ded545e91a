"""Environment variables in shell scripts, Dockerfiles, YAML and their like: which mentions of one change together."""

from __future__ import annotations

import ast
import os.path
import re

from v5lint.patterns import pattern
from v5lint.rule import Edit
from v5lint.scripts.shell import JAVASCRIPT
from v5lint.view.requirements import RequirementsView
from v5lint.view.script import ScriptView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.scripts.script import Mention
    from v5lint.view.module import ModuleView

#: What renames a mention: it is the variable itself that is named there.
_RENAMED = frozenset({"set", "child", "assign", "export", "read", "pass", "unset", "text"})

#: Kinds of files whose variables other files read as they are written: `${NAME}` in compose, say.
_GIVES = frozenset({"dotenv", "shell", "makefile", "justfile", "batch", "powershell"})

#: Metadata in which tools keep the environments that they make.
_SETTINGS = ("pyproject.toml", "pixi.toml", "setup.cfg", "tox.ini", ".yml", ".yaml")

_NODE = pattern(r"(?:.*/)?(?:node|bun|deno)(?:[:@-]|\Z)", re.IGNORECASE)
_JAVASCRIPT = pattern(rf"(?:\A|/)(?:{'|'.join(sorted(JAVASCRIPT))})\Z")
_PYTHON = pattern(
    r"\bpython|\bpip3?\b|\bconda\b|\buv\b|\.py\b"
    r"|\b(?:pytest|torchrun|accelerate|deepspeed|jupyter|streamlit|uvicorn|gunicorn|poetry)\b",
    re.IGNORECASE,
)
_LABEL = pattern(r"^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(\S+)[ \t]+AS[ \t]+(\S+)", re.IGNORECASE | re.MULTILINE)


def script_in(module: object) -> ScriptView | None:
    """The view of the variables in a file that is no module of Python; None where it is one, or sets none.

    A `pyproject.toml` states requirements, and may set variables as other TOML does; conda's environments do so below
    `variables:`.
    """
    if isinstance(module, RequirementsView) and os.path.basename(module.path).endswith(_SETTINGS):
        return ScriptView(module.region, module.path, module.settings, module.project)
    return module if isinstance(module, ScriptView) else None


class Group:
    """The mentions of a variable that are of one program: they are renamed together or not at all.

    Attributes:
        view: the script.
        name: the variable.
        mentions: in the order of their places.
        writes: those that set it in an environment.
    """

    def __init__(self, view: ScriptView, name: str, mentions: list[Mention]) -> None:
        self.view = view
        self.name = name
        self.mentions = mentions
        is_exported = any(each.access in ("export", "set") for each in mentions)
        self.writes = [
            each
            for each in mentions
            if each.access in ("set", "child", "text") or (each.access == "assign" and is_exported)
        ]

    @property
    def readers(self) -> list[Mention]:
        """The mentions that read the variable, or hand it on."""
        return [each for each in self.mentions if each.access in ("read", "pass", "export", "unset")]

    @property
    def parameters(self) -> list[Mention]:
        """Where others may give it: `ARG NAME`, `--build-arg NAME=value`."""
        return [each for each in self.mentions if each.access == "parameter"]

    def renamed(self, new: str) -> list[Edit]:
        """The edits that give it another name.

        What a Dockerfile takes as `ARG` keeps its name, and so does what reads it: others give it by that name.
        """
        kept = {"read", "pass"} if self.is_given else set()
        chosen = [each for each in self.mentions if each.access in _RENAMED and each.access not in kept]
        return [Edit(each.start, each.end, new) for each in chosen]

    @property
    def is_given(self) -> bool:
        """Whether it is set to nothing else than to what is given by others: `ARG NAME`, then `ENV NAME=$NAME`."""
        return bool(self.parameters) and all(each.value == f"${{{self.name}}}" for each in self.writes)

    def reads_beside(self, start: int, end: int) -> list[Mention]:
        """The readers outside of a span."""
        return [each for each in self.readers if not start <= each.start < end]


def groups(view: ScriptView, name: str) -> Iterator[Group]:
    """The mentions of a variable, put together by the programs that they are of."""
    left = view.variables((name,))
    while left:
        found = [left.pop(0)]
        for each in found:  # grows while it is walked
            related = [other for other in left if is_around(each, other) or is_around(other, each)]
            found += related
            left = [other for other in left if other not in related]
        yield Group(view, name, sorted(found, key=lambda each: each.start))


def is_around(outer: Mention, inner: Mention) -> bool:
    """Whether what one mention sets holds where another stands."""
    return inner.block[: len(outer.block)] == outer.block


def is_of_another_language(view: ScriptView, mention: Mention) -> bool:
    """Whether a variable is set for a program that is not Python: `transformers.js` reads one of the same name."""
    if view.kind == "dockerfile":
        return _is_node_stage(view, mention.start)
    images = view.script.images_of
    if any(_NODE.match(images.get(mention.block[:size], "")) for size in range(len(mention.block) + 1)):
        return True
    programs = [each.words[0].text for each in view.commands] if view.kind == "shell" else []
    if any(map(_JAVASCRIPT.search, programs)) and _PYTHON.search(view.text) is None:
        return True
    if "@xenova/transformers" in view.text or "@huggingface/transformers" in view.text:
        return True
    at = os.path.dirname(os.path.abspath(view.path))
    top = os.path.abspath(view.project.root)
    while True:
        package = os.path.join(at, "package.json")
        if os.path.isfile(package):
            from v5lint.project import bytes_of

            raw = bytes_of(package)
            named = b"@xenova/transformers" in raw or b"@huggingface/transformers" in raw
            return named or not view.project.has_modules
        if at == top or not at.startswith(top) or os.path.dirname(at) == at:
            return False
        at = os.path.dirname(at)


def _is_node_stage(view: ScriptView, at: int) -> bool:
    images = [(start, image) for start, image in view.script.images if start <= at]
    if not images:
        return False
    start, image = images[-1]
    labels = {label.lower(): made_of for made_of, label in _LABEL.findall(view.text)}
    while image.lower() in labels and labels[image.lower()] != image:
        image = labels.pop(image.lower())
    following = [place for place, _ in view.script.images if place > start]
    stage = view.text[start : following[0] if following else len(view.text)]
    return _NODE.match(image) is not None and _PYTHON.search(stage) is None


class Reader:
    """A file of the repository that reads a variable, which it does not set itself.

    Attributes:
        file: the file.
        row: the line.
        is_given_on: whether the file loads models from a place that it names itself.
        is_outside: whether it takes what its own environment, or the file `.env` beside it, gives: compose.
    """

    __slots__ = ("file", "is_given_on", "is_outside", "row")

    def __init__(self, file: str, row: int, *, is_given_on: bool = False, is_outside: bool = False) -> None:
        self.file = file
        self.row = row
        self.is_given_on = is_given_on
        self.is_outside = is_outside


def readers_elsewhere(view: ScriptView, name: str) -> list[Reader]:
    """The other files of the repository that read a variable, and would miss it under another name."""
    found = view.project.noted(("readers", name), lambda: [*_readers(view, name)])
    here = os.path.realpath(view.path)
    return [
        each for each in found if (not each.is_outside or view.kind in _GIVES) and os.path.realpath(each.file) != here
    ]


def _readers(view: ScriptView, name: str) -> Iterator[Reader]:
    project = view.project
    for file in project.scripts_mentioning(name):
        other = project.script(file, view.settings)
        if other is None:
            continue
        mentions = other.variables((name,))
        sets_it = any(each.access in ("set", "child", "assign", "parameter") for each in mentions)
        for access in ("outside",) if sets_it else ("read", "pass", "outside"):
            reads = [each for each in mentions if each.access == access]
            if reads:
                yield Reader(file, other.row(reads[0].start), is_outside=access == "outside")
                break
    for token in (name, name.lower()):
        for file in project.mentioning(token.encode(), ""):
            module = project.view(file, view.settings)
            node = _reading(module, name) if module is not None else None
            if module is not None and node is not None:
                row = module.region.position(module.span(node)[0])[0]
                yield Reader(file, row, is_given_on="cache_dir" in module.text)


def _reading(module: ModuleView, name: str) -> ast.AST | None:
    """Where a module reads a variable: from the environment, or as a field of its settings."""
    for key in module.environment_keys((name,)):
        if key.access in ("read", "test"):
            return key.node
    for node in module.tree.nodes.get(ast.AnnAssign, ()):
        assert isinstance(node, ast.AnnAssign)
        is_field = isinstance(module.tree.parents[node], ast.ClassDef)
        if is_field and isinstance(node.target, ast.Name) and node.target.id.upper() == name:
            return node.target
    return None
