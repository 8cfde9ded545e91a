from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.v5lint.rules import Raises, Replace, Together, catalogue
from v5lint.document import spliced
from v5lint.fixes import _MAX_PASSES, Settled, _Shift, settle
from v5lint.formats import read_document
from v5lint.gate import DirectiveGate, Gate
from v5lint.linting import Checked, Linter
from v5lint.project import Project
from v5lint.registry import Registry
from v5lint.rule import Edit, Finding, Fix, FixUnavailableError, Rule
from v5lint.settings import Settings


def fixed(source: str | bytes, *rules: Rule, unsafe: bool = False, encoding: str = "utf-8") -> Settled:
    raw = source if isinstance(source, bytes) else source.encode(encoding)
    registry = Registry([catalogue(*rules)])
    settings = Settings(rules, target=(5, 23), minimum=(5,))
    linter = Linter(Gate(rules).rules_for, rules, settings, Project("."), registry, DirectiveGate(rules))
    checked = linter.check(read_document("a.py", raw, "python"))

    def may_apply(fix: Fix, where: Checked) -> bool:
        allowed = ("safe", "unsafe") if unsafe else ("safe",)
        return fix.applicability in allowed and not linter.held_back(fix, where)

    return settle(checked, lambda document: linter.check(document, parse=True), may_apply)


def text(settled: Settled) -> str:
    return settled.checked.document.raw.decode()


def left(settled: Settled) -> list[str]:
    return [finding.message for findings in settled.checked.findings for finding in findings]


def test_everything_is_fixed_in_one_go() -> None:
    settled = fixed("a = old\nb = old\n", Replace())
    assert text(settled) == "a = new\nb = new\n"
    assert len(settled.fixed) == 2
    assert not left(settled)
    assert not settled.failures


def test_nothing_to_fix_is_the_same_document() -> None:
    settled = fixed("a = old\n", Replace(new=None))
    assert text(settled) == "a = old\n"
    assert left(settled) == ["`old` is gone"]
    assert not settled.fixed


def test_a_shared_fix_is_applied_once_and_whole() -> None:
    settled = fixed("alpha(alpha)\n", Together())
    assert text(settled) == "import beta\nbeta(beta)\n"
    assert len(settled.fixed) == 2


def test_a_shared_fix_is_not_applied_in_part() -> None:
    settled = fixed("alpha()\nalpha()  # noqa: T1002\n", Together())
    assert text(settled) == "alpha()\nalpha()  # noqa: T1002\n"
    assert left(settled) == ["`alpha` is gone"]


def test_identical_edits_of_two_fixes_are_one() -> None:
    def with_import(text: str, start: int, end: int) -> list[Edit]:
        return [Edit(0, 0, "import new\n"), Edit(start, end, "new")]

    settled = fixed("old\nold\n", Replace(edit=with_import))
    assert text(settled) == "import new\nnew\nnew\n"
    assert not settled.failures


def test_touching_fixes_wait_for_the_next_pass() -> None:
    first = Replace("one", edit=lambda text, start, end: [Edit(start, end, "uno")])
    second = Replace("two", code="T2", name="two", edit=lambda text, start, end: [Edit(start - 1, end, "+duo")])
    settled = fixed("x = one+two\n", first, second)
    assert text(settled) == "x = uno+duo\n"
    assert len(settled.fixed) == 2


def test_a_fix_inside_another_waits_and_comes_after() -> None:
    outer = Replace("outer", code="T2", name="outer", edit=lambda text, s, e: [Edit(s, text.index(")") + 1, "f(old)")])
    settled = fixed("outer(old)\n", outer, Replace())
    assert text(settled) == "f(new)\n"
    assert not settled.failures


def test_layers_come_off_one_after_another() -> None:
    # the second rule finds something only once the first has done its work, and can repair it
    settled = fixed("x = one\n", Replace("one", "two"), Replace("two", "three", code="T2", name="two"))
    assert text(settled) == "x = three\n"
    assert not settled.failures


def test_two_fixes_that_undo_each_other_are_refused() -> None:
    settled = fixed("x = one\n", Replace("one", "two"), Replace("two", "one", code="T2", name="two"))
    assert text(settled) == "x = one\n"
    assert len(settled.failures) == 1
    assert "is left out" in settled.failures[0].text


class Growing(Rule):
    """Adds a line in every pass: what an AIR311 of ruff did to compat imports."""

    code, name, tokens = "T3", "growing", ("Dataset",)

    def check(self, module: Any) -> Iterator[Finding]:
        at = module.text.index("Dataset")
        fix = Fix("Import it from its new place", [Edit(0, 0, "from new import Asset\n")])
        yield Finding("`Dataset` has moved", at, at + 7, fix=fix)


def test_a_fix_that_never_comes_to_rest_leaves_the_file_and_spares_the_others() -> None:
    source = "from old_place import Dataset\nold\n"
    settled = fixed(source, Growing(), Replace())
    assert text(settled) == "from old_place import Dataset\nnew\n"
    (failure,) = settled.failures
    assert failure.rule.code == "T3"
    assert "found again" in failure.text


def test_a_chain_longer_than_the_passes_is_refused() -> None:
    count = _MAX_PASSES + 1
    rules = [Replace(f"w{n}", f"w{n + 1}", code=f"T{n}", name=f"word-{n}") for n in range(count)]
    settled = fixed("w0\n", *rules)
    assert text(settled) == "w0\n"
    assert any("does not come to rest" in failure.text for failure in settled.failures)


def test_a_fix_whose_result_does_not_parse_is_left_out_and_the_others_land() -> None:
    settled = fixed("a = bad\nb = old\nc = old\n", Replace("bad", "(", code="T2", name="bad"), Replace())
    assert text(settled) == "a = bad\nb = new\nc = new\n"
    (failure,) = settled.failures
    assert failure.rule.code == "T2"
    assert failure.place == (1, 5)
    assert "cannot be read (line 1)" in failure.text
    assert left(settled) == ["`bad` is gone"]


def test_a_fix_that_brings_a_new_break_is_left_out() -> None:
    settled = fixed(
        "x = one; y = old\n",
        Replace("one", "two"),
        Replace("two", None, code="T2", name="two"),
        Replace(code="T3", name="three"),
    )
    assert text(settled) == "x = one; y = new\n"
    assert "leads to a new T2 on line 1" in settled.failures[0].text


def test_a_fix_may_bring_a_warning() -> None:
    warns = Replace("two", None, code="T2", name="two", level="deprecated")
    settled = fixed("x = one\n", Replace("one", "two"), warns)
    assert text(settled) == "x = two\n"
    assert not settled.failures


def test_a_fix_that_repairs_nothing_is_left_out() -> None:
    settled = fixed("old  # see old\nx\n", Replace(edit=lambda text, s, e: [Edit(len(text), len(text), "#\n")]))
    assert text(settled) == "old  # see old\nx\n"
    assert settled.failures


def test_a_fix_that_changes_nothing_is_left_out() -> None:
    settled = fixed("old\n", Replace(new="old"))
    assert text(settled) == "old\n"
    assert settled.failures


def test_a_fix_that_cannot_be_built_does_not_keep_the_others() -> None:
    def broken(text: str, start: int, end: int) -> list[Edit]:
        raise KeyError("a bug in a rule")

    class Lazy(Replace):
        """Builds its fix when it is wanted."""

        def check(self, module: Any) -> Iterator[Finding]:
            at = module.text.index("late")
            yield Finding("late", at, at + 4, fix=Fix("Fix it", lambda: broken("", 0, 0)))

    settled = fixed("late\nold\n", Lazy("late", code="T2", name="late"), Replace())
    assert text(settled) == "late\nnew\n"
    (failure,) = settled.failures
    assert "a bug in a rule" in failure.text
    assert "KeyError" in failure.trace


@pytest.mark.parametrize(
    "edits",
    [[Edit(0, 99, "")], [], [Edit(0, 2, "x"), Edit(1, 3, "y")]],
    ids=["beyond the end", "no edits", "overlapping itself"],
)
def test_a_fix_with_impossible_edits_is_a_failure(edits: list[Edit]) -> None:
    settled = fixed("bad\nold\n", Replace("bad", code="T2", name="bad", edit=lambda *_: edits), Replace())
    assert text(settled) == "bad\nnew\n"
    assert [failure.rule.code for failure in settled.failures] == ["T2"]


def test_a_rule_that_fails_on_a_file_does_not_change_it() -> None:
    settled = fixed("boom = old\n", Raises(), Replace())
    assert text(settled) == "boom = new\n"


def test_a_rule_that_fails_on_the_result_is_a_failed_fix() -> None:
    settled = fixed("x = one; old\n", Replace("one", "boom"), Raises(), Replace(code="T3", name="three"))
    assert text(settled) == "x = one; new\n"
    assert "fails on the result" in settled.failures[0].text


@pytest.mark.parametrize("applicability", ["unsafe", "display"])
def test_only_what_is_allowed_is_applied(applicability: str) -> None:
    rule = Replace(applicability=applicability)
    assert text(fixed("old\n", rule)) == "old\n"
    assert text(fixed("old\n", rule, unsafe=True)) == ("new\n" if applicability == "unsafe" else "old\n")


def test_a_finding_that_goes_with_another_ones_fix_is_fixed() -> None:
    gone = Replace("inner", None, code="T2", name="inner")
    settled = fixed("old(inner)\n", Replace(edit=lambda text, s, e: [Edit(s, len(text) - 1, "new()")]), gone)
    assert text(settled) == "new()\n"
    assert [finding.rule.code for finding in settled.fixed] == ["T1001", "T2"]


def test_a_second_run_changes_nothing() -> None:
    rules = (Replace("bad", "(", code="T2", name="bad"), Replace(), Together())
    once = fixed("bad\nold\nalpha\n", *rules)
    twice = fixed(once.checked.document.raw, *rules)
    assert twice.checked.document.raw == once.checked.document.raw
    assert not twice.fixed


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("end", ["", "{n}", "{n}{n}{n}   {n}", "\x0c{n}"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_all_bytes_outside_of_the_edits_stay(newline: str, end: str, bom: str) -> None:
    before = f"{bom}\x0cx = 1{{n}}if x:{{n}}\ty = 2 if x else old  # \u00e9{{n}}{end}".replace("{n}", newline)
    settled = fixed(before, Replace())
    assert text(settled) == before.replace("old", "new")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_new_lines_end_as_the_lines_of_the_file_do(newline: str) -> None:
    settled = fixed(f"x = 1{newline}alpha{newline}", Together())
    assert text(settled) == f"import beta{newline}x = 1{newline}beta{newline}"


def test_in_a_file_of_mixed_newlines_the_line_of_the_edit_decides() -> None:
    def line_after(text: str, start: int, end: int) -> list[Edit]:
        return [Edit(start, end, "new\nmore")]

    settled = fixed("a\r\nold\nb\r\nold\r\n", Replace(edit=line_after))
    assert text(settled) == "a\r\nnew\nmore\nb\r\nnew\r\nmore\r\n"


def test_encodings_stay() -> None:
    source = "# -*- coding: latin-1 -*-\nx = 'é' + old\n".encode("latin-1")
    assert fixed(source, Replace()).checked.document.raw == source.replace(b"old", b"new")


def test_what_the_encoding_cannot_hold_is_not_written() -> None:
    source = "# -*- coding: latin-1 -*-\nx = old; y = bad\n".encode("latin-1")
    settled = fixed(source, Replace("bad", "'\u20ac'", code="T2", name="bad"), Replace())
    assert settled.checked.document.raw == source.replace(b"old", b"new")
    assert "cannot be written in iso-8859-1" in settled.failures[0].text


words = st.text(alphabet="ab \n\u00e9\U0001f600", max_size=30)


@st.composite
def texts_and_edits(draw: st.DrawFn) -> tuple[str, list[Edit]]:
    before = draw(words)
    cuts = sorted(draw(st.lists(st.integers(0, len(before)), max_size=8)))
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    edits = [Edit(start, end, draw(words)) for start, end in pairs]
    return before, sorted(edits)


@given(texts_and_edits())
def test_shifted_offsets_name_the_same_characters(case: tuple[str, list[Edit]]) -> None:
    before, edits = case
    after = spliced(before, edits)
    shift = _Shift(edits)
    for offset in range(len(before)):
        if not any(edit.start <= offset < edit.end for edit in edits):
            start, end = shift.start(offset), shift.end(offset + 1)
            assert after[end - 1] == before[offset]
            assert after[start] == before[offset]
    assert shift.end(len(before)) <= len(after)


@given(st.lists(st.sampled_from(["old", "alpha", "x", "# noqa: T1001", "bad", "\u00e9"]), max_size=12))
def test_fixing_settles_whatever_the_file(lines: Iterable[str]) -> None:
    source = "".join(f"{line}\n" for line in lines)
    rules = (Replace(), Together(), Replace("bad", "(", code="T2", name="bad"))
    once = fixed(source, *rules)
    ast.parse(once.checked.document.raw)
    assert not re.search(r"\bold$", text(once), re.MULTILINE)
    assert fixed(once.checked.document.raw, *rules).checked.document.raw == once.checked.document.raw


def test_a_fix_that_turns_out_unavailable_is_none(lint: Any, write: Any) -> None:
    class Stubborn(Rule):
        code, name, tokens = "T9001", "stubborn", ("old",)

        def check(self, module: Any) -> Iterator[Finding]:
            def edits() -> list[Edit]:
                raise FixUnavailableError("too deep")

            yield Finding("old", 0, 3, fix=Fix("Renew", edits))

    file = write("a.py", "old\n")
    for options in (("--fix",), ("--diff",), ("--fix", "--output-format", "json"), ("--output-format", "json")):
        outcome = lint("a.py", *options, rules=(Stubborn(),))
        assert outcome.status == 1
        assert "Renew" not in outcome.out
        assert "error" not in outcome.err
    assert file.read_text() == "old\n"
