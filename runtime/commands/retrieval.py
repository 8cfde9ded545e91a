"""`v5lint-runtime retrieval`: a LoRA fine-tune of a dual encoder on images and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from v5lint.runtime.errors import UsageError

if TYPE_CHECKING:
    import argparse

SUMMARY = "fine-tune SigLIP or SigLIP 2 on images and texts with LoRA, and measure recall"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options; those that are not given keep the defaults of `RetrievalConfig`."""
    import argparse

    missing = argparse.SUPPRESS
    parser.add_argument("checkpoint", help="a dual encoder: local folder, or repository on the Hub")
    parser.add_argument("data", help="images with metadata.csv, class folders, .parquet, saved data set, or Hub name")
    parser.add_argument("--tower", choices=("both", "vision", "text"), default=missing, help="adapted (default: both)")
    parser.add_argument("--lora-r", type=int, default=missing, metavar="R", help="rank (default: 16)")
    parser.add_argument("--lora-alpha", type=int, default=missing, metavar="A", help="scale (default: 16)")
    parser.add_argument("--lora-dropout", type=float, default=missing, metavar="P", help="(default: 0.1)")
    parser.add_argument("--epochs", type=float, default=missing, help="passes over the pairs (default: 3)")
    parser.add_argument("--batch-size", type=int, default=missing, metavar="N", help="pairs (default: 64)")
    parser.add_argument("--learning-rate", type=float, default=missing, metavar="RATE", help="(default: 5e-4)")
    parser.add_argument("--warmup", type=float, default=missing, metavar="SHARE", help="of the steps (default: 0.1)")
    parser.add_argument("--weight-decay", type=float, default=missing, metavar="D", help="(default: 0.01)")
    parser.add_argument("--bf16", action="store_true", help="compute in bfloat16")
    parser.add_argument("--eval-fraction", type=float, default=missing, metavar="SHARE", help="(default: 0.2)")
    parser.add_argument("--image-column", default=missing, help="(default: the only one of that type)")
    parser.add_argument("--text-column", default=missing, help="(default: text, caption, ..., or class names)")
    parser.add_argument("--template", default=missing, help="of a class name (default: 'This is a photo of {label}.')")
    parser.add_argument("--seed", type=int, default=missing, help="of split, adapter and order (default: 42)")
    parser.add_argument(
        "--validate",
        choices=("stop", "report", "off"),
        default=missing,
        help="checks: end the training where one fails, only report it, or leave them out (default: stop)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the results of an earlier run in output")
    parser.add_argument("--no-progress", dest="progress", action="store_false", help="show no progress bar")


def run(arguments: argparse.Namespace) -> int:
    """Train, check, measure, write the adapter, and the report."""
    from v5lint.runtime.quiet import quiet_libraries

    quiet_libraries()
    from v5lint.runtime.distributed import is_main_process
    from v5lint.runtime.tasks.retrieval_training import RetrievalConfig, finetune_retrieval

    if not arguments.output:
        raise UsageError("--output is needed: the adapter is written there")
    options = vars(arguments) | {"output": str(arguments.output)}
    result = finetune_retrieval(RetrievalConfig(**options))
    if is_main_process():
        result.report.show()
        print(f"adapter: {result.adapter}")
    return result.report.exit_status
