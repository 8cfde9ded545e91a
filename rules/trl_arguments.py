"""V5214: arguments and fields that trl's classes lost before the releases that work beside transformers 5."""

from __future__ import annotations

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import arguments, trl_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.view.module import ModuleView


class RemovedTrlArgument(Rule):
    """An argument that a trainer or configuration of `trl` no longer takes, or a field that it no longer has.

    ## What it does

    Finds arguments of trl's trainers and configurations that the newest release refuses, as keywords and in dicts that
    are splatted: `SFTConfig(max_seq_length=)`, `SFTTrainer(dataset_text_field=, max_seq_length=, packing=)`,
    `DPOConfig(max_prompt_length=)`, `DPOTrainer(beta=, max_length=)`, `GRPOConfig(max_prompt_length=)`, 127 in all; and
    reads of such a field (`model_args.torch_dtype` of a `ModelConfig`). Of `tokenizer=` V5304 speaks, of what came
    from `TrainingArguments` V5301, of classes that are gone V5213. A project whose requirements keep a release of trl
    that takes the argument, and that trains beside transformers 5 (0.12 or newer), is left alone, and so is one that
    uses unsloth, which replaces the classes.

    ## Why it breaks

    Releases of trl before 0.12 do not train beside transformers 5, and the trainers for preferences of those before
    0.29 cannot be imported there: beside transformers 5 a newer trl is installed. Measured with trl 1.16.0 on 5.24:

        TypeError: SFTConfig.__init__() got an unexpected keyword argument 'max_seq_length'
        TypeError: DPOConfig.__init__() got an unexpected keyword argument 'max_prompt_length'
        AttributeError: 'ModelConfig' object has no attribute 'trust_remote_code'

    ## Example

        args = SFTConfig(output_dir="out", max_seq_length=512)

    becomes

        args = SFTConfig(output_dir="out", max_length=512)

    ## Fix safety

    What has only another name now is renamed, safely unless the requirements of the project admit a release of trl
    that does not have the new name. Arguments that moved from a trainer to its configuration, and those without a
    successor, are left to a person.

    ## References

    - https://github.com/huggingface/trl/releases
    """

    code = "V5214"
    name = "removed-trl-argument"
    since = "5.0"
    words = ("trl",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for each in trl_arguments.given(module):
            removal, new = each.removal, each.removal.replacement
            level, remark = arguments.safety(each)
            if level == "safe":
                level = trl_arguments.safety(each.view, removal)
            fix = arguments.rename_fix(each, new.new, "", level) if new is not None else None
            said = f"{arguments.shown(each)} takes no `{each.name}` since trl {removal.gone}"
            yield each.view.finding(each.node, f"{said}{arguments.advice(removal)}{remark}", fix=fix)
        for node, removal in trl_arguments.read(module):
            said = f"`{removal.path.split('.')[1]}` has no field `{node.attr}` since trl {removal.gone}"
            yield module.finding(node, f"{said}{arguments.advice(removal)}", fix=_renamed(module, node, removal))


def _renamed(view: ModuleView, node: ast.Attribute, removal: Removal) -> Fix | None:
    """The fix that reads a field by the name that it has today."""
    new = removal.replacement
    if new is None:
        return None
    edit = Edit(*view.name_span(node), new.new)
    return Fix(f"Replace `{node.attr}` with `{new.new}`", [edit], applicability=trl_arguments.safety(view, removal))
