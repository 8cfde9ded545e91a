"""V5929: parameters that the constructor of a model freezes, and loading does not."""

from __future__ import annotations

import ast

from v5lint.project import bytes_of
from v5lint.rule import Rule
from v5lint.rules.parts import constructors, members
from v5lint.view.calls import CallSite
from v5lint.view.strings import last_name
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.constructors import Run
    from v5lint.view.module import ModuleView
    from v5lint.view.values import LocalClass

_FLAG, _SETTER, _PARAMETER = "requires_grad", "requires_grad_", "Parameter"

#: What nothing below is trained under.
_WITHOUT_GRADIENTS = frozenset({"no_grad", "inference_mode"})


class UnfrozenParameter(Rule):
    """A parameter that the constructor of a model freezes, and that is trained after `from_pretrained`.

    ## What it does

    Finds, in what the constructor of a model runs (a subclass of `PreTrainedModel` or of the model of a family, its
    methods, the parts that it is made of, and the functions that they call): `parameter.requires_grad = False`,
    `module.requires_grad_(False)` and `Parameter(..., requires_grad=False)`. The repository has to load the class by
    its name (`Model.from_pretrained(...)`).

    Left alone are models that the program freezes (again) after it has loaded them: where a file that loads the class
    freezes something outside of the constructor, and where it calls the method that freezes; and models whose `forward`
    is under `@torch.no_grad()`.

    ## Why it breaks

    Silently. Since 5.0 `from_pretrained` builds the model without memory for its weights and puts new parameters into
    it, which are all to be trained. Measured on 4.57.6 and the same on 5.0.0, 5.4, 5.15 and 5.24, of a model whose
    constructor freezes a BERT with 39 parameters below a head with two:

        sum(p.requires_grad for p in Model(config).parameters())                   # 2 and 2
        sum(p.requires_grad for p in Model.from_pretrained(path).parameters())     # 2 and 41

    The optimizer then trains the backbone with the learning rate of the head, takes the memory for it, and the loss
    looks fine.

    ## Example

        class Classifier(BertPreTrainedModel):
            def __init__(self, config):
                super().__init__(config)
                self.bert = BertModel(config)
                self.bert.requires_grad_(False)
                self.head = nn.Linear(config.hidden_size, config.num_labels)
                self.post_init()

        model = Classifier.from_pretrained(path)

    write, with both majors,

        model = Classifier.from_pretrained(path)
        model.bert.requires_grad_(False)

    ## Fix safety

    No fix: where the model is loaded has to say it. `v5lint.runtime.ValidationCallback` tells how many parameters are
    trained.

    ## References

    - https://github.com/huggingface/transformers/blob/v5.24.0/src/transformers/core_model_loading.py
      (`set_param_for_module` makes the new parameter)
    """

    code = "V5929"
    name = "unfrozen-parameter"
    since = "5.0"
    tokens = (_FLAG,)
    beside = ("transformers",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        if not any(True for _ in _freezing(module.tree.nodes, module)):
            return
        met: set[ast.AST] = set()
        built = {
            model: [(run, node) for run in constructors.runs(model) for node in _freezing(_by_type(run), module)]
            for model in constructors.loaded_models(module)
        }
        outside = {*_freezing(module.tree.nodes, module)}.difference(
            node for found in built.values() for _, node in found
        )
        for model, found in built.items():
            if not found or _is_without_gradients(model) or _is_frozen_later(model, outside):
                continue
            for run, node in found:
                if node not in met and not members.is_prepared(module, node) and not _is_called_later(module, run):  # type: ignore[arg-type]
                    met.add(node)
                    yield module.finding(
                        node,
                        f"what the constructor freezes is trained after `{model.name}.from_pretrained` since "
                        "transformers 5.0: freeze it where it is loaded",
                    )


def _by_type(run: Run) -> dict[type[ast.AST], list[ast.AST]]:
    found: dict[type[ast.AST], list[ast.AST]] = {}
    for node in run.nodes():
        found.setdefault(type(node), []).append(node)
    return found


def _freezing(nodes: dict[type[ast.AST], list[ast.AST]], view: ModuleView) -> Iterator[ast.AST]:
    """The places among some nodes at which parameters are frozen."""
    for node in nodes.get(ast.Assign, ()):
        assert isinstance(node, ast.Assign)
        targets = [each for each in node.targets if isinstance(each, ast.Attribute) and each.attr == _FLAG]
        if targets and _is_false(view, node.value):
            yield targets[0]
    for node in nodes.get(ast.Call, ()):
        assert isinstance(node, ast.Call)
        call = CallSite(view, node)
        given = call.argument(_FLAG, 0 if call.name == _SETTER else 1)
        if call.name in (_SETTER, _PARAMETER) and given is not None and _is_false(view, given):
            yield node


def _is_false(view: ModuleView, node: ast.expr) -> bool:
    return view.values(node) == frozenset({Constant(False)})


def _is_called_later(view: ModuleView, run: Run) -> bool:
    """Whether a method that freezes is called by others than the constructor: `model.freeze()`."""
    if run.call is None or run.function.name == constructors.INIT:
        return False
    around = (view.links.class_around(each) for each in view.links.calls_named(run.function.name))
    return any(each is None for each in around) or bool(
        view.project.mentioning(f".{run.function.name}(".encode(), view.path)
    )


def _is_without_gradients(model: LocalClass) -> bool:
    """Whether a model cannot be trained at all: its `forward` is under `@torch.no_grad()`."""
    forwards = [each for each in model.node.body if isinstance(each, ast.FunctionDef) and each.name == "forward"]
    decorators = [one.func if isinstance(one, ast.Call) else one for each in forwards for one in each.decorator_list]
    return any(last_name(each) in _WITHOUT_GRADIENTS for each in decorators)


def _is_frozen_later(model: LocalClass, outside: set[ast.AST]) -> bool:
    """Whether nothing loads a model by its name, or a file that does so freezes something itself.

    Args:
        model: its class.
        outside: what freezes in the module of the class and is in no constructor.
    """
    view = model.view
    load = f"{model.name}.{constructors.LOAD}("
    others = view.project.mentioning(load.encode(), view.path)
    if load not in view.text and not others:
        return True
    if any(_FLAG.encode() in bytes_of(each) for each in others):
        return True
    return load in view.text and any(view.links.class_around(each) is None for each in outside)
