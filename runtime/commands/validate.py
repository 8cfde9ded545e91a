"""`v5lint-runtime validate`: the checks on an existing checkpoint or adapter, without a script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from v5lint.runtime.errors import UsageError

if TYPE_CHECKING:
    import argparse

SUMMARY = "check a checkpoint or an adapter, and the data that it is evaluated on"
HTML_FILE = "validation.html"
PICTURES = "pictures"
WRITES = (HTML_FILE, PICTURES, "report.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--model", required=True, help="folder of a checkpoint, a fine-tune or an adapter, or repository on the Hub"
    )
    parser.add_argument("--data", help="folder of class folders, .parquet file, saved data set or data set on the Hub")
    parser.add_argument("--base", help="base model of an adapter, where it has moved")
    parser.add_argument(
        "--task",
        choices=("classification", "retrieval", "dense"),
        default="classification",
        help="what the model is used for (default: classification)",
    )
    parser.add_argument("--checks", nargs="+", metavar="CHECK", help="which checks to run (default: all)")
    parser.add_argument("--group-column", metavar="COLUMN", help="column that must not be on both sides of the split")
    parser.add_argument("--device", help="cpu, cuda, ... (default: the accelerator, where there is one)")
    parser.add_argument("--dtype", default="float32", help="of the weights (default: float32)")
    parser.add_argument("--quantization", choices=("4bit", "8bit"), help="load the weights with bitsandbytes")


def run(arguments: argparse.Namespace) -> int:
    """Check, print, and write the report, as JSON, as HTML and with its pictures."""
    from v5lint.runtime.quiet import quiet_libraries

    quiet_libraries()
    from v5lint.runtime.checks.saved import validate_saved

    if arguments.data is None and arguments.group_column is not None:
        raise UsageError("--group-column names a column of --data, which was not given")
    report = validate_saved(
        arguments.model,
        arguments.data,
        task=arguments.task,
        base=arguments.base,
        checks=arguments.checks,
        group_column=arguments.group_column,
        device=arguments.device,
        dtype=arguments.dtype,
        quantization=arguments.quantization,
    )
    report.print()
    if arguments.output:
        report.as_run_report().write(arguments.output)
        report.to_html(arguments.output / HTML_FILE)
        report.write_pictures(arguments.output / PICTURES)
    return 1 if report.failed else 0
