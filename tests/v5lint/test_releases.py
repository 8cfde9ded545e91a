from __future__ import annotations

import pytest

from v5lint.releases import parse_release, release_text


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("5", (5,)),
        ("5.0", (5,)),
        ("5.0.0", (5,)),
        ("v5.15.2", (5, 15, 2)),
        (" 4.57.0 ", (4, 57)),
        ("5.0.0rc1", (5,)),
        ("5.1.dev0", (5, 1)),
        ("5.1+cpu", (5, 1)),
        ("10.20", (10, 20)),
    ],
)
def test_parse(text: str, release: tuple[int, ...]) -> None:
    assert parse_release(text) == release


@pytest.mark.parametrize("text", ["", "five", "rc1", ".5", "v"])
def test_no_releases(text: str) -> None:
    with pytest.raises(ValueError, match="is not a release number"):
        parse_release(text)


def test_text() -> None:
    assert [release_text(release) for release in ((5,), (5, 4), (4, 57, 6))] == ["5.0", "5.4", "4.57.6"]
