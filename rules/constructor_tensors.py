"""V5515: tensors that a model's constructor computes and keeps as plain attributes."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import constructors, members
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.constructors import Run
    from v5lint.view.module import ModuleView

#: Functions of torch that make a tensor on the device of the context. `linspace` is not among them: transformers
#: computes it on the CPU while it builds a model.
_FACTORIES = frozenset(
    "arange as_tensor empty eye full logspace ones rand randint randn randperm tensor tril_indices triu_indices "
    "zeros".split()
)

#: Functions of torch that give a tensor where their first argument is.
_ELEMENTWISE = frozenset(
    "abs cat clamp cos cumsum diag exp flip log outer pow repeat_interleave sin softmax sqrt square stack tril triu "
    "unsqueeze".split()
)

#: Methods of tensors that give one on the same device.
_METHODS = frozenset(
    "bool clone contiguous cos cumsum detach double exp expand flatten flip float half int log long permute pow "
    "repeat reshape sin softmax sqrt squeeze sum t transpose tril triu unsqueeze view".split()
)


class ConstructorTensor(Rule):
    """A tensor that a model's constructor computes and keeps as a plain attribute.

    ## What it does

    Finds `self.weights = torch.tensor([...])` (and `arange`, `ones`, `zeros`, ..., with what is computed from them) in
    what the constructor of a model runs that transformers' `from_pretrained` builds, where a method reads it later.
    Parameters and buffers are another matter (V5921); a tensor that is made on a named device, from NumPy, or by
    `torch.FloatTensor` and `torch.linspace` stays what it is, and is left alone.

    ## Why it breaks

    Since 5.0 `from_pretrained` runs constructors with the meta device as the default. A plain attribute is not moved
    from there. Measured on 5.24, where it is used and where it is moved:

        RuntimeError: Tensor on device meta is not on the expected device cpu!
        NotImplementedError: Cannot copy out of meta tensor; no data!

    ## Example

        self.class_weights = torch.tensor([1.0, 4.0])

    becomes

        self.class_weights = torch.tensor([1.0, 4.0], device="cpu")

    ## Fix safety

    Safe: it names the device on which 4.x made the tensor.

    ## References

    - https://github.com/huggingface/transformers/blob/main/src/transformers/modeling_utils.py (`get_init_context`)
    """

    code = "V5515"
    name = "constructor-tensor"
    since = "5.0"
    #: How a model of one's own builds its base: what makes tensors stands in every file of torch.
    tokens = ("PreTrainedModel", "__init__(config", "__init__(cfg", "__init__(self.config", "__init__(*args")

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        met: set[ast.AST] = set()
        for model in constructors.loaded_models(module):
            for run in constructors.runs(model):
                for statement, name, made in _kept(run):
                    if statement in met or not _is_read(run, name) or members.is_prepared(module, made[0]):
                        continue
                    met.add(statement)
                    yield module.finding(
                        statement.value,  # type: ignore[arg-type]
                        f"`{model.name}.from_pretrained` leaves `self.{name}` without data on the meta device since "
                        'transformers 5.0: make it with `device="cpu"`, or a buffer that `_init_weights` fills',
                        fix=Fix('Make it with `device="cpu"`', [_with_device(module, each) for each in made]),
                    )


def _kept(run: Run) -> Iterator[tuple[ast.Assign | ast.AnnAssign, str, list[ast.Call]]]:
    """The tensors that a function makes and keeps as attributes of `self`, with the calls that make them."""
    for node in run.nodes():
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if not isinstance(target, ast.Attribute) or ast.unparse(target.value) != "self":
            continue
        made = _made(run.of.view, node.value)
        if made:
            yield node, target.attr, made


def _made(view: ModuleView, node: ast.expr) -> list[ast.Call] | None:
    """The calls that make the tensors of which an expression is computed; None where it may be something else."""
    if isinstance(node, ast.Call):
        names = {
            value.name for value in view.values(node.func) if isinstance(value, External) and value.package == "torch"
        }
        if names and names <= _FACTORIES:
            is_placed = any(each.arg in (None, "device") for each in node.keywords)
            return None if is_placed else [node]
        if names and names <= _ELEMENTWISE and node.args:
            return _made(view, node.args[0]) if all(_is_number(view, each) for each in node.args[1:]) else None
        if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
            return _made(view, node.func.value)
        return None
    if isinstance(node, ast.Subscript):
        return _made(view, node.value)
    if isinstance(node, ast.UnaryOp):
        return _made(view, node.operand)
    if isinstance(node, ast.BinOp):
        sides = [_made(view, each) for each in (node.left, node.right)]
        made = [each for side in sides if side is not None for each in side]
        others = [each for each, side in zip((node.left, node.right), sides, strict=True) if side is None]
        return made if all(_is_number(view, each) for each in others) else None
    return None


def _is_number(view: ModuleView, node: ast.expr) -> bool:
    """Whether an operand is no tensor: another one would stay on the meta device, and the two could not be combined.

    A variable of the function is a number where its value is seen to be one; a parameter, and what is read from a
    configuration, is taken for one.
    """
    for each in ast.walk(node):
        if isinstance(each, (ast.Call, ast.Subscript)):
            return False
        if isinstance(each, ast.Attribute) and ast.unparse(each.value) == "self":
            return False
        if isinstance(each, ast.Name) and any(
            binding.kind != "parameter" and not all(isinstance(value, Constant) for value in view.values(each))
            for binding in view.links.bindings_read(each)
        ):
            return False
    return True


def _is_read(run: Run, name: str) -> bool:
    """Whether another method of the class reads an attribute, and no function makes a parameter or buffer of it."""
    view, owner = run.of.view, run.of.node
    if any(
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("register_buffer", "register_parameter")
        and any(isinstance(each, ast.Constant) and each.value == name for each in call.args)
        for call in ast.walk(owner)
    ):
        return False
    written = view.links.self_assignments(owner).get(name, [])
    if len(written) != 1:
        return False
    return any(
        isinstance(each, ast.Attribute)
        and each.attr == name
        and isinstance(each.ctx, ast.Load)
        and ast.unparse(each.value) == "self"
        and view.links.function_around(each) is not run.function
        for each in ast.walk(owner)
    )


def _with_device(view: ModuleView, call: ast.Call) -> Edit:
    """Give a call the device that 4.x used."""
    end = view.span(call)[1] - 1
    last = max((view.span(each)[1] for each in [*call.args, *(each.value for each in call.keywords)]), default=-1)
    if last < 0:
        return Edit(end, end, 'device="cpu"')
    return Edit(last, last, ', device="cpu"')
