"""V5909: a reader of `pytorch_model.bin`, which is no longer written."""

from __future__ import annotations

import ast
import os

from v5lint.patterns import pattern
from v5lint.rule import Rule
from v5lint.rules.parts import training_classes
from v5lint.view.strings import last_name
from v5lint.view.values import Constant, External, Instance, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_FORMAT = "safe_serialization"

#: The same for what the Trainer saves.
_FIELD = "save_safetensors"

_FILE = "pytorch_model.bin"
_NEW = "model.safetensors"

#: The name as that of a file, not as the end of another one's (`diffusion_pytorch_model.bin`) or of a pattern.
_NAMED = pattern(r"(?:^|[/\\])pytorch_model\.bin\Z")

#: What asks the Hub for a file: one that others have put there.
_OF_THE_HUB = frozenset({"hf_hub_download", "file_exists", "hf_hub_url", "try_to_load_from_cache"})

#: What reads a file, or asks for it; and what writes one.
_READS = pattern(r"\bload\(|load_state_dict|\bexists\(|is_?file\(|hf_hub_download|\bopen\(")
_WRITES = pattern(r"\bsave\([^\n]*pytorch_model\.bin")


class UnwrittenWeightsFile(Rule):
    """A `pytorch_model.bin` that the project reads and transformers no longer writes.

    ## What it does

    Finds `save_pretrained(..., safe_serialization=False)` and `TrainingArguments(save_safetensors=False)` in a project
    in which a Python file seems to read `pytorch_model.bin`: the same file, or another one of the repository, that does
    not write one itself, does not merely ask the Hub for it and knows no `model.safetensors`. Models of diffusers and
    adapters of PEFT, which still obey, are left alone.

    ## Why it breaks

    Since 5.0 `safe_serialization=False` is accepted and ignored: `save_pretrained` writes `model.safetensors`
    (measured on 5.23.0). What reads `pytorch_model.bin` afterwards fails, or, worse, reads the file of an earlier run.

    ## Example

        model.save_pretrained("out", safe_serialization=False)
        weights = torch.load("out/pytorch_model.bin")

    write

        model.save_pretrained("out")
        weights = safetensors.torch.load_file("out/model.safetensors")

    ## Fix safety

    No fix: what the reader does with the file is not in sight.

    ## References

    - https://huggingface.co/docs/safetensors
    """

    code = "V5909"
    name = "unwritten-weights-file"
    since = "5.0"
    tokens = (_FORMAT, _FIELD)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call, keyword in module.keywords({_FORMAT, _FIELD}):
            if Constant(False) not in module.values(keyword.value) or module.guards.is_dead(call.node):
                continue
            is_saving = call.name == "save_pretrained" and _is_ours(module, call)
            if not (is_saving if keyword.arg == _FORMAT else _makes_arguments(call)):
                continue
            reader = _reader(module)
            if reader:
                effect = f"`{keyword.arg}=False` is {'ignored' if is_saving else 'gone'}"
                message = f"`{_FILE}` is no longer written ({effect}), and {reader} names it"
                yield module.finding(keyword, f"{message}: read `model.safetensors` there")


def _makes_arguments(call: CallSite) -> bool:
    """Whether a call makes training arguments, of a class of transformers or of one that inherits from it."""
    classes = (each for each in call.callees if isinstance(each, (External, LocalClass)))
    return any(any(training_classes.of_class(call, each)) for each in classes)


def _is_ours(view: ModuleView, call: CallSite) -> bool:
    """Whether what is saved can be a model of transformers."""
    func = call.func
    if not isinstance(func, ast.Attribute) or "transformers" not in view.text:
        return False
    if view.project.is_first_party("transformers", view.path):
        return False
    for value in view.values(func.value):
        of = value.of if isinstance(value, Instance) else value
        if isinstance(of, External):
            return of.package == "transformers"
    return "diffusers" not in view.text and "peft" not in view.text


def _reader(view: ModuleView) -> str:
    """Where the file is read: "line 12", or another file; "" where nothing seems to read it."""
    if _writes_itself(view.text) or _NEW in view.text:
        return ""
    line = _line(view)
    if line:
        return f"line {line}"
    for file in view.project.mentioning(_FILE.encode(), view.path):
        other = view.project.view(file, view.settings)
        if other is None or not _READS.search(other.text) or _writes_itself(other.text) or _NEW in other.text:
            continue
        if _line(other, is_here=False):
            return f"`{os.path.basename(file)}`"
    return ""


def _line(view: ModuleView, *, is_here: bool = True) -> int:
    """The first line on which the file is named, docstrings aside; 0 where there is none.

    In another module than that which saves, a name that only the Hub is asked for is that of another file.
    """
    for node in view.tree.nodes.get(ast.Constant, ()):
        assert isinstance(node, ast.Constant)
        named = isinstance(node.value, str) and _NAMED.search(node.value)
        if named and not isinstance(view.tree.parents[node], ast.Expr) and (is_here or not _is_of_the_hub(view, node)):
            return node.lineno
    return 0


def _is_of_the_hub(view: ModuleView, node: ast.expr) -> bool:
    """Whether a name is only given to functions that ask the Hub, at once or through a variable."""
    parent = view.tree.parents[node]
    if isinstance(parent, ast.keyword):
        parent = view.tree.parents[parent]
    if isinstance(parent, ast.Call):
        return last_name(parent.func) in _OF_THE_HUB
    if not isinstance(parent, ast.Assign):
        return False
    targets = [each for each in parent.targets if isinstance(each, ast.Name)]
    uses = [use for each in targets for of in view.links.bindings_at(each) for use in view.links.uses(of)]
    return len(targets) == len(parent.targets) and bool(uses) and all(_is_of_the_hub(view, use) for use in uses)


def _writes_itself(text: str) -> bool:
    """Whether a file writes one of that name without transformers, which its reader may mean."""
    return _WRITES.search(text) is not None
