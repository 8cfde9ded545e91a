"""V5517: values that the constructors of configurations refuse by their type."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import members
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

#: Fields that are a whole number in every configuration that has them.
_WHOLE = frozenset(
    "attention_heads d_ff d_model decoder_attention_heads decoder_layers embed_dim encoder_attention_heads "
    "encoder_layers ffn_dim hidden_size intermediate_size max_position_embeddings n_embd n_head n_layer n_positions "
    "num_attention_heads num_channels num_hidden_layers num_key_value_heads type_vocab_size vocab_size".split()
)

#: Fields that are a real number in every configuration that has them, and of which 0 is not one.
_REAL = frozenset({"layer_norm_eps", "layer_norm_epsilon", "rms_norm_eps"})

#: Fields that name a function.
_FUNCTIONS = frozenset({"activation_function", "hidden_act"})


class ConfigurationValue(Rule):
    """An argument that the constructor of a configuration refuses by its type.

    ## What it does

    Finds calls of configuration classes of transformers (`BertConfig(...)`) with a text, a number with a fraction, a
    truth value or None for a size (`hidden_size="768"`, `hidden_size=768 / 2`), a whole number for `layer_norm_eps`, or
    a function for `hidden_act`. Values that come from elsewhere are not followed; arguments without a name are another
    matter (V5516).

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
    tokens = ("Config(",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls():
            if not call.name.endswith("Config") or module.guards.is_dead(call.node) or not _is_checked(call):
                continue
            for keyword in call.node.keywords:
                wanted, fix = _refused(module, keyword)
                if wanted and not members.is_prepared(module, call.node):
                    written = module.source(keyword.value)
                    yield module.finding(
                        keyword.value,
                        f"`{call.name}` refuses `{written}` for `{keyword.arg}` since transformers 5.4: give {wanted}",
                        fix=fix,
                    )


def _is_checked(call: CallSite) -> bool:
    """Whether a call builds a configuration of a model, of transformers and no subclass of it."""
    values = call.view.values(call.func)
    return bool(values) and all(
        isinstance(each, External)
        and each.package == "transformers"
        and lookup.kind_of(each.name) == "config"
        and each.name not in members.BASES_OF_CONFIGS
        for each in values
    )


def _refused(view: ModuleView, keyword: ast.keyword) -> tuple[str, Fix | None]:
    """What an argument has to be instead of what it is, in words, and the edit that makes it so; "" where it may be."""
    value, name = keyword.value, keyword.arg
    if name in _FUNCTIONS:
        is_function = any(isinstance(each, External) and each.package == "torch" for each in view.values(value))
        return ("the name of the function", None) if is_function or isinstance(value, ast.Lambda) else ("", None)
    constants = view.values(value)
    if name in _WHOLE and isinstance(value, ast.BinOp) and isinstance(value.op, ast.Div):
        start, end = view.span(value.left)[1], view.span(value.right)[0]
        at = view.text.find("/", start, end)
        return "a whole number", Fix("Divide without a rest", [Edit(at, at + 1, "//")], applicability="unsafe")
    is_written = isinstance(value, (ast.Constant, ast.Name, ast.Attribute))  # what is computed may be of another type
    if not is_written or len(constants) != 1 or not isinstance(given := next(iter(constants)), Constant):
        return "", None
    if name in _WHOLE and (given.value is None or isinstance(given.value, (str, float, bool))):
        return "a whole number", _rewritten(view, value, given, int)
    if name in _REAL and (given.value is None or isinstance(given.value, (str, int))):
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
