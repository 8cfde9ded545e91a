"""V5004: a SigLIP class on a checkpoint of the other family."""

from __future__ import annotations

import ast
import re

from v5lint.rule import Rule
from v5lint.rules import library, swaps
from v5lint.view.guards import CALL_ERRORS
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
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
}
_CLASS = re.compile(rf"(Siglip2?)({'|'.join(_KINDS)})\Z")

#: "siglip2-base-patch16-naflex", and with a resolution behind the patch size: "siglip2-so400m-patch14-384".
_NAFLEX = re.compile(r"siglip2?[\w.]*(-[\w.]+)*-naflex", re.IGNORECASE)
_FIXED = re.compile(r"siglip2?(-[\w.]+)*-patch\d+-\d{3}\b", re.IGNORECASE)

#: The classes of NaFlex came with 4.50.
_NAFLEX_SINCE = "4.50"

_LOAD_ERRORS = frozenset({"RuntimeError", "ValueError", "OSError", *CALL_ERRORS})


class SiglipClassMismatch(Rule):
    """A SigLIP class that does not match its checkpoint.

    ## What it does

    Finds a `Siglip*` class that loads a NaFlex checkpoint and a `Siglip2*` class that loads one of fixed resolution.
    The fixed-resolution checkpoints of SigLIP 2 (`google/siglip2-base-patch16-224`) have the `model_type` "siglip" and
    belong to `SiglipModel`; only the NaFlex ones belong to `Siglip2Model`. A class that is chosen by the checkpoint's
    name, or tried before the other one, is no finding.

    ## Why it breaks

    The patch embedding is a convolution in one family and a linear layer in the other:

        RuntimeError: You set `ignore_mismatched_sizes` to `False`, thus raising an error. For details look at the above
        report!

    With `ignore_mismatched_sizes=True`, which classification scripts pass to swap the head, there is no error: the
    model loads with a random patch embedding, and trains on it. A processor of the other family raises nothing either:
    it gives fixed-size pixels where patches are wanted, or the reverse. The text towers are alike: their weights load
    whole, with a warning.

    ## Example

        model = Siglip2Model.from_pretrained("google/siglip2-base-patch16-224")

    becomes

        model = SiglipModel.from_pretrained("google/siglip2-base-patch16-224")

    ## Fix safety

    Unsafe: the family is read from the checkpoint's name, and what is done with the model's inputs may have to change.

    ## References

    - https://huggingface.co/docs/transformers/model_doc/siglip2
    """

    code = "V5004"
    name = "siglip-class-mismatch"
    since = "4.50"
    tokens = ("Siglip",)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        found: list[tuple[CallSite, str, str]] = []
        for call in module.calls({"from_pretrained"}):
            name, wrong = mismatch(module, call)
            if wrong:
                found.append((call, name, wrong))
            elif name:
                where = library.origin(call.values_of(*library.CHECKPOINT))
                yield module.unseen(call.node, f"the checkpoint of `{name}` comes from {where}")
        yield from _findings(module, found)


def mismatch(view: ModuleView, call: CallSite) -> tuple[str, str]:
    """The class and the wrong checkpoint of a call; no checkpoint where that could not be followed."""
    names = library.loaders(call)
    families = {_family(name) if _CLASS.match(name) else "" for name in names}
    if len(families) != 1 or "" in families:
        return "", ""  # none of ours, or chosen among several
    (mine,) = families
    values = call.values_of(*library.CHECKPOINT)
    known = library.texts(values)
    wrong = [name for name in known if _family_of_checkpoint(name) not in ("", mine)]
    if not wrong and (not library.origin(values) or (known and library.origin(values) == "the caller")):
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
        owners = [owner for _, owner, _, _ in group]
        fix = swaps.swap(view, owners, group[0][2], new, safety="unsafe", requires=requires)
        for call, _, name, wrong in group:
            yield view.finding(
                call.node,
                _message(name, _family(name), wrong, call.values_of("ignore_mismatched_sizes")),
                level="deprecated" if kind_of(name) == "text" else "breaks",
                fix=fix,
            )


def _family(name: str) -> str:
    return "naflex" if name.startswith("Siglip2") else "fixed"


def kind_of(name: str) -> str:
    """What a SigLIP class is: "model", "text", "processor", or "" where it is none."""
    found = _CLASS.match(name)
    return _KINDS[found[2]] if found else ""


def _counterpart(name: str) -> str:
    return name.replace("Siglip2", "Siglip", 1) if name.startswith("Siglip2") else name.replace("Siglip", "Siglip2", 1)


def _family_of_checkpoint(checkpoint: str) -> str:
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
    if kind == "processor":
        gives = "patches where pixels are wanted" if mine == "naflex" else "fixed-size pixels where patches are wanted"
        return start + f"it silently gives {gives}"
    if Constant(True) in ignores:
        return start + "and `ignore_mismatched_sizes=True` it loads with a random patch embedding and no error"
    return start + "loading raises a RuntimeError: the shapes of the patch embeddings differ"


def _is_chosen(view: ModuleView, call: CallSite) -> bool:
    """Whether a test on the checkpoint's name, or on its family, decides over the call."""
    given = call.argument(*library.CHECKPOINT)
    parts = (
        {ast.dump(node) for node in ast.walk(given) if isinstance(node, (ast.Name, ast.Attribute))} if given else set()
    )
    for read in [each for each in ast.walk(given) if isinstance(each, ast.Name)] if given else []:
        for binding in view.links.bindings_read(read):
            if isinstance(binding.value, ast.IfExp):  # the name is chosen by a test: does it choose the class, too?
                parts.add(ast.dump(binding.value.test))
    for test, _ in view.reach.conditions(call.node):
        if ast.dump(test) in parts:
            return True
        for node in ast.walk(test):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if any(word in node.value.lower() for word in ("naflex", "siglip")):
                    return True
            elif isinstance(node, (ast.Name, ast.Attribute)):
                name = node.id if isinstance(node, ast.Name) else node.attr
                if (
                    "naflex" in name.lower()
                    or "siglip" in name.lower()
                    or name == "model_type"
                    or ast.dump(node) in parts
                ):
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
