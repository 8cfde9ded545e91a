"""V5522: fields of own dataclasses that are parsed beside TrainingArguments, which has a field of that name now."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library
from v5lint.view.values import External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

_PARSER = "HfArgumentParser"
_TYPES = "dataclass_types"
_CLASS = "TrainingArguments"

#: The fields of `TrainingArguments` that 4.57.6 did not have, and the release that brought each.
_NEW = {
    "activation_checkpointing": "5.23",
    "activation_checkpointing_kwargs": "5.23",
    "dataloader_in_order": "5.15",
    "dataloader_multiprocessing_context": "5.15",
    "ddp_static_graph": "5.6",
    "enable_jit_checkpoint": "5.0",
    "trackio_bucket_id": "5.6",
    "trackio_static_space_id": "5.6",
    "train_sampling_strategy": "5.2",
    "use_cache": "5.0",
}


class SharedOption(Rule):
    """A field of a dataclass that is parsed beside `TrainingArguments`, which has a field of that name now.

    ## What it does

    Finds `HfArgumentParser((ModelArguments, TrainingArguments))` where a dataclass of the repository has a field that
    `TrainingArguments` got in 5.x, above all `use_cache`. Subclasses of `TrainingArguments` may declare the field
    again, and a parser with a `conflict_handler` takes both.

    ## Why it breaks

    Two options of one command line cannot have one name. Measured on 5.24, before anything else is done:

        argparse.ArgumentError: argument --use_cache/--use-cache: conflicting option strings: --use_cache, --use-cache

    ## Example

        @dataclass
        class GenerationArguments:
            use_cache: bool = field(default=True)

        HfArgumentParser((GenerationArguments, TrainingArguments)).parse_args_into_dataclasses()

    write

        @dataclass
        class GenerationArguments:
            generation_use_cache: bool = field(default=True)

    ## Fix safety

    No fix: the name of the field is that of an option, which the callers of the script write.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/training_args.py
    """

    code = "V5522"
    name = "shared-option"
    since = "5.0"
    tokens = (_PARSER,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls({_PARSER}):
            types = call.argument(_TYPES, 0)
            if not isinstance(types, (ast.Tuple, ast.List)) or call.keyword("conflict_handler") is not None:
                continue
            if module.guards.is_dead(call.node):
                continue
            classes = [(each, [*module.values(each)]) for each in types.elts]
            if not any(_is_training(one) for _node, values in classes for one in values):
                continue
            for node, values in classes:
                for of in values:
                    if not isinstance(of, LocalClass) or _is_training(of):
                        continue
                    for name in sorted(_fields(of) & set(_NEW)):
                        yield module.finding(
                            node,
                            f"`{of.name}` and `{_CLASS}` both have a field `{name}` since transformers "
                            f"{_NEW[name]}, and `{_PARSER}` refuses to parse two options of one name: call it "
                            f"something else in `{of.name}`",
                            since=_NEW[name],
                        )


def _is_training(of: Value) -> bool:
    """Whether a class is TrainingArguments, or inherits from it."""
    if isinstance(of, External):
        return of.package == "transformers" and (of.name == _CLASS or lookup.is_subclass(of.name, _CLASS))
    if not isinstance(of, LocalClass):
        return False
    return any(each == _CLASS or lookup.is_subclass(each, _CLASS) for each in library.library_classes(of.view, of))


def _fields(of: LocalClass) -> set[str]:
    """The fields that a dataclass of the repository declares or inherits."""
    found: set[str] = set()
    waiting, seen = [of], {of}
    while waiting:
        at = waiting.pop()
        for each in at.node.body:
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                found.add(each.target.id)
        for base in at.view.evaluator.bases(at):
            if isinstance(base, LocalClass) and base not in seen:
                seen.add(base)
                waiting.append(base)
    return found
