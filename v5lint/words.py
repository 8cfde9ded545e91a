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


def is_attribute_in(raw: bytes, name: bytes) -> bool:
    """Whether a name stands after a dot in some bytes, elsewhere than on a line that begins an import.

    `encoder` does in `model.encoder(x)`, and neither in `model.encoders` nor in `from pkg.encoder import x`.
    """
    dotted = b"." + name
    at = raw.find(dotted)
    while at >= 0:
        end = at + len(dotted)
        if not raw[end : end + 1].translate(_WORD_BYTES).strip():
            before = raw[max(raw.rfind(b"\n", 0, at), raw.rfind(b"\r", 0, at)) + 1 : at].lstrip()
            if not before.startswith((b"from ", b"import ")):
                return True
        at = raw.find(dotted, end)
    return False
