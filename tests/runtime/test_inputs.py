from __future__ import annotations

import pytest
import torch
import transformers

from v5lint.runtime.errors import UsageError
from v5lint.runtime.inputs import sample_inputs

SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}


def test_a_model_of_any_size_is_shown_a_usual_one() -> None:
    """SegFormer's configuration has no image size."""
    sizes = {"hidden_sizes": [8, 8, 8, 8], "depths": [1, 1, 1, 1], "num_attention_heads": [1, 1, 1, 1]}
    model = transformers.SegformerForImageClassification(transformers.SegformerConfig(**sizes)).eval()
    inputs = sample_inputs(model)
    assert inputs["pixel_values"].shape == (2, 3, 224, 224)
    with torch.no_grad():
        assert model(**inputs).logits.shape[0] == 2


def test_a_model_that_takes_no_images_is_named() -> None:
    model = transformers.BertModel(transformers.BertConfig(**SMALL, vocab_size=50))
    with pytest.raises(UsageError, match=r"BertModel takes input_ids, not images: pass inputs="):
        sample_inputs(model)
