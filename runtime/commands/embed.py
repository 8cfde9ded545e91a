"""`v5lint-runtime embed`: pooled embeddings of images, or of texts, to Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from v5lint.runtime.errors import UsageError
from v5lint.runtime.tasks.options import add_image_arguments, add_model_arguments, images_from, open_from

if TYPE_CHECKING:
    import argparse

SUMMARY = "write one embedding an image (or a text) to embeddings.parquet"
WRITES = ("embeddings.parquet", "report.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_model_arguments(parser)
    add_image_arguments(parser)
    parser.add_argument("--texts", action="store_true", help="the files hold texts, one a line, in place of images")
    parser.add_argument("--normalize", action="store_true", help="scale every embedding to length 1")


def run(arguments: argparse.Namespace) -> int:
    """Embed, write the file, and the report."""
    from v5lint.runtime.commands.zero_shot import lines_of
    from v5lint.runtime.tasks.embed import embed_images, embed_text_lines, write_embeddings
    from v5lint.runtime.tasks.images import ImageFiles
    from v5lint.runtime.tasks.writing import write_report

    if not arguments.output:
        raise UsageError("--output is needed: embeddings.parquet is written there")
    options = {"normalize": arguments.normalize, "batch_size": arguments.batch_size}
    if arguments.texts:
        texts, files = [line for path in arguments.images for line in lines_of(path)], ImageFiles([])
        if not texts:
            raise UsageError(f"{', '.join(map(str, arguments.images))}: no text in it")
        opened = open_from(arguments, "retrieval")
        name, rows = "text", embed_text_lines(opened, texts, **options)
    else:
        files = images_from(arguments)
        opened = open_from(arguments, "dense")
        name, rows = "image", embed_images(opened, files, **options)
    path = arguments.output / "embeddings.parquet"
    said = {"checkpoint": arguments.checkpoint, "family": opened.family.name, "normalized": str(arguments.normalize)}
    count, width = write_embeddings(rows, path, name=name, **said)
    print(f"{path}: {count} embeddings of {width}")
    write_report(
        arguments, opened, files, embeddings=str(path), count=count, width=width, normalized=arguments.normalize
    )
    return 0
