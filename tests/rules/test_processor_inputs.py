"""The processors that V5414 speaks of are those of the knowledge whose text stood in the first place, all of them."""

from __future__ import annotations

from v5lint.releases import parse_release
from v5lint.rules.knowledge import lookup
from v5lint.rules.processor_inputs import TEXT_FIRST, WITH_AUDIOS

_CALL = ".__call__"

#: Processors whose calls changed since 4.57, with what they took then and take now.
CHANGED = {
    name.removesuffix(_CALL): (before.positional, now.positional)
    for name, *_ in lookup.store().records("signatures")
    if name.endswith(_CALL) and name.endswith("Processor" + _CALL)
    if (before := lookup.parameters(name, "4.57")) is not None and (now := lookup.parameters(name)) is not None
}


def test_every_one_that_moved_since_then_is_listed() -> None:
    moved = {name for name, (before, now) in CHANGED.items() if (before[:1], now[:1]) == (("text",), ("images",))}
    assert moved
    assert moved == {name for name, (since, _) in TEXT_FIRST.items() if parse_release(since) > (4, 57)}


def test_those_that_moved_before_take_images_first() -> None:
    for name, (since, _) in TEXT_FIRST.items():
        assert lookup.kind_of(name) == "processor"
        if parse_release(since) <= (4, 57) and name in CHANGED:
            assert CHANGED[name][0][0] == CHANGED[name][1][0] == "images", name


def test_every_one_that_took_audios_is_listed() -> None:
    lost = {name for name, (before, now) in CHANGED.items() if "audios" in before and "audios" not in now}
    assert lost
    assert lost <= WITH_AUDIOS.keys()
