"""One vector an image, or one a text, in a Parquet file that is written as the model goes."""

# pyarrow has no types.
# mypy: disable-error-code="import-untyped,import-not-found"

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from v5lint.runtime.features import image_embeddings
from v5lint.runtime.tasks.writing import whole_file
from v5lint.runtime.tasks.zero_shot import embed_texts

if TYPE_CHECKING:
    from pathlib import Path

    from v5lint.runtime.tasks.checkpoint import OpenCheckpoint
    from v5lint.runtime.tasks.images import ImageFiles

Rows = tuple[Sequence[str], torch.Tensor]
"""Names [B] and embeddings [B, D] of a batch."""


def embed_images(
    opened: OpenCheckpoint, files: ImageFiles, *, normalize: bool = False, batch_size: int = 32
) -> Iterator[Rows]:
    """The pooled embedding of each image, a batch at a time: of the vision tower alone, never of both.

    Args:
        opened: From `open_checkpoint`, for any task.
        files: From `find_images`.
        normalize: Scale every embedding to length 1.
        batch_size: Images in a batch.

    Yields:
        Paths and embeddings [B, D] in float32, in the order of the files.
    """
    for batch in files.batches(batch_size):
        with torch.inference_mode():
            embeddings = image_embeddings(opened.model, opened.inputs(batch.images), normalize=normalize)
        yield [str(path) for path in batch.paths], embeddings.float().cpu()


def embed_text_lines(
    opened: OpenCheckpoint, texts: Sequence[str], *, normalize: bool = False, batch_size: int = 32
) -> Iterator[Rows]:
    """The embedding of each text, a batch at a time, from the text tower alone.

    Args:
        opened: From `open_checkpoint(..., "retrieval")`.
        texts: Put into lower case and padded as SigLIP was trained.
        normalize: Scale every embedding to length 1.
        batch_size: Texts in a batch.

    Yields:
        Texts and embeddings [B, D] in float32.
    """
    for start in range(0, len(texts), batch_size):
        part = texts[start : start + batch_size]
        yield part, embed_texts(opened, part, normalize=normalize).float().cpu()


def write_embeddings(rows: Iterable[Rows], path: Path, *, name: str, **metadata: str) -> tuple[int, int]:
    """Write embeddings to a Parquet file, a row group a batch; the file appears whole or not at all.

    Args:
        rows: From `embed_images` or `embed_text_lines`.
        path: The file.
        name: Of the column beside `embedding`: `image` or `text`.
        **metadata: What else the file says of itself, such as the checkpoint.

    Returns:
        Number and width of the embeddings.

    Raises:
        OutputError: It cannot be written; what stood there before is untouched.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = width = 0
    writer: Any = None
    with whole_file(path) as unfinished:
        try:
            for names, embeddings in rows:
                width = embeddings.shape[1]
                vectors = pa.FixedSizeListArray.from_arrays(pa.array(embeddings.numpy().reshape(-1)), width)
                table = pa.table({name: pa.array(list(names), pa.string()), "embedding": vectors})
                table = table.replace_schema_metadata(metadata)
                writer = writer or pq.ParquetWriter(unfinished, table.schema)
                writer.write_table(table)
                count += len(names)
        finally:
            if writer is not None:
                writer.close()
    return count, width
