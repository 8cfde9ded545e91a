"""Shell scripts, Dockerfiles, YAML: every byte comes back, and what is no text does no harm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.v5lint.conftest import Outcome
from v5lint.formats import script
from v5lint.rule import Edit, Fix, Rule

Lint = Callable[..., Outcome]
Write = Callable[..., Path]


class Renamed(Rule):
    """Finds what sets OLD in a script, and calls it NEW."""

    code = "T3001"
    name = "renamed"
    tokens = ("OLD",)
    kinds = ("script",)

    def check(self, module):  # type: ignore[no-untyped-def]
        for each in module.variables(("OLD",)):
            fix = Fix("Rename it", [Edit(each.start, each.end, "NEW")])
            yield module.finding(each.start, each.end, "it has another name", fix=fix)


RULES = (Renamed(),)


@pytest.mark.parametrize("raw", [b"\xef\xbb\xbfA=1\r\n", b"A=\xff\xfe\n", b"", b"\0\0A", b"a\rb\n"])
def test_bytes_come_back(raw: bytes) -> None:
    document = script.read("a.sh", raw)
    assert document.replaced([region.text for region in document.regions]) == raw


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("a.sh", b"export OLD=\xff\r\nls $OLD\r\n", b"export NEW=\xff\r\nls $NEW\r\n"),
        ("Dockerfile", b"FROM a\nENV OLD=1", b"FROM a\nENV NEW=1"),
        ("a.yml", b"\xef\xbb\xbfenv:\n  OLD: 1\n", b"\xef\xbb\xbfenv:\n  NEW: 1\n"),
        ("run", b"#!/bin/sh\nexport OLD=1\n", b"#!/bin/sh\nexport NEW=1\n"),
        ("env.yaml", b"env:\n  OLD: 1\n", b"env:\n  NEW: 1\n"),
    ],
)
def test_only_the_edits_change(lint: Lint, write: Write, name: str, before: bytes, after: bytes) -> None:
    path = write(name, before)
    lint(name, "--fix", rules=RULES)
    assert path.read_bytes() == after
    assert lint(name, rules=RULES).status == 0


def test_what_holds_no_token_is_not_read(lint: Lint, write: Write) -> None:
    write("a.sh", b"\xff\xfe\0")
    write("big.yaml", b"OLD " * 3_000_000)
    outcome = lint(".", rules=RULES)
    assert (outcome.status, outcome.err) == (0, "")


def test_suppressions(lint: Lint, write: Write) -> None:
    write("a.sh", "export OLD=1  # noqa: T3001\nexport OLD=2\n")
    write("Dockerfile", "FROM a\n# noqa: T3001\n\n# why\nENV OLD=1\nENV OLD=2\n")
    write("b.sh", "# v5lint: ignore-file\nexport OLD=1\n")
    outcome = lint(".", "--output-format", "json", "-q", rules=RULES)
    assert [(file, row) for file, _, row, _ in outcome.found] == [("Dockerfile", 6), ("a.sh", 2)]
    assert "unused" not in outcome.err


def test_a_magic_of_a_notebook(lint: Lint, write: Write) -> None:
    from tests.v5lint.formats.test_notebook import made, sources

    path = write("a.ipynb", made(["x = 1\n", "%env OLD=1"], ["if x:\n", "    !ls $OLD \\\n", "      b"]))
    found = lint("a.ipynb", "--output-format", "concise", rules=RULES).out.splitlines()
    assert [each.partition(" T3001")[0] for each in found[:2]] == ["a.ipynb:cell 1:2:6:", "a.ipynb:cell 2:2:10:"]
    lint("a.ipynb", "--fix", rules=RULES)
    assert sources(path) == [["x = 1\n", "%env NEW=1"], ["if x:\n", "    !ls $NEW \\\n", "      b"]]


def test_a_walk_finds_scripts(lint: Lint, write: Write) -> None:
    names = (".github/workflows/a.yml", "docker/Dockerfile.gpu", "Makefile", "a.ps1", ".env", "a.slurm")
    for name in (*names, "node_modules/a.sh"):
        write(name, "export OLD=1\nOLD: 1\nENV OLD=1\nOLD=1\n")
    write("script", "#!/bin/bash\nexport OLD=1\n")  # without an ending: only where it is named
    outcome = lint(".", rules=RULES)
    assert f"{len(names)} files checked" in outcome.out + outcome.err
