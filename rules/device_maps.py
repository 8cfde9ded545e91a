"""V5531: `model.hf_device_map`, which a model on one device has no longer."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import members, models
from v5lint.view.guards import CALL_ERRORS
from v5lint.view.values import Constant, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.models import Model
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

_NAME, _ARGUMENT, _LOAD = "hf_device_map", "device_map", "from_pretrained"

#: What a program asks before it counts on several devices.
_COUNTS = "device_count"

#: In the names of decorators that leave a test out where there is one device.
_SEVERAL = "multi"

#: What catches a missing attribute.
_CATCHES = CALL_ERRORS | {"AttributeError"}


class MissingDeviceMap(Rule):
    """The device map of a model that may be on one device.

    ## What it does

    Finds `model.hf_device_map` of a model of transformers that `from_pretrained(..., device_map=...)` has loaded, where
    nothing asks whether it is there (`hasattr`, `getattr`, `torch.cuda.device_count() > 1`). What looks a part up in it
    (`model.hf_device_map["lm_head"]`) is left alone: on one device there was none before either.

    ## Why it breaks

    Since 5.0 only a model that is spread over several devices, or offloaded, has the attribute. 4.57 set it for each
    model that was loaded with a `device_map`, as `{"": 0}` where that was one device. Measured on 4.57.6, 5.0.0, 5.4,
    5.12 and 5.24 with `device_map="cpu"`, `"auto"`, `{"": "cpu"}`, and a map that names each layer:

        AttributeError: 'LlamaForCausalLM' object has no attribute 'hf_device_map'

    A script that was tried on two GPUs fails on one.

    ## Example

        model = AutoModelForCausalLM.from_pretrained(name, device_map="auto")
        print(model.hf_device_map)

    becomes

        print(getattr(model, "hf_device_map", {"": model.device}))

    ## Fix safety

    Unsafe: the device is a `torch.device` then, where 4.57 had the number of a GPU or a name.

    ## References

    - https://github.com/huggingface/transformers/blob/v5.24.0/src/transformers/modeling_utils.py (`from_pretrained`)
    """

    code = "V5531"
    name = "missing-device-map"
    since = "5.0"
    tokens = (f".{_NAME}",)
    beside = (_ARGUMENT,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.attributes({_NAME}):
            if not isinstance(node.ctx, ast.Load) or _is_ready(module, node):
                continue
            found = models.models(module, node.value)
            if not found.found or not found.is_complete or not all(_is_mapped(each) for each in found.found):
                continue
            yield module.finding(
                node,
                f"`{found.found[0].name}` has no `{_NAME}` since transformers 5.0 where it is on one device",
                fix=_fix(module, node),
            )


def _is_ready(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether a program asks first, or goes another way without the attribute."""
    if members.is_prepared(view, node) or view.guards.handled(node, _CATCHES) is not None:
        return True
    if any(isinstance(each.ctx, ast.Store) for each in view.attributes({_NAME})) or _is_of_several(view, node):
        return True
    tests = (ast.unparse(test) for test, _ in view.reach.conditions(node))
    return any(_NAME in test or _COUNTS in test for test in tests)


def _is_of_several(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether a program counts on several devices: it names a part in the map, or is a test that asks for them."""
    parent = view.tree.parents[node]
    if isinstance(parent, ast.Subscript) and parent.value is node and ast.unparse(parent.slice) != "''":
        return True
    function = view.links.function_around(node)
    return isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)) and any(
        _SEVERAL in ast.unparse(each) for each in function.decorator_list
    )


def _is_mapped(model: Model) -> bool:
    """Whether a model was loaded with a device map that may name one device."""
    call = model.call
    if call is None or call.name != _LOAD or model.is_own:
        return False
    values = call.values_of(_ARGUMENT) - {Constant(None)}
    return bool(values) and all(_may_be_one(each) for each in values)


def _may_be_one(value: Value) -> bool:
    """Whether a device map may come out as one device."""
    if isinstance(value, Mapping):
        return isinstance(value.node, ast.Dict) and len({ast.unparse(each) for each in value.node.values}) == 1
    return isinstance(value, Constant)


def _fix(view: ModuleView, node: ast.Attribute) -> Fix | None:
    """Take the device of the model where there is no map."""
    held = node.value
    while isinstance(held, ast.Attribute):
        held = held.value
    parent = view.tree.parents[node]
    if not isinstance(held, ast.Name) or isinstance(parent, ast.FormattedValue):
        return None
    start, end = view.span(node)
    text = view.source(node.value)
    return Fix(
        "Take the device of the model where there is no map",
        [Edit(start, end, f'getattr({text}, "{_NAME}", {{"": {text}.device}})')],
        applicability="unsafe",
    )
