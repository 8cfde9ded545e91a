"""V5304: arguments that the Trainer no longer takes."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import (
    arguments,
    carried_fields,
    library,
    loading,
    named_calls,
    parsed_options,
    processor_parts,
    trl_trainers,
)
from v5lint.rules.parts.arguments import Given
from v5lint.view.script import ScriptView
from v5lint.view.values import External, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

#: Every argument that some release dropped; which ones the target lacks is asked of the knowledge.
NAMES = ("tokenizer", "model_path")

_TRAIN = "train"

_BASE = "Trainer"


class RemovedTrainerArgument(Rule):
    """An argument that `Trainer` or `Trainer.train` no longer takes.

    ## What it does

    Finds `tokenizer=` given to `Trainer`, `Seq2SeqTrainer` and a project's own subclasses that hand it on, to their
    `super().__init__`, and in dicts that are splatted into the call; and `model_path=` given to `train`. A subclass
    whose own `__init__` takes a `tokenizer` is judged by what it does with it; where it looks the argument up in its
    `**kwargs` and hands them on as well, there is no fix, for both have to change together. The trainers of trl lost
    the argument in releases of their own (0.13 to 0.16; they take `processing_class=` since 0.12): they are left alone
    where the project requires an older trl. The trainers of other libraries are theirs.
    A feature extractor or image processor given as `tokenizer=`, in a file that names feature extractors, is V5001's
    matter.

    Also found are settings that say what is called with them: `_target_: transformers.Trainer` and the keys
    beside it in YAML or in a dict, and `dict(type=Trainer, ...)`, as mmengine has it.

    So are the fields of an object that go into the call as a whole: `**asdict(config)`, `**vars(config)`.

    ## Why it breaks

    Measured on 5.23.0:

        TypeError: Trainer.__init__() got an unexpected keyword argument 'tokenizer'
        TypeError: Trainer.train() got an unexpected keyword argument 'model_path'

    ## Example

        trainer = Trainer(model=model, args=args, train_dataset=train, tokenizer=tokenizer)

    becomes

        trainer = Trainer(model=model, args=args, train_dataset=train, processing_class=tokenizer)

    ## Fix safety

    Safe: `processing_class` does what `tokenizer` did. It exists since 4.46, and the fix waits until the project
    supports nothing older. Unsafe where the argument also goes somewhere that could not be followed, and for trl where
    the project supports releases before 0.12 as well.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5304"
    name = "removed-trainer-argument"
    since = "5.0"
    tokens = ("Trainer", "trainer(")  # `build_trainer(...)` of another module
    tokens_by_kind = {"script": named_calls.TOKENS}
    kinds = ("python", "script")

    def check(self, module: ModuleView | ScriptView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        found = () if isinstance(module, ScriptView) else _given(module)
        is_new = not trl_trainers.is_of_old_release(module)

        def is_asked(function: str) -> bool:
            package, _, name = function.rpartition(":")
            return trl_trainers.took_tokenizer(name) and is_new if package else lookup.is_subclass(name, _BASE)

        yield from named_calls.findings(module, NAMES, found, is_asked, _judge)


def _given(view: ModuleView) -> Iterator[Finding]:
    for each in arguments.given(view, NAMES, functions, judge=_judge, abroad=True):
        if isinstance(each, Given) and not _is_of_extractor(view, each):
            level, remark = arguments.safety(each)
            if each.removal.package == trl_trainers.PACKAGE:
                if trl_trainers.is_for_older(each.view, each.node, each.removal.gone):
                    continue
                level = "unsafe" if trl_trainers.may_be_old(view) else level
            new = each.removal.replacement
            fix = arguments.rename_fix(each, new.new, new.since, level) if new is not None else None
            yield loading.finding(each, fix, remark)
    yield from carried_fields.reaching(view, NAMES, functions, _judge)
    yield from parsed_options.reaching(view, NAMES, functions, _judge)


def _judge(function: str, name: str, target: str) -> Removal | None:
    package, _, trainer = function.rpartition(":")
    if package != trl_trainers.PACKAGE:
        return arguments.removal_of(function, name, target)
    return trl_trainers.removed_tokenizer(trainer) if name == NAMES[0] else None


def _is_of_extractor(view: ModuleView, of: Given) -> bool:
    """Whether V5001 reports the argument: a feature extractor or image processor as the tokenizer."""
    node = of.node
    if of.name != "tokenizer" or not isinstance(node, ast.keyword):
        return False
    return processor_parts.takes_extractor(view, of.call, node)


def functions(call: CallSite, callee: Value) -> Iterator[str]:
    """The trainer, or its `train`, that a call is of."""
    if isinstance(callee, External):
        if callee.package == "transformers" and lookup.is_subclass(callee.name, _BASE):
            yield callee.name
        elif trl_trainers.is_trainer(call.view, callee):
            yield f"{trl_trainers.PACKAGE}:{callee.name}"
    elif isinstance(callee, Method) and callee.name == "__init__" and isinstance(callee.owner, External):
        yield from functions(call, callee.owner)
    elif isinstance(callee, Method) and callee.name == _TRAIN:
        for name in library.library_classes(call.view, callee.owner):
            if lookup.is_subclass(name, _BASE):
                yield f"{_BASE}.{_TRAIN}"
                return
