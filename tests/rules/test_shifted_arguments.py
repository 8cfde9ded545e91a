"""Which names of parameters are those of one parameter in two releases."""

from __future__ import annotations

import pytest

from v5lint.rules.shifted_arguments import is_same


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("labels", "labels", True),
        ("past_key_values", "cache", True),
        ("cache_params", "cache", True),
        ("cache", "past_key_values", False),
        ("head_mask", "cache", False),
        ("past_key_values", "inputs_embeds", False),
    ],
)
def test_the_cache_has_another_name(old: str, new: str, *, expected: bool) -> None:
    assert is_same(old, new) is expected
