"""V5522: fields of own dataclasses that are parsed beside TrainingArguments, which has a field of that name now."""

from __future__ import annotations

import ast

from v5lint.releases import release_text
from v5lint.rule import Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library
from v5lint.view.values import External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.releases import Release
    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

_PARSER = "HfArgumentParser"
_TYPES = "dataclass_types"
_CLASS = "TrainingArguments"

#: The last release whose scripts are asked about.
_BEFORE = "4.57"


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
                    for name in sorted(_fields(of)):
                        if since := _since(name, module.settings.target):
                            yield module.finding(
                                node,
                                f"`{of.name}` and `{_CLASS}` both have a field `{name}` since transformers {since}, "
                                f"and `{_PARSER}` refuses to parse two options of one name: call it something else "
                                f"in `{of.name}`",
                                since=since,
                            )


def _since(name: str, target: Release) -> str:
    """The release of v5 that brought `TrainingArguments` a field; "" where the target has none, or 4.57 had it."""
    before = lookup.parameters(_CLASS, _BEFORE)
    releases = [(5, minor) for minor in range((*target, 0)[1] + 1)] if target >= (5,) else []
    for release in releases if before is not None and name not in before else ():
        now = lookup.parameters(_CLASS, release)
        if now is not None and name in now:
            return release_text(release)
    return ""


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
