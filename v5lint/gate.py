"""The gate before decoding and parsing: which rules can fire on a file at all, judged by its bytes."""

from __future__ import annotations

from v5lint.words import core_of, words_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator, Sequence

    from v5lint.rule import Rule

#: Up to so many words or tokens are looked for one by one, more by splitting the file into its words. Measured on
#: 51,000 files of 480 MB: one `in` runs at 3.9 GB/s, splitting at 175 MB/s however many words there are.
_FEW = 22


class Gate:
    """The tokens and words of some rules, as far as they read some kinds of regions."""

    def __init__(self, rules: Sequence[Rule], kinds: Sequence[str] = ("python",)) -> None:
        read = [
            (rule, frozenset(token.encode() for token in tokens), frozenset(word.encode() for word in rule.words))
            for rule in rules
            for kind in kinds
            if kind in rule.kinds
            for tokens in [rule.tokens_by_kind.get(kind, rule.tokens)]
        ]
        every = frozenset().union(*(tokens for _, tokens, _ in read))
        # A file that holds `PYTORCH_TRANSFORMERS_CACHE` holds `TRANSFORMERS_CACHE`: the shorter one is test enough.
        text = b"\n".join(every)
        inside = [token for token in sorted(every) if text.count(token) > 1]  # in itself, and in another one
        short = {token for token in every if not any(other in token for other in inside if other != token)}
        longer = {
            token: next(other for other in inside if other in short and other in token) for token in every - short
        }
        self._rules = [
            (rule, tokens & short, [(token, longer[token]) for token in tokens - short], words)
            for rule, tokens, words in read
        ]
        self._tokens = [(token, core_of(token)) for token in short]
        self._words: frozenset[bytes] = frozenset().union(*(words for _, _, words in read))

    def passes(self, raw: bytes) -> bool:
        """Whether any rule can fire on a file; what `rules_for` would say, for less."""
        words = self._words_in(raw)
        return not self._words.isdisjoint(words) or any(True for _ in self._present(raw, words))

    def rules_for(self, raw: bytes) -> tuple[Rule, ...]:
        """The rules that can fire on a file.

        Args:
            raw: its bytes; all encodings that Python reads source in write ASCII letters as ASCII.
        """
        words = self._words_in(raw)
        present = {*self._present(raw, words)}
        if not present and self._words.isdisjoint(words):
            return ()
        return tuple(
            rule
            for rule, tokens, longer, own_words in self._rules
            if not own_words.isdisjoint(words)
            or not tokens.isdisjoint(present)
            or any(short in present and token in raw for token, short in longer)
        )

    def _present(self, raw: bytes, words: frozenset[bytes]) -> Iterator[bytes]:
        """The tokens that a file holds, those aside that hold another one.

        Many are looked for among its words, each of which stands there once, and only those that are more than a word
        (`.config.`) in the file itself then.
        """
        few = len(self._tokens) <= _FEW
        text = raw if few else b" ".join(words)
        for token, core in self._tokens:
            if core in text and (core == token or token in raw):
                yield token

    def _words_in(self, raw: bytes) -> frozenset[bytes]:
        """The words of a file, where there is a reason to tell them apart."""
        if max(len(self._tokens), len(self._words)) > _FEW or any(word in raw for word in self._words):
            return words_in(raw)
        return frozenset()


class DirectiveGate:
    """Whether a file may hold a suppression that names one of the rules: one that could be unused, or misspelt."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._families = sorted({rule.code[:2].encode() for rule in rules})
        self._named: re.Pattern[bytes] | None = None

    def passes(self, raw: bytes) -> bool:
        """Whether it may; a file without one costs a search for two short strings (a `NOQA` in capitals is let go)."""
        if b"v5lint:" in raw:
            return True
        if b"noqa" not in raw:
            return False
        if self._named is None:
            import re

            families = b"|".join(map(re.escape, self._families))
            self._named = re.compile(rb"noqa\s*:[^\n\r]*\b(?:" + families + rb")", re.IGNORECASE)
        return self._named.search(raw) is not None
