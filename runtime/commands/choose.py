"""`v5lint-runtime choose`: a backbone by what it is for, with the reasons and the runners-up."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from v5lint.runtime.errors import UsageError
from v5lint.runtime.families import TASKS

if TYPE_CHECKING:
    import argparse

SUMMARY = "choose a backbone by task, resolution, licence and compute"
WRITES = ("report.json",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--task", choices=TASKS, default="classification")
    parser.add_argument("--resolution", metavar="PIXELS", help="side of a square, HEIGHTxWIDTH, or 'mixed'")
    parser.add_argument("--licence", help="a licence, 'permissive' or 'any'; by default permissive")
    parser.add_argument("--compute", metavar="GPU", help="GPU memory ('16GB') or 'cpu'; by default no limit")
    parser.add_argument("--batch-size", type=int, default=16, metavar="N", help="images in a training batch")
    parser.add_argument("--allow-gated", action="store_true", help="also weights for which access must be granted")


def run(arguments: argparse.Namespace) -> int:
    """Choose, print, and write the report."""
    from v5lint.runtime.backbones import choose_backbone
    from v5lint.runtime.report import RunReport

    try:
        choice = choose_backbone(
            task=arguments.task,
            resolution=resolution_of(arguments.resolution),
            licence=arguments.licence,
            compute=arguments.compute,
            batch_size=arguments.batch_size,
            allow_gated=arguments.allow_gated,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    print(choice)
    if arguments.output:
        runners = [{"checkpoint": next_.backbone.id, "reason": next_.reason} for next_ in choice.runners_up]
        RunReport(
            family=choice.backbone.family_name,
            checkpoint=choice.backbone.id,
            metrics={"reasons": choice.reasons, "runners_up": runners},
        ).write(arguments.output)
    return 0


def resolution_of(text: str | None) -> int | tuple[int, int] | Literal["mixed"] | None:
    """What `--resolution` says: a side in pixels, height and width, or `mixed`.

    Raises:
        UsageError: It is none of these.
    """
    if text is None:
        return None
    if text == "mixed":
        return "mixed"
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if match is None or not int(match[1]) or match[2] == "0":
        raise UsageError(f"--resolution {text}: must be a number of pixels, HEIGHTxWIDTH, or 'mixed'")
    return int(match[1]) if match[2] is None else (int(match[1]), int(match[2]))
