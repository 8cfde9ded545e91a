"""`v5lint-runtime demo`: the fine-tune and its checks on a tiny checkpoint, without a network."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from v5lint.runtime.families import all_families

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from v5lint.runtime.report import RunReport

SUMMARY = "fine-tune a tiny checkpoint on handwritten digits and run all checks, in seconds and offline"
_FAMILY = "vit"  # no default of the option: argparse would take one that is given for one that is not


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--family", choices=list(all_families()), help=f"(default: {_FAMILY})")
    which.add_argument("--all", action="store_true", help="every family, as a table")
    parser.add_argument("--overwrite", action="store_true", help="replace the results of an earlier run in --output")


def run(arguments: argparse.Namespace) -> int:
    """Run the demonstration in `--output`, or in a folder that is gone afterwards."""
    if arguments.output:
        return _demonstrate(arguments, arguments.output)
    with tempfile.TemporaryDirectory(prefix="v5lint-demo-") as folder:
        return _demonstrate(arguments, Path(folder))


def _demonstrate(arguments: argparse.Namespace, folder: Path) -> int:
    from v5lint.runtime.demo import demo_all, run_demo
    from v5lint.runtime.quiet import quiet_libraries

    quiet_libraries()
    if not arguments.all:
        report = run_demo(arguments.family or _FAMILY, folder, overwrite=arguments.overwrite)
        report.show()
        return report.exit_status
    return _table(list(_shown(demo_all(folder, overwrite=arguments.overwrite))))


def _shown(reports: Iterator[RunReport]) -> Iterator[RunReport]:
    """Say at once what takes seconds a family."""
    for report in reports:
        print(f"{report.family}: {'failed' if report.failed else 'done'}", file=sys.stderr)
        yield report


def _table(reports: Sequence[RunReport]) -> int:
    from rich.console import Console
    from rich.table import Column, Table

    named = [Column(name, no_wrap=True) for name in ("family", "trained", "loss", "accuracy", "seconds")]
    table = Table(*named, "checks")
    for report in reports:
        trained = [loss.loss for loss in report.losses if loss.split == "train"]
        counts = Counter(check.status for check in report.checks)
        if not trained:
            table.add_row(str(report.family), *[""] * 4, "; ".join(check.detail for check in report.checks))
            continue
        share = 100 * (report.trainable_parameters or 0) / (report.total_parameters or 1)
        table.add_row(
            str(report.family),
            f"{share:.2f} %",
            f"{trained[0]:.3f} -> {trained[-1]:.3f}",
            f"{report.metrics['accuracy']:.3f}",
            f"{report.metrics['seconds']:.1f}",
            ", ".join(f"{count} {status}" for status, count in counts.items()) or "none",
        )
    console = Console()
    console.print(table)
    for report in reports:
        if report.failed:
            console.print(f"{report.family}:")
            report.show(console)
    return max(report.exit_status for report in reports)
