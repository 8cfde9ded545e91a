"""What the findings about lost members of the Trainer advise."""

from __future__ import annotations

import re

import pytest

from v5lint.rules.knowledge import lookup
from v5lint.rules.trainer_members import INSTEAD, MEMBERS


@pytest.mark.parametrize("path", sorted(set(re.findall(r"transformers[\w.]+", " ".join(INSTEAD.values())))))
def test_what_is_advised_exists(path: str) -> None:
    assert lookup.resolves(path)


def test_every_piece_of_advice_is_about_a_member_that_is_gone() -> None:
    assert INSTEAD.keys() <= set(MEMBERS)
    assert all(lookup.removed_member("Trainer", each) for each in INSTEAD)
