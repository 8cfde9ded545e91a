"""LoRA targets of a model that is put together from two: names that left its encoder, or came to mean layers of it."""

from __future__ import annotations

from v5lint.rules.parts import library, linear_layers
from v5lint.rules.parts.joined_models import JOINED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.releases import Release
    from v5lint.rules.parts.models import Model

_BEFORE = "4.57"


def told(model: Model, part: Model, targets: list[str], release: Release) -> tuple[str, str] | None:
    """What a list of targets means in the part that sees the images, and did not mean under 4.x.

    Args:
        model: the model.
        part: the model that is its part.
        targets: the names.
        release: the target.

    Returns:
        The sentence and the release since which it is so; None where the same layers are meant.
    """
    family, now = part.model_type, library.release_text(release)
    name = JOINED[model.name][0]
    gone = [each for target in targets if (each := linear_layers.renamed(target, family, release)) is not None]
    left = [each for each in gone if not (each.news and set(each.news) <= set(targets))]
    if left:
        news = dict.fromkeys(new for each in left for new in each.news)
        wrong = library.listed([each.target for each in left])
        said = f"{wrong} {_verb(left)} no layer of `{model.name}.{name}` (`{part.name}`), which is not adapted any more"
        return f"{said}: its layers are found by `{_pattern(name, list(news))}`", left[-1].since
    came = [
        target
        for target in targets
        if linear_layers.matched(target, family, now) and not linear_layers.matched(target, family, _BEFORE)
    ]
    if gone or not came:
        return None
    since = linear_layers.first(
        release, lambda text: all(linear_layers.matched(each, family, text) for each in came), family
    )
    said = f"{library.listed(came)} {_verb(came)} layers of `{model.name}.{name}` (`{part.name}`) as well"
    other = "decoder" if name == "encoder" else "text_model"
    return f"{said}, which are adapted, too: `{_pattern(other, came)}` means those of the {other} alone", since


def _verb(names: list[str] | list[linear_layers.Renamed]) -> str:
    return "names" if len(names) == 1 else "name"


def _pattern(part: str, names: list[str]) -> str:
    return rf"{part}\..*\.({'|'.join(names)})"
