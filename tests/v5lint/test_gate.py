from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.v5lint.rules import Replace
from v5lint.gate import DirectiveGate, Gate
from v5lint.rule import Rule


@pytest.fixture(autouse=True, params=(0, 50_000), ids=("in order", "one by one"))
def first_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to look for tokens: that of the first bytes of a run, and that of the others."""
    monkeypatch.setattr("v5lint.gate._FIRST_BYTES", request.param)


def rule(
    code: str,
    *tokens: str,
    words: tuple[str, ...] = (),
    attributes: tuple[str, ...] = (),
    beside: tuple[str, ...] = (),
) -> Rule:
    made = Rule()
    made.code, made.tokens, made.words, made.attributes, made.beside = code, tokens, words, attributes, beside
    return made


def codes(gate: Gate, raw: bytes) -> list[str]:
    return [each.code for each in gate.rules_for(raw)]


def test_each_rule_runs_only_where_one_of_its_own_tokens_is() -> None:
    gate = Gate([rule("A", "FeatureExtractor"), rule("B", "load_in_4bit", "load_in_8bit"), rule("C")])
    assert codes(gate, b"x = ViTFeatureExtractor()") == ["A"]
    assert codes(gate, b"f(load_in_8bit=FeatureExtractor)") == ["A", "B"]
    assert codes(gate, b"feature_extractor, load_in") == []


def test_a_token_inside_another_one() -> None:
    gate = Gate([rule("A", "TRANSFORMERS_CACHE"), rule("B", "PYTORCH_TRANSFORMERS_CACHE")])
    assert codes(gate, b"TRANSFORMERS_CACHE") == ["A"]
    assert codes(gate, b"PYTORCH_TRANSFORMERS_CACHE") == ["A", "B"]


def test_words_are_whole_identifiers() -> None:
    for others in (0, 100):
        many = tuple(f"OtherModel{number}" for number in range(others))
        gate = Gate([rule("A", words=("AdamW", "Conv1D", *many)), rule("B", "AdamW")])
        assert codes(gate, b"from transformers import AdamW") == ["A", "B"]
        assert codes(gate, b"x=(AdamW,1)") == ["A", "B"]
        assert codes(gate, b"AdamWeightDecay, MyAdamW, _AdamW, AdamW_2") == ["B"]
        assert codes(gate, b"\xc3\xa9Conv1D\xff") == ["A"]


def test_attributes_are_read_from_something() -> None:
    for others in (0, 100):
        many = tuple(f"other_{number}" for number in range(others))
        gate = Gate([rule("A", attributes=("layer", *many))])
        for raw in (b"x = model.layer(1)", b"model.\\\n  x.layer", b"from a.layer import b\r\nx.layer[0]", b"x.layer"):
            assert (codes(gate, raw), gate.passes(raw)) == (["A"], True), raw
        for raw in (b"model.layers", b"layer", b"from pkg.layer import x", b"  import pkg.layer as y\n", b"x.layer_2"):
            assert (codes(gate, raw), gate.passes(raw)) == ([], False), raw


def test_what_a_rule_needs_besides() -> None:
    gate = Gate([rule("A", "Layer(", beside=("transformers", "peft")), rule("B", "MyLayer("), rule("C", "Layer(x")])
    assert codes(gate, b"Layer()") == []
    assert not gate.passes(b"Layer()")
    assert codes(gate, b"import peft; Layer()") == ["A"]
    assert codes(gate, b"MyLayer()") == ["B"]
    assert gate.passes(b"MyLayer()")
    assert codes(gate, b"transformers MyLayer(x)") == ["A", "B", "C"]


names = st.text(alphabet=string.ascii_letters + "_", min_size=1, max_size=4)
tokens = st.text(alphabet="ab_.(é ", min_size=1, max_size=3)


@given(st.lists(tokens, max_size=60), st.text(alphabet="ab_.(é \n", max_size=60))
def test_few_tokens_and_many_are_tested_alike(wanted: list[str], text: str) -> None:
    raw = text.encode()
    alone = [each for each in wanted if Gate([rule("A", each)]).passes(raw)]
    assert alone == [each for each in wanted if each.encode() in raw]
    for others in ((), [f"OtherToken{number}" for number in range(100)]):
        gate = Gate([*(rule(each, each) for each in wanted), *(rule(each, each) for each in others)])
        assert codes(gate, raw) == alone
        assert gate.passes(raw) == bool(alone)


@given(st.lists(names, max_size=60), st.binary(max_size=60), st.lists(names, max_size=5))
def test_few_words_and_many_are_tested_alike(words: list[str], noise: bytes, inside: list[str]) -> None:
    raw = noise + b" ".join(word.encode() for word in inside)
    gate = Gate([rule("A", words=tuple(words))])
    alone = [Gate([rule("A", words=(word,))]) for word in words]
    assert bool(gate.rules_for(raw)) == any(each.rules_for(raw) for each in alone)


@given(st.lists(tokens, max_size=40), st.lists(st.text(alphabet="ab_.(é \n", max_size=60), max_size=4))
def test_a_file_is_judged_alike_after_others(wanted: list[str], texts: list[str]) -> None:
    rules = [rule(each, each) for each in [*wanted, *(f"OtherToken{number}" for number in range(100))]]
    gate = Gate(rules)
    for text in texts:
        assert codes(gate, text.encode()) == codes(Gate(rules), text.encode())


def test_words_are_forgotten_when_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("v5lint.tokens._KNOWN_WORDS", 3)
    gate = Gate([rule("A", "needle"), *(rule(f"B{number}", f"OtherToken{number}") for number in range(100))])
    for number in range(10):
        assert codes(gate, b"one%d two%d" % (number, number)) == []
        assert codes(gate, b"a_needle one%d" % number) == ["A"]


def test_suppressions_that_may_name_a_rule() -> None:
    gate = DirectiveGate([Replace()])
    for raw in (b"x  # v5lint: ignore", b"# noqa: T1001", b"#noqa:E501,T1001", b"# noqa : t1999"):
        assert gate.passes(raw)
    for raw in (b"x = 1", b"# noqa", b"# noqa: E501", b"# noqa: E501\nT1001", b"v5lint ignore"):
        assert not gate.passes(raw)


def test_a_rule_counts_only_for_the_kinds_that_it_reads_with_the_tokens_it_has_there() -> None:
    class Both(Rule):
        code, tokens, kinds = "T1", ("needle",), ("requirements", "python")
        tokens_by_kind = {"python": ("setup(",)}

    class PythonOnly(Rule):
        code, tokens = "T2", ("needle",)

    rules = (Both(), PythonOnly())
    assert [rule.code for rule in Gate(rules, ("python",)).rules_for(b"needle")] == ["T2"]
    assert [rule.code for rule in Gate(rules, ("python",)).rules_for(b"setup(needle)")] == ["T1", "T2"]
    assert [rule.code for rule in Gate(rules, ("requirements",)).rules_for(b"needle")] == ["T1"]
    assert Gate(rules, ("requirements",)).rules_for(b"setup(") == ()
