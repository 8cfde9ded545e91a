"""Fine-tune $backbone with LoRA to find images by text and texts by image.

Backbone: $sentence
Licence: $licence
Classes of transformers 5: $model_class, $processor_class
Written under transformers $transformers, peft $peft and torch $torch; it holds for every release of transformers 5.

Run it:  python $script
"""

from __future__ import annotations

import sys

from v5lint.runtime import RetrievalConfig, check_contract, finetune_retrieval

CONFIG = RetrievalConfig(
    checkpoint="$checkpoint",
    # Images with metadata.csv (file_name, text), or one folder of images a class.
    data="$data",
    output="$output",
    tower="both",
    lora_r=16,
    lora_alpha=16,
    lora_dropout=0.1,
    epochs=3,
    batch_size=64,
    learning_rate=5e-4,
    seed=42,
)


def main() -> int:
    """Train an adapter with SigLIP's sigmoid loss, and say what it recalls; 1 where a check has failed."""
    check_contract().raise_if_broken()
    result = finetune_retrieval(CONFIG)
    result.report.show()
    print(f"adapter: {result.adapter}")
    return result.report.exit_status


if __name__ == "__main__":
    sys.exit(main())
