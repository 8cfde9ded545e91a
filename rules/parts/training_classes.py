"""The classes of training arguments, what makes objects of them, and the parsers that fill them."""

from __future__ import annotations

import ast

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import arguments
from v5lint.view.calls import CallSite
from v5lint.view.values import External, Instance, LocalClass, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.view.dicts import Receiver
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

CLASS = "TrainingArguments"

#: Every field that some release dropped; which ones the target lacks is asked of the knowledge.
FIELDS = (
    "_n_gpu", "adafactor", "dispatch_batches", "evaluation_strategy", "fp16_backend", "fp16_opt_level",
    "fsdp_min_num_params", "fsdp_transformer_layer_cls_to_wrap", "group_by_length", "half_precision_backend",
    "include_inputs_for_metrics", "include_tokens_per_second", "jit_mode_eval", "logging_dir", "mp_parameters",
    "no_cuda", "overwrite_output_dir", "past_index", "per_gpu_eval_batch_size", "per_gpu_train_batch_size",
    "push_to_hub_model_id", "push_to_hub_organization", "push_to_hub_token", "ray_scope", "save_safetensors",
    "sharded_ddp", "split_batches", "torchdynamo", "tp_size", "tpu_metrics_debug", "tpu_num_cores", "use_ipex",
    "use_legacy_prediction_loop", "use_mps_device", "warmup_ratio", "xpu_backend",
)  # fmt: skip

#: Classes of libraries that build on transformers, which inherit their fields from TrainingArguments.
#: (read in the wheels of trl 1.16.0, sentence-transformers 6.2.0 and unsloth 2026.10.9, whose class hands its keywords
#: on to trl's SFTConfig; setfit's TrainingArguments inherits from nothing)
_INHERITING = {
    "trl": frozenset(
        "SFTConfig DPOConfig GRPOConfig KTOConfig RewardConfig RLOOConfig DistillationConfig CPOConfig ORPOConfig "
        "OnlineDPOConfig".split()
    ),
    "sentence_transformers": frozenset(
        "SentenceTransformerTrainingArguments CrossEncoderTrainingArguments SparseEncoderTrainingArguments".split()
    ),
    "unsloth": frozenset({"UnslothTrainingArguments"}),
}

#: The removed fields that such a library declares itself.
_OWN_FIELDS = {"sentence_transformers": frozenset({"warmup_ratio"})}

#: The parsers that fill dataclasses from a command line; those of other packages inherit from the first.
PARSER_CLASSES = frozenset({"HfArgumentParser", "TrlParser", "H4ArgumentParser"})

#: Methods of HfArgumentParser that take a dict of fields.
FILLING = frozenset({"parse_dict"})

#: What gives the fields of a parser's classes other defaults.
DEFAULTS = "set_defaults"


def functions(call: CallSite, callee: Value) -> Iterator[str]:
    """The classes of training arguments that a call makes an object of."""
    if isinstance(callee, External):
        if callee.path == "dataclasses.replace":
            yield from _replaced(call)
        elif callee.name in _INHERITING.get(callee.package, ()):
            yield f"{callee.package}:{CLASS}"
        elif callee.package == "transformers" and lookup.is_subclass(callee.name, CLASS):
            yield callee.name
    elif isinstance(callee, Method) and callee.name == "__init__" and isinstance(callee.owner, External):
        yield from functions(call, callee.owner)
    elif isinstance(callee, Method) and callee.name == DEFAULTS and isinstance(call.func, ast.Attribute):
        yield from parsed_classes(call, call.func.value)


def is_heir(of: External, name: str) -> bool:
    """Whether a class of another library has a field from TrainingArguments, and does not declare it itself."""
    return of.name in _INHERITING.get(of.package, ()) and name not in _OWN_FIELDS.get(of.package, ())


def inherits(package: str, name: str) -> bool:
    """Whether a class of another library inherits its fields from TrainingArguments."""
    return name in _INHERITING.get(package, ())


def has_own(view: ModuleView, name: str) -> bool:
    """Whether a module uses a library whose training arguments declare a field themselves."""
    return any(name in fields and any(view.imports(package)) for package, fields in _OWN_FIELDS.items())


def judge(function: str, name: str, target: str) -> Removal | None:
    """What took a field from a class, or from a class of another library that inherits it."""
    package, _, path = function.rpartition(":")
    return None if name in _OWN_FIELDS.get(package, ()) else arguments.removal_of(path, name, target)


def _replaced(call: CallSite) -> Iterator[str]:
    first = call.argument("", 0)
    for value in call.view.values(first) if first is not None else ():
        if isinstance(value, Instance):
            yield from of_class(call, value.of)


def of_class(call: CallSite, of: External | LocalClass) -> Iterator[str]:
    """The classes of training arguments that a class inherits from."""
    for root in call.view.roots(of):
        yield from functions(call, root)


def takers(call: CallSite, receiver: Receiver) -> Iterator[str]:
    """The classes of training arguments that a parser fills from a dict."""
    if call.name in FILLING and isinstance(call.func, ast.Attribute):
        yield from parsed_classes(call, call.func.value)


def parsed_classes(call: CallSite, parser: ast.expr) -> Iterator[str]:
    """The classes of training arguments among those that an HfArgumentParser fills."""
    for value in parsed(call, parser):
        yield from of_class(call, value)


def parsed_local_classes(call: CallSite, parser: ast.expr) -> list[LocalClass]:
    """The classes of this repository that an HfArgumentParser fills."""
    return [each for each in parsed(call, parser) if isinstance(each, LocalClass)]


def is_parser(view: ModuleView, made_of: ast.expr) -> bool:
    """Whether what is called to make a parser is `HfArgumentParser`, or a class that inherits from it."""
    return any(
        root.name in PARSER_CLASSES
        for value in view.values(made_of)
        if isinstance(value, (External, LocalClass))
        for root in view.roots(value)
    )


def parsed(call: CallSite, parser: ast.expr) -> Iterator[External | LocalClass]:
    """The classes that an HfArgumentParser fills."""
    view = call.view
    made = view.links.defining_call(parser)
    if made is None or not is_parser(view, made.func):
        return
    given = CallSite(view, made).argument("dataclass_types", 0)
    if isinstance(given, ast.Name):
        given = next((each.value for each in view.links.bindings_read(given) if each.value is not None), given)
    for each in given.elts if isinstance(given, (ast.Tuple, ast.List)) else [given]:
        for value in view.values(each) if each is not None else ():
            if isinstance(value, (External, LocalClass)):
                yield value
