"""What the running Python cannot parse: newer syntax, and what overflows its stack."""

from __future__ import annotations

import re
import sys

from v5lint.document import UnreadableError

#: What a module may hold that an older Python cannot parse. Only a hint: LibCST decides.
_NEWER = re.compile(
    r"""
      \bexcept\s*\*                             # 3.11: except*
    | \[[^\]\n]{0,200}\*\w                      # 3.11: subscript with a star
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

#: LibCST's parser takes time quadratic in the length of an expression.
_SECONDS = 20

#: The shortest module that was seen to overflow the stack of Python 3.10: a sum of 150,000 ones.
_LONG = 200_000


def explained(error: UnreadableError, text: str) -> UnreadableError:
    """The error, or a better one where LibCST, whose grammar is its own, can parse what the running Python cannot.

    LibCST runs in a process of its own: deep nesting makes it overflow the stack, which ends the process.

    Args:
        error: why the module does not parse.
        text: the module.
    """
    if not error.row or not _NEWER.search(text):
        return error
    if _tried("import libcst; libcst.parse_module(text)", text) != 0:
        return error
    running = ".".join(map(str, sys.version_info[:2]))
    return UnreadableError(
        f"it is not checked: it needs a newer Python than {running}, which runs v5lint ({error.cause})",
        row=error.row,
        column=error.column,
        hint="run v5lint with the Python that the file is written for",
    )


def overflows(text: str) -> bool:
    """Whether parsing a module ends the process: Python 3.10 does not count how deep its parser recurses."""
    if sys.version_info >= (3, 11) or len(text) < _LONG:
        return False
    return _tried("import ast; ast.parse(text)", text) < 0


def _tried(statement: str, text: str) -> int:
    """The exit status of a process of its own that does something with a text; below 0 for the signal that ended it."""
    import subprocess

    program = f"import sys; text = sys.stdin.buffer.read().decode(); {statement}"
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], input=text.encode(), capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 1
    return done.returncode
