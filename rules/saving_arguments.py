"""V5203: arguments that `save_pretrained` and `push_to_hub` no longer take."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import arguments, library, loading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Edit, Finding, Unseen
    from v5lint.rules.parts.arguments import Given
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_FORMAT = "safe_serialization"

#: What `save_pretrained` ignores, and `push_to_hub` raises on; what the target lacks is asked of the knowledge.
#: `use_auth_token` is V5201's matter.
NAMES = (
    _FORMAT, "save_function", "save_config", "repo_path_or_name", "repo_url", "use_temp_dir", "organization",
    "ignore_metadata_errors", "save_jinja_files", "save_raw_chat_template", "legacy_serialization",
)  # fmt: skip

_SHARE = "push_to_hub"

#: Whose method all classes but the Trainer have, and the last release that took its arguments by position.
_SHARER = f"PushToHubMixin.{_SHARE}"
_BEFORE = "4.57"

#: Arguments of that release that are gone and whose value changed nothing that v5 does otherwise.
_WITHOUT_EFFECT = frozenset({"use_temp_dir"})

#: Those that have something else in their place, which depends on their value.
_OTHERWISE = frozenset({"repo_path_or_name", "repo_url", "organization"})


class RemovedSavingArgument(Rule):
    """An argument that `save_pretrained` or `push_to_hub` no longer takes.

    ## What it does

    Finds `safe_serialization`, `save_function`, `save_config`, `repo_path_or_name`, `repo_url`, `organization`,
    `use_temp_dir` and their like on the `save_pretrained` and `push_to_hub` of transformers classes, as keywords and in
    dicts that are splatted into the call; and what `push_to_hub` gets by position behind the name of the repository.

    ## Why it breaks

    `push_to_hub` raises. Measured on 5.23.0:

        TypeError: PreTrainedModel.push_to_hub() got an unexpected keyword argument 'safe_serialization'
        TypeError: PreTrainedModel.push_to_hub() takes 2 positional arguments but 4 were given

    `save_pretrained` ignores all of them: `safe_serialization=False` writes `model.safetensors` all the same, and what
    reads `pytorch_model.bin` afterwards does not find it. `safe_serialization=True` breaks nothing there.

    ## Example

        model.save_pretrained("out", safe_serialization=True)

    becomes

        model.save_pretrained("out")

    ## Fix safety

    Taking `safe_serialization=True` out is safe: it is what every release since 4.35 does by itself. Taking `False`,
    or a value that is not known, out is unsafe, as is dropping a `save_function`. Arguments by position get the names
    that their places had, which is safe. A repository's address and
    organisation belong into `repo_id`, which is left to a person.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5203"
    name = "removed-saving-argument"
    since = "5.0"
    words = (*NAMES, _SHARE)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        yield from loading.check(module, NAMES, loading.functions(loading.SAVE | loading.SHARE), _results)
        for call in module.calls(loading.SHARE):
            if len(call.node.args) > 1 and not module.guards.is_dead(call.node):
                yield from _by_position(module, call)


def _results(group: list[Given]) -> Iterator[Finding]:
    dropped: dict[Applicability, list[Given]] = {}
    levels = {}
    for given in group:
        level, _ = arguments.safety(given)
        if given.name == "save_function" or (given.name == _FORMAT and not _is_safe(given)):
            level = "unsafe"
        levels[given] = level
        if given.name not in _OTHERWISE:
            dropped.setdefault(level, []).append(given)
    fixes = {level: arguments.removal_fix(each, level) for level, each in dropped.items()}
    for given in group:
        _, remark = arguments.safety(given)
        fix = fixes[levels[given]] if given.name not in _OTHERWISE else None
        advice = None
        if given.name == _FORMAT:
            advice = (
                "drop it" if _is_safe(given) else "drop it, and let readers of `pytorch_model.bin` read the new file"
            )
        is_idle = given.name in _WITHOUT_EFFECT or (given.name == _FORMAT and _is_safe(given))
        yield loading.finding(given, fix, remark, advice, is_idle=is_idle)


def _is_safe(given: Given) -> bool:
    return given.constants is not None and all(each is True for each in given.constants)


def _by_position(view: ModuleView, call: CallSite) -> Iterator[Finding]:
    """What stands behind the name of the repository: only keywords may."""
    called = loading.functions(loading.SHARE)
    functions = {name for callee in call.callees for name in called(call, callee)}
    target = library.release_text(view.settings.target)
    places = lookup.parameters(_SHARER, _BEFORE)
    if not functions or places is None or call.args is not call.node.args:
        return
    for name in functions:
        known = lookup.parameters(name, target)
        if name == arguments.UNKNOWN_CALLEE or (known is not None and len(known.positional) > 1):
            return  # the Trainer's own method takes a message first
    shown = sorted(functions)[0]
    message = (
        f"`{shown}` takes the name of the repository alone by position since transformers 5.0: "
        "give the others their names"
    )
    yield view.finding(call.node, message, fix=_named(view, call, places.positional))


def _named(view: ModuleView, call: CallSite, places: tuple[str, ...]) -> Fix | None:
    given = dict(zip(call.node.args, places, strict=False))
    if len(call.node.args) > len(places) or any(isinstance(each, ast.Starred) for each in call.node.args):
        return None
    replace: dict[ast.AST, str] = {}
    remove: list[ast.AST] = []
    for node, name in [*given.items()][1:]:
        is_default = isinstance(node, ast.Constant) and node.value is None
        if name in _WITHOUT_EFFECT or is_default or (name == _FORMAT and getattr(node, "value", None) is True):
            remove.append(node)
        elif name == _FORMAT:
            return None
        else:
            replace[node] = f"{name}={view.source(node)}"

    def build() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(view, call.node, replace=replace, remove=remove)]

    return Fix("Give the arguments their names", build)
