"""Writes `docs/rules/`: a page for each rule and a table of all, from the rules' docstrings: python docs/pages.py."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from v5lint.rules import catalogue

if TYPE_CHECKING:
    from v5lint.rule import Rule

FOLDER = Path(__file__).parent / "rules"

FAMILIES = {
    "V50": "The four tells",
    "V51": "Removed names, modules and backends",
    "V52": "Loading and hub arguments",
    "V53": "Trainer and TrainingArguments",
    "V54": "Tokenizers and processors",
    "V55": "Models, configs, generation and caches",
    "V56": "Environment variables and command lines",
    "V57": "LoRA and PEFT",
    "V58": "Pins and project metadata",
    "V59": "Silent changes and missing validation",
}


def page(rule: Rule) -> str:
    """The page of one rule."""
    lines = [f"# {rule.code}: {rule.name}", "", f"Breaks since transformers {rule.since}."]
    if not rule.default:
        lines[-1] += f" Off unless selected: `--extend-select {rule.code}`."
    lines += ["", rule.documentation]
    if rule.options:
        lines += ["", "## Options", "", f"In `[tool.v5lint.{rule.name}]`:", ""]
        for key, option in rule.options.items():
            choices = f", one of {', '.join(f'`{choice}`' for choice in option.choices)}" if option.choices else ""
            lines.append(f"- `{key}` (default `{option.default}`{choices}): {option.doc}")
    return "\n".join(lines) + "\n"


def table(rules: list[Rule]) -> str:
    """The page with all rules, a table a family."""
    lines = ["# Rules", "", "Each page is the docstring of the rule; `v5lint --explain CODE` shows the same.", ""]
    for prefix, title in FAMILIES.items():
        family = [rule for rule in rules if rule.code.startswith(prefix)]
        if family:
            lines += [f"## {prefix}xx: {title}", "", "| code | name | what it finds |", "|---|---|---|"]
            for rule in family:
                first = re.sub(r"\|", r"\\|", rule.documentation.partition("\n")[0])
                off = "" if rule.default else " (off unless selected)"
                lines.append(f"| [{rule.code}]({rule.code}.md) | {rule.name} | {first}{off} |")
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def pages() -> dict[str, str]:
    """All pages by file name."""
    rules = list(catalogue().rules)
    return {"README.md": table(rules), **{f"{rule.code}.md": page(rule) for rule in rules}}


def main() -> int:
    """Write the pages, and take away those of rules that are no more."""
    FOLDER.mkdir(exist_ok=True)
    wanted = pages()
    for file in FOLDER.glob("*.md"):
        if file.name not in wanted:
            file.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
