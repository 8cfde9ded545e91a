"""Environment variables, console scripts, pipeline tasks and string choices, over the releases."""

from __future__ import annotations

from v5lint.rules.knowledge import history
from v5lint.rules.knowledge.callables import Advice
from v5lint.rules.knowledge.data import as_release, store
from v5lint.rules.knowledge.removals import Removal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.rules.knowledge.data import AnyRelease
    from v5lint.rules.knowledge.removals import Kind

_SECTIONS: dict[str, Kind] = {
    "environment": "environment",
    "scripts": "script",
    "tasks": "task",
    "choices": "choice",
}


def removed_environment_variable(name: str) -> Removal | None:
    """Tell whether the newest releases no longer read an environment variable that older ones read."""
    return _removed("environment", name, None)


def environment_advice(name: str) -> Advice | None:
    """Give what is written down about an environment variable, whether it is gone or only deprecated."""
    fields = store().record("replaced_surfaces", f"environment:{name}")
    return Advice(fields) if fields else None


def removed_script(name: str) -> Removal | None:
    """Tell whether the newest releases no longer install a command: "huggingface-cli"."""
    return _removed("scripts", name, None)


def removed_task(name: str, release: AnyRelease = None) -> Removal | None:
    """Tell whether `pipeline()` of a release of transformers no longer knows a task.

    Args:
        name: the task or an alias, "summarization"; "translation_en_to_fr" counts as "translation_XX_to_YY".
        release: the release asked about.
    """
    parts = name.split("_")
    if len(parts) == 4 and parts[0] == "translation" and parts[2] == "to":
        name = "translation_XX_to_YY"
    return _removed("tasks", name, release)


def removed_choice(argument: str, value: str, release: AnyRelease = None) -> Removal | None:
    """Tell whether an argument no longer takes a string: `optim` and "adamw_hf".

    Args:
        argument: "optim", "lr_scheduler_type", "eval_strategy", "save_strategy", "hub_strategy", "debug" or
            "return_tensors".
        value: the string.
        release: the release of transformers asked about.
    """
    return _removed("choices", f"{argument}={value}", release, f"{argument}:{value}")


def names_of(section: str, package: str = "transformers", release: AnyRelease = None) -> frozenset[str]:
    """Give what a release of a package has: section "environment", "scripts", "tasks" or "choices"."""
    wanted = as_release(release)
    return frozenset(
        name
        for name, owner, spans in store().records(section)
        if owner == package and history.is_present(spans, wanted)
    )


def _removed(section: str, name: str, release: AnyRelease, advised: str = "") -> Removal | None:
    wanted = as_release(release)
    gone: Removal | None = None
    for key, package, spans in store().records(section):
        if key == name:
            if history.is_present(spans, wanted):
                return None
            since = history.gone_in(spans, wanted)
            if since and gone is None:
                advice = store().record("replaced_surfaces", advised or f"{section}:{name}")
                gone = Removal(name, _SECTIONS[section], package, spans, since, advice)
    return gone
