"""V5202 and V5207: arguments that loaders no longer take, and those that they take and ignore."""

from __future__ import annotations

from v5lint.rule import Fix, Rule
from v5lint.rules.parts import arguments, loading, models, named_calls, tuple_parts
from v5lint.view.script import ScriptView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.rules.parts.arguments import Given
    from v5lint.view.module import ModuleView

_RESUME, _FLASH, _TRACED = "resume_download", "use_flash_attention_2", "torchscript"
_TUPLES = "return_dict"
_ATTENTION, _FLASH_VALUE, _ATTENTION_SINCE = "attn_implementation", '"flash_attention_2"', "4.36"

#: What loaders of models lost; that it is gone in the target is asked of the knowledge. `load_in_8bit` and its kin are
#: V5002's matter.
RAISING = (_RESUME, _FLASH, _TRACED, "_adapter_model_path")

#: What they take and do not look at.
IGNORED = ("low_cpu_mem_usage", "_fast_init", "mirror", "offload_state_dict")


class RemovedLoaderArgument(Rule):
    """An argument that `from_pretrained` no longer takes.

    ## What it does

    Finds `resume_download`, `use_flash_attention_2` and `torchscript` where they reach `from_pretrained` of a
    transformers class: as keywords, in dicts that are splatted into the call or given to `pipeline(model_kwargs=...)`,
    and through functions that hand their `**kwargs` on. `use_auth_token` is V5201's, `load_in_8bit` V5002's matter.

    ## Why it breaks

    What a loader of models does not know goes to the constructor of the model. Measured on 5.23.0:

        TypeError: BertModel.__init__() got an unexpected keyword argument 'resume_download'

    Loaders of tokenizers, processors and configurations ignore `resume_download`, which breaks nothing (downloads
    always resume).

    ## Example

        model = AutoModel.from_pretrained(name, use_flash_attention_2=True, resume_download=True)

    becomes

        model = AutoModel.from_pretrained(name, attn_implementation="flash_attention_2")

    ## Fix safety

    Safe where every call that the argument reaches is known. `use_flash_attention_2=flag` becomes a conditional
    expression whose other value is `None`, the default. Where `attn_implementation` is given as well a person has to
    decide. Unsafe for `torchscript=True`, which becomes `return_dict=False`: `torch.jit.trace` gets its tuples, but the
    embeddings of the input and of the output are no longer two tensors; none for models that cannot read the tuples of
    their own parts (V5529).

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5202"
    name = "removed-loader-argument"
    since = "5.0"
    tokens = RAISING
    tokens_by_kind = {"script": named_calls.TOKENS}
    kinds = ("python", "script")

    def check(self, module: ModuleView | ScriptView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        called = loading.functions(loading.LOAD, with_pipeline=True)
        found = () if isinstance(module, ScriptView) else loading.check(module, RAISING, called, _results)
        yield from named_calls.findings(module, RAISING, found)


def _results(group: list[Given]) -> Iterator[Finding]:
    dropped = [each for each in group if each.name not in _REWRITTEN]
    removal = arguments.removal_fix(dropped, _level(dropped)) if dropped else None
    for given in group:
        _, remark = arguments.safety(given)
        fix = _REWRITTEN[given.name](given) if given.name in _REWRITTEN else removal
        yield loading.finding(given, fix, remark, is_idle=given.name == _RESUME)


def _level(group: list[Given]) -> Applicability:
    return "unsafe" if any(arguments.safety(each)[0] == "unsafe" for each in group) else "safe"


def _flash_fix(given: Given) -> Fix | None:
    level, _ = arguments.safety(given)
    constants = given.constants
    if constants is not None and not any(constants):
        return arguments.removal_fix([given], level)
    if given.value is None or not given.is_editable or given.other(_ATTENTION) is not None:
        return None
    value = _FLASH_VALUE
    if constants is None or not all(constants):
        value = f"{_FLASH_VALUE} if {arguments.operand(given)} else None"
    return Fix(
        f"Replace `{_FLASH}` with `{_ATTENTION}`",
        lambda: given.replaced(_ATTENTION, value),
        applicability=level,
        requires=_ATTENTION_SINCE,
    )


def _traced_fix(given: Given) -> Fix | None:
    """`torchscript=True` made tuples of what the model gives back, as `return_dict=False` does."""
    level, _ = arguments.safety(given)
    constants = given.constants
    if constants is not None and not any(constants):
        return arguments.removal_fix([given], level)
    if constants is None or not all(constants) or not given.is_editable or given.other(_TUPLES) is not None:
        return None
    if tuple_parts.failing(models.models(given.view, given.call.node).found, given.view.settings.target):
        return None  # it would fail over the tuples of its parts: V5529
    return Fix(
        f"Replace `{_TRACED}` with `{_TUPLES}=False`", lambda: given.replaced(_TUPLES, "False"), applicability="unsafe"
    )


#: What is not just dropped.
_REWRITTEN = {_FLASH: _flash_fix, _TRACED: _traced_fix}


class IgnoredLoaderArgument(Rule):
    """An argument that `from_pretrained` takes and ignores.

    ## What it does

    Finds `low_cpu_mem_usage`, `_fast_init`, `mirror` and `offload_state_dict` where they reach `from_pretrained` of a
    transformers model. Off unless selected: nothing fails, and nothing is missing but in the case of `mirror`.

    ## Why it breaks

    It does not: since 5.0 the loader takes the argument out and does not look at it (measured on 5.23.0: no exception
    and no warning). Weights are always loaded onto the meta device first, so `low_cpu_mem_usage` is what every load
    does; a `mirror` is set with the environment variable `HF_ENDPOINT`.

    ## Example

        model = AutoModel.from_pretrained(name, low_cpu_mem_usage=True)

    becomes

        model = AutoModel.from_pretrained(name)

    ## Fix safety

    Safe but for `mirror`, whose effect is lost. While the project supports 4.x, `low_cpu_mem_usage=True` still saves
    memory there and stays.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5207"
    name = "ignored-loader-argument"
    since = "5.0"
    tokens = IGNORED
    default = False

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        yield from loading.check(module, IGNORED, loading.functions(loading.LOAD), _ignored)


def _ignored(group: list[Given]) -> Iterator[Finding]:
    for given in group:
        level, remark = arguments.safety(given)
        fix = arguments.removal_fix([given], "unsafe" if given.name == "mirror" else level)
        if fix is not None:
            fix.requires = given.removal.gone
        found = loading.finding(given, fix, remark)
        found.level = "deprecated"
        yield found
