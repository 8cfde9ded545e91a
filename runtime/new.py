"""Write one runnable training script from what was decided: a backbone for a task, and the versions it runs under.

The scripts themselves stand in `templates/`, as programs with `$names`; here they are filled in.
"""

from __future__ import annotations

import ast
import json
import re
import textwrap
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from v5lint.runtime.description import state_backbone
from v5lint.runtime.errors import FamilyError, UsageError
from v5lint.runtime.families import TASKS, Family, Task, all_families
from v5lint.runtime.loading import class_for
from v5lint.runtime.report import installed_versions, write_text

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

_WIDTH = 118
_PART = 50
"""Characters of a long constant in a line: each may be twice as wide, or escaped."""
_INDENT = "    "
_CONSTANT = re.compile(r'(?P<indent> *)(?P<before>(?:[A-Z]+ = |[a-z]+=)(?:Path\()?)(?P<text>".*")(?P<after>\)?,?)')


@dataclass(frozen=True)
class NewScript:
    """A script that was written, and what its docstring restates.

    Attributes:
        path: The file.
        family: Of the backbone.
        sentence: Task, licence and native resolution of the backbone.
        licence: `None` where none is stated.
        model_class: What transformers 5 (or this package) loads for the task.
        processor_class: What prepares its images.
    """

    path: Path
    family: Family
    sentence: str
    licence: str | None
    model_class: str
    processor_class: str


def write_script(
    path: str | Path,
    checkpoint: str,
    task: Task = "classification",
    *,
    data: str = "data",
    output: str = "output",
    overwrite: bool = False,
) -> NewScript:
    """Write a training script; it uses transformers, peft and this package, and needs no further editing to run.

    Args:
        path: The script.
        checkpoint: Name in the catalogue, local folder, or repository on the Hub.
        task: `classification`: an adapter and a head on class folders. `retrieval`: an adapter of a dual encoder on
            images and texts. `dense`: a linear segmentation head on frozen features.
        data: Where the script finds its data.
        output: Where it writes to.
        overwrite: Whether to replace a file that is there.

    Raises:
        UsageError: The file is there already, or the task is none of these.
        FamilyError: The backbone cannot do the task.
        OutputError: It cannot be written.
    """
    target = Path(path)
    if task not in TASKS:
        raise UsageError(f"task {task!r}: must be one of {', '.join(TASKS)}")
    if target.exists() and not overwrite:
        raise UsageError(f"{target} is there already: choose another name, or replace it (overwrite=True)")
    stated = state_backbone(checkpoint)
    family = stated.family
    if task == "retrieval" and not family.dual_encoder:
        dual = ", ".join(entry.title for entry in all_families().values() if entry.dual_encoder)
        raise FamilyError(f"{checkpoint} ({family.title}) has no text tower; retrieval takes {dual}")
    model_class, processor_class = _classes(stated.config, family, task)
    versions = installed_versions()
    backbone = Path(checkpoint).name if Path(checkpoint).is_dir() else checkpoint  # a path may be longer than a line
    docstring = {
        "backbone": backbone,
        "sentence": textwrap.fill(
            stated.sentence.replace(checkpoint, backbone, 1),
            _WIDTH,
            initial_indent=" " * len("Backbone: "),
            subsequent_indent=_INDENT,
        ).strip(),
        "licence": stated.licence or "not stated: find out before you train",
        "model_class": model_class,
        "processor_class": processor_class,
        **{library: versions[library] for library in ("transformers", "peft", "torch")},
    }
    places = {"checkpoint": checkpoint, "data": data, "output": output, "script": target.name}
    values = {name: _escaped(value) for name, value in {**docstring, **places}.items()}
    template = resources.files(f"{__package__}.templates").joinpath(f"{task}.py").read_text(encoding="utf-8")
    lines = Template(template).substitute(values).split("\n")
    write_text(target, "\n".join(map(_wrapped, lines)))
    return NewScript(target, family, stated.sentence, stated.licence, model_class, processor_class)


def _classes(config: PreTrainedConfig, family: Family, task: Task) -> tuple[str, str]:
    """Names of the classes that do a task: those of the installed release for the configuration at hand."""
    processor = family.image_processors[0]
    if task == "retrieval":
        processor = processor.replace("ImageProcessor", "Processor")
    return class_for(config, task).__name__, processor


def _wrapped(line: str) -> str:
    """A line with a long constant as several: strings that stand side by side are one."""
    match = _CONSTANT.fullmatch(line)
    if match is None or len(line) <= _WIDTH:
        return line
    text = ast.literal_eval(match["text"])
    parts = [json.dumps(text[start : start + _PART], ensure_ascii=False) for start in range(0, len(text), _PART)]
    before, after = match["before"], match["after"]
    if not before.endswith("("):
        before, after = f"{before}(", f"){after}"
    indent = match["indent"]
    return "\n".join([indent + before, *(indent + _INDENT + part for part in parts), indent + after])


def _escaped(text: str) -> str:
    """A text as it stands between double quotes: of a string, or of a docstring."""
    return "\n".join(json.dumps(line, ensure_ascii=False)[1:-1] for line in text.splitlines())
