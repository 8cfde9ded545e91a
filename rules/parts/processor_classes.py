"""Which processor of transformers an expression is: what V5414, V5420 and V5421 share."""

from __future__ import annotations

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import checkpoints, library, origins
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast

    from v5lint.view.module import ModuleView

AUTO = "AutoProcessor"


def classes(view: ModuleView, func: ast.expr) -> tuple[set[str], bool]:
    """The processors that an expression may be, and whether that is more than a guess by the model beside it.

    Of an `AutoProcessor` of which nothing is known it is that.
    """
    found: set[str] = set()
    for of in view.classes_of(func):
        if not isinstance(of, External):
            return set(), False
        found |= {name for name in library.library_classes(view, of) if "processor" in lookup.kind_of(name)}
    if found != {AUTO}:
        return found, True
    named: set[str] = set()
    for each in origins.origins(view, func).found:
        values = each.call.values_of(*library.CHECKPOINT)
        types = [checkpoints.model_type_of(name) for name in library.texts(values)]
        if Constant(True) in each.call.values_of("trust_remote_code"):
            return set(), False
        for facts in map(lookup.model_type, types):
            named |= set(facts.processors if facts is not None else ()) or {AUTO}
    if named and AUTO not in named:
        return named, True
    beside = {
        name
        for model in library.imported_names(view)
        if (about := lookup.class_facts(model)) is not None and lookup.is_model_class(model) and about.model_type
        if (facts := lookup.model_type(about.model_type)) is not None
        for name in facts.processors or (AUTO,)
    }
    return (beside, False) if len(beside) == 1 and AUTO not in beside else ({AUTO}, True)
