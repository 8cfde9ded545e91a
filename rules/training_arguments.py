"""V5301: fields that TrainingArguments no longer has, given to it."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import (
    argument_files,
    arguments,
    carried_fields,
    command_files,
    library,
    named_calls,
    parsed_options,
    redeclared_fields,
    settings_files,
    training_fields,
)
from v5lint.rules.parts.arguments import Given
from v5lint.rules.parts.training_classes import (
    CLASS,
    DEFAULTS,
    FIELDS,
    FILLING,
    functions,
    judge,
    parsed,
    parsed_local_classes,
    takers,
)
from v5lint.view.script import ScriptView
from v5lint.view.values import External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView


class RemovedTrainingArgument(Rule):
    """A field that `TrainingArguments` no longer has is given to it.

    ## What it does

    Finds the fields that `TrainingArguments`, `Seq2SeqTrainingArguments` and the classes that inherit from them (a
    project's own, trl's configurations, those of sentence-transformers) lost: as keywords, in dicts that are splatted
    into the call, in `functools.partial`, `dataclasses.replace`, `super().__init__`, and `parse_dict` and
    `set_defaults` of an `HfArgumentParser`; the options of a parser that `TrainingArguments(**vars(args))` gets; the
    fields of a class of the repository whose object it gets as a whole (`TrainingArguments(**asdict(config))`,
    `**config.model_dump()`), both also by way of a dict (`given.update(asdict(config))`); the entries of what is made
    of a dict (`OmegaConf.create({...})`, `EasyDict(...)`); the keys of a file in the repository that
    `parse_json_file` or `parse_yaml_file` reads, or of which a part is given on
    (`TrainingArguments(**yaml.safe_load(open("config.yaml"))["training"])`). Which fields the target release lacks
    is known from its wheel: most went in 5.0, `evaluation_strategy` in 4.51, `group_by_length` in 5.2,
    `warmup_ratio` and `logging_dir` in 5.15. A field of the name that a subclass declares itself,
    `setfit.TrainingArguments` and a project's own parsers are left alone; but a subclass that declares a field
    anew, to give it another default, and never reads it, is found: nobody reads it under v5.

    A dict is followed into the modules that import it, or call the function that makes it, and found where it is
    written: `TrainingArguments(**conf.TRAIN)`. A key that one of them looks up is not renamed.

    Also found are settings that say what is called with them: `_target_: transformers.TrainingArguments` and the keys
    beside it in YAML or in a dict, `class_path:` and the keys below its `init_args:`, and
    `dict(type=TrainingArguments, ...)`, as mmengine has it; and the files that commands in shell scripts, Dockerfiles
    and YAML give to scripts which put them into TrainingArguments (`python train.py args.json`,
    `accelerate launch train.py --config recipe.yaml` where trl's parser reads it, `trl sft --config recipe.yaml`).

    ## Why it breaks

    Measured on 5.23.0:

        TypeError: TrainingArguments.__init__() got an unexpected keyword argument 'evaluation_strategy'

    and from `HfArgumentParser.parse_dict`:

        ValueError: Some keys are not used by the HfArgumentParser: ['evaluation_strategy']

    and from trl's parser, of a file:

        ValueError: Unknown arguments from config file: ['--evaluation_strategy', 'epoch']. Please remove them, ...

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
    TensorBoard, whose folder the environment variable `TENSORBOARD_LOGGING_DIR` sets), where the module asks for a
    field that goes (`if not args.overwrite_output_dir`), where a handler hides the error, and where a class declares
    the field (the options of its command line change with it). Where the project supports releases that have the old
    field and not yet the new one, the call asks which there is, unsafely:
    `**({"group_by_length": True} if hasattr(TrainingArguments, "group_by_length") else {...})`. Where the old and the
    new field are both given, a person has to decide.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md (the guide names other
      releases, and replacements that do not exist: the fields are `warmup_steps`, not `warmup_step`, and
      `torch_compile`, not `use_torch_compile`; `TPU_NUM_CORES` is read nowhere)
    """

    code = "V5301"
    name = "removed-training-argument"
    since = "5.0"
    tokens = (*FIELDS, *argument_files.READERS, *carried_fields.TOKENS)
    tokens_by_kind = {"script": (*named_calls.TOKENS, *command_files.TOKENS)}
    kinds = ("python", "script")

    def check(self, module: ModuleView | ScriptView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        found = () if isinstance(module, ScriptView) else _given(module)
        yield from named_calls.findings(module, FIELDS, found, _is_asked, judge)
        if isinstance(module, ScriptView):
            yield from command_files.findings(module, FIELDS)
            return
        yield from redeclared_fields.findings(module, FIELDS)
        yield from parsed_options.reaching(module, FIELDS, functions, judge)
        yield from parsed_options.unseen(module, _makes_arguments)
        yield from carried_fields.findings(module, FIELDS, _makes_arguments)
        yield from settings_files.reaching(module, FIELDS, functions, judge)
        yield from argument_files.findings(module, FIELDS, parsed)


def _given(view: ModuleView) -> Iterator[Finding]:
    found = [
        each
        for each in arguments.given(view, FIELDS, functions, takers, judge, abroad=True)
        if isinstance(each, Given) and not _is_of_another_class(each)
    ]
    for group in arguments.together(found):
        for each, fix, remark in training_fields.fixes(group):
            message = f"{arguments.shown(each)} has no field `{each.name}` since transformers {each.removal.gone}"
            advice = arguments.advice(each.removal)
            yield view.finding(each.node, f"{message}{advice}{remark}", fix=fix, since=each.removal.gone)


def _is_asked(function: str) -> bool:
    return lookup.is_subclass(function.rpartition(":")[2], CLASS)


def _makes_arguments(call: CallSite) -> bool:
    return any(
        lookup.is_subclass(name, CLASS)
        for each in call.callees
        if isinstance(each, (External, LocalClass))
        for name in library.library_classes(call.view, each)
    )


def _is_of_another_class(given: Given) -> bool:
    """Whether a parser puts a key into a class of this repository that has the field."""
    func = given.call.func
    return (
        given.call.name in (*FILLING, DEFAULTS)
        and isinstance(func, ast.Attribute)
        and any(arguments.declares(each, given.name) for each in parsed_local_classes(given.call, func.value))
    )
