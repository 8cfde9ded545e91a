"""Training throughput of the reference fine-tune beside the plain recipes that people copy, in one run.

Two comparisons, each with the same images, the same model, the same adapter and the same device on both sides, one
after the other in every repeat:

* NaFlex: SigLIP 2's processor called on every image and transformers' default collator, which pad every image to the
  patch budget, beside batches of like length that are padded to their longest sequence.
* Fixed resolution: the transforms of PEFT's image classification notebook (torchvision's RandomResizedCrop, flip,
  ToTensor, Normalize; without torchvision the processor on every image) beside the runtime's.

    python benchmarks/runtime_throughput.py --repeats 5 --output benchmarks/results/runtime_throughput.json
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import io
import json
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasets
import numpy as np
import torch
import transformers
from PIL import Image
from transformers import Trainer, TrainingArguments, default_data_collator

from v5lint.runtime import attach_lora, load_config, load_model, load_processor
from v5lint.runtime.config import FinetuneConfig
from v5lint.runtime.data import ImageData, load_data
from v5lint.runtime.families import family_of
from v5lint.runtime.quiet import quiet_libraries
from v5lint.runtime.report import installed_versions
from v5lint.runtime.training import make_trainer
from v5lint.runtime.transforms import make_transforms

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPE = {"hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 3, "intermediate_size": 768}
KINDS = ["naflex", "fixed"]
CLASSES = ["a", "b", "c", "d"]


def make_images(folder: Path, count: int, seed: int = 0) -> Path:
    """JPEG pictures of many sizes, 64 to 640 pixels a side, a third of them smaller than the patch budget."""
    generator = np.random.default_rng(seed)
    cells = []
    for _ in range(count):
        width, height = np.exp(generator.uniform(np.log(64), np.log(640), 2)).astype(int)
        small = generator.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(small).resize((width, height)).save(file, format="JPEG")
        cells.append({"bytes": file.getvalue(), "path": None})
    labels = [index % len(CLASSES) for index in range(count)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=CLASSES)})
    datasets.Dataset.from_dict({"image": cells, "label": labels}, features=features).save_to_disk(str(folder))
    return folder


def make_checkpoint(folder: Path, naflex: bool) -> Path:
    """A small backbone with random weights, with the patch size and the resolution of the real ones."""
    statistics_ = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "do_resize": True, "do_rescale": True}
    processor: dict[str, Any] = {**statistics_, "do_normalize": True, "rescale_factor": 1 / 255, "resample": 2}
    if naflex:
        config = transformers.Siglip2VisionConfig(**SHAPE, patch_size=16, num_patches=256)
        transformers.Siglip2ForImageClassification(
            transformers.Siglip2Config(
                vision_config=config.to_dict(), text_config={"hidden_size": 64, "vocab_size": 64}
            )
        ).save_pretrained(folder)
        processor |= {"image_processor_type": "Siglip2ImageProcessor", "max_num_patches": 256, "patch_size": 16}
    else:
        transformers.ViTModel(transformers.ViTConfig(**SHAPE), add_pooling_layer=False).save_pretrained(folder)
        processor |= {"image_processor_type": "ViTImageProcessor", "size": {"height": 224, "width": 224}}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor), encoding="utf-8")
    return folder


def plain_trainer(checkpoint: Path, data: ImageData, arguments: TrainingArguments, naflex: bool) -> Trainer:
    """The recipe that people copy: a transform set on the data set, the default collator, an adapter."""
    processor = load_processor(checkpoint)
    if naflex:

        def of_image(image: Image.Image) -> dict[str, torch.Tensor]:
            return {name: tensor[0] for name, tensor in processor(image, return_tensors="pt").items()}

    elif importlib.util.find_spec("torchvision") is not None:
        from torchvision import transforms

        pipeline = transforms.Compose(
            [
                transforms.RandomResizedCrop(224),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(processor.image_mean, processor.image_std),
            ]
        )

        def of_image(image: Image.Image) -> dict[str, torch.Tensor]:
            return {"pixel_values": pipeline(image)}

    else:

        def of_image(image: Image.Image) -> dict[str, torch.Tensor]:
            return {"pixel_values": processor(image, return_tensors="pt")["pixel_values"][0]}

    def transform(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        items = [of_image(image.convert("RGB")) for image in rows["image"]]
        return {**{name: [item[name] for item in items] for name in items[0]}, "labels": rows["label"]}

    decoded = data.train.cast_column("image", datasets.Image()).with_transform(transform)
    model = attach_lora(load_model(checkpoint, labels=CLASSES)).train()
    return Trainer(model=model, args=arguments, train_dataset=decoded, data_collator=default_data_collator)


def our_trainer(checkpoint: Path, data: ImageData, config: FinetuneConfig) -> Trainer:
    """The reference fine-tune, without evaluations and checkpoints."""
    model_config, processor = load_config(checkpoint), load_processor(checkpoint)
    transforms = make_transforms(processor, family_of(model_config), model_config, config)
    model = attach_lora(load_model(checkpoint, labels=CLASSES)).train()
    trainer: Trainer = make_trainer(config, model, data, transforms)
    trainer.args.eval_strategy = trainer.args.save_strategy = transformers.IntervalStrategy.NO
    trainer.args.load_best_model_at_end = False
    return trainer


def measured(make: Callable[[], Trainer]) -> dict[str, float]:
    """Images a second of wall-clock time, and a second of processor time, of one training."""
    trainer = make()
    trainer.callback_handler.callbacks = [
        c for c in trainer.callback_handler.callbacks if type(c).__name__ != "PrinterCallback"
    ]
    gc.collect()
    wall, processor_time = time.perf_counter(), time.process_time()
    trainer.train()
    images = trainer.state.global_step * trainer.args.train_batch_size
    return {
        "images_per_second": images / (time.perf_counter() - wall),
        "images_per_cpu_second": images / (time.process_time() - processor_time),
    }


def compared(variants: dict[str, Callable[[], Trainer]], repeats: int) -> dict[str, Any]:
    """Every variant in every repeat; ratios to the first, repeat by repeat, with their median and range."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in variants}
    for _ in range(repeats):
        for name, make in variants.items():
            runs[name].append(measured(make))
    plain = next(iter(variants))
    result: dict[str, Any] = {}
    for name, figures in runs.items():
        result[name] = {"runs": figures}
        for unit in figures[0]:
            ratios = [own[unit] / other[unit] for own, other in zip(figures, runs[plain], strict=True)]
            result[name][unit] = {
                "median": statistics.median(figure[unit] for figure in figures),
                "ratio_to_plain": statistics.median(ratios),
                "ratio_range": [min(ratios), max(ratios)],
            }
    return result


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="the comparisons to run")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    quiet_libraries()
    torch.set_num_threads(options.threads)
    result: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(),
        "versions": installed_versions(),
        "options": {"repeats": options.repeats, "steps": options.steps, "batch_size": options.batch_size},
        "threads": options.threads,
        "torchvision": importlib.util.find_spec("torchvision") is not None,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = make_images(folder / "data", 3 * options.batch_size * options.steps // 2)
        for kind in options.kinds:
            checkpoint = make_checkpoint(folder / kind, kind == "naflex")
            result[kind] = compared(_variants(kind, checkpoint, images, folder / "out", options), options.repeats)
            for variant, figures in result[kind].items():
                wall, cpu = figures["images_per_second"], figures["images_per_cpu_second"]
                print(
                    f"{kind:7} {variant:28} {wall['median']:7.2f} images/s (x{wall['ratio_to_plain']:.3f}), "
                    f"{cpu['median']:7.2f} images/CPU-s (x{cpu['ratio_to_plain']:.3f}, "
                    f"{cpu['ratio_range'][0]:.3f} to {cpu['ratio_range'][1]:.3f})"
                )
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _variants(
    kind: str, checkpoint: Path, images: Path, output: Path, options: argparse.Namespace
) -> dict[str, Callable[[], Trainer]]:
    def config(**changed: Any) -> FinetuneConfig:
        return FinetuneConfig(
            checkpoint=str(checkpoint),
            data=str(images),
            output=str(output),
            max_steps=options.steps,
            batch_size=options.batch_size,
            progress=False,
            validate="off",
            **changed,
        )

    data = load_data(config())
    arguments = TrainingArguments(
        output_dir=str(output),
        max_steps=options.steps,
        per_device_train_batch_size=options.batch_size,
        learning_rate=5e-4,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
    )

    def plain() -> Trainer:
        return plain_trainer(checkpoint, data, arguments, kind == "naflex")

    def ours(**changed: Any) -> Callable[[], Trainer]:
        return lambda: our_trainer(checkpoint, data, config(**changed))

    if kind == "naflex":
        return {
            "plain": plain,
            "ours": ours(augmentation="none"),
            "ours, small images kept": ours(augmentation="none", upscale=False),
        }
    if importlib.util.find_spec("torchvision") is None:
        return {"plain": plain, "ours": ours(augmentation="none")}
    return {"plain": plain, "ours": ours(augmentation="basic", crop_area=0.08)}


if __name__ == "__main__":
    main()
