"""Reads from the wheels which arguments the `forward` of parts of models has lost and takes all the same, unread.

    python -m v5lint.rules.knowledge.collect.swallowed_arguments CACHE rules/knowledge/swallowed_arguments.toml

reads the wheels of transformers that are in the folder CACHE (of each minor since 4.46 one; see `wheels.download`), and
writes the table. Nothing is imported: the parameters of `forward` are read in its source, and the old names that a
decorator still translates (`deprecate_kwarg`).
"""

from __future__ import annotations

import argparse
import ast
from pathlib import Path

from v5lint.rules.knowledge.collect.layer_outputs import sources, wheels_of

HEAD = """\
# Arguments that the `forward` of parts of models has lost, and takes by its `**kwargs` without a word: the first
# release that does not read it, the argument, and the classes.
# Generated from the wheels: see collect/swallowed_arguments.py.
"""

#: Those without which something else is computed; what only chooses the form of an output is said elsewhere.
ARGUMENTS = (
    "causal_attention_mask",
    "cross_attn_head_mask",
    "cross_attn_layer_head_mask",
    "head_mask",
    "layer_head_mask",
    "layer_past",
    "object_queries",
    "past_key_value",
    "position_embeddings",
    "query_position_embeddings",
    "rel_2d_pos",
    "rel_pos",
    "relative_position_bias",
)

_DETECTION = ("object_queries_position_embeddings", "spatial_position_embeddings")

#: What is read in the place of some; a part that reads none of it has no such thing any more.
SUCCESSORS = {
    "layer_past": ("cache", "past_key_values"),
    "object_queries": _DETECTION,
    "past_key_value": ("past_key_values",),
    "position_embeddings": _DETECTION,
    "query_position_embeddings": _DETECTION,
    "rel_2d_pos": ("position_bias",),
    "rel_pos": ("position_bias",),
    "relative_position_bias": ("attention_mask",),
}

#: What the body of a model was told to keep: one that is no model of its own keeps it no more.
KEPT = ("output_attentions", "output_hidden_states")

_BODIES = ("Decoder", "Encoder")
_PARTS = ("Attention", "Block", "Decoder", "Encoder", "Layer")
_DECORATOR = "deprecate_kwarg"

#: What keeps states and maps around a `forward` that does not name them.
_KEEPERS = frozenset({"capture_outputs", "check_model_inputs"})


class Forward:
    """What a `forward` takes.

    Attributes:
        names: the arguments that it reads.
        is_open: whether it takes any other.
    """

    def __init__(self, names: frozenset[str], *, is_open: bool) -> None:
        self.names = names
        self.is_open = is_open


def main() -> None:
    """Read the wheels and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("table", type=Path)
    options = parser.parse_args()
    wheels = wheels_of(options.cache)
    read = {minor: forwards(sources(wheels[minor])) for minor in sorted(wheels)}
    options.table.write_text(table(read), encoding="utf-8")


def forwards(classes: dict[str, str]) -> dict[str, Forward]:
    """What the `forward` of each part of a model takes, of the classes' sources."""
    found = {}
    for name, source in classes.items():
        if not name.endswith(_PARTS):
            continue
        of = next(each for each in ast.parse(source).body if isinstance(each, ast.ClassDef))
        is_model = any(ast.unparse(base).endswith("PreTrainedModel") for base in of.bases)
        kept = KEPT if is_model else ()  # a model hands them to what is in it, which keeps them
        for method in of.body:
            if isinstance(method, ast.FunctionDef) and method.name == "forward":
                arguments = method.args
                taken = {each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
                names = frozenset({*taken, *_translated(method), *kept})
                found[name] = Forward(names, is_open=arguments.kwarg is not None)
    return found


def _translated(method: ast.FunctionDef) -> set[str]:
    """What decorators of a method read for it: old names that they give on under the new one, and what they keep."""
    found: set[str] = set()
    for decorator in method.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = getattr(called, "id", "")
        if name in _KEEPERS:
            found.update(KEPT)
        elif name == _DECORATOR and isinstance(decorator, ast.Call) and decorator.args:
            old = decorator.args[0]
            found.update([str(old.value)] if isinstance(old, ast.Constant) else [])
    return found


def table(read: dict[tuple[int, ...], dict[str, Forward]]) -> str:
    """The text of the table, of what each minor release takes, the oldest first."""
    lost: dict[tuple[tuple[int, ...], str], list[str]] = {}
    for name in read[max(read)]:
        of = {minor: found[name] for minor, found in read.items() if name in found}
        for argument in (*ARGUMENTS, *(KEPT if name.endswith(_BODIES) else ())):
            if argument in SUCCESSORS and of[max(of)].names.isdisjoint(SUCCESSORS[argument]):
                continue
            readers = [minor for minor, forward in of.items() if argument in forward.names]
            since = next((minor for minor in of if readers and minor > readers[-1]), None)
            if since is not None and all(forward.is_open for minor, forward in of.items() if minor >= since):
                lost.setdefault((since, argument), []).append(name)
    lines = [
        f"  ['{'.'.join(map(str, since))}', '{argument}', '{' '.join(sorted(names))}'],"
        for (since, argument), names in sorted(lost.items())
    ]
    return "\n".join([HEAD, "lost = [", *lines, "]"]) + "\n"


if __name__ == "__main__":
    main()
