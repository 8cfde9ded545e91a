"""Which models lose weights when a checkpoint of theirs is loaded without the renaming that `from_pretrained` does.

`save_pretrained` writes the names of 4.x; the models of 5.x have names of their own. `knowledge/reload_losses.toml`
holds, for every class of the newest release that an Auto class loads, how many tensors of its state_dict have another
name in the file that it saves, and since which minor release: measured by building each model on the meta device and
undoing the conversion of its weights (see `knowledge/collect/reload_losses.py`). Types that are put together from two
others (`vision-encoder-decoder`) lose what their parts lose, and are not in it: for them the encoder is asked for.
"""

from __future__ import annotations

from v5lint.releases import parse_release
from v5lint.rules.knowledge import lookup
from v5lint.rules.knowledge.tables import table
from v5lint.rules.parts.joined_models import JOINED, type_of_part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.releases import Release
    from v5lint.rules.parts.models import Model

_losses: dict[str, dict[str, Loss]] = {}


class Loss:
    """What a model loses.

    Attributes:
        name: its class.
        lost: the tensors that do not come back.
        total: all of them.
        since: the first release in which it loses them.
    """

    __slots__ = ("lost", "name", "since", "total")

    def __init__(self, name: str, lost: int, total: int, since: str) -> None:
        self.name = name
        self.lost = lost
        self.total = total
        self.since = since

    @property
    def kept(self) -> int:
        """The tensors that come back."""
        return self.total - self.lost


def loss_of(model: Model, release: Release) -> Loss | None:
    """What a model loses under a release; None where that is nothing, or not known.

    Args:
        model: the model. A class that was not measured loses what the others of its type lose.
        release: the target.
    """
    if not _losses:
        _losses.update(_read())
    name, shown, model_type = model.name, model.name, model.model_type
    if name in JOINED:
        model_type = type_of_part(model)
        facts = lookup.model_type(model_type) if model_type else None
        shown = f"{name}.{JOINED[name][0]}"
        name = facts.models.get("AutoModel", "") if facts is not None else ""
    classes = _losses.get(model_type)
    if classes is None:
        return None
    found = classes.get(name) or max(classes.values(), key=lambda each: each.lost / each.total)
    if not found.lost or parse_release(found.since) > release:
        return None
    return Loss(shown, found.lost, found.total, found.since)


def _read() -> dict[str, dict[str, Loss]]:
    return {
        model_type: {
            name: Loss(name, lost=counts[0], total=counts[1], since=classes["since"])
            for name, counts in classes.items()
            if name != "since"
        }
        for model_type, classes in table("reload_losses").items()
    }
