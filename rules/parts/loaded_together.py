"""What a module loads from one checkpoint: the classes tell what the checkpoint is, where its name is not in sight."""

from __future__ import annotations

import ast

from v5lint.rules.parts import library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.view.calls import CallSite


def classes_beside(call: CallSite) -> Iterator[str]:
    """The classes of transformers that are loaded from the checkpoint that a call loads, written in the same words.

    Args:
        call: a call of `from_pretrained`. One of a checkpoint whose name is written there needs no such evidence, and
            gets none.
    """
    given = call.argument(*library.CHECKPOINT)
    if call.name != "from_pretrained" or given is None or isinstance(given, ast.Constant):
        return
    written = ast.dump(given)
    for other in call.view.calls({"from_pretrained"}):
        path = other.argument(*library.CHECKPOINT)
        if path is not None and other.node is not call.node and ast.dump(path) == written:
            yield from library.loaders(other)
