"""The errors that the documentation of a rule quotes are among the outcomes that were measured for it."""

from __future__ import annotations

import re

import pytest

from v5lint.rules import catalogue

from .test_outcomes import ALL

_ERROR = re.compile(r"^ {4,}(?:[\w.]+\.)?\w+Error: ")
_CHECKPOINT = re.compile(r"(?<= in )[\w-]+/[\w.-]+?(?=\. )|<checkpoint>")

#: Rules that quote an error as well of which the outcomes hold only the like, of another class or argument.
ALIKE = frozenset({"V5201", "V5202", "V5302", "V5405", "V5602"})
RULES = {
    rule.code: rule
    for rule in catalogue().rules
    if rule.code not in ALIKE and any(each.where.startswith(rule.code) for each in ALL)
}


def quoted(documentation: str) -> list[list[str]]:
    """The errors in a documentation: each as its first line, the first two, and so on, as far as they may reach."""
    found: list[list[str]] = []
    inside = False
    for line in documentation.splitlines():
        if _ERROR.match(line):
            found.append([line.strip()])
            inside = True
        elif inside and re.match(r" {8,}\S", line):
            found[-1].append(f"{found[-1][-1]} {line.strip()}")
        else:
            inside = False
    return found


def is_measured(error: str, code: str) -> bool:
    wanted = _CHECKPOINT.sub("", error).removesuffix("...").strip()
    for outcome in ALL:
        if outcome.where.startswith(code):
            measured = re.sub(r"^[\w.]+\.(?=\w+Error: )", "", " ".join(outcome.v5.split()))
            parts = _CHECKPOINT.sub("", measured).split("...")
            pattern = ".*".join(re.escape(part) for part in parts)
            # The documentation leaves out where the module lies, and what follows.
            if re.match(pattern, wanted) or parts[0].startswith(wanted):
                return True
    return False


@pytest.mark.parametrize("code", sorted(RULES))
def test_what_is_quoted_is_measured(code: str) -> None:
    errors = quoted(RULES[code].__doc__ or "")
    assert [error[0] for error in errors if not any(is_measured(text, code) for text in error)] == []
