"""The model card of a fine-tune: what it was made from, on which data, how good it is, and which checks it passed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from huggingface_hub import EvalResult, ModelCardData

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from v5lint.runtime.config import FinetuneConfig
    from v5lint.runtime.report import RunReport

_RECIPE = (
    "method",
    "lora_r",
    "lora_alpha",
    "lora_dropout",
    "epochs",
    "max_steps",
    "batch_size",
    "gradient_accumulation",
    "rate",
    "weight_decay",
    "warmup",
    "scheduler",
    "optimizer",
    "augmentation",
    "seed",
)


def model_card(
    config: FinetuneConfig,
    report: RunReport,
    labels: Sequence[str],
    images: Mapping[str, int | None],
    licence: str | None,
) -> str:
    """The card as Markdown, with the front matter that the Hub reads.

    Args:
        config: The options of the run.
        report: What the run measured.
        labels: Class names.
        images: Number of images by split; `None` for a stream.
        licence: Of the base model, where it is known.
    """
    scores = {name: value for name, value in report.metrics.items() if isinstance(value, float)}
    name = f"{config.checkpoint.rstrip('/').rpartition('/')[2]} fine-tuned ({config.method})"
    data = ModelCardData(
        base_model=config.checkpoint,
        library_name="peft" if config.method == "lora" else "transformers",
        license=licence,
        pipeline_tag="image-classification",
        tags=["v5lint"],
        model_name=name,
        eval_results=[
            EvalResult(
                task_type="image-classification",
                dataset_type="image-folder",
                dataset_name=config.data,
                metric_type=metric,
                metric_value=round(value, 6),
            )
            for metric, value in scores.items()
        ],
    )
    shown = f"{report.trainable_parameters:,} of {report.total_parameters:,}" if report.total_parameters else "unknown"
    sections = [
        f"---\n{data.to_yaml()}\n---\n\n# {name}",
        f"{report.family} image classifier on top of `{config.checkpoint}`, {shown} parameters trained.",
        f"## Data\n\n`{config.data}`: "
        + ", ".join(f"{n} images for {s}" if n else s for s, n in images.items())
        + ".\n\n"
        f"{len(labels)} classes: {', '.join(labels[:50])}{', ...' if len(labels) > 50 else ''}.",
        "## Metrics\n\n" + _table(("metric", "evaluation"), [(n, f"{v:.4f}") for n, v in scores.items()]),
        "## Recipe\n\n" + _table(("option", "value"), [(n, str(getattr(config, n))) for n in _RECIPE]),
        "## Checks\n\n" + _table(("check", "status", "detail"), [(c.name, c.status, c.detail) for c in report.checks]),
        "## Versions\n\n" + _table(("library", "version"), list(report.versions.items())),
    ]
    return "\n\n".join(sections) + "\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "None."
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in lines
    )
