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

#: Version 4.57 refused both; of a configuration that says neither flag, version 5 makes 4-bit.
CLASH = f"; the `{KEYWORD}` beside it says something else: decide, and say it there"
SECOND = "; the call there says itself how to quantize: decide which of the two counts"
HEAD_DOUBT = (
    "; v4 left the last layer alone, usually the head, where v5 quantizes it if it has a bias: "
    f"name it in `{SKIP}=[...]`"
)

_WRAPPED = (ast.IfExp, ast.Lambda, ast.NamedExpr, ast.Yield, ast.YieldFrom)
_ATOMS = (ast.Name, ast.Attribute, ast.Subscript, ast.Call)
_EFFECTS = (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom, ast.Lambda, ast.GeneratorExp, ast.ListComp)

#: Functions and methods that only look.
_LOOKING = frozenset(
    "bool int str len any all getattr hasattr isinstance get getenv getboolean lower upper strip startswith endswith "
    "is_available".split()
)


def is_sibling(name: object) -> bool:
    """Whether an argument goes with the flags: it belongs into the configuration."""
    return isinstance(name, str) and name.startswith(("bnb_4bit_", "llm_int8_"))


def is_of_config(name: object) -> bool:
    """Whether an argument says how the weights are quantized: a flag, what goes with it, or a configuration."""
    return name in (*FLAGS, KEYWORD) or is_sibling(name)


def is_off(value: ast.expr) -> bool:
    """Whether a flag is written as switched off."""
    return isinstance(value, ast.Constant) and not value.value


def makes_config(name: object, value: ast.expr) -> bool:
    """Whether an argument is a configuration, or becomes one, or goes into one: all but a flag that is off."""
    return is_of_config(name) and not (name != KEYWORD and is_off(value))


def is_on(view: ModuleView, value: ast.expr) -> bool:
    """Whether a flag is switched on wherever it is given: written so, or given only under a test that it is."""
    if isinstance(value, ast.Constant):
        return bool(value.value)
    if not isinstance(value, (ast.Name, ast.Attribute)):
        return False
    wanted = ast.dump(value)
    return any(truth and ast.dump(test) == wanted for test, truth in view.reach.conditions(value))


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
    config_call, test = config_parts(view, config, flags, siblings)
    return f"{config_call} if {test} else None" if test else config_call


def config_parts(
    view: ModuleView, config: str, flags: Mapping[str, ast.expr], siblings: Mapping[str, str]
) -> tuple[str, str]:
    """The `BitsAndBytesConfig(...)` that quantizes as the flags did, and when: "" where always.

    Args:
        view: the module.
        config: how the module calls `BitsAndBytesConfig`.
        flags: the flags with their values.
        siblings: the arguments that go with them, with their sources.
    """
    given = {name: value for name, value in flags.items() if not is_off(value)}
    if not given:
        return "", ""
    rest = [f"{name}={source}" for name, source in siblings.items()]
    always = [name for name, value in given.items() if is_on(view, value)]
    if always:
        return f"{config}({', '.join([f'{always[0]}=True', *rest])})", ""
    tests = [_in_test(view, value) for value in given.values()]
    if len(given) == 1:
        (name,) = given
        return f"{config}({', '.join([f'{name}=True', *rest])})", tests[0]
    arguments = [f"{name}={view.source(value)}" for name, value in given.items()]
    return f"{config}({', '.join([*arguments, *rest])})", " or ".join(tests)


def in_place_of_none(view: ModuleView, value: ast.expr, source: str) -> str:
    """The expression that is a value, or where that is None what a source says.

    Args:
        view: the module.
        value: the value that may be None.
        source: what `config_source` has made.
    """
    written = view.source(value)
    if written == "None":
        return source
    first = f"({written})" if isinstance(value, _WRAPPED) or "\n" in written else written
    return f"{first} or ({source})"


def is_repeatable(flags: Mapping[str, ast.expr]) -> bool:
    """Whether the values may be evaluated twice, as a condition over two flags does."""
    given = [value for value in flags.values() if not is_off(value)]
    return len(given) < 2 or not any(_has_effect(part) for value in given for part in ast.walk(value))


def _has_effect(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        func = node.func
        name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
        return name not in _LOOKING
    return isinstance(node, _EFFECTS)


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
