"""What the checks cost: those of a training against ten of its steps, and all of them with each one's share.

    python benchmarks/validation_cost.py --output benchmarks/results/validation-cost.json

For each family, a LoRA fine-tune of a tiny checkpoint on scikit-learn's digits, prepared by the checkpoint's own
processor. `in_training` is what the callback does in each training: `parameters`, `setup` and `split` on a sample
before it, `movement`, and at the end `parameters` and the answers of `split`. A step is that of the same model and
batch, its data included. CPU seconds of one thread, which other programs do not stretch; best of `--repeats`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from sklearn.datasets import load_digits
from torch.utils.data import Dataset

from v5lint.runtime.checks.callback import _SAMPLE
from v5lint.runtime.checks.movement import Recorder
from v5lint.runtime.checks.validation import CHECKS, make_subject
from v5lint.runtime.loading import load_model
from v5lint.runtime.lora import attach_lora
from v5lint.runtime.processors import load_processor
from v5lint.runtime.report import installed_versions
from v5lint.runtime.tiny import make_tiny_checkpoint, tiny_families

BEFORE = ("parameters", "setup", "split")
AFTER = ("parameters", "split")
STEPS = 10


class Digits(Dataset[dict[str, Any]]):
    """Pictures, prepared when they are fetched."""

    def __init__(self, start: int, count: int, processor: Any) -> None:
        data = load_digits()
        part = slice(start, start + count)
        self.labels = [int(label) for label in data.target[part]]
        self.images = [
            Image.fromarray((image * 15).astype(np.uint8)).convert("RGB").resize((48, 48))
            for image in data.images[part]
        ]
        self.processor = processor

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        made = self.processor(self.images[index], return_tensors="pt")
        return {**{name: tensor[0] for name, tensor in made.items()}, "labels": self.labels[index]}


def measure(family: str, batch_size: int, repeats: int) -> dict[str, Any]:
    """The cost for one family, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = make_tiny_checkpoint(family, folder)
        processor = load_processor(checkpoint)
        model = attach_lora(load_model(checkpoint, labels=10)).train()
        train, evaluation = Digits(0, 1400, processor), Digits(1400, 390, processor)
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-3)

        def subject(*, after: bool = False) -> Any:
            return make_subject(
                model, processor=processor, train_dataset=train, eval_dataset=evaluation, optimizer=optimizer,
                training=True, sample=_SAMPLE, trained=after, compared=after,
            )  # fmt: skip

        source = subject()
        indices = list(range(batch_size))

        def steps() -> None:
            for _ in range(STEPS):
                loss = model(**source.placed(source.train.batch(indices))).loss
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()

        def watched() -> None:
            recorder = Recorder(model)
            recorder.look_at_gradients(model, 0.0)
            recorder.look_at_gradients(model, 0.0)
            recorder.results(model)

        ten_steps = best(steps, repeats)
        shares = {name: best(lambda name=name: CHECKS[name](subject()), repeats) for name in BEFORE}
        shares["movement"] = best(watched, repeats)
        shares["at the end"] = best(lambda: [CHECKS[name](subject(after=True)) for name in AFTER], repeats)
        every = {name: best(lambda name=name: CHECKS[name](subject()), 1) for name in CHECKS}
    in_training = sum(shares.values())
    return {
        "ten_steps": round(ten_steps, 4),
        "in_training": round(in_training, 4),
        "ratio": round(in_training / ten_steps, 3),
        "shares": {name: round(seconds, 4) for name, seconds in shares.items()},
        "validate": round(sum(every.values()), 4),
        "validate_shares": {name: round(seconds, 4) for name, seconds in every.items()},
    }


def best(work: Any, repeats: int) -> float:
    """The shortest time of some runs, in seconds."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", default=tiny_families())
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    record: dict[str, Any] = {"versions": installed_versions(), "batch_size": arguments.batch_size, "families": {}}
    for family in arguments.families:
        record["families"][family] = found = measure(family, arguments.batch_size, arguments.repeats)
        print(f"{family:24} ten steps {found['ten_steps']:.3f} s, checks in training {found['in_training']:.3f} s "
              f"(x {found['ratio']:.2f}), validate {found['validate']:.2f} s", flush=True)  # fmt: skip
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
