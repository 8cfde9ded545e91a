"""Zero-shot classification with SigLIP as it was trained: prompts, lower case, 64 padded tokens, sigmoids.

SigLIP 2's documentation asks for the prompt "This is a photo of {label}." in lower case, and for texts that are padded
to 64 tokens whatever their length: the text tower has no mask and has seen nothing else. Padding to the longest text,
which is a tokenizer's usual way, moves the probabilities and raises nothing. Each probability is a sigmoid and stands
for its own label; they do not sum to 1.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import torch

from v5lint.runtime.errors import UsageError
from v5lint.runtime.features import image_embeddings, text_embeddings
from v5lint.runtime.roles import unwrap
from v5lint.runtime.tasks.predict import ranked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from v5lint.runtime.tasks.checkpoint import OpenCheckpoint
    from v5lint.runtime.tasks.images import ImageFiles
    from v5lint.runtime.tasks.predict import Prediction

PROMPT = "This is a photo of {label}."
"""The template of SigLIP 2's documentation."""
_TEXTS_AT_ONCE = 256
_SHOWN = 60
"""Characters of a text in a message."""


def zero_shot_images(
    dual_encoder: OpenCheckpoint,
    files: ImageFiles,
    labels: Sequence[str],
    *,
    template: str = PROMPT,
    top_k: int | None = None,
    batch_size: int = 32,
) -> Iterator[Prediction]:
    """Compare images with labels, a batch at a time; the texts are read once.

    Args:
        dual_encoder: From `open_checkpoint(..., "retrieval")`.
        files: From `find_images`.
        labels: What may be in an image.
        template: The text that a label becomes, with `{label}` in it.
        top_k: How many labels of each image; by default all.
        batch_size: Images in a batch.

    Yields:
        One prediction an image, in the order of the files, with the sigmoid of each label.

    Raises:
        UsageError: Labels or template cannot be used.
        DataError: An image cannot be decoded.
    """
    texts = embed_texts(dual_encoder, prompts(labels, template), normalize=True)
    shown = len(labels) if top_k is None else top_k
    for batch in files.batches(batch_size):
        logits = similarity_logits(dual_encoder, dual_encoder.inputs(batch.images), texts)
        yield from ranked(batch.paths, list(labels), logits.float().sigmoid(), shown)


def prompts(labels: Sequence[str], template: str = PROMPT) -> list[str]:
    """The text of each label, in lower case.

    Raises:
        UsageError: There are no labels, one is empty or given twice, or the template has no `{label}`.
    """
    if not labels:
        raise UsageError("no labels: name what may be in the images")
    if any(not label.strip() for label in labels):
        raise UsageError("a label is empty")
    repeated = sorted({label for label in labels if [other.lower() for other in labels].count(label.lower()) > 1})
    if repeated:
        raise UsageError(f"labels are given twice (upper and lower case are the same here): {', '.join(repeated)}")
    if "{label}" not in template:
        raise UsageError(f"the template {template!r} has no {{label}}")
    return [template.replace("{label}", label.strip()).lower() for label in labels]


def text_inputs(dual_encoder: OpenCheckpoint, texts: Sequence[str]) -> dict[str, torch.Tensor]:
    """Texts as SigLIP takes them: lower case, each padded to the length that its text tower was trained with.

    Returns:
        `input_ids`, [texts, 64].

    Raises:
        UsageError: A text is longer than that; it would be cut off.
    """
    tokenizer = dual_encoder.processor.tokenizer
    bare: Any = unwrap(dual_encoder.model)
    length = int(bare.config.text_config.max_position_embeddings)
    lowered = [text.lower() for text in texts]
    made = tokenizer(lowered, padding="max_length", max_length=length, return_tensors=None)["input_ids"]
    for text, tokens in zip(lowered, made, strict=True):
        if len(tokens) > length:
            shown = textwrap.shorten(text, _SHOWN, placeholder=" ...")
            raise UsageError(
                f"{shown!r} has {len(tokens)} tokens, and {dual_encoder.source} reads {length}: shorten it"
            )
    return {"input_ids": torch.tensor(made, device=dual_encoder.device)}


def embed_texts(dual_encoder: OpenCheckpoint, texts: Sequence[str], *, normalize: bool = False) -> torch.Tensor:
    """One embedding a text, [texts, D]."""
    parts = []
    with torch.inference_mode():
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            inputs = text_inputs(dual_encoder, texts[start : start + _TEXTS_AT_ONCE])
            parts.append(text_embeddings(dual_encoder.model, inputs, normalize=normalize))
    return torch.cat(parts)


def similarity_logits(
    dual_encoder: OpenCheckpoint, image_inputs: dict[str, torch.Tensor], texts: torch.Tensor
) -> torch.Tensor:
    """`logits_per_image` of the model, from texts that were embedded once.

    Args:
        dual_encoder: From `open_checkpoint(..., "retrieval")`.
        image_inputs: Of B images, from `inputs`.
        texts: Normalised embeddings of T texts, [T, D].

    Returns:
        Scaled and shifted cosines, [B, T].
    """
    bare: Any = unwrap(dual_encoder.model)
    with torch.inference_mode():
        images = image_embeddings(dual_encoder.model, image_inputs, normalize=True)
        logits: torch.Tensor = images @ texts.T * bare.logit_scale.exp() + bare.logit_bias
    return logits
