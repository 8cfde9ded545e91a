"""V5523: models of a repository that `generate` no longer comes to with their base."""

from __future__ import annotations

import ast
import os.path

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import generating, members
from v5lint.view.values import External, Instance, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Level
    from v5lint.view.module import ModuleView

_PREPARE = "prepare_inputs_for_generation"
_SINCE = "4.52"

#: What lets a Seq2SeqTrainer call `generate`.
_BY_TRAINER = b"predict_with_generate"

#: How models are called that have the method from a copy, and that nobody lets generate.
_FILLS_MASKS = "ForMaskedLM"

#: What else a model may inherit from, none of which generates.
_PLAIN = frozenset({"torch", "abc", "typing", "builtins", "dataclasses"})


class ModelWithoutGenerate(Rule):
    """A model that is made for `generate` and inherits from `PreTrainedModel` alone.

    ## What it does

    Finds classes of the repository that define `prepare_inputs_for_generation`, and whose bases are all known and lead
    to `PreTrainedModel`, or to that of a family (`BertPreTrainedModel`), but to no `GenerationMixin`. Left alone are
    classes with a `generate` of their own or that get one later, those to which a subclass adds the mixin, and those
    that nothing in the repository names: an Auto class gives remote code the mixin when it loads it.

    Where no call of `generate` in the repository may be one of an object of the class, it is only deprecated: v5 warns
    when such a model is built. Of a class that fills masks, a call must be known to be one.

    ## Why it breaks

    `PreTrainedModel` inherited from `GenerationMixin` until 4.51. Measured on 4.57.6 and 5.24.0:

        AttributeError: 'Writer' object has no attribute 'generate'

    ## Example

        class Writer(GPT2PreTrainedModel):
            def prepare_inputs_for_generation(self, input_ids, **kwargs):
                return {"input_ids": input_ids}

    becomes

        class Writer(GPT2PreTrainedModel, GenerationMixin):
            def prepare_inputs_for_generation(self, input_ids, **kwargs):
                return {"input_ids": input_ids}

    ## Fix safety

    Unsafe: the class has `generate` again, in every release, but its `forward` may be written for the caches of 4.x
    (V5510, V5512).

    ## References

    - https://github.com/huggingface/transformers/pull/37885
    """

    code = "V5523"
    name = "model-without-generate"
    since = "5.0"
    tokens = (f"def {_PREPARE}",)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for node in module.tree.nodes.get(ast.ClassDef, ()):
            assert isinstance(node, ast.ClassDef)
            if not any(isinstance(each, ast.FunctionDef) and each.name == _PREPARE for each in node.body):
                continue
            of = LocalClass(module, node)
            if module.guards.is_dead(node) or not _is_model(of) or not _is_used(of):
                continue
            message = (
                f"`{node.name}` has no `generate` since transformers {_SINCE}: "
                f"inherit from `{generating.MIXIN}`, behind the model's base"
            )
            level: Level = "breaks" if _may_generate(of) else "deprecated"
            finding = module.finding(node, message, fix=_fix(module, node), since=_SINCE, level=level)
            head = module.text.index("class", module.span(node)[0]) + len("class")
            finding.start = module.text.index(node.name, head)
            finding.end = finding.start + len(node.name)
            yield finding


def _is_model(of: LocalClass) -> bool:
    """Whether a class inherits from models of transformers that do not generate, and from nothing that may."""
    view = of.view
    if generating.is_written_here(of, "generate") or not _is_known(of):
        return False
    names = [each.name for each in view.roots(of) if each.package == "transformers"]
    if any(name == generating.MIXIN or lookup.is_subclass(name, generating.MIXIN) for name in names):
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
    views = [of.view]
    for file in of.view.project.all_importers(of.view.path, of.name):
        other = of.view.project.view(file, of.view.settings)
        views += [other] if other is not None else []
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


def _may_generate(of: LocalClass) -> bool:
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
            if not isinstance(call.func, ast.Attribute) or generating.is_super_call(call.node, "generate"):
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


def _fix(view: ModuleView, node: ast.ClassDef) -> Fix:
    def build() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        name = imports.use("transformers", generating.MIXIN, node)
        end = view.span(node.bases[-1])[1]
        return [Edit(end, end, f", {name}"), *imports.edits()]

    return Fix(f"Inherit from `{generating.MIXIN}`", build, applicability="unsafe")
