"""V5927: a tokenizer that is told about its EOS token alone, and forgets its BOS token."""

from __future__ import annotations

import ast

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.knowledge.lookup import Removal
from v5lint.rules.parts import arguments, library, members
from v5lint.rules.parts.arguments import Given
from v5lint.view.calls import CallSite
from v5lint.view.values import Constant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

_BOS, _EOS = "add_bos_token", "add_eos_token"
_LOADER = "from_pretrained"
_SINCE = "5.0"

#: Classes that put a BOS token first in 4.57, and that keep none since 5.0 where only the EOS token is spoken of.
_WITH_BOS = frozenset(
    "LlamaTokenizer LlamaTokenizerFast GemmaTokenizer GemmaTokenizerFast CohereTokenizer CohereTokenizerFast "
    "PreTrainedTokenizerFast".split()
)

#: What loads whatever a checkpoint needs, and the types of models whose tokenizers are of the classes above (read in
#: `TOKENIZER_MAPPING_NAMES` of 4.57.6).
_AUTO = "AutoTokenizer"
_TYPES = frozenset(
    """
    arcee aria aya_vision chameleon cohere cohere2 colpali deepseek_v2 deepseek_v3 deepseek_vl deepseek_vl_hybrid
    diffllama ernie4_5 ernie4_5_moe gemma gemma2 gemma3 gemma3_text gemma3n gemma3n_text idefics idefics2 idefics3 jamba
    janus jetmoe llama llama4 llama4_text llava llava_next llava_next_video llava_onevision ministral mistral mistral3
    mixtral mllama paligemma persimmon phi3 phimoe recurrent_gemma shieldgemma2 siglip2 t5gemma video_llava vipllava
    zamba zamba2
    """.split()
)

#: A family of `llama` with a tokenizer class of its own, whose BOS token stays.
_KEEPS = "codellama"

_GONE = Removal(f"{members.TOKENIZER}.{_EOS}", "parameter", "transformers", "", _SINCE, ["", "", "", "", ""])


class DroppedBosToken(Rule):
    """`add_eos_token` of a tokenizer without `add_bos_token` beside it.

    ## What it does

    Finds tokenizers that are loaded with `add_eos_token=` and without `add_bos_token=`, directly or by a dict, and
    `tokenizer.add_eos_token = ...` where nothing in the module sets `add_bos_token` as well; and code that asks
    `tokenizer.add_bos_token`. Classes whose tokenizers begin with no BOS token, or keep it (`CodeLlamaTokenizer`,
    `GPTNeoXTokenizer`), and checkpoints of other model types are left alone.

    ## Why it breaks

    Silently. What a tokenizer puts around a text stands in its `tokenizer.json`, and since 5.0 `add_bos_token` is False
    until somebody sets it, whatever that file does. Once one of the two is set, both count: the BOS token is gone.
    Measured on 4.57.6 and the same on 5.0.0, 5.4, 5.9, 5.15, 5.18 and 5.24, of a tokenizer of Llama, Gemma or Cohere
    (and of a `PreTrainedTokenizerFast`, which 4.57 left as it was):

        AutoTokenizer.from_pretrained(path)("hello").input_ids                       # [1, 31]    and [1, 31]
        AutoTokenizer.from_pretrained(path, add_eos_token=True)("hello").input_ids   # [1, 31, 2] and [31, 2]
        tokenizer.add_eos_token = True; tokenizer("hello").input_ids                 # [1, 31, 2] and [31, 2]
        tokenizer.add_eos_token = False; tokenizer("hello").input_ids                # [1, 31]    and [31]
        tokenizer.add_bos_token                                                      # True       and False

    A model that never saw a text without its BOS token is then trained and asked without it.

    ## Example

        tokenizer = LlamaTokenizer.from_pretrained(base_model, add_eos_token=True)

    becomes

        tokenizer = LlamaTokenizer.from_pretrained(base_model, add_eos_token=True, add_bos_token=True)

    ## Fix safety

    Unsafe: the configuration of a checkpoint may have switched the BOS token off. Both majors take the argument and the
    attribute. No fix where an attribute is asked: look at the ids (`tokenizer("").input_ids`).

    ## References

    - https://github.com/huggingface/transformers/blob/v5.24.0/src/transformers/tokenization_utils_tokenizers.py
      (`update_post_processor`)
    """

    code = "V5927"
    name = "dropped-bos-token"
    since = _SINCE
    tokens = (_BOS, _EOS)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for each in arguments.given(module, {_EOS}, _loaders, judge=lambda *_: _GONE):
            if isinstance(each, Given) and _is_alone(module, each):
                message = f"`{_EOS}=` alone drops the BOS token since transformers {_SINCE}, without a word"
                yield module.finding(each.node, f"{message}: pass `{_BOS}=True` as well", fix=_argument(each))
        for node in module.attributes({_BOS, _EOS}):
            if not _is_tokenizer(module, node) or module.guards.is_dead(node) or _is_given(module, node):
                continue
            if node.attr == _EOS and isinstance(node.ctx, ast.Store) and not _is_of_any_kind(module, node):
                message = f"setting `{_EOS}` alone drops the BOS token since transformers {_SINCE}, without a word"
                yield module.finding(node, f"{message}: set `{_BOS}` as well", fix=_statement(module, node))
            elif node.attr == _BOS and isinstance(node.ctx, ast.Load) and _is_known_and_decides(module, node):
                message = f"`{_BOS}` is False since transformers {_SINCE} until it is set, whatever the tokenizer does"
                yield module.finding(node, f'{message}: look at `tokenizer("").input_ids`')


def _is_alone(view: ModuleView, given: Given) -> bool:
    """Whether nothing says about the BOS token what is wanted, as far as it is seen.

    `add_eos_token=False` is written for every kind of checkpoint: it matters to those that begin with a BOS token.
    """
    if given.other(_BOS) is not None or given.call.is_open or _sets(view, _BOS):
        return False
    return given.constants != [False] or _AUTO not in library.loaders(given.call) or _is_known(given.call)


def _is_known(call: CallSite) -> bool:
    """Whether the type of the checkpoint is known that a call loads."""
    values = call.values_of("pretrained_model_name_or_path", 0)
    return bool(values) and all(
        isinstance(each, Constant) and lookup.checkpoint_model_type(str(each.value)) is not None for each in values
    )


def _loaders(call: CallSite, callee: Value) -> Iterator[str]:
    """A tokenizer's `from_pretrained`, of a class and a checkpoint that may put a BOS token first."""
    names = library.loaders(call)
    if names and all(each in _WITH_BOS or each == _AUTO for each in names) and _may_have_bos(call):
        yield members.TOKENIZER


def _may_have_bos(call: CallSite) -> bool:
    for value in call.values_of("pretrained_model_name_or_path", 0):
        if isinstance(value, Constant) and isinstance(value.value, str):
            model_type = lookup.checkpoint_model_type(value.value)
            if _KEEPS in value.value.lower() or (model_type is not None and model_type not in _TYPES):
                return False
    return True


def _sets(view: ModuleView, name: str) -> bool:
    """Whether a module sets an attribute of something, or names it as a string."""
    return any(isinstance(each.ctx, ast.Store) for each in view.attributes({name})) or f'"{name}"' in view.text


def _is_given(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether a module says about the BOS token what it wants: then nothing is left to a default."""
    if _sets(view, _BOS):
        return True
    return any(isinstance(each, ast.keyword) and each.arg == _BOS for each in view.tree.nodes.get(ast.keyword, ()))


def _is_tokenizer(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether an attribute is one of a tokenizer of transformers that may put a BOS token first."""
    if view.links.is_own_attribute(node):
        return False
    found = members.owners(view, node.value, ("tokenizer",))
    if found:
        return all(each.name in _WITH_BOS or each.name == members.TOKENIZER for each in found) and all(
            _may_have_bos(call) for call in _loads_of(view, node.value)
        )
    return members.is_untyped(view, node, "tok") and members.imports_transformers(view)


def _is_of_any_kind(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether the EOS token is switched off of a tokenizer that may be any: most have no BOS token."""
    statement = view.tree.parents[node]
    is_off = isinstance(statement, ast.Assign) and view.values(statement.value) == {Constant(False)}
    found = members.owners(view, node.value, ("tokenizer",))
    is_exact = bool(found) and all(each.is_exact for each in found)
    return is_off and not is_exact and not any(_is_known(call) for call in _loads_of(view, node.value))


def _loads_of(view: ModuleView, node: ast.expr) -> Iterator[CallSite]:
    """The call that loaded an object, where it is the only one that gave it its value."""
    made = view.links.defining_call(node)
    if made is not None and isinstance(made.func, ast.Attribute) and made.func.attr == _LOADER:
        yield CallSite(view, made)


def _is_known_and_decides(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether something is done with an attribute of what is known to be a tokenizer; in notebooks it is often shown.

    What is only called a tokenizer may be one of the repository, as code beside checkpoints has.
    """
    if not members.owners(view, node.value, ("tokenizer",)):
        return False
    parent = view.tree.parents[node]
    while isinstance(parent, (ast.Tuple, ast.List)):
        parent = view.tree.parents[parent]
    return not isinstance(parent, ast.Expr)


def _argument(given: Given) -> Fix | None:
    if given.entry is not None or not given.is_editable:
        return None

    def build() -> list[Edit]:
        from v5lint.edits.arguments import edit_arguments

        return [edit_arguments(given.view, given.call.node, append=[f"{_BOS}=True"])]

    return Fix(f"Pass `{_BOS}=True`", build, applicability="unsafe")


def _statement(view: ModuleView, node: ast.Attribute) -> Fix | None:
    """The fix that sets both, where the assignment has its lines to itself."""
    statement = view.tree.parents[node]
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None
    start = view.span(statement)[0]
    indent = view.text[view.text.rfind("\n", 0, start) + 1 : start]
    if indent.strip():
        return None

    def build() -> list[Edit]:
        from v5lint.edits.slices import newline_of

        written = f"{view.source(node.value)}.{_BOS} = True{newline_of(view.text)}{indent}"
        return [Edit(start, start, written)]

    return Fix(f"Set `{_BOS}`", build, applicability="unsafe")
