"""V5810: requirements that hold a project to a release of transformers 5 which computes something else in silence."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules.parts import project_metadata as metadata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.metadata.requirement import Requirement
    from v5lint.rule import Finding
    from v5lint.rules.parts.project_metadata import AnyView

#: Releases, the newest first, with what they do wrong and what a project that meets it names; "" where nothing is.
_RELEASES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (">=5.16", "", ()),
    (
        ">=5.9,<5.16",
        "lose the layers of a bare checkpoint that is loaded into a model with a head: take 5.16 or newer",
        ("ViTFor", "DeiTFor", "IJepaFor", "ASTFor", "SegformerFor"),
    ),
    (">=5.5.4,<5.9", "", ()),
    (
        ">=5.2,<5.5.4",
        "divide the loss of accumulated batches twice: take 5.5.4 or newer",
        ("gradient_accumulation_steps",),
    ),
    (">=5.0,<5.2", "", ()),
)


class FaultyRelease(Rule):
    """A requirement holds the project to a release of transformers 5 that computes something else in silence.

    ## What it does

    Finds requirements on transformers, where the newest release of v5 that they admit is one of two spans, in a project
    that names what goes wrong there: 5.2.0 to 5.5.3 with `gradient_accumulation_steps`, and 5.9 to 5.15 with a class of
    ViT, DeiT, I-JEPA, AST or SegFormer that has a head.

    ## Why it breaks

    Nothing is raised. The Trainer of 5.2.0 to 5.5.3 has accelerate divide the loss of accumulated batches a second
    time: gradients are too small by the number of batches in all models but those that V5924 is about. From 5.9.0 to
    5.15 a checkpoint of the bare model (`google/vit-base-patch16-224-in21k`, or what `ViTModel` wrote) keeps no
    weight of a layer in `ViTForImageClassification`: 34 tensors of a tiny model start at random instead of 2, which the
    log alone says (5.8 and 5.16 find them).

    ## Example

        transformers==5.4.0

    may become

        transformers>=5.5.4

    ## Fix safety

    No fix: which newer releases the project runs on is not in the file.

    ## References

    - https://github.com/huggingface/transformers/releases
    """

    code = "V5810"
    name = "faulty-release"
    since = "5.2"
    tokens = metadata.TOKENS
    tokens_by_kind = metadata.TOKENS_BY_KIND
    kinds = metadata.KINDS

    def check(self, view: AnyView) -> Iterator[Finding]:
        """See Rule."""
        for requirement in metadata.requirements_of(view):
            if requirement.name != "transformers" or requirement.url or not metadata.admits_v5(view, requirement):
                continue
            fault = _fault(view, requirement)
            if fault:
                shown = metadata.written(view, requirement)
                message = f"the releases of transformers 5 that `{shown}` admits at the newest {fault}"
                yield metadata.finding(requirement, message)


def _fault(view: AnyView, requirement: Requirement) -> str:
    """What the newest release of v5 that a requirement admits does wrong in this project; "" where nothing is known."""
    for releases, fault, names in _RELEASES:
        if metadata.can_meet(requirement.specifier, releases):
            return fault if any(_names(view, name) for name in names) else ""
    return ""


def _names(view: AnyView, name: str) -> bool:
    """Whether a program or a script of the project names something."""
    project = view.project
    return bool(project.mentioning(name.encode(), view.path) or project.scripts_mentioning(name))
