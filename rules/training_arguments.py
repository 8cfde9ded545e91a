"""V5301: fields that TrainingArguments no longer has, given to it."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules import argument_files, arguments, parsed_options, redeclared_fields, training_fields
from v5lint.rules.arguments import Given
from v5lint.rules.knowledge import lookup
from v5lint.view.calls import CallSite
from v5lint.view.values import External, Instance, LocalClass, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
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
#: (read in the wheels of trl 1.16.0 and sentence-transformers 6.2.0; setfit's TrainingArguments inherits from nothing)
_INHERITING = {
    "trl": frozenset(
        "SFTConfig DPOConfig GRPOConfig KTOConfig RewardConfig RLOOConfig DistillationConfig CPOConfig ORPOConfig "
        "OnlineDPOConfig".split()
    ),
    "sentence_transformers": frozenset(
        "SentenceTransformerTrainingArguments CrossEncoderTrainingArguments SparseEncoderTrainingArguments".split()
    ),
}

#: The removed fields that such a library declares itself.
_OWN_FIELDS = {"sentence_transformers": frozenset({"warmup_ratio"})}

#: The parsers that fill dataclasses from a command line; those of other packages inherit from the first.
PARSER_CLASSES = frozenset({"HfArgumentParser", "TrlParser", "H4ArgumentParser"})

#: Methods of HfArgumentParser that take a dict of fields.
_PARSERS = frozenset({"parse_dict"})

#: What gives the fields of a parser's classes other defaults.
_DEFAULTS = "set_defaults"


class RemovedTrainingArgument(Rule):
    """A field that `TrainingArguments` no longer has is given to it.

    ## What it does

    Finds the fields that `TrainingArguments`, `Seq2SeqTrainingArguments` and the classes that inherit from them (a
    project's own, trl's configurations, those of sentence-transformers) lost: as keywords, in dicts that are splatted
    into the call, in `functools.partial`, `dataclasses.replace`, `super().__init__`, and `parse_dict` and
    `set_defaults` of an `HfArgumentParser`; the options of a parser that `TrainingArguments(**vars(args))` gets; and
    the keys of a file in the repository that `parse_json_file` or `parse_yaml_file` reads.
    Which fields the target release lacks is known from its wheel: most went in 5.0, `evaluation_strategy` in 4.51,
    `group_by_length` in 5.2, `warmup_ratio` and `logging_dir` in 5.15. A
    field of the name that a subclass declares itself, `setfit.TrainingArguments` and a project's own parsers are left
    alone; but a subclass that declares a field anew, to give it another default, and never reads it, is found: nobody
    reads it under v5.

    ## Why it breaks

    Measured on 5.23.0:

        TypeError: TrainingArguments.__init__() got an unexpected keyword argument 'evaluation_strategy'

    and from `HfArgumentParser.parse_dict`:

        ValueError: Some keys are not used by the HfArgumentParser: ['evaluation_strategy']

    A subclass that declares the field anew raises nothing: with `warmup_ratio: float = field(default=0.03)` there is no
    warm-up (measured on 5.24.0: `get_warmup_steps(100)` gives 0, where 4.57.6 gave 3).

    ## Example

        args = TrainingArguments(
            "out", evaluation_strategy="epoch", no_cuda=True, warmup_ratio=0.1, overwrite_output_dir=True
        )

    becomes

        args = TrainingArguments("out", eval_strategy="epoch", use_cpu=True, warmup_steps=0.1)

    ## Fix safety

    Renamed fields, and fields whose value changed nothing under v4 (`overwrite_output_dir` was read by no code of the
    Trainer), are fixed safely. `warmup_ratio` becomes a float `warmup_steps` only where the project supports nothing
    older than 5.0: 4.57 raises on a float or counts steps. The fix is unsafe where the value is not known and decides
    (a share of 1 or more counts steps), where something is given up (`save_safetensors=False`, `logging_dir` for
    TensorBoard, whose folder the environment variable `TENSORBOARD_LOGGING_DIR` sets), and where a handler hides the
    error, and where a class declares the field (the options of its command line change with it). Where the old and the
    new field are both given, a person has to decide.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md (the guide names other
      releases, and replacements that do not exist: the fields are `warmup_steps`, not `warmup_step`, and
      `torch_compile`, not `use_torch_compile`; `TPU_NUM_CORES` is read nowhere)
    """

    code = "V5301"
    name = "removed-training-argument"
    since = "5.0"
    tokens = (*FIELDS, *argument_files.READERS)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        found = [
            each
            for each in arguments.given(module, FIELDS, functions, takers, judge)
            if isinstance(each, Given) and not _is_of_another_class(each)
        ]
        for group in arguments.together(found):
            for each, fix, remark in training_fields.fixes(group):
                message = f"{arguments.shown(each)} has no field `{each.name}` since transformers {each.removal.gone}"
                advice = arguments.advice(each.removal)
                yield module.finding(each.node, f"{message}{advice}{remark}", fix=fix, since=each.removal.gone)
        yield from redeclared_fields.findings(module, FIELDS)
        yield from parsed_options.findings(module, FIELDS)
        yield from argument_files.findings(module, FIELDS, _parsed)


def _is_of_another_class(given: Given) -> bool:
    """Whether a parser puts a key into a class of this repository that has the field."""
    func = given.call.func
    return (
        given.call.name in (*_PARSERS, _DEFAULTS)
        and isinstance(func, ast.Attribute)
        and any(arguments.declares(each, given.name) for each in parsed_local_classes(given.call, func.value))
    )


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
    elif isinstance(callee, Method) and callee.name == _DEFAULTS and isinstance(call.func, ast.Attribute):
        yield from parsed_classes(call, call.func.value)


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
    if call.name in _PARSERS and isinstance(call.func, ast.Attribute):
        yield from parsed_classes(call, call.func.value)


def parsed_classes(call: CallSite, parser: ast.expr) -> Iterator[str]:
    """The classes of training arguments among those that an HfArgumentParser fills."""
    for value in _parsed(call, parser):
        yield from of_class(call, value)


def parsed_local_classes(call: CallSite, parser: ast.expr) -> list[LocalClass]:
    """The classes of this repository that an HfArgumentParser fills."""
    return [each for each in _parsed(call, parser) if isinstance(each, LocalClass)]


def is_parser(view: ModuleView, made_of: ast.expr) -> bool:
    """Whether what is called to make a parser is `HfArgumentParser`, or a class that inherits from it."""
    return any(
        root.name in PARSER_CLASSES
        for value in view.values(made_of)
        if isinstance(value, (External, LocalClass))
        for root in view.roots(value)
    )


def _parsed(call: CallSite, parser: ast.expr) -> Iterator[External | LocalClass]:
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
