"""V5992: the runtime's loader in the place of a class that does not match its checkpoint."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, FixUnavailableError, Rule
from v5lint.rules import siglip_classes
from v5lint.rules.parts import library, swaps
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_RUNTIME = "v5lint.runtime"

#: What the runtime's loader is asked for, by the ending of the class.
_TASKS = {"ForImageClassification": "classification", "VisionModel": "dense", "Model": "retrieval"}

#: Arguments that mean the same to both, those that the loader makes superfluous, and those that get another name.
_KEPT = frozenset({"revision", "token", "cache_dir", "device_map", "attn_implementation", "dtype", "local_files_only"})
_DROPPED = frozenset({"ignore_mismatched_sizes", "label2id"})
_RENAMED = {"torch_dtype": "dtype", "id2label": "labels", "num_labels": "labels"}


class MismatchedLoader(Rule):
    """A SigLIP class that does not match its checkpoint, where the runtime would choose the class.

    ## What it does

    Finds what V5004 finds (a `Siglip*` class on a NaFlex checkpoint, a `Siglip2*` class on a fixed-resolution one) and
    offers `v5lint.runtime.load_model` and `load_processor`, which read the family from the checkpoint. Off unless
    selected: whether a script shall depend on the runtime is for its owner to say.

    ## Why it breaks

    See V5004: a `RuntimeError` for mismatched shapes, or, with `ignore_mismatched_sizes=True`, a patch embedding with
    random weights and no error. The loader makes a missing or mismatched tensor outside the head an error in any case.

    ## Example

        model = SiglipForImageClassification.from_pretrained(
            "google/siglip2-base-patch16-naflex", num_labels=10, ignore_mismatched_sizes=True
        )

    becomes

        model = load_model("google/siglip2-base-patch16-naflex", task="classification", labels=10)

    ## Fix safety

    Unsafe: the script needs `v5lint[runtime]` from then on, the model is loaded in float32 unless a dtype is given, and
    a processor of another family has to come with it.

    ## References

    - docs/runtime.md
    """

    code = "V5992"
    name = "mismatched-loader"
    since = "4.50"
    tokens = ("Siglip",)
    default = False

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls({"from_pretrained"}):
            name, wrong = siglip_classes.mismatch(module, call)
            kind = siglip_classes.kind_of(name) if wrong else ""
            if kind in ("model", "processor"):
                loader = "load_model" if kind == "model" else "load_processor"
                message = f"`{name}` does not match `{wrong}`; `{loader}` takes the class that does"
                yield module.finding(call.node, message, fix=_fix(module, call, name, kind))


def _is_tested(view: ModuleView, call: CallSite) -> bool:
    """Whether the module asks for objects of the class by `isinstance`, which those of another are not."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    asked = {id(node) for each in view.calls({"isinstance"}) for node in ast.walk(each.node)}
    return any(
        id(use) in asked
        for binding in (view.links.bindings_read(owner) if isinstance(owner, ast.Name) else ())
        for use in view.links.uses(binding)
    )


def _fix(view: ModuleView, call: CallSite, name: str, kind: str) -> Fix | None:
    given = call.argument(*library.CHECKPOINT)
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    if given is None or len(call.args) > 1 or call.splats or owner is None or not swaps.names_class(view, owner, name):
        return None  # a class of this repository that inherits from it is no class that the loader knows
    if _is_tested(view, call):
        return None
    task = next((task for ending, task in _TASKS.items() if name.endswith(ending)), "")
    others = [each for each in call.node.keywords if each.value is not given]
    arguments = [view.source(given)]
    if kind == "model" and task:
        arguments.append(f'task="{task}"')
    elif name.endswith("Processor") and not name.endswith("ImageProcessor"):
        arguments.append('task="retrieval"')  # of images and texts
    names = set()
    for each in others:
        key = str(each.arg)
        if key in _DROPPED or (key == "num_labels" and any(other.arg == "id2label" for other in others)):
            continue
        key = _RENAMED.get(key, key)
        if key not in _KEPT | set(_RENAMED.values()) or (key == "labels" and task != "classification"):
            return None
        values = view.values(each.value) if key == "dtype" else frozenset()
        if any(isinstance(value, Constant) and value.value == "auto" for value in values):
            if not isinstance(each.value, ast.Constant):
                return None
            continue  # the loader takes float32, or what it is told
        if key not in names:
            names.add(key)
            arguments.append(f"{key}={view.source(each.value)}")
    function = "load_model" if kind == "model" else "load_processor"

    def edits() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits

        if "#" in view.source(call.node):
            raise FixUnavailableError("the call holds comments")
        imports = ImportEdits(view)
        written = f"{imports.use(_RUNTIME, function, call.node)}({', '.join(arguments)})"
        if isinstance(owner, ast.Name):
            for binding in view.links.bindings_read(owner):
                if binding.kind == "import" and len(view.links.uses(binding)) == 1:
                    imports.remove(binding)
        return [view.replace(call.node, written), *imports.edits()]

    return Fix(f"Load with `{function}`", edits, applicability="unsafe")
