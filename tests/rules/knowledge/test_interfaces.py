"""The comparison of interfaces: what it says of members, parameters, defaults and places."""

from __future__ import annotations

from types import SimpleNamespace

from v5lint.rules.knowledge.collect.interfaces import compared, interfaces


class _Before:
    def tag(self, text, grouped=None, size=1): ...
    def moved(self, text, images): ...
    def gone(self): ...
    def kept(self, text): ...


class _Now:
    def tag(self, text, size=2, **kwargs): ...
    def moved(self, images, text, needed): ...
    def kept(self, text): ...


class _BeforeConfig:
    def __init__(self):
        self.size, self.theta = 1, 2


class _NowConfig:
    def __init__(self):
        self.size = 3


BEFORE = interfaces(SimpleNamespace(Tagger=_Before, TaggerConfig=_BeforeConfig, made=lambda task, framework=None: None))
NOW = interfaces(SimpleNamespace(Tagger=_Now, TaggerConfig=_NowConfig, made=lambda task: None))


def test_every_change_has_a_line() -> None:
    said = {line.split(maxsplit=1)[1].rsplit("    ", 1)[0] for line in compared(BEFORE, NOW)}
    assert said == {
        "gone: gone",
        "tag(grouped): swallowed",
        "tag(size): default 1 -> 2",
        "tag(): place 1 is size, was grouped",
        "moved(): place 0 is images, was text",
        "moved(needed): needed",
        "(framework): gone",
        ".size: 1 -> 3",
        ".theta: gone",
    }


def test_a_release_is_like_itself() -> None:
    assert compared(BEFORE, BEFORE) == []
