"""V5111: members that enumerations of transformers lost, by name and by value."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules.parts import library
from v5lint.view.values import External, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Values

#: What the enumerations lost in 5.0, compared member by member with those of 4.57.6. `OptimizerNames` is V5308's.
_LOST = {
    "HPSearchBackend": frozenset({"SIGOPT"}),
    "TensorType": frozenset({"TENSORFLOW", "JAX"}),
    "ImageType": frozenset({"TENSORFLOW", "JAX"}),
}
_MEMBERS = frozenset().union(*_LOST.values())

#: The search for hyperparameters, and the values of its backend that went.
_SEARCH, _BACKEND, _VALUES = "hyperparameter_search", "backend", ("sigopt",)


class RemovedEnumerationMember(Rule):
    """A member of an enumeration of transformers that is gone: `TensorType.TENSORFLOW`, `HPSearchBackend.SIGOPT`.

    ## What it does

    Finds `SIGOPT` of `HPSearchBackend`, `TENSORFLOW` and `JAX` of `TensorType` and of `ImageType`, and a Trainer's
    `hyperparameter_search(backend="sigopt")`. `OptimizerNames` is V5308's matter.

    ## Why it breaks

    A comparison with such a member raises, whatever is compared with it. Measured on 5.24:

        AttributeError: SIGOPT
        AttributeError: TENSORFLOW
        ValueError: sigopt is not a valid HPSearchBackend, please select one of ['optuna', 'ray', 'wandb']

    ## Example

        best = trainer.hyperparameter_search(backend="sigopt", n_trials=10)

    has to name another backend, whose space of hyperparameters is written in another form:

        best = trainer.hyperparameter_search(backend="optuna", n_trials=10)

    ## Fix safety

    No fix: which backend is to search, or what a branch for TensorFlow is there for, is for a person to say.

    ## References

    - https://huggingface.co/docs/transformers/hpo_train
    """

    code = "V5111"
    name = "removed-enumeration-member"
    since = "5.0"
    tokens = (*(f".{member}" for member in sorted(_MEMBERS)), "sigopt")

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.attributes(_MEMBERS):
            of = _enumeration(module, node)
            if of and not module.guards.is_dead(node):
                yield module.finding(node, f"`{of}` has no `{node.attr}` since transformers {self.since}")
        for call in module.calls({_SEARCH}):
            given = call.argument(_BACKEND)
            if given is None or module.guards.is_dead(call.node) or not _is_of_a_trainer(call.callees):
                continue
            for value in library.texts(call.values_of(_BACKEND)):
                if value in _VALUES:
                    yield module.finding(given, f"`{_SEARCH}` knows no `{value}` since transformers {self.since}")


def _enumeration(view: ModuleView, node: ast.Attribute) -> str:
    """The enumeration of transformers that a member is read of and that lost it; "" where it is none."""
    for value in view.values(node):
        owner = value.owner if isinstance(value, Method) else None
        is_ours = isinstance(owner, External) and owner.package == "transformers"
        if owner is not None and is_ours and node.attr in _LOST.get(owner.name, ()):
            return owner.name
    return ""


def _is_of_a_trainer(callees: Values) -> bool:
    """Whether a method may be a Trainer's: no class of another library has it."""
    owners = [each.owner for each in callees if isinstance(each, Method)]
    return all(not isinstance(each, External) or each.package == "transformers" for each in owners)
