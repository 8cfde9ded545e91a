"""Many strings that are looked for in many files."""

from __future__ import annotations

from v5lint.words import parts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

#: So many words are kept in mind, with what they hold: the files of a repository share most of theirs.
_KNOWN_WORDS = 60_000


class Tokens:
    """Strings that are looked for among the words of a file, each of which is looked into once in a run.

    Only those that are more than a word (`.config.`) are looked for in the file itself, where all their parts are in
    words, and those that hold another one (`PYTORCH_TRANSFORMERS_CACHE`) where the shorter one is there.
    """

    def __init__(self, tokens: Collection[bytes]) -> None:
        every = b"\n".join(tokens)
        inside = [token for token in sorted(tokens) if every.count(token) > 1]  # in itself, and in another one
        short = {token for token in tokens if not any(other in token for other in inside if other != token)}
        self._longer: dict[bytes, list[bytes]] = {}
        for token in tokens:
            if token not in short:
                held = next(other for other in inside if other in short and other in token)
                self._longer.setdefault(held, []).append(token)
        self._of_core: dict[bytes, list[bytes]] = {}  # the short tokens by the longest part of each
        self._parts = {token: parts_of(token) for token in short}
        for token, parts in self._parts.items():
            self._of_core.setdefault(max(parts, key=lambda part: (len(part), part), default=b""), []).append(token)
        self._all_parts = frozenset().union(*self._parts.values())
        self._met: set[bytes] = set()  # the words of the files so far
        self._holders: set[bytes] = set()  # those that hold a part of a token
        self._held: dict[bytes, list[bytes]] = {}  # the parts in each of these

    def present(self, raw: bytes, words: frozenset[bytes]) -> Iterator[bytes]:
        """The tokens that a file holds.

        Args:
            raw: its bytes.
            words: what `words_in` says of them.
        """
        parts = self._parts_in(words)
        for core in (b"", *parts):
            for token in self._of_core.get(core, ()):
                if core == token or (self._parts[token] <= parts and token in raw):
                    yield token
                    yield from (longer for longer in self._longer.get(token, ()) if longer in raw)

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
