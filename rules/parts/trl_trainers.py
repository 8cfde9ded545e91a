"""The trainers of trl, which follow the Trainer of transformers with releases of their own."""

from __future__ import annotations

from v5lint.pins import admits_before, excludes_from
from v5lint.rules.knowledge.lookup import Removal
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast

    from v5lint.releases import Release
    from v5lint.view.module import ModuleView
    from v5lint.view.script import ScriptView

PACKAGE = "trl"

#: What replaces the trainers by its own.
_PATCHES = "unsloth"

#: The first release whose trainers take `processing_class=`.
_SINCE: Release = (0, 12)

#: The first release of trl whose trainer takes no `tokenizer=` any more.
#: (read in the wheels of 0.7 to 1.16; until then it was renamed, with a warning, since 0.12)
_GONE = {
    "BCOTrainer": "0.13", "CPOTrainer": "0.14", "DPOTrainer": "0.16", "GKDTrainer": "0.13",
    "IterativeSFTTrainer": "0.13", "KTOTrainer": "0.14", "NashMDTrainer": "0.13", "OnlineDPOTrainer": "0.14",
    "ORPOTrainer": "0.15", "PPOTrainer": "0.12", "PPOv2Trainer": "0.12", "RLOOTrainer": "0.14",
    "RewardTrainer": "0.15", "SFTTrainer": "0.16", "XPOTrainer": "0.13",
}  # fmt: skip

#: Trainers that became another class in the same release: not only the name of the argument changed.
_REMADE = frozenset({"PPOTrainer", "PPOv2Trainer"})


def is_trainer(view: ModuleView, of: object) -> bool:
    """Whether a class is a trainer of trl that took a tokenizer, in a release that may meet transformers 5.

    Not so in trl itself, nor beside unsloth, which replaces the trainers by its own that take either name.
    """
    if not isinstance(of, External) or of.package != PACKAGE or not took_tokenizer(of.name):
        return False
    return is_plain(view) and not is_of_old_release(view)


def is_plain(view: ModuleView) -> bool:
    """Whether trl's classes are trl's own in a module: not so in trl itself, nor beside what replaces them."""
    return not any(view.project.is_first_party(each, view.path) for each in (PACKAGE, _PATCHES)) and not any(
        view.imports(_PATCHES)
    )


def is_for_older(view: ModuleView, node: ast.AST, since: str) -> bool:
    """Whether code does not run with a release of trl, by a check of its version.

    Args:
        view: the module.
        node: a part of the code.
        since: the first release of trl that refuses what the code does.
    """
    return any(
        (truth := view.guards.version_truth(test, f"{since}.0", PACKAGE)) is not None and truth is not wanted
        for test, wanted in view.reach.conditions(node)
    )


def took_tokenizer(name: str) -> bool:
    """Whether a class of trl is a trainer that took a tokenizer."""
    return name in _GONE


def is_of_old_release(view: ModuleView | ScriptView) -> bool:
    """Whether the project requires a trl whose trainers know nothing of `processing_class=`."""
    required = view.project.required(PACKAGE, view.path)
    return bool(required) and all(excludes_from(each, _SINCE) for each in required)


def may_be_old(view: ModuleView) -> bool:
    """Whether the project says that it supports such a release beside newer ones."""
    return any(admits_before(each, _SINCE) for each in view.project.required(PACKAGE, view.path))


def is_remade(of: External) -> bool:
    """Whether a class of trl was another one before it followed the Trainer: what is written for it keeps to that."""
    return of.package == PACKAGE and of.name in _REMADE


def removed_tokenizer(name: str) -> Removal:
    """What took `tokenizer=` from a trainer."""
    advice = (
        ["", "", "", "", "The class is another one since trl 0.12: see its documentation."]
        if name in _REMADE
        else ["processing_class", "1", "4.46", "", ""]
    )
    return Removal(f"{PACKAGE}.{name}.tokenizer", "parameter", PACKAGE, "", _GONE[name], advice)
