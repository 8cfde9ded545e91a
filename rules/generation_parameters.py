"""V5506: parameters of generation that are set on, or read from, the configuration of a model."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules import generation_defaults
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import given_parameters, library, members, named_settings
from v5lint.view.values import LocalClass, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_CONFIG = "config"
_NEW = "generation_config"
_TASKS = "task_specific_params"

#: What a model that generates inherits from: this, or a mixin of its own called so at its end.
_MIXIN = "GenerationMixin"

#: The trainer that generates, and what it calls its model.
_TRAINER, _PLAIN_TRAINER = "Seq2SeqTrainer", "Trainer"
_MODEL = "model"

#: The models made of two, their configurations, and what both call their parts.
_JOINED = ("EncoderDecoderModel", "VisionEncoderDecoderModel", "SpeechEncoderDecoderModel")
_JOINED_CONFIGS = tuple(each.replace("Model", "Config") for each in _JOINED)
_PARTS = ("encoder", "decoder")

#: Tokens that a model's configuration may go on holding: what `generate` took from there it takes no longer.
_TOKENS = frozenset({"decoder_start_token_id", "eos_token_id", "pad_token_id", "bos_token_id"})

#: What was False under 4.x, and is None until somebody sets it.
_FLAGS = frozenset({"do_sample", "early_stopping", "output_scores", "remove_invalid_values", "return_dict_in_generate"})

#: Numbers of which none is zero where somebody sets them.
_NEVER_ZERO = frozenset({"max_length", "num_beams", "num_beam_groups", "num_return_sequences"})

#: What an alternative can stand in without parentheses.
_LOOSE = (ast.Assign, ast.AnnAssign, ast.Call, ast.Dict, ast.FormattedValue, ast.keyword, ast.List, ast.Return)

_BEFORE = "4.36"
_parameters: set[str] = set()


class GenerationParameterOnConfig(Rule):
    """A parameter of generation that is set on, or read from, `model.config`.

    ## What it does

    Finds `model.config.max_length = 64` and its like (`num_beams`, `early_stopping`, `no_repeat_ngram_size`,
    `length_penalty`, ...) where the model is one of transformers, and where such a parameter is read; the same on a
    configuration that stands for itself, and where `from_pretrained` of either, or the constructor of a configuration,
    is given one. Fields that a family has of its own are left alone (`max_length` of AST, `suppress_tokens` of
    Whisper), and `self.model` of a trainer is taken for such a model where it inherits from `Seq2SeqTrainer`, or calls
    `self.model.generate`. Of models made of two, what is read from the configuration of a part
    (`model.config.decoder.max_length`) and not set there before. Beside them, the tokens that are set on the same
    configuration (`decoder_start_token_id`): `generate` took them from there only because the configuration had been
    changed.

    ## Why it breaks

    Measured on 5.23, in `generate` and in `save_pretrained`:

        ValueError: You have modified the pretrained model configuration to control generation We detected the following
        values set - {'max_length': 64}. This strategy to control generation is not supported anymore.
        ValueError: Some generation parameters are set in the model config.

    and where one is read:

        AttributeError: 'VisionEncoderDecoderConfig' object has no attribute 'max_length'
        AttributeError: 'TrOCRConfig' object has no attribute 'max_length'

    A model's `from_pretrained(name, max_length=64)` is a TypeError; that of a configuration, and its constructor, drop
    the parameter without a word: the texts have another length (measured on a small T5: 6 tokens under 4.57.6, 21 under
    5.24).

    ## Example

        model.config.decoder_start_token_id = tokenizer.cls_token_id
        model.config.max_length = 64

    becomes

        model.config.decoder_start_token_id = tokenizer.cls_token_id
        model.generation_config.decoder_start_token_id = model.config.decoder_start_token_id
        model.generation_config.max_length = 64

    ## Fix safety

    Unsafe: `generate` of v4 took all parameters from the configuration as soon as one of them was changed there, and
    those that the file does not name come from the checkpoint's generation_config.json now. Where one is read that the
    module does not set, the old default is written beside it (`model.generation_config.max_length or 20`): it is None
    in v5 until the checkpoint or the program sets it. A model that does not
    generate, as `BertModel` and `DecisionTransformerModel`, has no generation configuration either: no fix.

    ## References

    - https://huggingface.co/docs/transformers/generation_strategies
    """

    code = "V5506"
    name = "generation-parameter-on-config"
    since = "5.0"
    tokens = (f".{_CONFIG}.", f".{_CONFIG},", "from_pretrained", "Config(", "config.decoder.", "config.encoder.")

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        found: list[ast.Attribute] = []
        beside: list[ast.Attribute] = []
        for node in module.tree.nodes.get(ast.Attribute, ()):
            assert isinstance(node, ast.Attribute)
            if not isinstance(node.value, ast.Attribute) or node.value.attr != _CONFIG:
                continue
            if is_parameter(node.attr):
                is_ready = members.is_prepared(module, node) or _is_kept(module, node)
                is_of_ours = _is_of_model(module, node.value) or _is_of_trainer(module, node.value)
                if is_of_ours and not is_ready:
                    found.append(node)
            elif node.attr in _TOKENS and isinstance(node.ctx, ast.Store):
                beside.append(node)
        # A None that is set is refused by neither, and 4.x looked at it only where something else was set as well.
        stored = {
            ast.dump(each.value)
            for each in found
            if isinstance(each.ctx, ast.Store) and not _is_written_none(module, each)
        }
        for node in found:
            if _is_written_none(module, node) and ast.dump(node.value) not in stored:
                continue
            fix = _fix(module, node)
            idle = _never_generates(module, node.value)  # type: ignore[arg-type]
            if idle:
                fix = None
                message = (
                    f"a configuration has no `{node.attr}` since transformers 5.0, and `{idle}`, which does not "
                    f"generate, no `{_NEW}`: keep the number under a name of its own"
                )
            elif isinstance(node.ctx, ast.Store):
                is_unseen = _is_own_field(module, node) or _is_written_none(module, node)
                verb = "does not look at" if is_unseen else "refuses"
                is_open = given_parameters.is_none(module, _stored_value(module, node)) and not is_unseen
                but = " unless it is None" if is_open else ""
                message = (
                    f"`generate` {verb} `{node.attr}` on `{_CONFIG}` since transformers 5.0{but}: set it on `{_NEW}`"
                )
            else:
                message = f"a configuration has no `{node.attr}` since transformers 5.0: read it from `{_NEW}`"
                before = generation_defaults.DEFAULTS.get(node.attr)
                if before is not None:
                    message += f", where it is None unless it is set ({before!r} under 4.x)"
            yield module.finding(node, message, fix=fix)
        yield from _by_name(module)
        yield from _of_parts(module)
        yield from given_parameters.on_configurations(module, parameters(), found)
        yield from given_parameters.in_calls(module, parameters())
        for node in beside:
            if ast.dump(node.value) in stored and not _is_set_there(module, node):
                message = f"`generate` does not see `{node.attr}` on `{_CONFIG}`: set it on `{_NEW}`, too"
                yield module.finding(node, message, fix=_second_line(module, node))


def _stored_value(view: ModuleView, node: ast.Attribute) -> ast.expr | None:
    """What an attribute is set to, where that stands beside it."""
    parent = view.tree.parents[node]
    if isinstance(parent, ast.Assign) and node in parent.targets:
        return parent.value
    return parent.value if isinstance(parent, ast.AnnAssign) and parent.target is node else None


def _is_written_none(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether an attribute is set to the word None."""
    value = _stored_value(view, node)
    return isinstance(value, ast.Constant) and value.value is None


def _fix(view: ModuleView, node: ast.Attribute) -> Fix | None:
    """The parameter of the generation configuration, or the old default where that is None."""
    edit = Edit(*view.name_span(node.value), _NEW)  # type: ignore[arg-type]
    default = False if node.attr in _FLAGS else generation_defaults.DEFAULTS.get(node.attr)
    edits = [edit]
    if default is not None and not _is_set_before(view, node):
        if isinstance(view.tree.parents[node], ast.AugAssign):
            return None
        if isinstance(node.ctx, ast.Load):
            edits = _or_default(view, node, edit, default)
    return Fix(f"Use `{_NEW}`", edits, applicability="unsafe")


def _or_default(view: ModuleView, node: ast.Attribute, edit: Edit, default: float) -> list[Edit]:
    """What reads a parameter, with what it was under 4.x where nothing sets it."""
    parent = view.tree.parents[node]
    is_test = isinstance(parent, (ast.If, ast.While, ast.IfExp)) and parent.test is node
    if not default and (is_test or (isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not))):
        return [edit]
    start, end = view.span(node)
    text = view.text[start : edit.start] + _NEW + view.text[edit.end : end]
    before, after = "", f" or {default!r}"
    if default and node.attr not in _NEVER_ZERO:
        before, after = f"{default!r} if {text} is None else ", ""
    is_alternative = bool(after) and isinstance(parent, ast.BoolOp) and isinstance(parent.op, ast.Or)
    if not is_alternative and not isinstance(parent, _LOOSE):
        before, after = f"({before}", f"{after})"
    return [Edit(start, end, f"{before}{text}{after}")]


def _is_set_before(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether the module sets a parameter on a configuration of the same model itself."""
    assert isinstance(node.value, ast.Attribute)
    model = ast.dump(node.value.value)
    return any(
        isinstance(each, ast.Attribute)
        and each.attr == node.attr
        and isinstance(each.ctx, ast.Store)
        and not isinstance(view.tree.parents[each], ast.AugAssign)
        and not _is_written_none(view, each)
        and isinstance(each.value, ast.Attribute)
        and each.value.attr in (_CONFIG, _NEW)
        and ast.dump(each.value.value) == model
        for each in view.tree.nodes.get(ast.Attribute, ())
    )


def _of_parts(view: ModuleView) -> Iterator[Finding]:
    """Parameters that are read from the configuration of a part: `model.config.decoder.max_length`.

    What is set there in the same module can be read again. Setting it changed nothing for the model at hand under 4.x.
    """
    names = parameters()
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if node.attr not in names or not isinstance(node.ctx, ast.Load) or not _is_of_part(view, node.value):
            continue
        if members.is_prepared(view, node) or _is_set_on_part(view, node.attr):
            continue
        message = (
            f"the configurations of encoders and decoders have no `{node.attr}` since transformers 5.0: it is in the "
            f"`{_NEW}` of the model, where it is None unless it is set"
        )
        yield view.finding(node, message)


def _is_of_part(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is the configuration of the encoder or decoder of a model that is made of two."""
    if not isinstance(node, ast.Attribute):
        return False
    if not isinstance(node.value, ast.Attribute):
        return node.attr in _PARTS and _is_joined(view, node.value, ("config",))
    if node.attr in _PARTS:
        holder = node.value
        whole = holder.value if holder.attr == _CONFIG else None
        return (whole is not None and _is_joined(view, whole, ("model",))) or _is_joined(view, holder, ("config",))
    return node.attr == _CONFIG and node.value.attr in _PARTS and _is_joined(view, node.value.value, ("model",))


def _is_joined(view: ModuleView, node: ast.expr, kinds: tuple[str, ...]) -> bool:
    owners = members.owners(view, node, kinds)
    return bool(owners) and all(
        each.name in (*_JOINED, *_JOINED_CONFIGS) and not isinstance(each.of, LocalClass) for each in owners
    )


def _is_set_on_part(view: ModuleView, name: str) -> bool:
    """Whether a module sets a parameter on the configuration of a part itself."""
    return any(
        isinstance(each, ast.Attribute)
        and each.attr == name
        and isinstance(each.ctx, ast.Store)
        and isinstance(each.value, ast.Attribute)
        and (each.value.attr in _PARTS or each.value.attr == _CONFIG)
        for each in view.tree.nodes.get(ast.Attribute, ())
    )


def _by_name(view: ModuleView) -> Iterator[Finding]:
    """Parameters that are set by name: `model.config.update({...})`, `setattr(model.config, "max_length", 64)`."""
    for each in named_settings.settings(view, parameters()):
        if given_parameters.says_nothing(view, each.name, each.value):
            continue
        if _is_configuration(view, each.holder):
            message = f"`generate` refuses `{each.name}` on `{_CONFIG}` since transformers 5.0: set it on `{_NEW}`"
            yield view.finding(each.node, message)
    for call in view.calls({"update"}):
        func = call.func
        if not isinstance(func, ast.Attribute) or not call.args or not _are_of_task(view, call.args[0]):
            continue
        if _is_configuration(view, func.value) and not view.guards.is_dead(call.node):
            message = (
                f"`{_TASKS}` hold parameters that `generate` refuses on `{_CONFIG}` since transformers 5.0: update "
                f"the `{_NEW}` with them"
            )
            yield view.finding(call.node, message)


def _is_configuration(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is the configuration of a model of transformers, or one that is not a model's yet."""
    if isinstance(node, ast.Attribute) and node.attr == _CONFIG and _is_of_model(view, node):
        return True
    return given_parameters.is_configuration(view, node)


def _are_of_task(view: ModuleView, node: ast.expr, depth: int = 0) -> bool:
    """Whether an expression is taken out of `config.task_specific_params`."""
    if f"{_CONFIG}.{_TASKS}" in ast.unparse(node):
        return True
    names = [each for each in ast.walk(node) if isinstance(each, ast.Name)] if depth < 2 else []
    return any(
        each.value is not None and each.kind == "assign" and _are_of_task(view, each.value, depth + 1)
        for name in names
        for each in view.links.bindings_read(name)
    )


def is_parameter(name: str) -> bool:
    """Whether a model's configuration had a parameter that only a generation configuration has now."""
    return name in parameters()


def parameters() -> set[str]:
    """The parameters that a model's configuration had and that only a generation configuration has now."""
    if not _parameters:
        before = lookup.members(members.CONFIG, _BEFORE) or frozenset()
        now = lookup.members("GenerationConfig") or frozenset()
        of_configs = lookup.members(members.CONFIG) or frozenset()
        _parameters.update(each for each in before & now - of_configs if not each.startswith("_"))
        _parameters.difference_update(_TOKENS)
    return _parameters


def _is_of_model(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether `x.config` is that of a model of transformers that generates, or may."""
    owners = members.owners(view, node.value, ("model",))
    return (
        bool(owners) and not members.is_own_attribute(view, node) and not any(_has_own_config(each) for each in owners)
    )


def _is_of_trainer(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether `self.model.config` is read in a trainer that generates.

    That is one that inherits from `Seq2SeqTrainer`, or a `Trainer` that calls `self.model.generate` itself.
    """
    held = node.value
    owner = view.links.class_around(node)
    if not isinstance(held, ast.Attribute) or held.attr != _MODEL or owner is None:
        return False
    if ast.unparse(held.value) != "self" or _MODEL in view.links.self_assignments(owner):
        return False
    classes = library.library_classes(view, LocalClass(view, owner))
    if any(lookup.is_subclass(each, _PLAIN_TRAINER) for each in classes) and _lets_generate(owner):
        return True
    return any(lookup.is_subclass(each, _TRAINER) for each in classes)


def _lets_generate(owner: ast.ClassDef) -> bool:
    """Whether a class calls `self.model.generate`."""
    return any(
        isinstance(each, ast.Call) and ast.unparse(each.func) == f"self.{_MODEL}.generate" for each in ast.walk(owner)
    )


def _is_own_field(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether the configuration of the model has such a field of its own, and goes on having it."""
    assert isinstance(node.value, ast.Attribute)
    owners = members.owners(view, node.value.value, ("model",))
    return any(given_parameters.is_kept(each, node.attr) for each in owners)


def _is_kept(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether reading or setting a field goes on meaning what it meant."""
    if not _is_own_field(view, node):
        return False
    return isinstance(node.ctx, ast.Load) or node.attr not in given_parameters.OF_GENERATION


def _never_generates(view: ModuleView, node: ast.Attribute) -> str:
    """The model whose `x.config` it is, where it has no generation configuration; "" of all others."""
    owners = members.owners(view, node.value, ("model",))
    for each in owners:
        bases = lookup.ancestors(each.name, library.release_text(view.settings.target))
        if not each.is_exact or isinstance(each.of, LocalClass) or any(base.endswith(_MIXIN) for base in bases):
            return ""
    return owners[0].shown if owners else ""


def _has_own_config(owner: members.Owner) -> bool:
    """Whether a model of the repository has a configuration class of the repository, with parameters of its own."""
    if not isinstance(owner.of, LocalClass):
        return False
    found = owner.of.view.evaluator.class_attribute(owner.of, "config_class", instance=False)
    return any(isinstance(each, (LocalClass, Unknown)) for each in found)


def _is_set_there(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether a module sets a token on the generation configuration as well."""
    for each in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(each, ast.Attribute)
        if (
            each.attr == node.attr
            and isinstance(each.ctx, ast.Store)
            and isinstance(each.value, ast.Attribute)
            and each.value.attr == _NEW
        ):
            return True
    return False


def _second_line(view: ModuleView, node: ast.Attribute) -> Fix | None:
    statement = view.tree.parents[node]
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    start, end = view.span(statement)
    line = view.offset(statement.lineno, 0)
    newline = view.text.find("\n", end)
    newline = len(view.text) if newline < 0 else newline
    rest = view.text[end:newline].strip()
    indent = view.text[line:start]
    if indent.strip() or (rest and not rest.startswith("#")) or not isinstance(node.value, ast.Attribute):
        return None
    model = view.source(node.value.value)
    ending = "\r\n" if view.text[newline - 1 : newline] == "\r" else "\n"
    at = newline - 1 if ending == "\r\n" else newline
    text = f"{ending}{indent}{model}.{_NEW}.{node.attr} = {model}.{_CONFIG}.{node.attr}"
    return Fix(f"Set it on `{_NEW}`, too", [Edit(at, at, text)], applicability="unsafe")
