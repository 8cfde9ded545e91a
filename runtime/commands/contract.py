"""`v5lint-runtime contract`: whether this environment can do what transformers 5 asks of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

SUMMARY = "check versions, environment variables, cache, device and access before anything is trained"
WRITES = ("report.json",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("checkpoint", nargs="*", help="repositories to be read: their licence and access are checked")
    parser.add_argument("--space", type=float, default=1.0, metavar="GIB", help="free space that the cache must have")


def run(arguments: argparse.Namespace) -> int:
    """Check, print, and write the report."""
    from v5lint.runtime.contract import check_contract
    from v5lint.runtime.errors import UsageError
    from v5lint.runtime.report import RunReport

    if not 0 <= arguments.space < math.inf:
        raise UsageError(f"--space {arguments.space}: must be a number of GiB")
    contract = check_contract(checkpoints=tuple(arguments.checkpoint), required_gib=arguments.space)
    report = RunReport(checkpoint=" ".join(arguments.checkpoint) or None, checks=contract.results)
    report.show()
    if arguments.output:
        report.write(arguments.output)
    return report.exit_status
