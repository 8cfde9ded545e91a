"""`v5lint-runtime describe`: a backbone in one sentence, with what training it costs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

SUMMARY = "state task, licence and native resolution of a backbone, and what a LoRA step on it costs"
WRITES = ("report.json",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("checkpoint", help="name in the catalogue, local folder, or repository on the Hub")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="images in a training batch")
    parser.add_argument("--dtype", default="bfloat16", help="of the frozen weights and the activations")
    parser.add_argument("--labels", type=int, default=101, metavar="N", help="classes of the head")
    parser.add_argument("--rank", type=int, default=16, metavar="R", help="of the adapter")


def run(arguments: argparse.Namespace) -> int:
    """Describe, print, and write the report."""
    from v5lint.runtime.description import describe_backbone
    from v5lint.runtime.errors import UsageError
    from v5lint.runtime.report import RunReport

    for option in ("batch_size", "labels", "rank"):
        if getattr(arguments, option) < 1:
            raise UsageError(f"--{option.replace('_', '-')} {getattr(arguments, option)}: must be at least 1")
    try:
        found = describe_backbone(
            arguments.checkpoint,
            batch_size=arguments.batch_size,
            dtype=arguments.dtype,
            num_labels=arguments.labels,
            r=arguments.rank,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    print(found)
    if arguments.output:
        cost = asdict(found.cost) | {"dtype": str(found.cost.dtype), "memory_bytes": found.cost.memory_bytes}
        RunReport(
            family=found.family.name,
            checkpoint=found.name,
            trainable_parameters=found.cost.trainable,
            total_parameters=found.cost.parameters,
            metrics={
                "sentence": found.sentence,
                "licence": found.licence,
                "resolution": found.resolution,
                "backbone_parameters": found.parameters,
                "step": cost,
            },
        ).write(arguments.output)
    return 0
