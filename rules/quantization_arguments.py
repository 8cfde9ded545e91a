"""V5925: arguments of GPTQConfig and AwqConfig that go nowhere."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_GPTQ, _AWQ = "GPTQConfig", "AwqConfig"

_BACKEND = 'choose the kernel by `backend=` ("auto", "auto_trainable", ...)'
_FUSED = "modules are no longer fused"

#: The arguments, with what each is to be replaced by, and the values with which it changed nothing under 4.57.
_DROPPED: dict[str, dict[str, tuple[str, tuple[object, ...]]]] = {
    _GPTQ: {
        "use_exllama": (_BACKEND, (True, None)),
        "disable_exllama": (_BACKEND, (False, None)),
        "exllama_config": (_BACKEND, (None,)),
        "use_cuda_fp16": ("the kernel decides", (False,)),
    },
    _AWQ: {
        "do_fuse": (_FUSED, (False, None)),
        "fuse_max_seq_len": (_FUSED, (None,)),
        "modules_to_fuse": (_FUSED, (None,)),
        "exllama_config": (_BACKEND, (None,)),
    },
}

#: What `version=` of AwqConfig no longer takes.
_VERSION, _REFUSED = "version", frozenset({"exllama", "ipex"})


class IgnoredQuantizationArgument(Rule):
    """An argument of `GPTQConfig` or `AwqConfig` that is taken and read by nothing.

    ## What it does

    Finds `use_exllama=False`, `exllama_config=` and `use_cuda_fp16=True` given to `GPTQConfig`, and `do_fuse=True`,
    `fuse_max_seq_len=`, `modules_to_fuse=` and `exllama_config=` given to `AwqConfig`; and its `version="exllama"` and
    `version="ipex"`. What says the default of 4.57 is left alone.

    ## Why it breaks

    Since 5.0 both classes take any keyword, and these set nothing (measured on 5.24.0: the object has no such
    attribute; 4.57.6 kept it, and chose the kernel by it). A model that was to be trained without the kernels of
    ExLlama, or to run on a CPU, gets what `backend="auto"` chooses. Measured, for the two versions:

        ValueError: Invalid format 'exllama'. Must be one of: ['gemm', 'gemv', 'gemv_fast', 'llm-awq']

    ## Example

        config = GPTQConfig(bits=4, use_exllama=False)

    write

        config = GPTQConfig(bits=4, backend="auto_trainable")

    ## Fix safety

    No fix: which kernel is right depends on the machine; the names are those of gptqmodel, and of `AwqBackend`.

    ## References

    - https://huggingface.co/docs/transformers/quantization/gptq
    """

    code = "V5925"
    name = "ignored-quantization-argument"
    since = "5.0"
    tokens = (f"{_GPTQ}(", f"{_AWQ}(")

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls({_GPTQ, _AWQ}):
            is_ours = any(isinstance(each, External) and each.package == "transformers" for each in call.callees)
            if not is_ours or module.guards.is_dead(call.node):
                continue
            for name, (advice, harmless) in _DROPPED[call.name].items():
                keyword = call.keyword(name)
                known = module.constants(keyword.value, object) if keyword is not None else []
                if keyword is not None and not (known and all(_is_in(each, harmless) for each in known)):
                    yield module.finding(
                        keyword, f"nothing reads `{name}` of `{call.name}` since transformers 5.0: {advice}"
                    )
            keyword = call.keyword(_VERSION) if call.name == _AWQ else None
            for value in module.constants(keyword.value) if keyword is not None else ():
                if str(value).lower() in _REFUSED:
                    yield module.finding(
                        keyword,  # type: ignore[arg-type]
                        f"`{_AWQ}` refuses `{_VERSION}={value!r}` since transformers 5.0 (ValueError): {_BACKEND}",
                    )


def _is_in(value: object, values: tuple[object, ...]) -> bool:
    return any(type(value) is type(each) and value == each for each in values)
