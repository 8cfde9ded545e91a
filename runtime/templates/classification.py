"""Fine-tune $backbone with LoRA to classify images.

Backbone: $sentence
Licence: $licence
Classes of transformers 5: $model_class, $processor_class
Written under transformers $transformers, peft $peft and torch $torch; it holds for every release of transformers 5.

Run it:  python $script
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import load_dataset
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from transformers import Trainer, TrainingArguments, set_seed
from v5lint.runtime import (
    ValidationCallback,
    attach_lora,
    check_contract,
    load_model,
    load_processor,
)
from v5lint.runtime.data import decode_image
from v5lint.runtime.distributed import has_accelerator

CHECKPOINT = "$checkpoint"
# A folder with one folder of images a class.
DATA = "$data"
OUTPUT = Path("$output")
EPOCHS = 3
BATCH_SIZE = 32
LEARNING_RATE = 5e-4
SEED = 42


def main() -> None:
    """Train an adapter and the head, and save them with the class names."""
    check_contract().raise_if_broken()
    set_seed(SEED)

    # All of the folder: without data_files, a file named test-1.png would be in a split of its own.
    images = load_dataset("imagefolder", data_dir=DATA, data_files={"train": "**"})["train"]
    splits = images.train_test_split(test_size=0.2, stratify_by_column="label", seed=SEED)
    labels = images.features["label"].names

    # The model's own class and the processor of its own family; every tensor outside the head is from the checkpoint.
    processor = load_processor(CHECKPOINT)
    model = attach_lora(load_model(CHECKPOINT, labels=labels), r=16, lora_alpha=16, lora_dropout=0.1)
    model.print_trainable_parameters()

    def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        inputs = processor([decode_image(row["image"]) for row in rows], return_tensors="pt")
        return {**inputs, "labels": torch.tensor([row["label"] for row in rows])}

    def metrics(prediction: Any) -> dict[str, float]:
        chosen = np.argmax(prediction.predictions, axis=1)
        return {
            "accuracy": float(accuracy_score(prediction.label_ids, chosen)),
            "balanced_accuracy": float(balanced_accuracy_score(prediction.label_ids, chosen)),
        }

    arguments = TrainingArguments(
        output_dir=str(OUTPUT / "training"),
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=BATCH_SIZE,
        per_device_eval_batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="cosine",
        warmup_steps=0.1,  # below 1, a share of the steps
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="accuracy",
        remove_unused_columns=False,
        label_names=["labels"],
        report_to="none",
        use_cpu=not has_accelerator(),  # or several processes on CPUs each train alone
        dataloader_pin_memory=torch.cuda.is_available(),
        seed=SEED,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=splits["train"],
        eval_dataset=splits["test"],
        data_collator=collate,
        compute_metrics=metrics,
        # What raises nothing and costs accuracy: wrong statistics, frozen heads, leaking splits, lost tensors.
        callbacks=[ValidationCallback(output_dir=OUTPUT, processor=processor)],
    )
    trainer.train()
    trainer.log_metrics("eval", trainer.evaluate())

    if trainer.is_world_process_zero():
        adapter = OUTPUT / "adapter"
        model.save_pretrained(str(adapter))
        # PEFT saves no class names; `v5lint-runtime predict OUTPUT IMAGES` finds them here.
        (adapter / "labels.json").write_text(json.dumps({"labels": labels}), encoding="utf-8")


if __name__ == "__main__":
    main()
