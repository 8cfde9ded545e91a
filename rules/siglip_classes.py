"""V5004: a SigLIP class on a checkpoint of the other family."""

from __future__ import annotations

import ast
import re

from v5lint.patterns import pattern
from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import checkpoints, library, script_targets, swaps, yaml_maps
from v5lint.view.guards import CALL_ERRORS
from v5lint.view.script import ScriptView
from v5lint.view.strings import dotted, last_name
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from v5lint.rule import Finding, Level, Unseen
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Values

#: The classes of the two families that read a checkpoint, without their prefix.
_KINDS = {
    "Model": "model",
    "VisionModel": "model",
    "ForImageClassification": "model",
    "TextModel": "text",
    "Processor": "processor",
    "ImageProcessor": "processor",
    "ImageProcessorFast": "processor",
    "ImageProcessorPil": "processor",
    "Config": "config",
    "VisionConfig": "config",
}
_CLASS = pattern(rf"(Siglip2?)({'|'.join(_KINDS)})\Z")

#: What the files of a checkpoint call the families ("siglip2_vision_model" is one tower of the second).
_FAMILIES = {"siglip": "fixed", "siglip2": "naflex"}

#: The tokenizer of the first SigLIP, and how checkpoints of the second are called.
_TOKENIZER = "SiglipTokenizer"
_SECOND = pattern(r"siglip2-(?:[\w.]+-)*(?:patch\d+|naflex)", re.IGNORECASE)

#: "siglip2-base-patch16-naflex", and with a resolution behind the patch size: "siglip2-so400m-patch14-384".
_NAFLEX = pattern(r"siglip2?[\w.]*(-[\w.]+)*-naflex", re.IGNORECASE)
_FIXED = pattern(r"siglip2?(-[\w.]+)*-patch\d+-\d{3}\b", re.IGNORECASE)

#: The classes of NaFlex came with 4.50.
_NAFLEX_SINCE = "4.50"

#: Of a test that asks for the family: "naflex", "is_siglip2".
_FAMILY_WORD = pattern("naflex|siglip", re.IGNORECASE)

#: What asks only whether there is something.
_IS_THERE = frozenset("exists isdir isfile is_dir is_file lexists".split())

#: In YAML: the method that loads, and a text behind a key.
_LOAD = "from_pretrained"
_VALUE = pattern(r"[ \t]*([\"']?)(?P<text>[\w./-]+)\1[ \t]*(?=[,}#\r\n]|\Z)")

_LOAD_ERRORS = frozenset({"RuntimeError", "ValueError", "OSError", *CALL_ERRORS})


class SiglipClassMismatch(Rule):
    """A SigLIP class that does not match its checkpoint.

    ## What it does

    Finds a `Siglip*` class that loads a NaFlex checkpoint and a `Siglip2*` class that loads one of fixed resolution.
    The fixed-resolution checkpoints of SigLIP 2 (`google/siglip2-base-patch16-224`) have the `model_type` "siglip" and
    belong to `SiglipModel`; only the NaFlex ones belong to `Siglip2Model`. Of a folder of the repository its
    `config.json` tells, of all others the name. A class that is chosen by the checkpoint's
    name, or tried before the other one, is no finding. In YAML of Hydra (`_target_`) the checkpoint stands in the key
    beside the class.

    ## Why it breaks

    The patch embedding is a convolution in one family and a linear layer in the other:

        RuntimeError: You set `ignore_mismatched_sizes` to `False`, thus raising an error. For details look at the above
        report!

    With `ignore_mismatched_sizes=True`, which classification scripts pass to swap the head, there is no error: the
    model loads with a random patch embedding, and trains on it. A processor of the other family raises nothing either:
    it gives fixed-size pixels where patches are wanted, or the reverse. The text towers are alike: their weights load
    whole, with a warning. A configuration of the other family loads with a warning, too, and has a default where the
    checkpoint has none: `image_size` 224, or `num_patches` 256 (measured on 5.24.0). The tokenizer of all SigLIP 2
    checkpoints is Gemma's: `SiglipTokenizer` looks for a `spiece.model` that is not there (5.24.0, with
    Gemma's files; the first issue below has it with the checkpoint itself):

        ValueError: Either model_file or model_proto must be specified.

    ## Example

        model = Siglip2Model.from_pretrained("google/siglip2-base-patch16-224")

    becomes

        model = SiglipModel.from_pretrained("google/siglip2-base-patch16-224")

    ## Fix safety

    Unsafe: the family is read from the checkpoint's name, and what is done with the model's inputs may have to change.

    ## References

    - https://github.com/huggingface/transformers/issues/36665
    - https://huggingface.co/docs/transformers/model_doc/siglip2
    """

    code = "V5004"
    name = "siglip-class-mismatch"
    since = "4.50"
    tokens = ("Siglip",)
    kinds = ("python", "script")

    def check(self, module: ModuleView | ScriptView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        if isinstance(module, ScriptView):
            yield from _in_settings(module)
            return
        found: list[tuple[CallSite, str, str]] = []
        for call in (*library.loads(module), *library.later_loads(module)):
            name, wrong = mismatch(module, call)
            if wrong:
                found.append((call, name, wrong))
            elif name:
                where = library.origin(call.values_of(*library.CHECKPOINT)) or "an expression that v5lint cannot follow"
                yield module.unseen(call.node, f"the checkpoint of `{name}` comes from {where}")
        yield from _findings(module, found)
        for call in library.loads(module):
            if library.loaders(call) == [_TOKENIZER]:
                yield from _foreign_tokenizer(module, call)


def _in_settings(view: ScriptView) -> Iterator[Finding]:
    """What YAML loads with the keys beside the class: `_target_: transformers.SiglipModel.from_pretrained`."""
    for target in script_targets.targets(view):
        of, dot, method = target.path.rpartition(".")
        name = of.rpartition(".")[2]
        if not target.is_made or not dot or method != _LOAD or not _CLASS.match(name):
            continue
        for key in yaml_maps.beside(view.text, target.start):
            value = _VALUE.match(view.text, key.end) if key.name == library.CHECKPOINT[0] else None
            if value is None or _family_of_checkpoint(view, value["text"]) in ("", _family(name)):
                continue
            new, start = _counterpart(name), target.start + len(of) - len(name)
            requires = _NAFLEX_SINCE if new.startswith("Siglip2") else ""
            edit = Edit(start, start + len(name), new)
            fix = Fix(f"Replace `{name}` with `{new}`", [edit], applicability="unsafe", requires=requires)
            message = _message(name, _family(name), value["text"], frozenset())
            level: Level = "deprecated" if kind_of(name) in ("text", "config") else "breaks"
            yield view.finding(start, start + len(name), message, fix=fix, level=level)


def _foreign_tokenizer(view: ModuleView, call: CallSite) -> Iterator[Finding]:
    """The tokenizer of the first SigLIP on a checkpoint of the second, which has Gemma's."""
    known = [each for each in library.texts(call.values_of(*library.CHECKPOINT)) if _SECOND.search(each)]
    if known and not (view.guards.is_dead(call.node) or _is_chosen(view, call) or _tries_both(view, call)):
        message = f"`{known[0]}` has the tokenizer of Gemma: `{_TOKENIZER}` finds no file of its own there (ValueError)"
        yield view.finding(call.node, f"{message}: load it with `AutoTokenizer`")


def mismatch(view: ModuleView, call: CallSite) -> tuple[str, str]:
    """The class and the wrong checkpoint of a call; no checkpoint where that could not be followed."""
    names = library.loaders(call)
    families = {_family(name) if _CLASS.match(name) else "" for name in names}
    if len(families) != 1 or "" in families:
        return "", ""  # none of ours, or chosen among several
    (mine,) = families
    values = call.values_of(*library.CHECKPOINT)
    known = library.texts(values)
    wrong = [name for name in known if _family_of_checkpoint(view, name) not in ("", mine)]
    if not wrong and (not values or (known and library.origin(values) in ("", "the caller"))):
        return "", ""
    if view.guards.is_dead(call.node) or _is_chosen(view, call) or _tries_both(view, call) or _is_wanted(view, call):
        return "", ""
    return sorted(names)[0], wrong[0] if wrong else ""


def _findings(view: ModuleView, found: list[tuple[CallSite, str, str]]) -> Iterator[Finding]:
    """One finding each; all that read the class from one import share the fix of it."""
    groups: dict[object, list[tuple[CallSite, ast.expr, str, str]]] = {}
    for call, name, wrong in found:
        owner = call.func.value if isinstance(call.func, ast.Attribute) else call.func
        groups.setdefault(swaps.import_of(view, owner) or owner, []).append((call, owner, name, wrong))
    for group in groups.values():
        new = _counterpart(group[0][2])
        requires = _NAFLEX_SINCE if new.startswith("Siglip2") else ""
        # Where one call loads checkpoints of both families, the other class is as wrong.
        both = {call.node: _right_one(call, _family(name)) for call, _, name, _ in group}
        later = {call.node for call, owner, _, _ in group if call.node not in view.tree.ancestors(owner)}
        owners = [owner for call, owner, _, _ in group if not both[call.node] and call.node not in later]
        fix = swaps.swap(view, owners, group[0][2], new, safety="unsafe", requires=requires) if owners else None
        for call, _, name, wrong in group:
            message = _message(name, _family(name), wrong, call.values_of("ignore_mismatched_sizes"))
            if right := both[call.node]:
                message += f"; `{right}`, which is loaded here as well, belongs to it: choose the class by the name"
            yield view.finding(
                call.node,
                message,
                level="deprecated" if kind_of(name) in ("text", "config") else "breaks",
                fix=None if right or call.node in later else fix,
            )


def _right_one(call: CallSite, mine: str) -> str:
    """A checkpoint of a call that does belong to its class; "" where there is none."""
    known = library.texts(call.values_of(*library.CHECKPOINT))
    return next((name for name in known if _family_of_checkpoint(call.view, name) == mine), "")


def _family(name: str) -> str:
    return "naflex" if name.startswith("Siglip2") else "fixed"


def kind_of(name: str) -> str:
    """What a SigLIP class is: "model", "text", "processor", "config", or "" where it is none."""
    found = _CLASS.match(name)
    return _KINDS[found[2]] if found else ""


def _counterpart(name: str) -> str:
    return name.replace("Siglip2", "Siglip", 1) if name.startswith("Siglip2") else name.replace("Siglip", "Siglip2", 1)


def _family_of_checkpoint(view: ModuleView | ScriptView, checkpoint: str) -> str:
    stored = checkpoints.stored_model_type(view, checkpoint)
    if stored:
        return _FAMILIES.get(stored.partition("_")[0], "")
    name = checkpoint.rstrip("/").rpartition("/")[2].replace("…", "_")  # of an f-string, what is not known
    if _NAFLEX.search(name):
        return "naflex"
    return "fixed" if _FIXED.search(name) else ""


def _message(name: str, mine: str, checkpoint: str, ignores: Values) -> str:
    other = "a fixed-resolution checkpoint (its model_type is siglip)" if mine == "naflex" else "a NaFlex checkpoint"
    start = f"`{checkpoint}` is {other} and belongs to `{_counterpart(name)}`; with `{name}` "
    kind = kind_of(name)
    if kind == "text":
        return start + "the text tower loads whole, with a warning"
    if kind == "config":
        lacks = "num_patches" if mine == "naflex" else "image_size"
        return start + f"`{lacks}` silently is the default, whatever the checkpoint has"
    if kind == "processor":
        gives = "patches where pixels are wanted" if mine == "naflex" else "fixed-size pixels where patches are wanted"
        return start + f"it silently gives {gives}"
    if Constant(True) in ignores:
        return start + "and `ignore_mismatched_sizes=True` it loads with a random patch embedding and no error"
    return start + "loading raises a RuntimeError: the shapes of the patch embeddings differ"


def _is_chosen(view: ModuleView, call: CallSite) -> bool:
    """Whether a test on the checkpoint's name, or on its family, decides over the call."""
    given = call.argument(*library.CHECKPOINT)
    names = {ast.dump(each) for each in _names_in(given)} if given is not None else set()
    choosing = set()
    for read in [each for each in ast.walk(given) if isinstance(each, ast.Name)] if given is not None else []:
        for binding in view.links.bindings_read(read):
            if isinstance(binding.value, ast.IfExp):  # the name is chosen by a test: does it choose the class, too?
                choosing.add(ast.dump(binding.value.test))
    for test, _ in view.reach.conditions(call.node):
        if ast.dump(test) in choosing or any(_is_about_family(node, names) for node in _asking(test, names)):
            return True
    return given is not None and _has_other_arm(view, call, given)


def _names_in(node: ast.expr) -> Iterator[ast.expr]:
    """The names and dotted names that an expression reads, each as a whole: `args.model`, and not `args`."""
    if isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and dotted(node)):
        yield node
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.expr, ast.keyword)):
            yield from _names_in(child.value if isinstance(child, ast.keyword) else child)


def _asking(test: ast.expr, names: Container[str]) -> Iterator[ast.AST]:
    """The nodes of a test that may tell one checkpoint from another.

    `if name:`, `name is not None` and `os.path.isdir(name)` only ask whether there is one.

    Args:
        test: the test.
        names: what the checkpoint is called, as dumps.
    """
    if isinstance(test, ast.BoolOp):
        for each in test.values:
            yield from _asking(each, names)
    elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield from _asking(test.operand, names)
    elif isinstance(test, ast.NamedExpr):
        if not isinstance(test.value, ast.Constant):
            yield from _asking(test.value, names)
    elif isinstance(test, ast.Call) and last_name(test.func) in _IS_THERE:
        return
    elif isinstance(test, ast.Compare) and isinstance(test.ops[0], (ast.Is, ast.IsNot)):
        yield from _asking(test.left, names)
    elif not isinstance(test, (ast.Name, ast.Attribute)) or ast.dump(test) not in names:
        yield from ast.walk(test)


def _is_about_family(node: ast.AST, names: Container[str]) -> bool:
    """Whether a node of a test names a family, or the checkpoint itself."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and _FAMILY_WORD.search(node.value) is not None
    if not isinstance(node, (ast.Name, ast.Attribute)):
        return False
    name = last_name(node)
    return name == "model_type" or _FAMILY_WORD.search(name) is not None or ast.dump(node) in names


def _has_other_arm(view: ModuleView, call: CallSite, given: ast.expr) -> bool:
    """Whether the same checkpoint is loaded with a class of the other family where a test goes the other way."""
    mine = {_family(name) for name in library.loaders(call)}
    tests = {(ast.dump(test), truth) for test, truth in view.reach.conditions(call.node)}
    for other in view.calls({"from_pretrained"}) if tests else ():
        theirs = {_family(name) for name in library.loaders(other) if _CLASS.match(name)}
        loaded = other.argument(*library.CHECKPOINT)
        if not theirs or theirs & mine or loaded is None or ast.dump(loaded) != ast.dump(given):
            continue
        if any((ast.dump(test), not truth) in tests for test, truth in view.reach.conditions(other.node)):
            return True
    return False


def _is_wanted(view: ModuleView, call: CallSite) -> bool:
    """Whether a test wants the call to fail: `with pytest.raises(RuntimeError):`."""
    for parent in view.tree.ancestors(call.node):
        for item in parent.items if isinstance(parent, (ast.With, ast.AsyncWith)) else ():
            func = item.context_expr.func if isinstance(item.context_expr, ast.Call) else None
            if isinstance(func, ast.Attribute) and func.attr in ("raises", "assertRaises", "assertRaisesRegex"):
                return True
    return False


def _tries_both(view: ModuleView, call: CallSite) -> bool:
    """Whether the call is one of two tries: a handler loads with the other family, or with an Auto class."""
    handled = view.guards.handled(call.node, _LOAD_ERRORS)
    around = [handled.handler] if handled is not None else []
    for parent in view.tree.ancestors(call.node):
        if isinstance(parent, ast.ExceptHandler):
            around.append(view.tree.parents[parent])
    for each in around:
        for node in ast.walk(each):
            if isinstance(node, ast.Call) and node is not call.node:
                other = type(call)(view, node)
                if any(_CLASS.match(name) or name.startswith("Auto") for name in library.loaders(other)):
                    return True
    return False
