"""The source of the `BitsAndBytesConfig(...)` that takes the place of `load_in_4bit`, `load_in_8bit` and their like."""

from __future__ import annotations

import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from v5lint.view.module import ModuleView

FLAGS = ("load_in_8bit", "load_in_4bit")
CONFIG = "BitsAndBytesConfig"
KEYWORD = "quantization_config"
SKIP = "llm_int8_skip_modules"

#: `BitsAndBytesConfig` came with 4.27.
SINCE = "4.27"

TELL = "`{flag}=` is no argument of `from_pretrained` since transformers 5.0"

CLASH = f"; the `{KEYWORD}` beside it says otherwise, and stays"
HEAD_DOUBT = (
    "; v4 left the last layer alone, usually the head, where v5 quantizes it if it has a bias: "
    f"name it in `{SKIP}=[...]`"
)

_WRAPPED = (ast.IfExp, ast.Lambda, ast.NamedExpr)
_ATOMS = (ast.Name, ast.Attribute, ast.Subscript, ast.Call)
_PURE = (ast.Name, ast.Attribute, ast.Constant, ast.Subscript, ast.Compare, ast.BoolOp, ast.UnaryOp)


def is_sibling(name: object) -> bool:
    """Whether an argument goes with the flags: it belongs into the configuration."""
    return isinstance(name, str) and name.startswith(("bnb_4bit_", "llm_int8_"))


def is_off(value: ast.expr) -> bool:
    """Whether a flag is written as switched off."""
    return isinstance(value, ast.Constant) and not value.value


def disagree(view: ModuleView, flag: str, value: ast.expr, config: ast.expr) -> bool:
    """Whether a flag and a `BitsAndBytesConfig(...)` beside it are known to say different things."""
    made = view.links.defining_call(config)
    if made is None:
        return False
    theirs = {each.arg: each.value for each in made.keywords if each.arg in FLAGS}
    if not theirs and not made.args and all(each.arg for each in made.keywords):
        return not is_off(value)
    mine = view.constants(value, bool)
    given = view.constants(theirs[flag], bool) if flag in theirs else [False]
    return len(mine) == 1 and len(given) == 1 and mine != given


def skipping(layers: tuple[str, ...] | None) -> dict[str, str]:
    """The argument that keeps layers as they are, with its source; none where there is nothing to name."""
    if not layers:
        return {}
    names = ", ".join(f'"{layer}"' for layer in layers)
    return {SKIP: f"[{names}]"}


def config_source(view: ModuleView, config: str, flags: Mapping[str, ast.expr], siblings: Mapping[str, str]) -> str:
    """The expression that quantizes as the flags did; "" where all of them are off.

    `BitsAndBytesConfig(load_in_8bit=False)` quantizes to 4-bit, so a flag that is known only when the program runs
    decides whether there is a configuration at all.

    Args:
        view: the module.
        config: how the module calls `BitsAndBytesConfig`.
        flags: the flags with their values.
        siblings: the arguments that go with them, with their sources.
    """
    given = {name: value for name, value in flags.items() if not is_off(value)}
    if not given:
        return ""
    rest = [f"{name}={source}" for name, source in siblings.items()]
    always = [name for name, value in given.items() if isinstance(value, ast.Constant)]
    if always:
        return f"{config}({', '.join([f'{always[0]}=True', *rest])})"
    tests = [_in_test(view, value) for value in given.values()]
    if len(given) == 1:
        (name,) = given
        return f"{config}({', '.join([f'{name}=True', *rest])}) if {tests[0]} else None"
    arguments = [f"{name}={view.source(value)}" for name, value in given.items()]
    return f"{config}({', '.join([*arguments, *rest])}) if {' or '.join(tests)} else None"


def is_repeatable(flags: Mapping[str, ast.expr]) -> bool:
    """Whether the values may be evaluated twice, as a condition over two flags does."""
    given = [value for value in flags.values() if not is_off(value)]
    return len(given) < 2 or all(isinstance(each, _PURE) for each in given)


def _in_test(view: ModuleView, value: ast.expr) -> str:
    """The source of a value as a condition: of `True if x else None` and of `bool(x)` the `x`."""
    if isinstance(value, ast.IfExp) and isinstance(value.body, ast.Constant) and isinstance(value.orelse, ast.Constant):
        yes, no = bool(value.body.value), bool(value.orelse.value)
        if yes and not no:
            return _in_test(view, value.test)
        if no and not yes:
            test = _in_test(view, value.test)
            return f"not {test}" if isinstance(value.test, _ATOMS) or test.startswith("(") else f"not ({test})"
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "bool" and not value.keywords:
        given = [each for each in value.args if not isinstance(each, ast.Starred)]
        if len(given) == len(value.args) == 1:
            return _in_test(view, given[0])
    source = view.source(value)
    return f"({source})" if isinstance(value, (*_WRAPPED, ast.BoolOp)) or "\n" in source else source
