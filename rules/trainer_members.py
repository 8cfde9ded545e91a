"""V5302 and V5305: fields of TrainingArguments and members of the Trainer that are gone, read from an object."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import (
    arguments,
    idle_settings,
    library,
    members,
    search_spaces,
    training_fields,
    training_objects,
)
from v5lint.rules.parts.training_classes import CLASS, FIELDS
from v5lint.rules.parts.training_objects import TRAINER
from v5lint.view.strings import last_name
from v5lint.view.values import Constant, Result, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Fix, Unseen
    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.rules.parts.training_objects import Mention
    from v5lint.view.module import ModuleView

_TOKENIZER = "tokenizer"

#: Members of the Trainer that went; that the target lacks them is asked of the knowledge.
MEMBERS = (
    _TOKENIZER, "_activate_neftune", "_add_sm_patterns_to_gitignore", "_align_special_tokens", "_deactivate_neftune",
    "_eval_dataloader", "_fsdp_qlora_plugin_updates", "_gather_and_numpify", "_is_attention_mask_causal",
    "_nested_gather", "_pad_across_processes", "_past", "_rotate_checkpoints", "_save_tpu", "_sorted_checkpoints",
    "amp_dtype", "compare_trainer_and_checkpoint_args", "ctx_manager_torchdynamo", "do_grad_scaling", "fsdp",
    "get_learning_rates", "get_num_trainable_parameters", "get_optimizer_group", "init_git_repo",
    "ipex_optimize_model", "is_tp_enabled", "jit_compilation_time", "num_tokens", "prediction_loop",
    "propagate_args_to_deepspeed", "scaler", "sharded_ddp", "torch_jit_model_eval",
    "torchdynamo_smart_context_manager", "use_apex", "use_cpu_amp", "use_cuda_amp",
)  # fmt: skip

_GATHERS = "gather with `self.gather_function(...)`"

#: What does now what a member did (read in the wheels of 5.2 to 5.24), where the knowledge has no note about it.
INSTEAD = {
    "_activate_neftune": "call `transformers.integrations.neftune.activate_neftune`",
    "_align_special_tokens": "call `transformers.trainer_utils.align_special_tokens`",
    "_deactivate_neftune": "call `transformers.integrations.neftune.deactivate_neftune`",
    "_gather_and_numpify": _GATHERS,
    "_nested_gather": _GATHERS,
    "_pad_across_processes": "call `self.accelerator.pad_across_processes(..., dim=1, pad_index=-100)`",
    "_rotate_checkpoints": "call `transformers.trainer_utils.rotate_checkpoints`",
    "_sorted_checkpoints": "call `transformers.trainer_utils.sort_checkpoints`",
    "do_grad_scaling": "accelerate scales the gradients",
    "fsdp": "ask `self.is_fsdp_enabled`",
    "get_learning_rates": "read them from `optimizer.param_groups`",
    "get_num_trainable_parameters": "count `model.parameters()`",
    "get_optimizer_group": "look through `optimizer.param_groups`",
    "propagate_args_to_deepspeed": "call `transformers.integrations.deepspeed.propagate_args_to_deepspeed`",
    "scaler": "it is `self.accelerator.scaler`",
}

#: Members of TrainingArguments that went and were no fields.
_PROPERTIES = ("framework",)


class RemovedTrainingField(Rule):
    """A field that `TrainingArguments` no longer has is read from an object, or set on one.

    ## What it does

    Finds reads and writes of removed fields on objects that are known to be training arguments (trl's and
    sentence-transformers' configurations as well): made in the file, by a call, by
    `HfArgumentParser(...).parse_args_into_dataclasses()`, or known by an annotation; `args` of a Trainer, and of a
    `TrainerCallback`; also by `getattr` and `setattr` (in a loop over a table as well), and as keys of
    `args.to_dict()` and `vars(args)`. And removed fields among the keys of what `hp_space` of a hyperparameter search
    gives. Fields that a subclass declares itself are left alone, as are code that asks first (`hasattr`, `getattr` with
    a default) and writes that changed nothing under v4 either (`args.use_ipex = False`).

    ## Why it breaks

    Reading raises. Measured on 5.23.0:

        AttributeError: 'TrainingArguments' object has no attribute 'evaluation_strategy'

    Writing raises nothing and does nothing: `args.warmup_ratio = 0.1` leaves a training run without warm-up. So does a
    hyperparameter search over it, with a warning:

        Trying to set warmup_ratio in the hyperparameter search but there is no corresponding field in
        `TrainingArguments`.

    ## Example

        if training_args.evaluation_strategy != "no" and not training_args.no_cuda:
            trainer.evaluate()

    becomes

        if training_args.eval_strategy != "no" and not training_args.use_cpu:
            trainer.evaluate()

    ## Fix safety

    Reading a field that has only another name now is fixed safely. Writing it is fixed unsafely: v4 looked at some
    fields only while the object was made, so the write did nothing there either. `overwrite_output_dir`, `past_index`,
    `use_legacy_prediction_loop` and their like were at rest unless somebody set them, and nobody can any more: what
    asks for them goes (`and not training_args.overwrite_output_dir`), with the branch that is never taken, unless the
    module sets them; the body of one that is always taken stays without its test. That is unsafe, since a command line
    outside of the file may have set them under v4. All else is left to a person.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5302"
    name = "removed-training-field"
    since = "5.0"
    tokens = (*FIELDS, *_PROPERTIES)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        for each, removal in training_objects.gone(module, (*FIELDS, *_PROPERTIES), CLASS):
            if _is_idle(module, each):
                continue
            effect = "" if each.is_read else ", and setting it does nothing"
            said = f"`TrainingArguments` has no field `{each.name}` since transformers {removal.gone}{effect}"
            advice, fix = _field_advice(each, removal), _field_fix(module, each, removal)
            yield module.finding(each.listed or each.node, f"{said}{advice}", fix=fix, since=removal.gone)
        yield from search_spaces.findings(module)


class RemovedTrainerMember(Rule):
    """An attribute or method that `Trainer` no longer has.

    ## What it does

    Finds `trainer.tokenizer`, read or set, `self.tokenizer` in a project's own Trainer, and private methods that
    subclasses of the Trainer called (`_nested_gather`, `super()._rotate_checkpoints`, ...). The trainers of trl count
    as well, unless the project requires a release before 0.12. An attribute that the class sets itself is left alone,
    as is code that asks first.

    ## Why it breaks

    Measured on 5.23.0, often only in the middle of a training run:

        AttributeError: 'MyTrainer' object has no attribute 'tokenizer'

    ## Example

        class MyTrainer(Trainer):
            def save_model(self, output_dir=None, _internal_call=False):
                self.model.save_pretrained(output_dir)
                self.tokenizer.save_pretrained(output_dir)

    becomes

        class MyTrainer(Trainer):
            def save_model(self, output_dir=None, _internal_call=False):
                self.model.save_pretrained(output_dir)
                self.processing_class.save_pretrained(output_dir)

    ## Fix safety

    `tokenizer` becomes `processing_class` safely, unless the trainer may be another library's; the fix waits until the
    project supports nothing before 4.46. A branch for `self.use_apex`, which is never on any more, goes unsafely. The
    other members have no successor.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5305"
    name = "removed-trainer-member"
    since = "5.0"
    tokens = ("rainer",)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        for each, removal in training_objects.gone(module, MEMBERS, TRAINER):
            if not each.is_read and each.name != _TOKENIZER:
                continue
            effect = "" if each.is_read else ", and setting it does nothing"
            said = f"`Trainer` has no `{each.name}` since transformers {removal.gone}{effect}"
            fix = idle_settings.at_rest(module, each, removal)
            advice = f": {INSTEAD[each.name]}" if each.name in INSTEAD else arguments.advice(removal)
            told = lookup.argument_advice(TRAINER, _TOKENIZER) if each.name == _TOKENIZER else None
            if told is not None and told.replacement is not None:
                new = told.replacement
                advice = f": it is `{new.new}`"
                safety = library.safety_of(module, each.holder)
                fix = each.renamed(new.new, requires=new.since, applicability=safety)
            yield module.finding(each.listed or each.node, f"{said}{advice}", fix=fix, since=removal.gone)
        for node in module.tree.nodes.get(ast.Attribute, ()):
            assert isinstance(node, ast.Attribute)
            if node.attr == _TOKENIZER and isinstance(node.ctx, ast.Load) and _may_be_trainer(module, node):
                yield module.unseen(node, f"what `{module.source(node.value)}` is comes from elsewhere")


def _may_be_trainer(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether an attribute is read from something that another library makes and that is called a trainer."""
    if "trainer" not in last_name(node.value).lower() or not members.imports_transformers(view):
        return False
    known = view.values(node.value)
    return all(isinstance(each, (Unknown, Result)) for each in known) and not members.is_prepared(view, node)


def _is_idle(view: ModuleView, mention: Mention) -> bool:
    """Whether a field is set to what changed nothing under v4."""
    statement = view.tree.parents[mention.node]
    if mention.is_read or not isinstance(statement, ast.Assign):
        return False
    values = view.values(statement.value)
    known = [each.value for each in values if isinstance(each, Constant)]
    return training_fields.is_without_effect(mention.name, known if len(known) == len(values) else [None, ...])


def _field_advice(mention: Mention, removal: Removal) -> str:
    new = removal.replacement
    if new is not None and new.drop_in:
        return f": it is `{new.new}`" if mention.is_read else f": set `{new.new}`"
    said = [f"the setting is `{new.new}` now" if mention.is_read else f"set `{new.new}`"] if new is not None else []
    if removal.note and (said or (not mention.is_read and training_fields.had_effect(mention.name))):
        said.append(arguments.clause(removal.note))
    return f": {'; '.join(said) if said else 'keep a setting of your own for what the program does with it'}"


def _field_fix(view: ModuleView, mention: Mention, removal: Removal) -> Fix | None:
    new = removal.replacement
    if new is None or not new.drop_in:
        return idle_settings.at_rest(view, mention, removal)
    safety = library.safety_of(view, mention.holder) if mention.is_read else "unsafe"
    return mention.renamed(new.new, requires=new.since, applicability=safety)
