"""V5201: `use_auth_token` given to transformers."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules.knowledge.lookup import Removal
from v5lint.rules.parts import arguments, loading, named_calls
from v5lint.view.script import ScriptView
from v5lint.view.values import External, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.rules.parts.arguments import Given
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

_OLD, _NEW = "use_auth_token", "token"

#: The oldest release in which every loader takes `token` (tokenizers and processors do since 4.31).
_SINCE = "4.32"

#: Functions of transformers that fetch a file, and drop what they do not know.
_LIBRARY, _GONE = "transformers", "5.0"
_FETCHERS = frozenset("cached_file cached_files has_file get_cached_module_file get_class_from_dynamic_module".split())

#: What reads from the Hub in the package datasets, and the release that dropped the argument there.
_DATASETS, _DATASETS_GONE = "datasets", "3.0"
_READERS = frozenset(
    "load_dataset load_dataset_builder get_dataset_config_names get_dataset_config_info get_dataset_infos "
    "get_dataset_split_names get_dataset_default_config_name".split()
)


class RemovedAuthToken(Rule):
    """`use_auth_token` given to a loader, to `push_to_hub` or to `pipeline`.

    ## What it does

    Finds `use_auth_token` where it reaches `from_pretrained`, `save_pretrained` or `push_to_hub` of a transformers
    class, or `pipeline`: as a keyword, in a dict that is splatted into the call, and through functions that hand their
    `**kwargs` on. A model of PEFT inherits `push_to_hub` from transformers and counts; its own `save_pretrained` still
    takes the argument. Functions of transformers that fetch a file (`cached_file`, `has_file`) count, those of
    `huggingface_hub` are V5206's matter.

    Also found are settings that say what is called with them: `_target_: transformers.AutoModel.from_pretrained` and
    the keys beside it in YAML or in a dict, and `dict(type=AutoModel.from_pretrained, ...)`, as mmengine has it.

    So are the fields of an object that go into the call as a whole: `**asdict(config)`, `**vars(config)`.

    ## Why it breaks

    Models, `push_to_hub` and `pipeline` raise. Measured on 5.23.0:

        TypeError: BertModel.__init__() got an unexpected keyword argument 'use_auth_token'
        TypeError: PushToHubMixin.push_to_hub() got an unexpected keyword argument 'use_auth_token'

    Tokenizers, processors, configurations and generation configurations accept it and drop it, and so do `cached_file`
    and `has_file` of `transformers.utils`: the request goes out without the token, and a gated repository answers as if
    there were none (measured: `hf_hub_download(token=None)`).

    `datasets` dropped the argument in its release 3.0. Measured on 5.2.0:

        TypeError: JsonConfig.__init__() got an unexpected keyword argument 'use_auth_token'

    ## Example

        tokenizer = AutoTokenizer.from_pretrained(name, use_auth_token=True)

    becomes

        tokenizer = AutoTokenizer.from_pretrained(name, token=True)

    ## Fix safety

    Safe: `token` takes what `use_auth_token` took (`datasets` has it since 2.14). Unsafe where the argument also goes
    somewhere that could not be followed, and where a handler hides the failure.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md (the guide calls the
      argument deprecated: it is refused, or dropped without a word)
    """

    code = "V5201"
    name = "removed-auth-token"
    since = "5.0"
    tokens = (_OLD,)
    tokens_by_kind = {"script": named_calls.TOKENS}
    kinds = ("python", "script")

    def check(self, module: ModuleView | ScriptView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        found = () if isinstance(module, ScriptView) else loading.check(module, {_OLD}, _called, _results, _judge)
        yield from named_calls.findings(module, {_OLD}, found)


_of_transformers = loading.functions(loading.LOAD | loading.SAVE | loading.SHARE, with_pipeline=True)


def _called(call: CallSite, callee: Value) -> Iterator[str]:
    """The function that a call is of, of transformers or of datasets."""
    owner = callee.owner if isinstance(callee, Method) else callee
    if isinstance(callee, External) and callee.package == _LIBRARY and callee.name in _FETCHERS:
        yield f"{_LIBRARY}@:{callee.name}"
    elif not isinstance(owner, External) or owner.package != _DATASETS:
        yield from _of_transformers(call, callee)
    elif isinstance(callee, Method):
        if callee.name in loading.SHARE:
            yield f"{_DATASETS}@:{owner.name}.{callee.name}"
    elif owner.name in _READERS:
        yield f"{_DATASETS}@:{owner.name}"


def _judge(function: str, name: str, target: str) -> Removal | None:
    package, _, path = function.partition("@:")
    if package == _LIBRARY:
        return Removal(f"{path}:{name}", "parameter", _LIBRARY, f"..{_GONE}", _GONE, [_NEW, "1", "", "ignored", ""])
    if package != _DATASETS:
        return arguments.removal_of(function, name, target)
    gone = _DATASETS_GONE
    return Removal(f"{path}:{name}", "parameter", _DATASETS, f"..{gone}", gone, [_NEW, "1", "", "", ""])


def _results(group: list[Given]) -> Iterator[Finding]:
    for given in group:
        level, remark = arguments.safety(given)
        advice = f"write `{_NEW}`"
        if given.other(_NEW) is not None:
            fix = arguments.removal_fix([given], level) if _says_the_same(given) else None
            advice = f"`{_NEW}` is given as well: drop it"
        else:
            since = _SINCE if given.removal.package != _DATASETS else ""
            fix = arguments.rename_fix(given, _NEW, since, level)
        constants = given.constants
        is_idle = bool(constants) and not any(constants or ())
        yield loading.finding(given, fix, remark, advice, is_idle=is_idle)


def _says_the_same(given: Given) -> bool:
    import ast

    other = given.other(_NEW)
    return given.value is not None and other is not None and ast.dump(given.value) == ast.dump(other)
