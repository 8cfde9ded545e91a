"""V5302 and V5305: fields of TrainingArguments and members of the Trainer that are gone, read from an object."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules import arguments, library, members
from v5lint.rules.knowledge import lookup
from v5lint.rules.training_arguments import CLASS, FIELDS
from v5lint.view.values import External, Instance, LocalClass, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.view.module import ModuleView
    from v5lint.view.values import ClassValue

_TRAINER = "Trainer"
_TOKENIZER = "tokenizer"

#: Members of the Trainer that went; that the target lacks them is asked of the knowledge.
MEMBERS = (
    _TOKENIZER, "_activate_neftune", "_add_sm_patterns_to_gitignore", "_align_special_tokens", "_deactivate_neftune",
    "_eval_dataloader", "_fsdp_qlora_plugin_updates", "_gather_and_numpify", "_is_attention_mask_causal",
    "_nested_gather", "_past", "_rotate_checkpoints", "_save_tpu", "_sorted_checkpoints", "amp_dtype",
    "compare_trainer_and_checkpoint_args", "get_learning_rates", "get_num_trainable_parameters",
    "get_optimizer_group", "ipex_optimize_model", "is_tp_enabled", "jit_compilation_time", "num_tokens",
    "prediction_loop", "propagate_args_to_deepspeed", "torch_jit_model_eval", "use_apex", "use_cpu_amp",
)  # fmt: skip


class RemovedTrainingField(Rule):
    """A field that `TrainingArguments` no longer has is read from an object, or set on one.

    ## What it does

    Finds reads and writes of removed fields on objects that are known to be training arguments: made in the file, by a
    call, by `HfArgumentParser(...).parse_args_into_dataclasses()`, or known by an annotation; and `self.args` of a
    project's own Trainer. Fields that a subclass declares itself are left alone, as is code that asks first (`hasattr`,
    `getattr` with a default).

    ## Why it breaks

    Reading raises. Measured on 5.23.0:

        AttributeError: 'TrainingArguments' object has no attribute 'evaluation_strategy'

    Writing raises nothing and does nothing: `args.warmup_ratio = 0.1` leaves a training run without warm-up.

    ## Example

        if training_args.evaluation_strategy != "no" and not training_args.no_cuda:
            trainer.evaluate()

    becomes

        if training_args.eval_strategy != "no" and not training_args.use_cpu:
            trainer.evaluate()

    ## Fix safety

    Reading a field that has only another name now is fixed safely. Writing it is fixed unsafely: v4 looked at some
    fields only while the object was made, so the write did nothing there either. All else is left to a person.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5302"
    name = "removed-training-field"
    since = "5.0"
    tokens = FIELDS

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        for node, removal in _gone(module, FIELDS, CLASS):
            is_read = isinstance(node.ctx, ast.Load)
            effect = "" if is_read else ", and setting it does nothing"
            said = f"`TrainingArguments` has no field `{node.attr}` since transformers {removal.gone}{effect}"
            advice = _field_advice(node, removal)
            yield module.finding(node, f"{said}{advice}", fix=_field_fix(module, node, removal), since=removal.gone)


class RemovedTrainerMember(Rule):
    """An attribute or method that `Trainer` no longer has.

    ## What it does

    Finds `trainer.tokenizer`, `self.tokenizer` in a project's own Trainer, and private methods that subclasses of the
    Trainer called (`_nested_gather`, `_rotate_checkpoints`, ...). An attribute that the class, or the code that made
    the object, sets itself is left alone, as is code that asks first.

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

    `tokenizer` becomes `processing_class` safely; the fix waits until the project supports nothing before 4.46. The
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
        for node, removal in _gone(module, MEMBERS, _TRAINER):
            if not isinstance(node.ctx, ast.Load):
                continue
            said = f"`Trainer` has no `{node.attr}` since transformers {removal.gone}"
            fix: Fix | None = None
            advice = arguments.advice(removal)
            if node.attr == _TOKENIZER:
                told = lookup.argument_advice(_TRAINER, _TOKENIZER)
                new = told.replacement if told is not None else None
                if new is not None:
                    start, end = module.name_span(node)
                    advice = f": it is `{new.new}`"
                    message = f"Replace `{_TOKENIZER}` with `{new.new}`"
                    fix = Fix(message, [Edit(start, end, new.new)], requires=new.since)
            yield module.finding(node, f"{said}{advice}", fix=fix, since=removal.gone)


def _gone(view: ModuleView, names: Container[str], base: str) -> Iterator[tuple[ast.Attribute, Removal]]:
    """The attributes of some names that objects of a class of transformers lost under the target release."""
    target = library.release_text(view.settings.target)
    set_elsewhere: frozenset[str] | None = None
    heirs: dict[ast.ClassDef, bool] = {}
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if node.attr not in names or isinstance(node.ctx, ast.Del) or not _may_be(view, node.value, base, heirs):
            continue
        owners = [each for each in view.classes_of(node.value) if _is_a(view, each, base)]
        if not owners and base == CLASS and _is_args_of_trainer(view, node.value):
            owners = [External(f"transformers.{CLASS}")]
        if not owners or _is_own(view, node, owners) or members.is_prepared(view, node):
            continue
        removal = lookup.removed_parameter(CLASS, node.attr, target) if base == CLASS else None
        removal = removal or lookup.removed_member(base, node.attr, target)
        if removal is None:
            continue
        if set_elsewhere is None:
            set_elsewhere = _set_names(view)
        if node.attr not in set_elsewhere or (base == CLASS and isinstance(node.ctx, ast.Store)):
            yield node, removal


def _may_be(view: ModuleView, node: ast.expr, base: str, heirs: dict[ast.ClassDef, bool]) -> bool:
    """Whether an expression may be an object of a class: the cheap question before the dear one.

    `self` is one where the class around inherits from it. Of a trainer, the name, or that of what makes it, says so.
    """
    if isinstance(node, ast.Attribute) and node.attr == "args":
        return _may_be(view, node.value, _TRAINER, heirs)
    if isinstance(node, ast.Name) and node.id == "self":
        around = view.links.class_around(node)
        if around is None or not around.bases:
            return False
        if around not in heirs:
            heirs[around] = _is_a(view, LocalClass(view, around), base)
        return heirs[around]
    if base != _TRAINER:
        return True
    made = view.links.defining_call(node)
    name = ast.unparse(made.func if made is not None else node)
    return "trainer" in name.lower()


def _is_a(view: ModuleView, of: ClassValue, base: str) -> bool:
    return any(lookup.is_subclass(name, base) for name in library.library_classes(view, of))


def _is_own(view: ModuleView, node: ast.Attribute, owners: list[ClassValue]) -> bool:
    """Whether the repository itself gives the objects the attribute."""
    if any(isinstance(each, LocalClass) and arguments.declares(each, node.attr) for each in owners):
        return True
    return (
        isinstance(node.ctx, ast.Load)
        and not any(isinstance(each, Method) for each in view.values(node))
        and (not _is_args_of_trainer(view, node.value))
    )


def _is_args_of_trainer(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is the `args` of a trainer, which nothing but its constructor sets."""
    if not isinstance(node, ast.Attribute) or node.attr != "args":
        return False
    if not any(_is_a(view, each, _TRAINER) for each in view.classes_of(node.value)):
        return False
    values = view.values(node)
    return all(isinstance(each, Method) or _is_arguments(view, each) for each in values)


def _is_arguments(view: ModuleView, value: object) -> bool:
    return isinstance(value, Instance) and isinstance(value.of, External) and _is_a(view, value.of, CLASS)


def _set_names(view: ModuleView) -> frozenset[str]:
    """The attributes that a module sets on an object from outside of its class."""
    return frozenset(
        node.attr
        for node in view.tree.nodes.get(ast.Attribute, ())
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and not (isinstance(node.value, ast.Name) and node.value.id == "self")
    )


def _field_advice(node: ast.Attribute, removal: Removal) -> str:
    if not isinstance(node.ctx, ast.Load) and removal.replacement is not None:
        return f": set `{removal.replacement.new}`"
    if removal.replacement is None or not removal.replacement.drop_in:
        return ": keep a setting of your own for what the program does with it"
    return f": it is `{removal.replacement.new}`"


def _field_fix(view: ModuleView, node: ast.Attribute, removal: Removal) -> Fix | None:
    new = removal.replacement
    if new is None or not new.drop_in:
        return None
    start, end = view.name_span(node)
    level = "safe" if isinstance(node.ctx, ast.Load) else "unsafe"
    return Fix(
        f"Replace `{node.attr}` with `{new.new}`",
        [Edit(start, end, new.new)],
        applicability="safe" if level == "safe" else "unsafe",
        requires=new.since,
    )
