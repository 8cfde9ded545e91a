"""Parameters of generation on configuration objects, and given to what makes or loads one."""

from __future__ import annotations

import ast

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library, members
from v5lint.view.values import Constant, External, LocalClass, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from v5lint.rule import Finding
    from v5lint.rules.parts.members import Owner
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_NEW = "generation_config"

#: Parameters that a family's configuration has of its own, whatever happens in generation: measured on 5.24 by asking
#: every configuration class.
_KEPT = {
    "max_length": {"audio-spectrogram-transformer", "fsmt"},
    "num_beams": {"fsmt"},
    "early_stopping": {"fsmt"},
    "length_penalty": {"fsmt"},
    "temperature": {"tapas"},
    "suppress_tokens": {"whisper"},
    "begin_suppress_tokens": {"whisper"},
    "encoder_no_repeat_ngram_size": {"blenderbot"},
    "forced_eos_token_id": {
        *("bart", "blenderbot", "blenderbot-small", "fsmt", "marian", "mbart"),
        *("pegasus", "pegasus_x", "plbart", "pp_formulanet_text"),
    },
}

#: Those that were None under 4.57.6 until a checkpoint or a program set them: v5 passes over a None that is set.
NONE_BY_DEFAULT = frozenset(
    {
        *("bad_words_ids", "begin_suppress_tokens", "exponential_decay_length_penalty"),
        *("forced_bos_token_id", "forced_eos_token_id", "suppress_tokens"),
    }
)

#: Of those of a family the ones that only one has, and hardly ever: an unknown model is not one of those.
_RARE = frozenset({"max_length", "num_beams", "early_stopping", "length_penalty", "temperature"})

#: Those that `generate` took from there under 4.x and takes from the generation configuration alone now, though the
#: field is still there. Whisper's came from its generation_config.json all along.
OF_GENERATION = frozenset({"forced_eos_token_id", "encoder_no_repeat_ngram_size"})


def is_kept(owner: Owner, name: str) -> bool:
    """Whether the configuration of a class has a parameter of its own, or may have it."""
    kept = _KEPT.get(name)
    if kept is None:
        return False
    if not owner.is_exact:
        return name not in _RARE or "Audio" in owner.shown
    facts = lookup.class_facts(owner.name)
    return facts is not None and facts.model_type in kept


def says_nothing(view: ModuleView, name: str, value: ast.expr | None) -> bool:
    """Whether a parameter is set to the None that it was anyway, as far as its value is known."""
    return name in NONE_BY_DEFAULT and is_none(view, value)


def is_none(view: ModuleView, node: ast.expr | None) -> bool:
    """Whether all that is known of a value is that it is None, as of an option that is not given by default."""
    known = [] if node is None else [each for each in view.values(node) if not isinstance(each, Unknown)]
    return bool(known) and all(isinstance(each, Constant) and each.value is None for each in known)


def on_configurations(view: ModuleView, names: Collection[str], but: Collection[ast.Attribute]) -> Iterator[Finding]:
    """Parameters that are set on, or read from, a configuration that stands for itself: `config.num_beams = 4`.

    Args:
        view: the module.
        names: the parameters.
        but: attributes that are told otherwise.
    """
    stored = {
        (node.attr, ast.dump(node.value))
        for node in view.tree.nodes.get(ast.Attribute, ())
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if node.attr not in names or node in but or isinstance(node.ctx, ast.Del):
            continue
        owners = _owners(view, node.value)
        if not owners or any(is_kept(each, node.attr) for each in owners):
            continue
        if members.is_own_attribute(view, node) or members.is_prepared(view, node):
            continue
        shown = owners[0].shown
        if isinstance(node.ctx, ast.Store):
            parent = view.tree.parents[node]
            if isinstance(parent, ast.Assign) and says_nothing(view, node.attr, parent.value):
                continue
            message = (
                f"`generate` and `save_pretrained` refuse `{node.attr}` on a configuration since transformers 5.0: set "
                f"it on the model's `{_NEW}`"
            )
            yield view.finding(node, message)
        elif (node.attr, ast.dump(node.value)) not in stored:
            message = f"`{shown}` has no `{node.attr}` since transformers 5.0: it is in the model's `{_NEW}`"
            yield view.finding(node, message)


def in_calls(view: ModuleView, names: Collection[str]) -> Iterator[Finding]:
    """Parameters that a loader or a constructor is given: `AutoConfig.from_pretrained(name, num_beams=4)`."""
    for call, keyword in view.keywords(names):
        name = keyword.arg or ""
        if view.guards.is_dead(call.node) or says_nothing(view, name, keyword.value):
            continue
        made = _made(call)
        if made is None or any(is_kept(each, name) for each in made):
            continue
        shown = made[0].shown
        if made[0].kind == "model":
            said = f"`{shown}.from_pretrained` takes no `{name}` since transformers 5.0 (TypeError)"
        else:
            said = f"`{shown}` drops `{name}` since transformers 5.0, and nothing is said"
        yield view.finding(keyword, f"{said}: set it on the model's `{_NEW}`")


def is_configuration(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is a configuration of transformers, and of no class of the repository."""
    return bool(_owners(view, node))


def _owners(view: ModuleView, node: ast.expr) -> list[Owner]:
    """The configurations of transformers that an expression is; none where it may be one of the repository."""
    found = members.owners(view, node, ("config",))
    return [] if any(_is_open(each) for each in found) else found


def _is_open(owner: Owner) -> bool:
    """Whether a configuration is one of the repository, or of a class that its annotation does not name."""
    return isinstance(owner.of, LocalClass) or owner.shown in members.BASES_OF_CONFIGS


def _made(call: CallSite) -> list[Owner] | None:
    """What a call makes, if it loads a model or a configuration of transformers, or constructs a configuration."""
    if call.name == "from_pretrained":
        found = [each for owner in call.owners({"from_pretrained"}) for each in _of(call, owner)]
    else:
        found = [each for callee in call.callees for each in _of(call, callee) if each.kind == "config"]
    return found or None


def _of(call: CallSite, of: object) -> Iterator[Owner]:
    if not isinstance(of, External) or of.package != "transformers":
        return
    for name in library.library_classes(call.view, of):
        kind = members.kind_of(name)
        if kind in ("model", "config") and name not in members.BASES_OF_CONFIGS:
            exact = lookup.kind_of(name) == kind
            yield members.Owner(name, name, kind, is_exact=exact, of=of)
