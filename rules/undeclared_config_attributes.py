"""V5514: attributes that a configuration class of one's own no longer inherits."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.parts import constructors, members
from v5lint.view.calls import CallSite
from v5lint.view.values import External, Instance, LocalClass, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.constructors import Run
    from v5lint.view.module import ModuleView

#: What `PretrainedConfig` of 4.57.6 gave every configuration that set nothing else, and 5.x does not have.
INHERITED = {
    "add_cross_attention": "False",
    "bad_words_ids": "None",
    "begin_suppress_tokens": "None",
    "bos_token_id": "None",
    "cross_attention_hidden_size": "None",
    "decoder_start_token_id": "None",
    "diversity_penalty": "0.0",
    "do_sample": "False",
    "early_stopping": "False",
    "encoder_no_repeat_ngram_size": "0",
    "eos_token_id": "None",
    "exponential_decay_length_penalty": "None",
    "finetuning_task": "None",
    "forced_bos_token_id": "None",
    "forced_eos_token_id": "None",
    "is_decoder": "False",
    "length_penalty": "1.0",
    "max_length": "20",
    "min_length": "0",
    "no_repeat_ngram_size": "0",
    "num_beam_groups": "1",
    "num_beams": "1",
    "num_return_sequences": "1",
    "output_scores": "False",
    "pad_token_id": "None",
    "prefix": "None",
    "pruned_heads": "{}",
    "remove_invalid_values": "False",
    "repetition_penalty": "1.0",
    "return_dict_in_generate": "False",
    "sep_token_id": "None",
    "suppress_tokens": "None",
    "task_specific_params": "None",
    "temperature": "1.0",
    "tf_legacy_loss": "False",
    "tie_encoder_decoder": "False",
    "tie_word_embeddings": "True",
    "tokenizer_class": "None",
    "top_k": "50",
    "top_p": "1.0",
    "torchscript": "False",
    "typical_p": "1.0",
    "use_bfloat16": "False",
}

_CONFIG = "config"
_CLASS = "config_class"


class UndeclaredConfigAttribute(Rule):
    """An attribute that a configuration class of one's own no longer inherits.

    ## What it does

    Finds where a model of the repository, the parts that it builds, or any other code reads an attribute of a
    configuration whose class is one of the repository, which inherits from `PretrainedConfig` alone and sets no such
    attribute: `pad_token_id`, `bos_token_id`, `eos_token_id`, `is_decoder`, `add_cross_attention`,
    `tie_word_embeddings`, `torchscript`, `pruned_heads`, and all parameters of generation. Attributes that the class
    sets, declares, maps or gives to its base, those that the module gives an object, and code that asks first are left
    alone.

    ## Why it breaks

    The base class of 4.x gave every configuration those attributes. Since 5.0 it does not, and a checkpoint's
    config.json holds them only where they were not the default. Measured on 5.0.0 and 5.24:

        AttributeError: 'MyConfig' object has no attribute 'pad_token_id'

    ## Example

        self.padding = config.pad_token_id

    becomes

        self.padding = getattr(config, "pad_token_id", None)

    or, for a person, `self.pad_token_id = None` in the configuration class.

    ## Fix safety

    Safe: `getattr` gives what the base class of 4.57 gave.

    ## References

    - https://github.com/huggingface/transformers/pull/41541
    """

    code = "V5514"
    name = "undeclared-config-attribute"
    since = "5.0"
    tokens = (_CLASS, *sorted(members.BASES_OF_CONFIGS))

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        reads = [
            node
            for node in module.tree.nodes.get(ast.Attribute, ())
            if isinstance(node, ast.Attribute) and node.attr in INHERITED and isinstance(node.ctx, ast.Load)
        ]
        if not reads:
            return
        given = _given(module)
        holders = _holders(module)
        for node in reads:
            own = _configuration(module, node.value, holders)
            if own is None or node.attr in given or _declares(own, node.attr) or members.is_prepared(module, node):
                continue
            default = INHERITED[node.attr]
            text = f'getattr({module.source(node.value)}, "{node.attr}", {default})'
            yield module.finding(
                node,
                f"`{own.name}` does not set `{node.attr}`, and inherits none since transformers 5.0: set it there, or "
                f"read it with the default of v4, {default}",
                fix=Fix("Read it with `getattr`", [Edit(*module.span(node), text)]),
            )


def is_own(of: object) -> bool:
    """Whether a class is a configuration of the repository that inherits from the base class of all alone."""
    if not isinstance(of, LocalClass):
        return False
    roots = of.view.roots(of)
    return bool(roots) and all(
        each.package == "transformers" and each.name in members.BASES_OF_CONFIGS for each in roots
    )


def _holders(view: ModuleView) -> dict[ast.ClassDef, tuple[LocalClass, str]]:
    """The classes of a module that are given a configuration of the repository: which, and the parameter's name."""
    found: dict[ast.ClassDef, tuple[LocalClass, str]] = {}
    for model in constructors.models(view):
        own = _config_class(model)
        if own is None:
            continue
        for run in constructors.runs(model):
            if run.of.view is view and run.function.name == constructors.INIT:
                name = _passed(run)
                if name:
                    found.setdefault(run.of.node, (own, name))
    return found


def _config_class(model: LocalClass) -> LocalClass | None:
    """The configuration of a model, if it is one of the repository."""
    values = model.view.evaluator.class_attribute(model, _CLASS, instance=False)
    own = [each for each in values if is_own(each)]
    if len(own) == len(values) == 1:
        return own[0]  # type: ignore[return-value]
    return None


def _passed(run: Run) -> str:
    """The parameter of a constructor that gets the model's configuration as it is; "" where none does."""
    parameters = [each.arg for each in [*run.function.args.posonlyargs, *run.function.args.args]][1:]
    if run.call is None or run.caller is None:
        return parameters[0] if parameters else ""
    outer = _passed(run.caller) or (_CONFIG if run.caller.function.name != constructors.INIT else "")
    for index, name in enumerate(parameters):
        given = CallSite(run.caller.of.view, run.call).argument(name, index)
        if given is not None and outer and ast.unparse(given) in (outer, f"self.{_CONFIG}"):
            return name
    return ""


def _configuration(
    view: ModuleView, node: ast.expr, holders: dict[ast.ClassDef, tuple[LocalClass, str]]
) -> LocalClass | None:
    """The configuration class of the repository that an expression is an object of."""
    own: set[LocalClass] = set()
    for value in view.values(node):
        if isinstance(value, Instance) and is_own(value.of):
            own.add(value.of)  # type: ignore[arg-type]
        elif isinstance(value, (Instance, External)):
            return None
        elif isinstance(value, Method) and value.name == _CONFIG and isinstance(value.owner, LocalClass):
            found = _config_class(value.owner)
            own |= {found} if found is not None else set()
    if own:
        return own.pop() if len(own) == 1 else None
    around = view.links.class_around(node)
    function = view.links.function_around(node)
    if around not in holders or function is None:
        return None
    of, name = holders[around]
    written = ast.unparse(node)
    if written == name and getattr(function, "name", "") == constructors.INIT:
        return of
    is_kept = any(
        isinstance(each, External) and each.name == "PreTrainedModel" for each in view.roots(LocalClass(view, around))
    ) or any(ast.unparse(each) == name for each in view.links.self_assignments(around).get(_CONFIG, ()))
    return of if written == f"self.{_CONFIG}" and is_kept else None


def _given(view: ModuleView) -> set[str]:
    """The attributes that a module gives to any object, or names in a call: they may be the configuration's."""
    found = {
        node.attr
        for node in view.tree.nodes.get(ast.Attribute, ())
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _CONFIG in ast.unparse(node.value)
    }
    for call in view.calls():
        if any(is_own(each) for each in call.callees) or call.name == constructors.LOAD:
            found |= {each.arg for each in call.node.keywords if each.arg is not None}
    return found


def _declares(own: LocalClass, name: str, depth: int = 0) -> bool:
    """Whether a configuration class gives its objects an attribute, or may."""
    for node in ast.walk(own.node):
        if isinstance(node, ast.Attribute) and node.attr == name and isinstance(node.ctx, ast.Store):
            return True
        if isinstance(node, (ast.FunctionDef, ast.arg, ast.keyword)) and name in (
            getattr(node, "name", ""),
            getattr(node, "arg", ""),
        ):
            return True
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
            return True
        if isinstance(node, ast.Constant) and node.value == name:
            return True
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("setattr", "self.__dict__.update", "self.update"):
            return True
    bases = own.view.evaluator.bases(own) if depth < 8 else []
    return any(_declares(each, name, depth + 1) for each in bases if isinstance(each, LocalClass))
