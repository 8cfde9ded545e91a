"""The pages of the rules are what their docstrings say, and every docstring says what a user needs."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from v5lint.rule import Rule
from v5lint.rules import catalogue

DOCS = Path(__file__).parents[2] / "docs"
RULES = list(catalogue().rules)
SECTIONS = ["What it does", "Why it breaks", "Example", "Fix safety", "References"]


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = spec_from_file_location("pages", DOCS / "pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_current(generator: ModuleType) -> None:
    written = {file.name: file.read_text(encoding="utf-8") for file in (DOCS / "rules").glob("*.md")}
    assert written == generator.pages(), "run: python docs/pages.py"


def test_every_code_has_a_family(generator: ModuleType) -> None:
    assert {rule.code[:3] for rule in RULES} <= set(generator.FAMILIES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_documentation_has_its_sections(rule: Rule) -> None:
    doc = rule.documentation
    first, _, rest = doc.partition("\n")
    assert first.endswith(".")
    assert len(first) <= 120
    assert rest.startswith("\n")
    heads = [line[3:] for line in doc.splitlines() if line.startswith("## ")]
    assert [head for head in heads if head in SECTIONS] == SECTIONS
