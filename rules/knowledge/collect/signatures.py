"""Reads from the wheels what constructors of parts of models and of outputs, and functions beside them, took and take.

    python -m v5lint.rules.knowledge.collect.signatures CACHE rules/knowledge/signatures.toml

reads the wheels of transformers that are in the folder CACHE (of each minor since 4.57 one; see `wheels.download`), and
writes the table. Nothing is imported: the parameters are read in the sources.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import re
import zipfile
from pathlib import Path

from v5lint.rules.knowledge.collect.forwards import CACHES, Forward, changed, classes_in, grouped
from v5lint.rules.knowledge.collect.layer_outputs import wheels_of

HEAD = """\
# What the constructors of parts of models and of outputs take, and functions outside of classes, of those that refuse
# an argument of 4.57 or have it in another place; spelt as in forwards.toml. Names are paths inside of transformers.
# The cache of an output is `cache` here in all releases: each takes its older names.
# Generated from the wheels: see collect/signatures.py.
"""

_SINCE = (4, 57)
_DEPTH = 6
_MODELING = "modeling_"

#: Files whose callables have rules of their own, or are nobody's to call.
_OTHERS = re.compile(
    r"/(?:pipelines/__init__|masking_utils|testing_utils|modular_\w+|convert_\w+|configuration_\w+|tokenization_\w+|processing_\w+"
    r"|image_processing_\w+|video_processing_\w+|feature_extraction_\w+|auto_docstring|generation/continuous\w+)\b"
)

#: Functions with rules of their own (V5532), and what stands in every model file for it alone.
_OWN_RULES = frozenset({"apply_rotary_pos_emb", "apply_rotary_pos_emb_vision", "eager_attention_forward"})

_FUNCTION = re.compile(r"^def (\w+)\(", re.MULTILINE)
_BASES = re.compile(r"class \w+\(([^)]*)\)")
_INIT = re.compile(r"^    def __init__\(", re.MULTILINE)
_PARTS = re.compile(r"(?m)^(?=class |def |@)")
_OUTPUTS = "modeling_outputs"

Signatures = dict[str, Forward]

#: The bases of a class of outputs, and its own fields.
Output = tuple[list[str], list[str]]


class Read:
    """What was read in a file.

    Attributes:
        signatures: the signatures in it, by their paths inside of transformers.
        outputs: the dataclasses in it, by their names.
        module: the path of the module.
    """

    def __init__(self, text: str, path: str) -> None:
        """Read a file of a wheel."""
        self.module = ".".join(path.removesuffix(".py").removesuffix("/__init__").split("/")[1:])
        self.signatures = signatures_in(text, path, self.module)
        is_read = path.rpartition("/")[2].startswith(_MODELING)
        self.outputs = outputs_in(text) if is_read else {}


def main() -> None:
    """Read the wheels and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("table", type=Path)
    options = parser.parse_args()
    wheels = wheels_of(options.cache, _SINCE)
    read_before: dict[tuple[str, int], Read] = {}
    read = {minor: signatures_of(wheels[minor], read_before) for minor in sorted(wheels)}
    options.table.write_text(table(read), encoding="utf-8")


def signatures_of(wheel: Path, read_before: dict[tuple[str, int], Read]) -> Signatures:
    """The signatures of the constructors in the model files of a wheel, and of all functions outside of classes.

    Args:
        wheel: the wheel.
        read_before: what was read in files of other releases, by path and checksum; it is added to.
    """
    files: list[Read] = []
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if not entry.filename.endswith(".py") or _OTHERS.search(entry.filename):
                continue
            key = entry.filename, entry.CRC
            if key not in read_before:
                read_before[key] = Read(archive.read(entry).decode(), entry.filename)
            files.append(read_before[key])
    found: Signatures = {}
    shared = next(each.outputs for each in files if each.module == _OUTPUTS)
    for file in files:
        found.update(file.signatures)
        for name in file.outputs:
            fields = [*dict.fromkeys(_fields(name, {**shared, **file.outputs}, 0))]
            made = ast.parse(f"def __init__(self, {', '.join(f'{each}=None' for each in fields)}): pass").body[0]
            assert isinstance(made, ast.FunctionDef)
            found[f"{file.module}.{name}"] = Forward(made)
    return found


def outputs_in(text: str) -> dict[str, Output]:
    """The dataclasses in a file."""
    found: dict[str, Output] = {}
    is_dataclass = False
    for part in _PARTS.split(text):
        if part.startswith("@"):
            is_dataclass = is_dataclass or part.startswith("@dataclass")
            continue
        if is_dataclass and part.startswith("class "):
            node = ast.parse(part).body[0]
            if isinstance(node, ast.ClassDef):
                targets = (each.target for each in node.body if isinstance(each, ast.AnnAssign))
                names = [each.id for each in targets if isinstance(each, ast.Name)]
                own = ["cache" if each in CACHES else each for each in names]
                found[node.name] = [ast.unparse(base) for base in node.bases], own
        is_dataclass = False
    return found


def _fields(name: str, outputs: dict[str, Output], depth: int) -> list[str]:
    """The fields of a dataclass, those of its bases first."""
    if name not in outputs or depth > _DEPTH:
        return []
    bases, own = outputs[name]
    return [*(field for base in bases for field in _fields(base, outputs, depth + 1)), *own]


def signatures_in(text: str, path: str, module: str) -> Signatures:
    """The signatures in a file, by their paths inside of transformers."""
    found: Signatures = {}
    for match in _FUNCTION.finditer(text):
        if match.group(1) not in _OWN_RULES:
            head = _head(text[match.start() :], "")
            if head is not None:
                head.args.args.insert(0, ast.arg("self"))
                found[f"{module}.{match.group(1)}"] = Forward(head)
    if path.rpartition("/")[2].startswith(_MODELING):
        classes = classes_in(text)
        for name in classes:
            constructor = _constructor(classes, name, 0)
            if constructor is not None:
                found[f"{module}.{name}"] = Forward(constructor)
    return found


def _constructor(classes: dict[str, str], name: str, depth: int) -> ast.FunctionDef | None:
    """The constructor of a class, its own or that of a base in its file."""
    source = classes[name]
    start = _INIT.search(source)
    if start is not None:
        return _head(source[start.start() :], "class _:\n")
    bases = _BASES.match(source)
    for base in bases.group(1).split(",") if bases and depth < _DEPTH else ():
        if base.strip() in classes:
            return _constructor(classes, base.strip(), depth + 1)
    return None


def _head(source: str, around: str) -> ast.FunctionDef | None:
    """The function that a text begins with, without its body."""
    head = around
    for line in source.splitlines():
        head += f"{line}\n"
        if line.partition("#")[0].rstrip().endswith(":"):
            with contextlib.suppress(SyntaxError):
                tree = ast.parse(f"{head}        pass\n")
                return next(each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef))
    return None


def table(read: dict[tuple[int, ...], Signatures]) -> str:
    """The text of the table, of the signatures of each minor release, the oldest first."""
    return "\n".join([HEAD, "signatures = [", *grouped(changed(read)), "]"]) + "\n"


if __name__ == "__main__":
    main()
