"""`v5lint-runtime finetune`: the reference fine-tune, from options, a YAML or JSON file, or both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

SUMMARY = "fine-tune a vision backbone on labelled images: LoRA by default"


def parents() -> list[argparse.ArgumentParser]:
    """The options of the fine-tune, made from its dataclasses."""
    from v5lint.runtime.config import option_parser

    return [option_parser()]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the configuration file."""
    parser.add_argument("config", nargs="?", type=Path, metavar="FILE", help="YAML or JSON with the options by name")


def run(arguments: argparse.Namespace) -> int:
    """Fine-tune, and print the report."""
    from v5lint.runtime.quiet import quiet_libraries

    quiet_libraries()
    from v5lint.runtime.config import read_config
    from v5lint.runtime.distributed import is_main_process
    from v5lint.runtime.training import finetune

    given = {name: value for name, value in vars(arguments).items() if name != "config"}
    result = finetune(read_config(arguments.config, **given))
    if is_main_process():
        result.report.show()
        print(f"written to {result.output}")
    return result.report.exit_status
