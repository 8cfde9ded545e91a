"""Every case under `fixtures/` through the command line: what is found, what `--fix` makes of it, that it settles."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.rules.cases import FIXTURES, Case, all_cases
from v5lint.cli import main

if TYPE_CHECKING:
    from pathlib import Path

CASES = all_cases()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An empty repository for the files of a case."""
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder


def lay_out(case: Case, repository: Path) -> list[str]:
    """Write the files of a case, and give the options of its run."""
    for name, text in case.before.items():
        file = repository / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    options = ["--isolated", "--select", ",".join(case.select)]
    if (case.path / "options.toml").exists():
        for table, values in case.options.items():
            options += ["--config", f"{table} = {_inline(values)}"]
    if case.target:
        options += ["--target-version", case.target]
    if case.minimum:
        options += ["--min-version", case.minimum]
    return options


def _inline(values: dict[str, str]) -> str:
    return "{" + ", ".join(f"{key} = {json.dumps(value)}" for key, value in values.items()) + "}"


def run(repository: Path, report: Path, *options: str) -> tuple[int, list[dict[str, object]]]:
    """Lint a repository and read the JSON report."""
    status = main([str(repository), "--output-format", "json", "--output-file", str(report), "-j", "1", *options])
    return status, json.loads(report.read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case, repository: Path, tmp_path: Path) -> None:
    options = lay_out(case, repository)
    report = tmp_path / "report.json"

    status, found = run(repository, report, *options)
    places = {(_relative(each, repository), each["location"]["row"], each["code"]) for each in found}  # type: ignore[index]
    assert places == case.findings
    assert status == (1 if case.findings else 0)

    level = ["--fix", "--unsafe-fixes"] if case.fix == "unsafe" else ["--fix"]
    run(repository, report, *level, *options)
    fixed = {name: (repository / name).read_bytes().decode() for name in case.before}
    assert fixed == case.after

    run(repository, report, *level, *options)
    assert {name: (repository / name).read_bytes().decode() for name in case.before} == case.after


@pytest.mark.parametrize("case", [case for case in CASES if case.unseen], ids=lambda case: case.name)
def test_what_is_not_seen_is_said(case: Case, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = lay_out(case, repository)
    main([str(repository), "--verbose", "--output-format", "concise", *options])
    said = "".join(capsys.readouterr())
    for name, row, code in case.unseen:
        assert any(f"{name}:{row}:" in line and code in line for line in said.splitlines()), said


@pytest.mark.parametrize("case", [case for case in CASES if case.findings], ids=lambda case: case.name)
def test_a_token_gates_every_finding(case: Case) -> None:
    from v5lint.rules import catalogue

    rules = {rule.code: rule for rule in catalogue().rules}
    for name, _, code in case.findings:
        rule = rules[code]
        by_kind = [token for tokens in rule.tokens_by_kind.values() for token in tokens]
        tokens = (*rule.tokens, *rule.words, *rule.attributes, *by_kind)
        assert any(token in case.before[name] for token in tokens)


def test_every_rule_has_cases() -> None:
    from v5lint.rules import catalogue

    codes = {case.code for case in CASES}
    assert {rule.code for rule in catalogue().rules} <= codes
    for code in codes:
        assert any(not case.findings for case in CASES if case.code == code), f"{code}: no case in which it is silent"


def test_no_case_is_empty() -> None:
    for path in FIXTURES.glob("V[0-9]*/*"):
        assert any(path.glob("before*")), path


def _relative(finding: dict[str, object], repository: Path) -> str:
    return str(finding["filename"]).rpartition(f"{repository.name}/")[2]
