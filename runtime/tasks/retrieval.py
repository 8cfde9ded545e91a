"""Image-text retrieval: SigLIP's sigmoid loss, and recall at k in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from v5lint.runtime.tasks.zero_shot import embed_texts, similarity_logits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from v5lint.runtime.tasks.checkpoint import OpenCheckpoint
    from v5lint.runtime.tasks.pairs import Pairs

RECALL_AT = (1, 5)


def sigmoid_loss(logits: torch.Tensor, matches: torch.Tensor) -> torch.Tensor:
    """SigLIP's loss: every pair of an image and a text is a yes or a no of its own.

    With one match a row this is what `forward(..., return_loss=True)` of transformers computes. Unlike there, pairs
    that match beside the diagonal (the same caption twice in a batch, as class names give, or two captions of one
    image) are not trained apart.

    Args:
        logits: Of B images against T texts, [B, T], scaled and shifted.
        matches: Which of the pairs belong together, [B, T].

    Returns:
        The sum over all pairs, divided by B.
    """
    signs = matches.to(logits.dtype) * 2 - 1
    return -nn.functional.logsigmoid(signs * logits).sum() / len(logits)


def recall_at(similarity: torch.Tensor, matches: torch.Tensor, k: int) -> float:
    """The share of queries that find a match among their k best.

    A tie with a candidate that does not match counts against the query, so that collapsed embeddings, which are all
    alike, recall nothing, and NaN neither.

    Args:
        similarity: Of Q queries to N candidates, [Q, N].
        matches: Which candidates answer which query, [Q, N]; at least one each.
        k: How many of the best are looked at.
    """
    best = similarity.masked_fill(~matches, -torch.inf).amax(dim=1, keepdim=True)
    ahead = (~(similarity < best) & ~matches).sum(dim=1)  # NaN is not less: it counts against the query as well
    return float((ahead < k).double().mean())


def retrieval_metrics(
    similarity: torch.Tensor,
    text_index: Sequence[int],
    ks: Sequence[int] = RECALL_AT,
    image_index: Sequence[int] | None = None,
) -> dict[str, float]:
    """Recall in both directions.

    Args:
        similarity: Of N distinct images to T distinct texts, [N, T].
        text_index: The text of each pair, [P].
        ks: For which k.
        image_index: The image of each pair, [P]; by default each image has one text, so that P is N.

    Returns:
        `image_to_text_recall@k` and `text_to_image_recall@k`; an image is answered by any of its texts, and a text by
        any of its images.
    """
    matches = torch.zeros(similarity.shape, dtype=torch.bool)
    images = range(len(similarity)) if image_index is None else image_index
    matches[list(images), list(text_index)] = True
    directions = {"image_to_text": (similarity, matches), "text_to_image": (similarity.T, matches.T)}
    return {
        f"{direction}_recall@{k}": recall_at(scores, answers, k)
        for direction, (scores, answers) in directions.items()
        for k in ks
    }


def pair_logits(dual_encoder: OpenCheckpoint, pairs: Pairs, batch_size: int) -> torch.Tensor:
    """Logits of all distinct images against all distinct texts, [images, texts] in float32."""
    texts = embed_texts(dual_encoder, pairs.distinct_texts, normalize=True)
    rows = pairs.distinct_images
    parts = []
    for start in range(0, len(rows), batch_size):
        images = [pairs.image(row) for row in rows[start : start + batch_size]]
        parts.append(similarity_logits(dual_encoder, dual_encoder.inputs(images), texts).float().cpu())
    return torch.cat(parts)
