"""V5203: arguments that `save_pretrained` and `push_to_hub` no longer take."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules import arguments, loading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.rules.arguments import Given
    from v5lint.view.module import ModuleView

_FORMAT = "safe_serialization"

#: What `save_pretrained` ignores, and `push_to_hub` raises on; what the target lacks is asked of the knowledge.
#: `use_auth_token` is V5201's matter.
NAMES = (
    _FORMAT, "save_function", "save_config", "repo_path_or_name", "repo_url", "use_temp_dir", "organization",
    "ignore_metadata_errors", "save_jinja_files", "save_raw_chat_template", "legacy_serialization",
)  # fmt: skip

#: Those that have something else in their place, which depends on their value.
_OTHERWISE = frozenset({"repo_path_or_name", "repo_url", "organization"})


class RemovedSavingArgument(Rule):
    """An argument that `save_pretrained` or `push_to_hub` no longer takes.

    ## What it does

    Finds `safe_serialization`, `save_function`, `save_config`, `repo_path_or_name`, `repo_url`, `organization`,
    `use_temp_dir` and their like on the `save_pretrained` and `push_to_hub` of transformers classes, as keywords and in
    dicts that are splatted into the call.

    ## Why it breaks

    `push_to_hub` raises. Measured on 5.23.0:

        TypeError: PreTrainedModel.push_to_hub() got an unexpected keyword argument 'safe_serialization'

    `save_pretrained` ignores all of them: `safe_serialization=False` writes `model.safetensors` all the same, and what
    reads `pytorch_model.bin` afterwards does not find it.

    ## Example

        model.save_pretrained("out", safe_serialization=True)

    becomes

        model.save_pretrained("out")

    ## Fix safety

    Taking `safe_serialization=True` out is safe: it is what every release since 4.35 does by itself. Taking `False`,
    or a value that is not known, out is unsafe, as is dropping a `save_function`. A repository's address and
    organisation belong into `repo_id`, which is left to a person.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5203"
    name = "removed-saving-argument"
    since = "5.0"
    tokens = NAMES

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        yield from loading.check(module, NAMES, loading.functions(loading.SAVE | loading.SHARE), _results)


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
        yield loading.finding(given, fix, remark, advice)


def _is_safe(given: Given) -> bool:
    return given.constants is not None and all(each is True for each in given.constants)
