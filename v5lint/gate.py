"""The gate before decoding and parsing: which rules can fire on a file at all, judged by its bytes."""

from __future__ import annotations

from v5lint.words import parts_of, words_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator, Sequence

    from v5lint.rule import Rule

#: Up to so many words or tokens are looked for one by one, more by splitting the file into its words. Measured on
#: 51,000 files of 480 MB: one `in` runs at 3.9 GB/s, splitting at 175 MB/s however many words there are.
_FEW = 22

#: So many words are kept in mind, with what they hold: the files of a repository share most of theirs.
_KNOWN_WORDS = 60_000


class Gate:
    """The tokens and words of some rules, as far as they read some kinds of regions."""

    def __init__(self, rules: Sequence[Rule], kinds: Sequence[str] = ("python",)) -> None:
        self._rules = [rule for rule in rules if any(kind in rule.kinds for kind in kinds)]
        self._of_token: dict[bytes, set[int]] = {}  # the places of the rules that a token lets in
        self._of_word: dict[bytes, set[int]] = {}
        for place, rule in enumerate(self._rules):
            for kind in kinds:
                if kind in rule.kinds:
                    for text in rule.tokens_by_kind.get(kind, rule.tokens):
                        self._of_token.setdefault(text.encode(), set()).add(place)
            for text in rule.words:
                self._of_word.setdefault(text.encode(), set()).add(place)
        # A file that holds `PYTORCH_TRANSFORMERS_CACHE` holds `TRANSFORMERS_CACHE`: the shorter one is test enough.
        every = b"\n".join(self._of_token)
        inside = [token for token in sorted(self._of_token) if every.count(token) > 1]  # in itself, and in another one
        short = {token for token in self._of_token if not any(other in token for other in inside if other != token)}
        self._longer = {
            token: next(other for other in inside if other in short and other in token)
            for token in self._of_token.keys() - short
        }
        self._of_core: dict[bytes, list[bytes]] = {}  # the short tokens by the longest part of each
        self._parts = {token: parts_of(token) for token in short}
        for token, parts in self._parts.items():
            self._of_core.setdefault(max(parts, key=lambda part: (len(part), part), default=b""), []).append(token)
        self._is_many = max(len(short), len(self._of_word)) > _FEW
        self._all_parts = frozenset().union(*self._parts.values())
        self._met: set[bytes] = set()  # the words of the files so far
        self._holders: set[bytes] = set()  # those that hold a part of a token
        self._held: dict[bytes, list[bytes]] = {}  # the parts in each of these

    def passes(self, raw: bytes) -> bool:
        """Whether any rule can fire on a file; what `rules_for` would say, for less."""
        words = self._words_in(raw)
        return any(word in words for word in self._of_word) or any(True for _ in self._present(raw, words))

    def rules_for(self, raw: bytes) -> tuple[Rule, ...]:
        """The rules that can fire on a file.

        Args:
            raw: its bytes; all encodings that Python reads source in write ASCII letters as ASCII.
        """
        words = self._words_in(raw)
        present = {*self._present(raw, words)}
        present |= {token for token, short in self._longer.items() if short in present and token in raw}
        places: set[int] = set().union(*(self._of_token[token] for token in present))
        places.update(*(self._of_word[word] for word in self._of_word if word in words))
        return tuple(self._rules[place] for place in sorted(places))

    def _present(self, raw: bytes, words: frozenset[bytes]) -> Iterator[bytes]:
        """The tokens that a file holds, those aside that hold another one.

        Many are looked for among its words, each of which stands there once and is looked into once in a run, and only
        those that are more than a word (`.config.`) in the file itself, where all their parts are in words.
        """
        if not self._is_many:
            yield from (token for token in self._parts if token in raw)
            return
        parts = self._parts_in(words)
        for core in (b"", *parts):
            for token in self._of_core.get(core, ()):
                if core == token or (self._parts[token] <= parts and token in raw):
                    yield token

    def _parts_in(self, words: frozenset[bytes]) -> set[bytes]:
        """The parts of tokens that are in some words."""
        new = words - self._met
        if new:
            if len(self._met) > _KNOWN_WORDS:
                self._met = {*self._holders}
            self._met |= new
            self._look_into(b" ".join(new) + b" ")
        return {part for word in self._holders & words for part in self._held[word]}

    def _look_into(self, text: bytes) -> None:
        """Note the parts of tokens in words, each of which a blank follows."""
        for part in self._all_parts:
            at = text.find(part)
            while at >= 0:
                end = text.index(b" ", at)
                word = text[text.rfind(b" ", 0, at) + 1 : end]
                self._held.setdefault(word, []).append(part)
                self._holders.add(word)
                at = text.find(part, end)

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
