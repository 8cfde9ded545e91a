"""Where rotary embeddings are set beside assignments: in loaders, by name; and the layers that read the base."""

from __future__ import annotations

import ast

from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import library, members
from v5lint.view.values import Constant, LocalClass, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

THETA = "rope_theta"
SCALING = "rope_scaling"
PARAMETERS = "rope_parameters"

#: Configurations with rotary parameters for each type of layer: what was `rope_theta` is that of full attention.
_BY_LAYER = frozenset({"Gemma3TextConfig", "Gemma3nTextConfig", "Olmo3Config"})
_FULL = "full_attention"

#: Of them those that began with one dict for all layers.
_OF_LATE = frozenset({"Olmo3Config"})

_CONFIG = "config"
_TEXT = "text_config"

#: Where the layers of models are: `transformers.models.llama.modeling_llama.LlamaAttention`.
_LAYERS = "transformers.models."


def keeps_theta(view: ModuleView, value: ast.expr | None) -> bool:
    """Whether the new dict holds what the old one did, or the base frequency: `{**config.rope_scaling, ...}`."""
    made = [value]
    if isinstance(value, ast.Name):
        made += [each.value for each in view.links.bindings_read(value)]
    return any(THETA in ast.unparse(each) or f".{SCALING}" in ast.unparse(each) for each in made if each is not None)


def place(name: str) -> str:
    """Where a configuration class has its base frequency: `rope_parameters["rope_theta"]`."""
    inner = f'["{_FULL}"]' if name in _BY_LAYER else ""
    return f'{PARAMETERS}{inner}["{THETA}"]'


def is_plain(name: str) -> bool:
    """Whether a configuration class has had its base frequency in that place in every release of v5."""
    return name not in _OF_LATE


def has_lost_theta(name: str, target: str) -> bool:
    """Whether a configuration class had a base frequency of its own and has it no more."""
    return lookup.removed_member(name, THETA, target) is not None


def in_loaders(view: ModuleView) -> Iterator[Finding]:
    """`from_pretrained(name, rope_scaling={...})`, of a model or of a configuration."""
    for call, keyword in view.keywords({THETA, SCALING}):
        if call.name != "from_pretrained" or view.guards.is_dead(call.node):
            continue
        if Constant(True) in call.values_of("trust_remote_code"):
            continue  # a configuration of the checkpoint's own may have both
        names = [name for name in library.loaders(call) if members.kind_of(name) in ("model", "config")]
        if not names or not all(_may_be_rotary(view, name) for name in names):
            continue
        if keyword.arg == SCALING:
            if keeps_theta(view, keyword.value):
                continue
            message = (
                f"`{SCALING}=` takes the place of all rotary parameters since transformers 5.0, and the model cannot "
                f'be built without a base frequency (TypeError): give `{PARAMETERS}=` with `"{THETA}"` in it'
            )
        elif all(members.kind_of(name) == "config" for name in names):
            message = f"`{THETA}=` is dropped since transformers 5.0, and nothing is said: give `{PARAMETERS}=`"
        else:
            message = f"`from_pretrained` takes no `{THETA}` since transformers 5.0 (TypeError): give `{PARAMETERS}=`"
        yield view.finding(keyword, message)


def _may_be_rotary(view: ModuleView, name: str) -> bool:
    """Whether a class may have rotary embeddings whose parameters are in one dict now."""
    if lookup.kind_of(name).startswith("auto_"):
        return True
    facts = lookup.class_facts(name)
    family = lookup.model_type(facts.model_type) if facts is not None and facts.model_type else None
    return family is not None and has_lost_theta(family.config, library.release_text(view.settings.target))


def in_text_configurations(view: ModuleView, node: ast.Attribute) -> str:
    """What has lost the base frequency, where it is read from the configuration for text in another one; else ""."""
    holder = node.value
    if isinstance(holder, ast.Call) and isinstance(holder.func, ast.Attribute):
        if holder.func.attr != f"get_{_TEXT}":
            return ""
        holder = holder.func
    elif not isinstance(holder, ast.Attribute) or holder.attr != _TEXT:
        return ""
    owners = members.owners(view, holder.value, ("config",))
    if any(isinstance(each.of, LocalClass) or each.shown in members.BASES_OF_CONFIGS for each in owners):
        return ""
    return f"{owners[0].shown}.{_TEXT}" if owners else ""


def in_layers(view: ModuleView, node: ast.Attribute) -> str:
    """The configuration class of which a subclass of a library layer reads the base frequency; else "".

    That is `config.rope_theta` in the constructor of a `class Mine(LlamaAttention)`, and `self.config.rope_theta`.
    """
    owner = view.links.class_around(node)
    if owner is None or not _is_given_configuration(view, node.value) or _has_own_configuration(view):
        return ""
    for root in view.roots(LocalClass(view, owner)):
        if root.path.startswith(_LAYERS) and members.kind_of(root.name) in ("", "model"):
            family = lookup.model_type(root.path.removeprefix(_LAYERS).partition(".")[0])
            if family is not None and has_lost_theta(family.config, library.release_text(view.settings.target)):
                return family.config
    return ""


def _is_given_configuration(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is the configuration that a layer was given, of which nothing else is known."""
    if isinstance(node, ast.Name):
        is_given = node.id == _CONFIG and any(each.kind == "parameter" for each in view.links.bindings_read(node))
        return is_given and all(isinstance(each, Unknown) for each in view.values(node))
    is_kept = isinstance(node, ast.Attribute) and node.attr == _CONFIG and isinstance(node.value, ast.Name)
    return is_kept and ast.unparse(node) == f"self.{_CONFIG}"


def _has_own_configuration(view: ModuleView) -> bool:
    """Whether a module knows a configuration class of the repository, which may have what the library's have not."""
    classes: list[ast.AST] = [*view.tree.nodes.get(ast.ClassDef, ())]
    if any(isinstance(each, ast.ClassDef) and each.name.endswith("Config") for each in classes):
        return True
    return any(
        alias.name.endswith("Config") and not _is_external(view, statement)
        for statement in view.tree.nodes.get(ast.ImportFrom, ())
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    )


def _is_external(view: ModuleView, statement: ast.ImportFrom) -> bool:
    return not statement.level and (statement.module or "").partition(".")[0] == "transformers"
