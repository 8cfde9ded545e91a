"""V5102: modules that transformers no longer has."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules import removed_names
from v5lint.rules.parts import hub_folders, removed_api, script_targets
from v5lint.rules.parts.api_edits import Rewrites
from v5lint.view.script import ScriptView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.rules.parts.removed_api import Lost
    from v5lint.view.module import ModuleView


class RemovedModule(Rule):
    """A module that transformers no longer has, with all that it held.

    ## What it does

    Finds imports of modules and packages that the target release lacks (`import transformers.onnx`, `from
    transformers.commands import ...`, `importlib.import_module("transformers.data.processors")`), and attributes that
    lead through them. Names in them that have another home are V5103.

    In YAML the same is found in paths of transformers that a program looks up: `_target_:` (Hydra), `class_path:`.

    ## Why it breaks

        ModuleNotFoundError: No module named 'transformers.onnx'
        ModuleNotFoundError: No module named 'transformers.models.transfo_xl'

    ## Example

        from transformers.onnx import export

    has no counterpart: the export moved to the package optimum-onnx, with an interface of its own.

    ## Fix safety

    Safe: an import that nothing uses, neither in the module nor from another one, is removed. Nothing else is changed.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5102"
    name = "removed-module"
    since = "5.0"
    words = removed_api.WORDS
    kinds = ("python", "script")

    def check(self, module: ModuleView | ScriptView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        if isinstance(module, ScriptView):
            yield from script_targets.findings(module, "module", _message)
            return
        rewrites = Rewrites(module)
        for lost in removed_api.lost(module, "module"):
            fix = rewrites.without(lost)
            if fix is None and lost.reference.name == hub_folders.NAME:
                fix = hub_folders.as_functions(module, [lost.reference])
            yield module.finding(lost.reference.node, _message(lost), fix=fix, since=lost.removal.gone)


def _message(lost: Lost) -> str:
    gone = lost.gone_module
    what = "" if lost.reference.path == gone else f", and `{lost.reference.name}` with it"
    return f"the module `{gone}` was removed in transformers {lost.removal.gone}{what}; {removed_names.advice(lost)}"
