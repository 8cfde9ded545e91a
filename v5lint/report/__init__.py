"""Reports: one module a form of output.

To add one: a module here with the function that `Form` describes, and a row in `FORMS`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Protocol

    from v5lint.report.text import Line
    from v5lint.results import Diagnostic

    class Form(Protocol):
        """A module that writes diagnostics in one form."""

        def lines(self, diagnostics: Sequence[Diagnostic], *, unsafe: bool) -> Iterator[Line]:
            """The lines of the report.

            Args:
                diagnostics: in the order of their files and places.
                unsafe: whether unsafe fixes are applied in this run.
            """
            ...


#: Whether a form is for people (the summary follows it) or for programs (the summary goes to standard error).
FORMS = {"full": True, "concise": True, "json": False, "github": False}


def form(name: str) -> Form:
    """The module of a form of output."""
    from importlib import import_module

    module: Form = import_module(f"v5lint.report.{name}")
    return module
