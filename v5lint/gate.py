"""The gate before decoding and parsing: which rules can fire on a file at all, judged by its bytes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Sequence

    from v5lint.rule import Rule

#: Up to so many words are looked for one by one, more by splitting the file into its words. Measured on 51,000 files
#: of 480 MB: one `in` runs at 3.9 GB/s, splitting at 175 MB/s however many words there are.
_FEW = 22

#: Every byte that cannot be in an ASCII identifier becomes a blank.
_WORD_BYTES = bytes(byte if chr(byte).isalnum() or byte == 95 else 32 for byte in range(128)) + b" " * 128


class Gate:
    """The tokens and words of some rules, as far as they read some kinds of regions."""

    def __init__(self, rules: Sequence[Rule], kinds: Sequence[str] = ("python",)) -> None:
        self._rules = [
            (rule, [token.encode() for token in tokens], frozenset(word.encode() for word in rule.words))
            for rule in rules
            for kind in kinds
            if kind in rule.kinds
            for tokens in [rule.tokens_by_kind.get(kind, rule.tokens)]
        ]
        tokens = {token for _, own, _ in self._rules for token in own}
        # A file that holds `PYTORCH_TRANSFORMERS_CACHE` holds `TRANSFORMERS_CACHE`: the shorter one is test enough.
        self._tokens = sorted(
            token for token in tokens if not any(other in token for other in tokens if other != token)
        )
        self._gated = {token: next(short for short in self._tokens if short in token) for token in tokens}
        self._words: frozenset[bytes] = frozenset().union(*(words for _, _, words in self._rules))

    def rules_for(self, raw: bytes) -> tuple[Rule, ...]:
        """The rules that can fire on a file.

        Args:
            raw: its bytes; all encodings that Python reads source in write ASCII letters as ASCII.
        """
        present = {token for token in self._tokens if token in raw}
        words = self._words_in(raw)
        if not present and not words:
            return ()
        return tuple(
            rule
            for rule, tokens, own_words in self._rules
            if not own_words.isdisjoint(words) or any(self._holds(raw, token, present) for token in tokens)
        )

    def _holds(self, raw: bytes, token: bytes, present: set[bytes]) -> bool:
        """Whether a file holds a token; it is looked for only where the shorter one inside it was found."""
        short = self._gated[token]
        return short in present and (short == token or token in raw)

    def _words_in(self, raw: bytes) -> frozenset[bytes]:
        if not self._words or (len(self._words) <= _FEW and not any(word in raw for word in self._words)):
            return frozenset()
        return self._words.intersection(raw.translate(_WORD_BYTES).split())


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
