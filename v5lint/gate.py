"""The gate before decoding and parsing: which rules can fire on a file at all, judged by its bytes."""

from __future__ import annotations

from v5lint.words import is_attribute_in, words_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator, Sequence

    from v5lint.rule import Rule
    from v5lint.tokens import Tokens

#: Up to so many words or tokens are looked for one by one, more by splitting the file into its words. Measured on
#: 51,000 files of 480 MB: one `in` runs at 3.9 GB/s, splitting at 175 MB/s however many words there are.
_FEW = 22

#: After so many bytes of files the tokens are put in order, which takes as long as looking for each in so much.
_FIRST_BYTES = 50_000


class Gate:
    """The tokens, words and attributes of some rules, as far as they read some kinds of regions."""

    def __init__(self, rules: Sequence[Rule], kinds: Sequence[str] = ("python",)) -> None:
        self._rules = [rule for rule in rules if any(kind in rule.kinds for kind in kinds)]
        self._of_token: dict[bytes, set[int]] = {}  # the places of the rules that a token lets in
        self._of_word: dict[bytes, set[int]] = {}
        self._of_attribute: dict[bytes, set[int]] = {}
        self._beside: dict[int, list[bytes]] = {}
        for place, rule in enumerate(self._rules):
            for kind in kinds:
                if kind in rule.kinds:
                    for text in rule.tokens_by_kind.get(kind, rule.tokens):
                        self._of_token.setdefault(text.encode(), set()).add(place)
            for text in rule.words:
                self._of_word.setdefault(text.encode(), set()).add(place)
            for text in rule.attributes:
                self._of_attribute.setdefault(text.encode(), set()).add(place)
            if rule.beside:
                self._beside[place] = [text.encode() for text in rule.beside]
        self._is_many = max(map(len, (self._of_token, self._of_word, self._of_attribute))) > _FEW
        self._first_bytes = _FIRST_BYTES
        self._tokens: Tokens | None = None

    def passes(self, raw: bytes) -> bool:
        """Whether any rule can fire on a file; what `rules_for` would say, for less."""
        return any(self._can_fire(place, raw) for places in self._let_in(raw) for place in places)

    def rules_for(self, raw: bytes) -> tuple[Rule, ...]:
        """The rules that can fire on a file.

        Args:
            raw: its bytes; all encodings that Python reads source in write ASCII letters as ASCII.
        """
        places = set[int]().union(*self._let_in(raw))
        return tuple(self._rules[place] for place in sorted(places) if self._can_fire(place, raw))

    def _let_in(self, raw: bytes) -> Iterator[set[int]]:
        """The places of the rules for each thing that a file holds."""
        words = self._words_in(raw)
        yield from (places for word, places in self._of_word.items() if word in words)
        for name, places in self._of_attribute.items():
            if (name in words or not self._is_many) and is_attribute_in(raw, name):
                yield places
        yield from (self._of_token[token] for token in self._present(raw, words))

    def _can_fire(self, place: int, raw: bytes) -> bool:
        """Whether a file holds what a rule needs besides what let it in."""
        return place not in self._beside or any(text in raw for text in self._beside[place])

    def _present(self, raw: bytes, words: frozenset[bytes]) -> Iterator[bytes]:
        """The tokens that a file holds."""
        if self._is_many and self._tokens is None:
            self._first_bytes -= len(raw)
            if self._first_bytes < 0:
                from v5lint.tokens import Tokens

                self._tokens = Tokens(self._of_token)
        if self._tokens is not None:
            return self._tokens.present(raw, words)
        return (token for token in self._of_token if token in raw)

    def _words_in(self, raw: bytes) -> frozenset[bytes]:
        """The words of a file, where there is a reason to tell them apart."""
        if self._is_many or any(word in raw for word in self._of_word):
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
