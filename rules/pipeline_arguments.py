"""V5210: arguments that the pipelines no longer take."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import origins
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_PACKAGE = "transformers"

_GROUPED, _SUBWORDS, _STRATEGY = "grouped_entities", "ignore_subwords", "aggregation_strategy"
_CLASSES, _LABELS = "multi_class", "multi_label"
_VIDEOS = "videos"

_NER = frozenset({"ner", "token-classification"})
_ZERO_SHOT = frozenset({"zero-shot-classification"})
_VIDEO = frozenset({"video-classification"})

#: Argument -> the tasks whose pipelines took it; and the classes of these pipelines.
_TASKS = {_GROUPED: _NER, _SUBWORDS: _NER, _CLASSES: _ZERO_SHOT, _VIDEOS: _VIDEO}
_PIPELINES = {
    "TokenClassificationPipeline": _NER,
    "NerPipeline": _NER,
    "ZeroShotClassificationPipeline": _ZERO_SHOT,
    "VideoClassificationPipeline": _VIDEO,
}

#: Arguments that are told by their name, where the task is not known.
_TELLING = frozenset({_GROUPED, _SUBWORDS})


class RemovedPipelineArgument(Rule):
    """`grouped_entities`, `ignore_subwords`, `multi_class` or `videos` given to a pipeline.

    ## What it does

    Finds these arguments where `pipeline` or a class of pipelines is called, and where what it made is called:
    `grouped_entities=` and `ignore_subwords=` of token classification (`"ner"`), `multi_class=` of zero-shot
    classification, `videos=` of video classification. A pipeline class of the repository is left alone.

    ## Why it breaks

    They were deprecated names, and went in 5.0. Measured on 5.24.0:

        TypeError: TokenClassificationPipeline._sanitize_parameters() got an unexpected keyword argument
        'grouped_entities'
        TypeError: VideoClassificationPipeline.__call__() missing 1 required positional argument: 'inputs'

    `multi_class=True` raises nothing and is ignored: the scores of all labels add up to 1, as if one alone were right
    (4.57.6 gave two labels 0.4957 and 0.4957, 5.24.0 gives them 0.5000 and 0.5000).

    ## Example

        ner = pipeline("ner", grouped_entities=True)
        found = classifier(text, labels, multi_class=True)

    becomes

        ner = pipeline("ner", aggregation_strategy="simple")
        found = classifier(text, labels, multi_label=True)

    ## Fix safety

    Safe: it writes what 4.x made of the arguments (`grouped_entities=True, ignore_subwords=True` is
    `aggregation_strategy="first"`, `False` is `"none"`, whatever strategy is given beside them). There is no fix where
    the arguments come in a dict, or a strategy of another kind stands beside them.

    ## References

    - https://huggingface.co/docs/transformers/main_classes/pipelines#transformers.TokenClassificationPipeline
    """

    code = "V5210"
    name = "removed-pipeline-argument"
    since = "5.0"
    tokens = (_GROUPED, _SUBWORDS, _CLASSES, f"{_VIDEOS}=", f'"{_VIDEOS}"')
    beside = (_PACKAGE,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        done: set[ast.Call] = set()
        for call, keyword in module.keywords(_TASKS):
            name = str(keyword.arg)
            if call.node in done or not _takes(module, call, name) or module.guards.is_ready(call.node):
                continue
            if name in _TELLING:
                done.add(call.node)
            yield module.finding(keyword, _message(call, name), fix=_fix(module, call, keyword))
        for call in module.calls():
            for name in _TASKS if call.splats else ():
                entry = call.entry(name)
                is_here = entry is not None and entry.node in module.tree.parents and call.keyword(name) is None
                if (
                    entry is not None
                    and is_here
                    and _takes(module, call, name)
                    and not module.guards.is_ready(call.node)
                ):
                    yield module.finding(entry.node, _message(call, name))


def _takes(view: ModuleView, call: CallSite, name: str) -> bool:
    """Whether a call makes a pipeline that took an argument, or is one of such a pipeline."""
    if _makes(call, name):
        return name != _VIDEOS  # it is what the pipeline gets to work on
    made = [each.call for each in origins.origins(view, call.func).found]
    return bool(made) and all(_makes(each, name) for each in made)


def _makes(call: CallSite, name: str) -> bool:
    """Whether a call makes a pipeline of transformers that took an argument."""
    for callee in call.callees:
        if not isinstance(callee, External) or callee.package != _PACKAGE:
            continue
        if lookup.kind_of(callee.name) == "pipeline":
            return _PIPELINES.get(callee.name) == _TASKS[name]
        if callee.name == "pipeline" and not call.values_of("pipeline_class"):
            tasks = {each.value for each in call.values_of("task", 0) if isinstance(each, Constant)}
            return not tasks.isdisjoint(_TASKS[name]) if tasks else name in _TELLING
    return False


def _message(call: CallSite, name: str) -> str:
    if name == _CLASSES:
        return f"`{name}` is ignored since transformers 5.0, and the scores are others: it is `{_LABELS}`"
    if name == _VIDEOS:
        return f"the pipeline takes no `{name}=` since transformers 5.0: pass the videos as the first argument"
    strategy = _strategy(call)
    return f"the pipeline takes no `{name}=` since transformers 5.0: it is `{strategy or f'{_STRATEGY}=...'}`"


def _strategy(call: CallSite) -> str:
    """The argument that says what 4.x made of the two old ones; "" where that is not known."""
    grouped, subwords = call.keyword(_GROUPED), call.keyword(_SUBWORDS)
    values = [each.value.value for each in (grouped, subwords) if each and isinstance(each.value, ast.Constant)]
    if len(values) == sum(each is not None for each in (grouped, subwords)):
        groups = bool(grouped and values[0])
        strategy = "none" if not groups else "first" if subwords and values[-1] else "simple"
        return f'{_STRATEGY}="{strategy}"'
    if grouped is not None and subwords is None:
        return f'{_STRATEGY}="simple" if {call.view.source(grouped.value)} else "none"'
    return ""


def _fix(view: ModuleView, call: CallSite, keyword: ast.keyword) -> Fix | None:
    if keyword.arg == _CLASSES:
        if call.keyword(_LABELS) is not None:
            return None
        return Fix(f"Rename the argument to `{_LABELS}=`", [Edit(*view.name_span(keyword), _LABELS)])
    if keyword.arg == _VIDEOS:
        if call.node.args or call.node.keywords[0] is not keyword:
            return None
        return Fix("Pass the videos by position", [view.replace(keyword, view.source(keyword.value))])
    new, given = _strategy(call), call.keyword(_STRATEGY)
    is_simple = isinstance(keyword.value, (ast.Constant, ast.Name, ast.Attribute))
    if not new or not is_simple or call.splats:
        return None
    if given is not None and view.source(given).replace("'", '"') != new:
        return None

    def build() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        old: list[ast.AST] = [each for each in call.node.keywords if each.arg in _TELLING]
        if given is not None:
            return [edit_arguments(view, call.node, remove=old)]
        return [edit_arguments(view, call.node, remove=old[1:], replace={old[0]: new})]

    return Fix(f"Write `{new}`", build)
