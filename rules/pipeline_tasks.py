"""V5106: the tasks that `pipeline` no longer knows."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules.knowledge import lookup
from v5lint.view.guards import CALL_ERRORS
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

#: What an unknown task raises, and its bases.
_ERRORS = CALL_ERRORS | {"KeyError", "LookupError"}

#: What stands in the names of the tasks.
PARTS = ("summarization", "translation", "text2text", "question-answering", "image-to-", "conversational", "vqa")


class RemovedPipelineTask(Rule):
    """A task that `pipeline` no longer knows.

    ## What it does

    Finds `pipeline("summarization")`, `pipeline(task="translation_en_to_fr")`, `text2text-generation`,
    `question-answering`, `visual-question-answering`, `image-to-text`, `image-to-image` and `conversational`, also
    where the task comes from a constant or a default. The classes of these pipelines are V5101.

    ## Why it breaks

    Measured on 5.23.0:

        KeyError: 'The task summarization has been removed from transformers. Use the `text-generation` pipeline with a
        chat model instead. ...'
        KeyError: "Unknown task conversational, available tasks are ['any-to-any', 'audio-classification', ...]"

    The tasks went in three releases: `conversational` in 4.42, those of sequence-to-sequence models and `image-to-text`
    in 5.0, `question-answering`, `visual-question-answering` and `image-to-image` in 5.3.

    ## Example

        summarizer = pipeline("summarization", model="facebook/bart-large-cnn")
        summary = summarizer(text, max_length=60)[0]["summary_text"]

    can be written with the model itself:

        tokenizer = AutoTokenizer.from_pretrained("facebook/bart-large-cnn")
        model = AutoModelForSeq2SeqLM.from_pretrained("facebook/bart-large-cnn")
        ids = model.generate(**tokenizer(text, return_tensors="pt", truncation=True), max_length=60)
        summary = tokenizer.decode(ids[0], skip_special_tokens=True)

    ## Fix safety

    There is no fix: the code around the call reads the pipeline's own result.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5106"
    name = "removed-pipeline-task"
    since = "5.0"
    tokens = ("pipeline",)
    beside = ("transformers", *PARTS)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        for call in module.calls(_names(module)):
            if not _is_of_transformers(call) or module.guards.is_ready(call.node, _ERRORS):
                continue
            for task, removal in _removed_tasks(module, call):
                message = f"`pipeline` knows no task `{task}` since transformers {removal.gone}"
                yield module.finding(
                    call.argument("task", 0) or call.node, f"{message}: {_advice(removal)}", since=removal.gone
                )


def _names(view: ModuleView) -> set[str]:
    """What a module calls the function."""
    found = {"pipeline"}
    for reference in view.imports("transformers"):
        if reference.binding is not None and reference.name == "pipeline":
            found.add(reference.binding.name)
    return found


def _is_of_transformers(call: CallSite) -> bool:
    return any(isinstance(each, External) and each.package == "transformers" for each in call.callees)


def _registered(view: ModuleView) -> set[object]:
    """The tasks that a module brings itself: `PIPELINE_REGISTRY.register_pipeline("summarization", ...)`."""
    return {task for call in view.calls({"register_pipeline"}) for task in _constants_of(call)}


def _constants_of(call: CallSite) -> list[object]:
    return [each.value for each in call.values_of("task", 0) if isinstance(each, Constant)]


def _removed_tasks(view: ModuleView, call: CallSite) -> list[tuple[str, Removal]]:
    found = {}
    own = _registered(view)
    for value in call.values_of("task", 0):
        if isinstance(value, Constant) and isinstance(value.value, str) and value.value not in own:
            removal = lookup.removed_task(value.value, view.settings.target)
            if removal is not None:
                found[value.value] = removal
    return sorted(found.items(), key=lambda each: each[0])


def _advice(removal: Removal) -> str:
    note = removal.note.rstrip(".")
    new = removal.replacement.new if removal.replacement is not None else ""
    return f"`{new}` comes nearest ({note})" if new else note[:1].lower() + note[1:]
