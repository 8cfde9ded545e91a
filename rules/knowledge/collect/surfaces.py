"""Collects what a release reads and offers beside its names: environment variables, console scripts, tasks, choices."""

from __future__ import annotations

from v5lint.rules.knowledge.collect.history import Axis, Presence
from v5lint.rules.knowledge.collect.namespace import Namespace, table

CHOICES = {
    "transformers.training_args.OptimizerNames": "optim",
    "transformers.trainer_utils.SchedulerType": "lr_scheduler_type",
    "transformers.trainer_utils.IntervalStrategy": "eval_strategy",
    "transformers.trainer_utils.SaveStrategy": "save_strategy",
    "transformers.trainer_utils.HubStrategy": "hub_strategy",
    "transformers.debug_utils.DebugOption": "debug",
    "transformers.utils.generic.TensorType": "return_tensors",
}
"""Enumerations whose values users write as strings, and the argument that takes them."""

_PIPELINES = "transformers.pipelines"
_TRANSLATION = "translation_XX_to_YY"


class Surfaces:
    """Gathers the surfaces of one package, oldest release first."""

    def __init__(self) -> None:
        self.environment: Presence[str] = Presence()
        self.scripts: Presence[str] = Presence()
        self.tasks: Presence[str] = Presence()
        self.choices: Presence[str] = Presence()

    def add(self, namespace: Namespace) -> None:
        """Read the next release."""
        self.environment.add(
            {name for facts in namespace.modules.values() for name in facts.get("environment", ())},
        )
        self.scripts.add(namespace.wheel.scripts)
        self.tasks.add(pipeline_tasks(namespace))
        self.choices.add(
            f"{argument}={value}"
            for path, argument in CHOICES.items()
            for value in (namespace.class_facts(path) or {}).get("constants", {}).values()
            if isinstance(value, str)
        )


def pipeline_tasks(namespace: Namespace) -> set[str]:
    """Give the task names that `pipeline()` takes, aliases included."""
    found = set(table(namespace, _PIPELINES, "SUPPORTED_TASKS")) | set(table(namespace, _PIPELINES, "TASK_ALIASES"))
    return (found - {"translation"}) | {"translation", _TRANSLATION} if "translation" in found else found


def lines(by_package: dict[str, tuple[Presence[str], Axis]]) -> list[str]:
    """Give one line a name and package: the name, the package, its spans.

    Args:
        by_package: package -> (what was gathered, its line of releases).
    """
    return sorted(
        f"{name}\t{package}\t{presence.text(name, axis)}"
        for package, (presence, axis) in by_package.items()
        for name in presence
    )
