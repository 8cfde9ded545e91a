"""`v5lint-runtime new`: one runnable training script for the backbone that was chosen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from v5lint.runtime.commands.choose import resolution_of
from v5lint.runtime.errors import UsageError
from v5lint.runtime.families import TASKS

if TYPE_CHECKING:
    import argparse

SUMMARY = "write a training script for a backbone, chosen by name or by what it is for"
WRITES = ("report.json",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("script", type=Path, help="the file to write")
    parser.add_argument("--task", choices=TASKS, default="classification")
    parser.add_argument("--checkpoint", help="the backbone; by default it is chosen by the options below")
    parser.add_argument("--resolution", metavar="PIXELS", help="side of a square, HEIGHTxWIDTH, or 'mixed'")
    parser.add_argument("--licence", help="a licence, 'permissive' or 'any'; by default permissive")
    parser.add_argument("--compute", metavar="GPU", help="GPU memory ('16GB') or 'cpu'; by default no limit")
    parser.add_argument("--data", default="data", metavar="DIR", help="where the script finds its data (default: data)")
    parser.add_argument("--results", default="output", metavar="DIR", help="where it writes to (default: output)")
    parser.add_argument("--overwrite", action="store_true", help="replace a script, and a report, that is there")


def run(arguments: argparse.Namespace) -> int:
    """Choose, check the environment, write the script, and the report."""
    from v5lint.runtime.backbones import choose_backbone
    from v5lint.runtime.contract import check_contract
    from v5lint.runtime.new import write_script
    from v5lint.runtime.report import RunReport

    reasons: tuple[str, ...] = ()
    checkpoint = arguments.checkpoint
    if checkpoint is None:
        try:
            choice = choose_backbone(
                task=arguments.task,
                resolution=resolution_of(arguments.resolution),
                licence=arguments.licence,
                compute=arguments.compute,
            )
        except ValueError as error:
            raise UsageError(str(error)) from error
        checkpoint, reasons = choice.backbone.id, choice.reasons
        print(choice)
    written = write_script(
        arguments.script,
        checkpoint,
        arguments.task,
        data=arguments.data,
        output=arguments.results,
        overwrite=arguments.overwrite,
    )
    contract = check_contract()
    print(f"{written.path}: {written.sentence}")
    for failure in contract.failures:
        print(f"before it can run: {failure.detail} {failure.remedy}")
    report = RunReport(
        family=written.family.name,
        checkpoint=checkpoint,
        metrics={
            "script": str(written.path),
            "task": arguments.task,
            "sentence": written.sentence,
            "licence": written.licence,
            "model_class": written.model_class,
            "processor_class": written.processor_class,
            "reasons": reasons,
        },
        checks=contract.results,
    )
    if arguments.output:
        report.write(arguments.output)
    return report.exit_status
