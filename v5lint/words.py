"""The words of a file's bytes: each stands there once, so that looking for many things in them is cheap."""

from __future__ import annotations

#: Every byte that cannot be in an ASCII identifier becomes a blank.
_WORD_BYTES = bytes(byte if chr(byte).isalnum() or byte == 95 else 32 for byte in range(128)) + b" " * 128


def words_in(raw: bytes) -> frozenset[bytes]:
    """The words of some bytes: what an ASCII identifier, a keyword or a number may be."""
    return frozenset(raw.translate(_WORD_BYTES).split())


def parts_of(token: bytes) -> frozenset[bytes]:
    """The words in a token of more than two letters: bytes that hold the token hold a word with each of them."""
    return frozenset(part for part in token.translate(_WORD_BYTES).split() if len(part) > 2)


def core_of(token: bytes) -> bytes:
    """The longest word in a token: bytes that hold the token hold a word with it; `config` of `.config.`."""
    return max(token.translate(_WORD_BYTES).split(), key=len, default=b"")
