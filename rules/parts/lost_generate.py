"""Classes of a repository that are made for `generate`, and have lost it with their base (4.52)."""

from __future__ import annotations

import ast
import os.path

from v5lint.rules.parts import generating, hand_made, members
from v5lint.view.strings import is_super_call
from v5lint.view.values import External, Instance, LocalClass

#: The method that says that a class is made for `generate`.
PREPARE = generating.PREPARE

#: What lets a Seq2SeqTrainer call `generate`.
_BY_TRAINER = b"predict_with_generate"

#: How models are called that have the method from a copy, and that nobody lets generate.
_FILLS_MASKS = "ForMaskedLM"

#: What else a model may inherit from, none of which generates.
_PLAIN = frozenset({"torch", "abc", "typing", "builtins", "dataclasses"})


def is_to_generate(of: LocalClass) -> bool:
    """Whether a class generates, or will when it is given back what it has lost."""
    return generating.generates(of) or (is_lost(of) and may_generate(of))


def is_lost(of: LocalClass) -> bool:
    """Whether a class is made for `generate`, has none since 4.52, and is used by the repository."""
    is_made_for_it = any(isinstance(each, ast.FunctionDef) and each.name == PREPARE for each in of.node.body)
    return is_made_for_it and _is_model(of) and _is_used(of)


def _is_model(of: LocalClass) -> bool:
    """Whether a class inherits from models of transformers that do not generate, and from nothing that may."""
    view = of.view
    if generating.is_written_here(of, "generate") or not _is_known(of):
        return False
    names = [each.name for each in view.roots(of) if each.package == "transformers"]
    if any(map(generating.has_mixin, names)):
        return False
    return any(members.kind_of(name) == "model" and not name.startswith(("TF", "Flax")) for name in names)


def _is_known(of: LocalClass) -> bool:
    """Whether every base of a class is one of transformers, of PyTorch or of the repository, and has no other bases."""
    bases = of.view.evaluator.bases(of)
    if len(bases) != len(of.node.bases):
        return False
    for base in bases:
        if isinstance(base, LocalClass):
            if base == of or not _is_known(base):
                return False
        elif not isinstance(base, External) or base.package not in (*_PLAIN, "transformers"):
            return False
    return True


def _is_used(of: LocalClass) -> bool:
    """Whether the repository names a class as what it is: it makes or loads it, and gives it no `generate`."""
    views = [*hand_made.modules_with(of)]
    used = len(views) > 1
    for view in views:
        for mention in view.links.mentions(of.name):
            parent = view.tree.parents.get(mention)
            if isinstance(parent, ast.Attribute):
                if parent.attr in ("generate", "__bases__") and isinstance(parent.ctx, ast.Store):
                    return False
                if parent.attr == "register_for_auto_class":
                    return False
            if isinstance(parent, ast.ClassDef) and generating.generates(LocalClass(view, parent)):
                return False
            used = used or isinstance(parent, (ast.Call, ast.Attribute, ast.ClassDef, ast.Dict, ast.Tuple))
    return used


def may_generate(of: LocalClass) -> bool:
    """Whether a call of `generate` may be one of an object of a class, as far as it is known what the objects are."""
    project, settings = of.view.project, of.view.settings
    others = [*project.mentioning(b".generate(", of.view.path), *project.mentioning(_BY_TRAINER, of.view.path)]
    for file in [of.view.path, *others]:
        view = of.view if file == of.view.path else project.view(file, settings)
        if view is None or (view is not of.view and not project.are_linked(of.view.path, view)):
            continue
        if _BY_TRAINER.decode() in view.text:
            return True
        for call in view.calls({"generate"}):
            if not isinstance(call.func, ast.Attribute) or is_super_call(call.node, "generate"):
                continue
            values = view.values(call.func.value)
            kinds = [each.of for each in values if isinstance(each, Instance)]
            if any(isinstance(each, LocalClass) and _is_of(each, of) for each in kinds):
                return True
            is_unknown = not kinds and not any(isinstance(each, External) for each in values)
            if is_unknown and not of.name.endswith(_FILLS_MASKS):
                return True
    return False


def _is_of(one: LocalClass, of: LocalClass) -> bool:
    """Whether a class is another one, or inherits from it; a sibling sees it in a view of its own."""
    if one.name == of.name and os.path.realpath(one.view.path) == os.path.realpath(of.view.path):
        return True
    bases = one.view.evaluator.bases(one)
    return any(isinstance(each, LocalClass) and each != one and _is_of(each, of) for each in bases)
