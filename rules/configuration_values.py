"""V5517: values that the constructors of configurations refuse by their type."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup, tables
from v5lint.rules.parts import members
from v5lint.view.values import Constant, External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from v5lint.rule import Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_TABLE = "checked_fields"

#: What stands behind a field of that table that may be None.
_OPTIONAL = "?"

#: Fields that are a real number, and of which 0 is not one; those that name a function; all others are whole numbers.
_REAL = frozenset({"layer_norm_eps", "layer_norm_epsilon", "rms_norm_eps"})
_FUNCTIONS = frozenset({"activation_function", "hidden_act"})

_LOADS = "from_pretrained"

_fields: dict[str, frozenset[str]] = {}


class ConfigurationValue(Rule):
    """A value that a configuration refuses by its type.

    ## What it does

    Finds calls of configuration classes of transformers (`BertConfig(...)`) with a text, a number with a fraction, a
    truth value or None for a size (`hidden_size="768"`, `hidden_size=768 / 2`), a whole number for `layer_norm_eps`, or
    a function for `hidden_act`; the same where the field of such a configuration is set (`config.hidden_size = "768"`),
    and where `from_pretrained` of its class is given one. Which class checks which field was measured: what it only
    calls by another name (`hidden_size` of BART) and what it does not have is not checked. Values that come from
    elsewhere are not followed; arguments without a name are another matter (V5516).

    ## Why it breaks

    Since 5.4 configurations are dataclasses that check their fields. Measured on 5.24:

        StrictDataclassFieldValidationError: Validation error for field 'hidden_size':
            TypeError: Field 'hidden_size' expected int, got float (value: 384.0)

    ## Example

        BertConfig(hidden_size=768 / 2)

    becomes

        BertConfig(hidden_size=768 // 2)

    ## Fix safety

    Safe where a number that is written down is the same of the other type. Unsafe for a division, which gave the model
    a number with a fraction, and is whole only if nothing is left over.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/configuration_utils.py
    """

    code = "V5517"
    name = "configuration-value"
    since = "5.4"
    tokens = ("Config(", "Config.from_pretrained", "config.")

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls():
            made = _made(call)
            if made and not module.guards.is_dead(call.node) and not members.is_prepared(module, call.node):
                for keyword in call.node.keywords:
                    yield from _judged(module, made, keyword.arg or "", keyword.value)
        for node in module.tree.nodes.get(ast.Attribute, ()):
            assert isinstance(node, ast.Attribute)
            if not isinstance(node.ctx, ast.Store) or node.attr not in _known() or module.guards.is_dead(node):
                continue
            statement = module.tree.parents[node]
            if isinstance(statement, ast.Assign) and not members.is_prepared(module, node):
                made = _classes(module, node.value)
                yield from _judged(module, made, node.attr, statement.value) if made else ()


def _known() -> dict[str, frozenset[str]]:
    """The fields that are checked, each with the classes that check it: "?" behind one that takes None."""
    if not _fields:
        found: dict[str, set[str]] = {}
        for written, classes in tables.table(_TABLE).items():
            for field in written.split():
                name = field.rstrip(_OPTIONAL)
                mark = _OPTIONAL if field != name else ""
                found.setdefault(name, set()).update(f"{each}Config{mark}" for each in classes.split())
        _fields.update((name, frozenset(classes)) for name, classes in found.items())
    return _fields


def _made(call: CallSite) -> list[str]:
    """The configurations of models, of transformers and no subclass of one, that a call makes or loads."""
    if call.name == _LOADS and isinstance(call.func, ast.Attribute):
        values = call.view.values(call.func.value)
    elif call.name.endswith("Config"):
        values = call.view.values(call.func)
    else:
        return []
    return _named(values)


def _classes(view: ModuleView, node: ast.expr) -> list[str]:
    """The classes of the configuration that an expression is; none where one is not known."""
    owners = members.owners(view, node, ("config",))
    if not owners or not all(each.is_exact and not isinstance(each.of, LocalClass) for each in owners):
        return []
    return [each.name for each in owners]


def _named(values: Collection[object]) -> list[str]:
    if not all(
        isinstance(each, External) and each.package == "transformers" and lookup.kind_of(each.name) == "config"
        for each in values
    ):
        return []
    return [each.name for each in values if isinstance(each, External)]


def _judged(view: ModuleView, classes: list[str], name: str, value: ast.expr) -> Iterator[Finding]:
    """The finding of a value that all of some classes refuse for a field."""
    checking = _known().get(name, frozenset())
    optional = any(f"{each}{_OPTIONAL}" in checking for each in classes)
    if not all(each in checking or f"{each}{_OPTIONAL}" in checking for each in classes):
        return
    wanted, fix = _refused(view, name, value, optional=optional)
    if wanted:
        message = f"`{classes[0]}` refuses `{view.source(value)}` for `{name}` since transformers 5.4: give {wanted}"
        yield view.finding(value, message, fix=fix)


def _refused(view: ModuleView, name: str, value: ast.expr, *, optional: bool) -> tuple[str, Fix | None]:
    """What a value has to be instead of what it is, in words, and the edit that makes it so; "" where it may be."""
    if name in _FUNCTIONS:
        is_function = any(isinstance(each, External) and each.package == "torch" for each in view.values(value))
        return ("the name of the function", None) if is_function or isinstance(value, ast.Lambda) else ("", None)
    constants = view.values(value)
    is_whole = name not in _REAL
    if is_whole and isinstance(value, ast.BinOp) and isinstance(value.op, ast.Div):
        start, end = view.span(value.left)[1], view.span(value.right)[0]
        at = view.text.find("/", start, end)
        return "a whole number", Fix("Divide without a rest", [Edit(at, at + 1, "//")], applicability="unsafe")
    is_written = isinstance(value, (ast.Constant, ast.Name, ast.Attribute))  # what is computed may be of another type
    if not is_written or len(constants) != 1 or not isinstance(given := next(iter(constants)), Constant):
        return "", None
    if given.value is None and optional:
        return "", None
    if is_whole and (given.value is None or isinstance(given.value, (str, float, bool))):
        return "a whole number", _rewritten(view, value, given, int)
    if not is_whole and (given.value is None or isinstance(given.value, (str, int))):
        return "a number with a fraction", _rewritten(view, value, given, float)
    return "", None


def _rewritten(view: ModuleView, node: ast.expr, given: Constant, kind: type[int] | type[float]) -> Fix | None:
    """Write the number as one of another type, if it is written at the place itself and stays the same."""
    if not isinstance(node, ast.Constant) or isinstance(given.value, bool) or given.value is None:
        return None
    try:
        number = float(given.value)
    except ValueError:
        return None
    if kind is int and not number.is_integer():
        return None
    return Fix("Write the number as it has to be", [Edit(*view.span(node), repr(kind(number)))])
