"""V5909: a reader of `pytorch_model.bin`, which is no longer written."""

from __future__ import annotations

import ast
import os

from v5lint.patterns import pattern
from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import joined_paths, training_classes
from v5lint.view.strings import last_name
from v5lint.view.values import Constant, External, Instance, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_FORMAT = "safe_serialization"

#: What takes a file away, and what asks whether it is there.
_REMOVES, _LOOKS = frozenset({"remove", "unlink"}), frozenset({"exists", "isfile", "is_file"})

#: The same for what the Trainer saves.
_FIELD = "save_safetensors"

_FILE = "pytorch_model.bin"
_NEW = "model.safetensors"

#: The name as that of a file, not as the end of another one's (`diffusion_pytorch_model.bin`) or of a pattern.
_NAMED = pattern(r"(?:^|[/\\])pytorch_model\.bin\Z")

#: The same of an adapter, which PEFT writes and the Trainer saves.
_ADAPTER, _NEW_ADAPTER = "adapter_model.bin", "adapter_model.safetensors"
_ADAPTER_NAMED = pattern(r"(?:^|[/\\])adapter_model\.bin\Z")

#: What the Trainer calls the folder of the best checkpoint of a run.
_BEST = "best_model_checkpoint"

#: What asks the Hub for a file: one that others have put there.
_OF_THE_HUB = frozenset({"hf_hub_download", "file_exists", "hf_hub_url", "try_to_load_from_cache"})

#: What reads a file, or asks for it; and what writes one.
_READS = pattern(r"\bload\(|load_state_dict|\bexists\(|is_?file\(|hf_hub_download|\bopen\(")
_WRITES = pattern(r"\bsave\([^\n]*(?:pytorch|adapter)_model\.bin")


class UnwrittenWeightsFile(Rule):
    """A `pytorch_model.bin` that the project reads and transformers no longer writes.

    ## What it does

    Finds `save_pretrained(..., safe_serialization=False)` and `TrainingArguments(save_safetensors=False)` in a project
    in which a Python file seems to read `pytorch_model.bin`: the same file, or another one of the repository, that does
    not write one itself, does not merely ask the Hub for it and knows no `model.safetensors`. Models of diffusers and
    adapters of PEFT, which still obey, are left alone; what the Trainer saves of an adapter is not, and
    `adapter_model.bin` counts there as well. And both files where they are looked for in the folder of the best
    checkpoint (`trainer.state.best_model_checkpoint`), which the Trainer has written in the same run.

    ## Why it breaks

    Since 5.0 `safe_serialization=False` is accepted and ignored: `save_pretrained` writes `model.safetensors`
    (measured on 5.23.0), and without `save_safetensors` the Trainer writes `model.safetensors` and, of PEFT,
    `adapter_model.safetensors`, always. What reads `pytorch_model.bin` afterwards fails, or, worse, reads the file of
    an earlier run:

        FileNotFoundError: [Errno 2] No such file or directory: 'out/checkpoint-2/adapter_model.bin'

    ## Example

        model.save_pretrained("out", safe_serialization=False)
        weights = torch.load("out/pytorch_model.bin")

    write

        model.save_pretrained("out")
        weights = safetensors.torch.load_file("out/model.safetensors")

    ## Fix safety

    No fix: what the reader does with the file is not in sight. Unsafe where `torch.load` reads the adapter of the best
    checkpoint: `load_file` gives the same tensors by the same names.

    ## References

    - https://huggingface.co/docs/safetensors
    """

    code = "V5909"
    name = "unwritten-weights-file"
    since = "5.0"
    tokens = (_FORMAT, _FIELD, _BEST)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call, keyword in module.keywords({_FORMAT, _FIELD}):
            if Constant(False) not in module.values(keyword.value) or module.guards.is_dead(call.node):
                continue
            is_saving = call.name == "save_pretrained" and _is_ours(module, call)
            if not (is_saving if keyword.arg == _FORMAT else _makes_arguments(call)):
                continue
            reader = _reader(module) or ("" if is_saving else _reader(module, _ADAPTER))
            if reader:
                effect = f"`{keyword.arg}=False` is {'ignored' if is_saving else 'gone'}"
                file, new = (_FILE, _NEW) if is_saving or _reader(module) else (_ADAPTER, _NEW_ADAPTER)
                message = f"`{file}` is no longer written ({effect}), and {reader} names it"
                yield module.finding(keyword, f"{message}: read `{new}` there")
        yield from _of_best_checkpoint(module)


def _of_best_checkpoint(view: ModuleView) -> Iterator[Finding]:
    """Places that look for either file where the Trainer has written the best checkpoint of this run."""
    if _BEST not in view.text or view.project.is_first_party("transformers", view.path) or _writes_itself(view.text):
        return
    for node in view.tree.nodes.get(ast.Constant, ()):
        assert isinstance(node, ast.Constant)
        text = node.value if isinstance(node.value, str) else ""
        file, new = (_ADAPTER, _NEW_ADAPTER) if _ADAPTER_NAMED.search(text) else (_FILE, _NEW)
        if file is _FILE and not _NAMED.search(text):
            continue
        path = joined_paths.joined(view, node)
        if path is None or not _is_best(view, path[1]) or view.guards.is_dead(node):
            continue
        if _is_second_choice(view, node, new) or (file is _ADAPTER and _writes_adapters(view)):
            continue
        if _is_cleared(view, path[0]):
            continue
        message = f"the Trainer writes no `{file}` since transformers 5.0: read `{new}`"
        yield view.finding(path[0], message, fix=_as_safetensors(view, path[0], node) if file is _ADAPTER else None)


def _is_best(view: ModuleView, folder: ast.expr) -> bool:
    """Whether an expression is the folder of the best checkpoint, as the state of a Trainer tells it."""
    if isinstance(folder, ast.Attribute):
        return folder.attr == _BEST and last_name(folder.value) == "state"
    if not isinstance(folder, ast.Name):
        return False
    bound = view.links.bindings_read(folder)
    return bool(bound) and all(
        each.kind == "assign" and isinstance(each.value, ast.Attribute) and _is_best(view, each.value) for each in bound
    )


def _is_second_choice(view: ModuleView, node: ast.AST, new: str) -> bool:
    """Whether a module names the new file as well, and the old one under a condition."""
    return _knows(view.text, new) and any(
        isinstance(each, (ast.If, ast.IfExp, ast.Try)) for each in view.tree.ancestors(node)
    )


def _knows(text: str, new: str) -> bool:
    """Whether a file names the new file, and not only one whose name ends like it (`adapter_model.safetensors`)."""
    return text.count(new) > text.count(f"_{new}")


def _writes_adapters(view: ModuleView) -> bool:
    """Whether a module has PEFT write the old file itself, as callbacks of the Trainer did."""
    return any(Constant(False) in view.values(keyword.value) for _call, keyword in view.keywords({_FORMAT}))


def _as_safetensors(view: ModuleView, path: ast.expr, name: ast.Constant) -> Fix | None:
    """The fix for `torch.load(path)`, with or without a device, at once or through a variable; None for other uses."""
    given = _uses(view, path)
    if any(len(view.links.bindings_read(use)) != 1 for use in given if isinstance(use, ast.Name) and use is not path):
        return None
    calls = [call for each in given if (call := _torch_load(view, each)) is not None]
    if not calls or len(calls) != len(given):
        return None

    def edits() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        found: list[Edit] = []
        at, after = view.span(name)
        written = view.text[at:after].replace(_ADAPTER, _NEW_ADAPTER)
        for call in calls:
            function = imports.use("safetensors.torch", "load_file", call)
            start, end = view.span(call.args[0])
            text = view.text[start:end]
            if call.args[0] is path:
                text = view.text[start:at] + written + view.text[after:end]
            place = next((each.value for each in call.keywords if each.arg == "map_location"), None)
            device = f", device={view.source(place)}" if isinstance(place, ast.Constant) and place.value else ""
            found.append(view.replace(call, f"{function}({text}{device})"))
        if given != [path]:
            found.append(Edit(at, after, written))
        return [*found, *imports.edits()]

    return Fix("Read it with `safetensors`", edits, applicability="unsafe")


def _uses(view: ModuleView, path: ast.expr) -> list[ast.expr]:
    """Where a path is used: where it is written, or where the variable is read that it is kept in."""
    parent = view.tree.parents[path]
    if isinstance(parent, ast.Assign) and len(parent.targets) == 1 and isinstance(parent.targets[0], ast.Name):
        return [use for each in view.links.bindings_at(parent.targets[0]) for use in view.links.uses(each)]
    return [path]


def _is_cleared(view: ModuleView, path: ast.expr) -> bool:
    """Whether a file is looked for to be removed, and for nothing else: a file that is not there is as good."""
    found = set()
    for use in _uses(view, path):
        parent = view.tree.parents[use]
        above = view.tree.parents[parent] if isinstance(parent, ast.Attribute) else parent
        if not isinstance(above, ast.Call):
            return False
        found.add(last_name(above.func))
    return bool(found & _REMOVES) and found <= _REMOVES | _LOOKS


def _torch_load(view: ModuleView, path: ast.expr) -> ast.Call | None:
    """The call of `torch.load` that a path is given to, if that says nothing else but the device."""
    call = view.tree.parents[path]
    if not isinstance(call, ast.Call) or call.args != [path] or External("torch.load") not in view.values(call.func):
        return None
    given = {each.arg: each.value for each in call.keywords}
    place = given.pop("map_location", None)
    given.pop("weights_only", None)
    return None if given or not (place is None or isinstance(place, ast.Constant)) else call


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


def _reader(view: ModuleView, name: str = _FILE) -> str:
    """Where the file is read: "line 12", or another file; "" where nothing seems to read it."""
    new = _NEW_ADAPTER if name is _ADAPTER else _NEW
    if _writes_itself(view.text) or _knows(view.text, new) or (name is _ADAPTER and _writes_adapters(view)):
        return ""
    line = _line(view, name)
    if line:
        return f"line {line}"
    for file in view.project.mentioning(name.encode(), view.path):
        other = view.project.view(file, view.settings)
        if other is None or not _READS.search(other.text) or _writes_itself(other.text) or _knows(other.text, new):
            continue
        if _line(other, name, is_here=False):
            return f"`{os.path.basename(file)}`"
    return ""


def _line(view: ModuleView, name: str, *, is_here: bool = True) -> int:
    """The first line on which the file is named, docstrings aside; 0 where there is none.

    In another module than that which saves, a name that only the Hub is asked for is that of another file.
    """
    for node in view.tree.nodes.get(ast.Constant, ()):
        assert isinstance(node, ast.Constant)
        written = _ADAPTER_NAMED if name is _ADAPTER else _NAMED
        named = isinstance(node.value, str) and written.search(node.value)
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
