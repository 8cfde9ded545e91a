"""Reads from the wheels which models take any keyword in `forward`, and do not divide their loss by it.

    python -m v5lint.rules.knowledge.collect.scaled_losses CACHE rules/knowledge/scaled_losses.toml

reads the wheels of transformers that are in the folder CACHE, and writes the table. Nothing is imported: the `forward`
of each class that takes `labels`, or the positions of an answer, is read in its source.
"""

from __future__ import annotations

import argparse
import ast
from pathlib import Path

from v5lint.rules.knowledge.collect.layer_outputs import sources, wheels_of

HEAD = """\
# Models whose `forward` takes `**kwargs` since a release, and whose loss is the mean of each batch all the same: the
# release = the classes.
# Generated from the wheels: see collect/scaled_losses.py.
"""

#: What says for itself whether a model divides its loss.
_SAYS = ("accepts_loss_kwargs", "num_items_in_batch")

#: What a model is given to compute its loss of.
_TARGETS = frozenset({"labels", "start_positions"})

_FIRST = (4, 57)


def main() -> None:
    """Read the wheels and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("table", type=Path)
    options = parser.parse_args()
    read = {minor: sources(path) for minor, path in sorted(wheels_of(options.cache).items()) if minor >= _FIRST}
    options.table.write_text(table(read), encoding="utf-8")


def table(read: dict[tuple[int, ...], dict[str, str]]) -> str:
    """The text of the table, of the classes' sources in each minor release, the oldest first."""
    means = {minor: {name: _is_mean(source) for name, source in each.items()} for minor, each in read.items()}
    since: dict[tuple[int, ...], list[str]] = {}
    for name, is_mean in means[max(read)].items():
        without = [minor for minor, found in means.items() if name in found and not found[name]]
        if is_mean and without:
            since.setdefault(min(minor for minor in read if minor > max(without)), []).append(name)
    lines = [HEAD]
    for release, names in sorted(since.items()):
        listed = "".join(f'    "{each}",\n' for each in sorted(names))
        lines.append(f'"{".".join(map(str, release))}" = [\n{listed}]')
    return "\n".join(lines) + "\n"


def _is_mean(source: str) -> bool:
    """Whether a class takes any keyword beside its labels, and computes its loss without them."""
    if any(each in source for each in _SAYS):
        return False
    body = getattr(ast.parse(source).body[0], "body", ())
    forward = next((each for each in body if isinstance(each, ast.FunctionDef) and each.name == "forward"), None)
    if forward is None or forward.args.kwarg is None:
        return False
    given = {each.arg for each in (*forward.args.args, *forward.args.kwonlyargs)}
    return not _TARGETS.isdisjoint(given) and not any(
        _gives_on(each, forward.args.kwarg.arg) for each in ast.walk(forward)
    )


def _gives_on(node: ast.AST, rest: str) -> bool:
    """Whether a call computes the loss, or has another model compute it, with the keywords."""
    if not isinstance(node, ast.Call) or not any(
        each.arg is None and isinstance(each.value, ast.Name) and each.value.id == rest for each in node.keywords
    ):
        return False
    return "loss" in ast.unparse(node.func) or any(each.arg in _TARGETS for each in node.keywords)


if __name__ == "__main__":
    main()
