"""What `--explain` and `--list-rules` print."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from v5lint.report.text import Line
    from v5lint.rule import Rule


def listed(rules: Iterable[Rule]) -> Iterator[Line]:
    """A line for each rule: code, name, first sentence of its documentation."""
    rules = list(rules)
    width = max(len(rule.name) for rule in rules)
    for rule in rules:
        off = "" if rule.default else " (off unless selected)"
        yield [
            (rule.code, "breaks"),
            (f"  {rule.name:<{width}}  ", "name"),
            (f"{rule.documentation.partition(chr(10))[0]}{off}", ""),
        ]


def explained(rules: Iterable[Rule]) -> Iterator[Line]:
    """The documentation of rules, with their options."""
    for number, rule in enumerate(rules):
        if number:
            yield []
        yield [(f"{rule.code} ", "breaks"), (rule.name, "name"), (f" (breaks since transformers {rule.since})", "")]
        yield []
        yield from ([(line, "")] for line in rule.documentation.split("\n"))
        if rule.options:
            yield []
            yield [("Options", "name"), (f" in [tool.v5lint.{rule.name}]", "")]
            for key, option in rule.options.items():
                choices = f" (one of {', '.join(map(repr, option.choices))})" if option.choices else ""
                yield []
                yield [(f"  {key} = {option.default!r}", "fix"), (choices, "")]
                yield [(f"      {option.doc}", "")]
