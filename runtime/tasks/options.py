"""The options that the commands of this package share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from v5lint.runtime.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from v5lint.runtime.families import Task
    from v5lint.runtime.tasks.checkpoint import OpenCheckpoint
    from v5lint.runtime.tasks.images import ImageFiles


def add_model_arguments(parser: argparse.ArgumentParser, batch_size: int = 32) -> None:
    """Add the checkpoint and how it is loaded."""
    parser.add_argument(
        "checkpoint", help="folder of a checkpoint, a fine-tune or an adapter, or repository on the Hub"
    )
    parser.add_argument("--base", help="base model of an adapter, where it has moved")
    parser.add_argument("--batch-size", type=int, default=batch_size, metavar="N", help=f"(default: {batch_size})")
    parser.add_argument("--dtype", default="float32", help="of the weights (default: float32)")
    parser.add_argument("--device", help="cpu, cuda, ... (default: the accelerator, where there is one)")
    parser.add_argument("--quantization", choices=("4bit", "8bit"), help="load the weights with bitsandbytes")


def add_image_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the images and what to do with a broken one."""
    parser.add_argument("images", nargs="+", type=Path, help="files, or folders whose images are all taken")
    parser.add_argument("--skip-unreadable", action="store_true", help="leave out images that cannot be decoded")


def open_from(arguments: argparse.Namespace, task: Task) -> OpenCheckpoint:
    """Open the checkpoint that the options of `add_model_arguments` name."""
    from v5lint.runtime.quiet import quiet_libraries

    quiet_libraries()
    from v5lint.runtime.tasks.checkpoint import open_checkpoint

    if arguments.batch_size < 1:
        raise UsageError(f"--batch-size {arguments.batch_size}: must be at least 1")
    return open_checkpoint(
        arguments.checkpoint,
        task,
        base=arguments.base,
        dtype=arguments.dtype,
        device=arguments.device,
        quantization=arguments.quantization,
    )


def images_from(arguments: argparse.Namespace) -> ImageFiles:
    """The images that the options of `add_image_arguments` name."""
    from v5lint.runtime.tasks.images import find_images

    return find_images(arguments.images, skip_unreadable=arguments.skip_unreadable)


def skipped_note(files: ImageFiles) -> str:
    """What was left out, for a person; empty where nothing was."""
    if not files.unreadable:
        return ""
    return f"{len(files.unreadable)} of {len({*files.paths, *files.unreadable})} images were left out: " + "; ".join(
        files.unreadable.values()
    )
