"""The settings of a PEFT configuration that choose among the targets: `layers_pattern`, `exclude_modules`, ranks."""

from __future__ import annotations

import ast

from v5lint.rules.parts import adapters, library, linear_layers
from v5lint.view.values import Constant, Elements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.adapters import Adaptation
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Values

_PATTERN, _EXCLUDED, _NUMBERS = "layers_pattern", "exclude_modules", "layers_to_transform"
_BEFORE = "4.57"

#: What gives some of the targets a rank or a scale of their own: dicts by name.
_BY_NAME = ("rank_pattern", "alpha_pattern")


def findings(view: ModuleView, adaptation: Adaptation) -> Iterator[Finding]:
    """What a configuration says about layers under names that the model had under 4.x and has no more."""
    types = adaptation.models.types
    if not types or "" in types or not adaptation.models.is_complete:
        return
    for name, judge in ((_PATTERN, _pattern), (_EXCLUDED, _excluded)):
        given = adapters.setting(adaptation.config, name)
        texts = _texts(given.values)
        verdicts = [judge(texts, each, view) for each in types] if texts else []
        if not verdicts or any(each is None for each in verdicts):
            continue
        if name == _PATTERN and not adapters.setting(adaptation.config, _NUMBERS).values:
            continue
        assert verdicts[0] is not None
        here = adaptation.config.view is view and given.node is not None
        node = given.node if here else adaptation.meeting.node
        assert node is not None
        yield view.finding(node, verdicts[0][0], since=verdicts[0][1])
    for name in _BY_NAME:
        given_dict = adapters.setting(adaptation.config, name).node
        for key in given_dict.keys if isinstance(given_dict, ast.Dict) else ():
            text = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""
            verdicts = [_ranked(text, name, each, view) for each in types] if text else []
            if key is not None and verdicts and verdicts[0] is not None and all(verdicts):
                yield view.finding(key, verdicts[0][0], since=verdicts[0][1])


def _ranked(name: str, field: str, model_type: str, view: ModuleView) -> tuple[str, str] | None:
    """What is wrong with a name to which a rank is given, and since when."""
    gone = linear_layers.renamed(name, model_type, view.settings.target)
    if gone is None:
        return None
    news = " and ".join(f"`{each}`" for each in gone.news)
    said = f"`{name}` names no layer of a `{model_type}` model, and PEFT passes over its `{field}` (a warning says so)"
    return f"{said}: it is {news}" if news else said, gone.since


def _texts(values: Values) -> list[str]:
    """The texts that a setting is given, one or a list of them; none where others may be meant."""
    found: list[str] = []
    for value in values:
        items = value.items if isinstance(value, Elements) else (frozenset({value}),)
        for item in items:
            known = [each.value for each in item if isinstance(each, Constant) and isinstance(each.value, str)]
            if len(known) != 1 or len(item) != 1:
                return []
            found += known
    return found


def _pattern(patterns: list[str], model_type: str, view: ModuleView) -> tuple[str, str] | None:
    """What is wrong with patterns for the list of layers, and since when."""
    release = view.settings.target
    now = library.release_text(release)
    if not linear_layers.layer_paths(model_type, now):
        return None
    if any(linear_layers.listed_in(each, model_type, now) for each in patterns):
        return None
    if not any(linear_layers.listed_in(each, model_type, _BEFORE) for each in patterns):
        return None
    since = linear_layers.first(
        release,
        lambda text: not any(linear_layers.listed_in(each, model_type, text) for each in patterns),
        model_type,
    )
    names = " or ".join(f"`{each}`" for each in sorted(linear_layers.lists(model_type, now)))
    said = " or ".join(f"`{each}`" for each in patterns)
    return (
        f"a `{model_type}` model has no list of layers {said} since {since}, and PEFT adapts none: it is {names}",
        since,
    )


def _excluded(names: list[str], model_type: str, view: ModuleView) -> tuple[str, str] | None:
    """What is wrong with the names of layers that shall be left alone, and since when."""
    gone = [each for name in names if (each := linear_layers.renamed(name, model_type, view.settings.target))]
    gone = [each for each in gone if not (each.news and set(each.news) <= set(names))]
    if not gone:
        return None
    first = gone[0]
    news = " and ".join(f"`{each}`" for each in first.news)
    instead = f": exclude {news}" if news else ""
    return (
        f"`{first.target}` names no layer of a `{model_type}` model, so that it is adapted, too{instead}",
        first.since,
    )
