"""V5601: environment variables that transformers and huggingface_hub no longer read."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library, script_variables
from v5lint.view.requirements import RequirementsView
from v5lint.view.script import ScriptView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from v5lint.rule import Finding, Level, Unseen
    from v5lint.rules.knowledge.lookup import Advice
    from v5lint.view.environment import EnvironmentKey
    from v5lint.view.module import ModuleView

#: Names that are nobody else's. Of the others many programs have their own, so the file has to use transformers.
_OWN_PREFIXES = ("HF_", "HUGGINGFACE_", "TRANSFORMERS_")

#: Not among them: what other packages read as well (`TF_USE_LEGACY_KERAS`, `ACCELERATE_USE_IPEX`), and what has a rule
#: of its own (the cache variables, `WANDB_DISABLED`).
_VARIABLES = (
    *("HF_HUB_ENABLE_HF_TRANSFER", "HUGGINGFACE_CO_RESOLVE_ENDPOINT"),
    *("USE_TF", "USE_TORCH", "USE_FLAX", "USE_JAX", "FORCE_TF_AVAILABLE"),
)

_NOBODY_ELSES = tuple(each for each in _VARIABLES if each.startswith(_OWN_PREFIXES))


class RemovedEnvironmentVariable(Rule):
    """An environment variable that is no longer read.

    ## What it does

    Finds where a program sets `HF_HUB_ENABLE_HF_TRANSFER`, `HUGGINGFACE_CO_RESOLVE_ENDPOINT`, `USE_TF`, `USE_TORCH`,
    `USE_FLAX`, `USE_JAX` or `FORCE_TF_AVAILABLE`: in `os.environ`, in the environment of a child process or a job, by
    `monkeypatch.setenv`. `TRANSFORMERS_CACHE` and its kin are V5003's matter. A program that reads a variable of such a
    name for itself is left alone. In shell scripts, Dockerfiles, YAML and their like the first two are found.

    ## Why it breaks

    Nothing is raised: the variable has no effect. Of `HF_HUB_ENABLE_HF_TRANSFER` huggingface_hub says so, and downloads
    without it (measured with 2.4):

        FutureWarning: The `HF_HUB_ENABLE_HF_TRANSFER` environment variable is deprecated as 'hf_transfer' is not used
        anymore. Please use `HF_XET_HIGH_PERFORMANCE` instead to enable high performance transfer with Xet.

    With `HUGGINGFACE_CO_RESOLVE_ENDPOINT` set to a mirror, v5 goes to huggingface.co.

    ## Example

        os.environ["HF_HUB_ENABLE_HF_TRANSFER"] = "1"

    becomes

        os.environ["HF_XET_HIGH_PERFORMANCE"] = "1"

    ## Fix safety

    Safe for `HUGGINGFACE_CO_RESOLVE_ENDPOINT`, which `HF_ENDPOINT` replaces one for one. Unsafe for
    `HF_HUB_ENABLE_HF_TRANSFER`: the new way of downloading takes all cores. The variables that chose a framework are
    reported without a fix, since other packages read some of them.

    ## References

    - https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
    """

    code = "V5601"
    name = "removed-environment-variable"
    since = "5.0"
    tokens = _VARIABLES
    tokens_by_kind = {"script": _NOBODY_ELSES, "requirements": _NOBODY_ELSES}
    kinds = ("python", "script", "requirements")

    def check(self, module: ModuleView | ScriptView | RequirementsView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        if isinstance(module, (ScriptView, RequirementsView)):
            script = script_variables.script_in(module)
            yield from _in_script(script) if script is not None else ()
            return
        for key in module.environment_keys(_VARIABLES):
            advice = lookup.environment_advice(key.name)
            if advice is None or not _is_set(module, key) or module.guards.is_dead(key.node):
                continue
            level: Level = "breaks" if advice.replacement is not None and advice.replacement.drop_in else "deprecated"
            yield module.finding(key.node, _message(key.name, advice), fix=_fix(module, key, advice), level=level)


def _in_script(view: ScriptView) -> Iterator[Finding]:
    """The findings in a shell script, a Dockerfile and the like."""
    for name in _NOBODY_ELSES:
        advice = lookup.environment_advice(name)
        if advice is None:
            continue
        for group in script_variables.groups(view, name):
            fix = _group_fix(view, group, advice)
            is_drop_in = advice.replacement is not None and advice.replacement.drop_in
            for write in group.writes:
                if not script_variables.is_of_another_language(view, write):
                    level: Level = "breaks" if is_drop_in else "deprecated"
                    yield view.finding(write.start, write.end, _message(name, advice), fix=fix, level=level)


def _group_fix(view: ScriptView, group: script_variables.Group, advice: Advice) -> Fix | None:
    new = advice.replacement.new if advice.replacement is not None else ""
    if not new or view.variables((new,)) or script_variables.readers_elsewhere(view, group.name):
        return None
    if group.parameters or group.name in view.region.beside or next(view.unknown(group.name), None) is not None:
        return None
    sure = advice.replacement is not None and advice.replacement.drop_in
    sure = sure and all(each.access != "text" and group.name not in each.reads for each in group.writes)
    return Fix(f"Set `{new}` instead", group.renamed(new), applicability="safe" if sure else "unsafe")


def _is_set(view: ModuleView, key: EnvironmentKey) -> bool:
    if not key.is_written:
        return False
    if key.name.startswith(_OWN_PREFIXES):
        return True
    return key.access != "dict" and any(library.imported_names(view))


def _message(name: str, advice: Advice) -> str:
    message = f"`{name}` is no longer read"
    if advice.replacement is not None:
        message += f": `{advice.replacement.new}` takes its place"
    note = advice.note.rstrip(".")
    return f"{message}; {note[:1].lower()}{note[1:]}" if note else message


def _fix(view: ModuleView, key: EnvironmentKey, advice: Advice) -> Fix | None:
    new = advice.replacement.new if advice.replacement is not None else ""
    if not new or view.environment_keys((new,)):
        return None
    build = _renaming(view, key, new)
    if build is None:
        return None
    drop_in = advice.replacement is not None and advice.replacement.drop_in
    sure = drop_in and key.access in ("write", "default", "child")
    return Fix(f"Set `{new}` instead", build, applicability="safe" if sure else "unsafe")


def _renaming(view: ModuleView, key: EnvironmentKey, new: str) -> Callable[[], list[Edit]] | None:
    node = key.node
    if isinstance(node, ast.keyword):
        start, end = view.name_span(node)
    elif isinstance(node, ast.Constant) and view.source(node).count(key.name) == 1:
        start = view.span(node)[0] + view.source(node).index(key.name)
        end = start + len(key.name)
    else:
        return None
    return lambda: [Edit(start, end, new)]
