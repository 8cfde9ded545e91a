"""Whether a module that does not parse is written for a newer Python than the one that runs."""

from __future__ import annotations

import re
import sys

from v5lint.document import UnreadableError

#: What a module may hold that an older Python cannot parse. Only a hint: LibCST decides.
_NEWER = re.compile(
    r"""
      \bexcept\s*\*                             # 3.11: except*
    | \[[^\]\n]*\*\w                            # 3.11: subscript with a star
    | ^[ \t]*type[ ]+\w+\s*[\[=]                # 3.12: type statement
    | ^[ \t]*(?:async[ ]+)?(?:def|class)[ ]+\w+\s*\[   # 3.12: type parameters
    | \b[rRuUbB]?[fF][rR]?(?:"|')               # 3.12: f-strings of any content
    | \b[rR]?[tT][rR]?(?:"|')                   # 3.14: template strings
    | ^[ \t]*except[ ]+[\w.]+[ ]*,              # 3.14: except without parentheses
    | ^[ \t]*lazy[ ]+(?:import|from)[ ]         # 3.15: lazy imports
    | [\[{(][ ]*\*                              # 3.15: unpacking in comprehensions
    """,
    re.MULTILINE | re.VERBOSE,
)

#: Time for a large module; the native parser takes time quadratic in the length of an expression.
_SECONDS = 20

_PROGRAM = "import sys, libcst; libcst.parse_module(sys.stdin.buffer.read())"


def explained(error: UnreadableError, raw: bytes, text: str) -> UnreadableError:
    """The error, or a better one where LibCST, whose grammar is its own, can parse what the running Python cannot.

    LibCST runs in a process of its own: deep nesting makes it overflow the stack, which ends the process.

    Args:
        error: why the module does not parse.
        raw: the bytes of the module.
        text: the same, decoded.
    """
    if not error.row or not _NEWER.search(text) or not sys.executable:
        return error
    import subprocess

    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM], input=raw, capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return error
    if done.returncode:
        return error
    running = ".".join(map(str, sys.version_info[:2]))
    return UnreadableError(
        f"it is not checked: it needs a newer Python than {running}, which runs v5lint ({error.cause})",
        row=error.row,
        column=error.column,
        hint="run v5lint with the Python that the file is written for",
    )
