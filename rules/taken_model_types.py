"""V5551: a model type that a program registers, and that transformers has itself now."""

from __future__ import annotations

import ast

from v5lint.releases import parse_release
from v5lint.rule import Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import arguments
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Edit, Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_AUTO, _METHOD, _ANYWAY = "AutoConfig", "register", "exist_ok"

#: The place of `exist_ok`, behind the type and the class.
_PLACE = 2

_ERRORS = frozenset({"ValueError", "Exception", "BaseException"})

#: The release whose `register` takes it.
_REQUIRES = "4.36"


class TakenModelType(Rule):
    """A model type that is registered with `AutoConfig.register`, and that transformers has itself now.

    ## What it does

    Finds `AutoConfig.register("llava", Own)` whose type came to transformers in a release since 4.20, without
    `exist_ok=True`.

    ## Why it breaks

    When the module is imported. Measured on 4.57.6 and 5.24.0:

        ValueError: 'llava' is already used by a Transformers config, pick another name.

    LLaVA and what was copied from it registered that type before 4.36 brought one. Checkpoints hold the type in their
    config.json.

    ## Example

        AutoConfig.register("llava", LlavaConfig)

    becomes

        AutoConfig.register("llava", LlavaConfig, exist_ok=True)

    ## Fix safety

    Unsafe: the class of the repository is loaded for that type, as it was (measured on both releases), and checkpoints
    of the library's model of that name no longer are, in the same program. A name of one's own needs another
    `model_type`, in the config.json of the checkpoints, too.

    ## References

    - https://huggingface.co/docs/transformers/custom_models
    """

    code = "V5551"
    name = "taken-model-type"
    since = "4.20"
    tokens = (f"{_AUTO}.{_METHOD}",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls({_METHOD}):
            owners = list(call.owners({_METHOD}))
            if not owners or not all(isinstance(each, External) and each.name == _AUTO for each in owners):
                continue
            if call.splats or call.argument(_ANYWAY, _PLACE) is not None or module.guards.is_dead(call.node):
                continue
            given = call.argument("model_type", 0)
            if given is None or module.guards.handled(call.node, _ERRORS) is not None:
                continue
            since = _since(module, given)
            if since and not arguments.is_tried_otherwise(module, call, given):
                yield module.finding(
                    given,
                    f"transformers has the model type {ast.unparse(given)} itself since {since}: a ValueError here",
                    fix=_fix(module, call),
                    since=since,
                )


def _since(view: ModuleView, given: ast.expr) -> str:
    """The release in which a model type came; "" where it is none, or was there always."""
    values = view.values(given)
    if len(values) != 1:
        return ""
    (value,) = values
    facts = lookup.model_type(value.value) if isinstance(value, Constant) and isinstance(value.value, str) else None
    path = f"transformers.{facts.config}" if facts is not None else ""
    if not path or not lookup.resolves(path, view.settings.target):
        return ""
    since = lookup.appeared_in(path) or ""
    return since if since and view.settings.target >= parse_release(since) else ""


def _fix(view: ModuleView, call: CallSite) -> Fix:
    def edits() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, call.node, append=[f"{_ANYWAY}=True"])]

    return Fix(f"Pass `{_ANYWAY}=True`", edits, applicability="unsafe", requires=_REQUIRES)
