"""From text to a syntax tree, or to one clear line that says why there is none. Imports nothing: small runs use it."""

from __future__ import annotations

import warnings

from v5lint.document import UnreadableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast

    from v5lint.document import Region

#: `ast.PyCF_ONLY_AST`.
_ONLY_AST = 0x400

#: A module of more characters is mostly data.
_LARGE = 250_000


def parse(region: Region) -> ast.Module:
    """Parse a region.

    Raises:
        UnreadableError: it does not parse.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes and the like are not ours to report
            tree: ast.Module = compile(region.text, "<region>", "exec", _ONLY_AST, dont_inherit=True)
    except SyntaxError as error:
        # "'(' was never closed (<region>, line 3)": the place is said apart
        reason = error.msg.partition(" (<region>")[0]
        raise UnreadableError(f"it does not parse: {reason}", row=error.lineno or 1, column=error.offset or 1) from None
    except ValueError as error:
        raise UnreadableError(f"it does not parse: {error}") from None
    except (RecursionError, MemoryError):
        raise UnreadableError("it is nested too deeply to be parsed") from None
    if len(region.text) > _LARGE:
        from v5lint.view.data import without_tables

        without_tables(tree)
    return tree
