"""V5303: fields that TrainingArguments no longer has, as options of a command line that is written in Python."""

from __future__ import annotations

import ast

from v5lint.rule import Fix, Rule
from v5lint.rules import arguments, library, training_arguments
from v5lint.rules.knowledge import lookup
from v5lint.rules.training_arguments import CLASS, FIELDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_PARSE = "parse_args_into_dataclasses"


class RemovedTrainingFlag(Rule):
    """An option of a field that `TrainingArguments` no longer has, in a list that an `HfArgumentParser` parses.

    ## What it does

    Finds `"--evaluation_strategy"` and its like in lists that are given to
    `HfArgumentParser(...).parse_args_into_dataclasses(args=[...])`, where the parser fills `TrainingArguments` and no
    other of its classes has a field of the name. (Dicts for `parse_dict` are V5301's matter, shell scripts another's.)

    ## Why it breaks

    Measured on 5.23.0:

        ValueError: Some specified arguments are not used by the HfArgumentParser: ['--evaluation_strategy', 'epoch']

    ## Example

        parser.parse_args_into_dataclasses(["--output_dir", "out", "--evaluation_strategy", "epoch"])

    becomes

        parser.parse_args_into_dataclasses(["--output_dir", "out", "--eval_strategy", "epoch"])

    ## Fix safety

    Safe for options that only have another name now. Options that are gone are left to a person.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5303"
    name = "removed-training-flag"
    since = "5.0"
    tokens = (_PARSE,)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        for call in module.calls({_PARSE}):
            given = call.argument("args", 0)
            if given is None or not isinstance(call.func, ast.Attribute) or module.guards.is_dead(call.node):
                continue
            classes = list(training_arguments.parsed_classes(call, call.func.value))
            if classes:
                yield from _options(module, call, given)


def _options(view: ModuleView, call: CallSite, given: ast.expr) -> Iterator[Finding]:
    target = library.release_text(view.settings.target)
    for node in _written(view, given):
        text = str(node.value)
        name = text[2:].partition("=")[0].replace("-", "_")
        if not text.startswith("--") or name not in FIELDS or _is_declared(call, name):
            continue
        removal = lookup.removed_parameter(CLASS, name, target)
        if removal is not None:
            said = f"`TrainingArguments` has no field `{name}` since transformers {removal.gone}"
            fix = _fix(view, node, name, removal)
            yield view.finding(node, f"{said}{arguments.advice(removal)}", fix=fix, since=removal.gone)


def _written(view: ModuleView, given: ast.expr) -> Iterator[ast.Constant]:
    """The strings of the list that an argument is, or that the only assignment to its name makes."""
    lists = [given]
    if isinstance(given, ast.Name):
        lists = [each.value for each in view.links.bindings_read(given) if each.value is not None]
    for each in lists:
        if isinstance(each, (ast.List, ast.Tuple)):
            for element in each.elts:
                if isinstance(element, ast.Constant) and isinstance(element.value, str):
                    yield element


def _is_declared(call: CallSite, name: str) -> bool:
    """Whether one of the classes that the parser fills has the field itself."""
    assert isinstance(call.func, ast.Attribute)
    return any(
        arguments.declares(each, name) for each in training_arguments.parsed_local_classes(call, call.func.value)
    )


def _fix(view: ModuleView, node: ast.Constant, name: str, removal: Removal) -> Fix | None:
    new = removal.replacement
    source = view.source(node)
    if new is None or not new.drop_in or source.count(name) != 1:
        return None
    edit = view.replace(node, source.replace(name, new.new))
    return Fix(f"Replace `--{name}` with `--{new.new}`", [edit], requires=new.since)
