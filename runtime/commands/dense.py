"""`v5lint-runtime dense`: patch features as maps, and a picture of their principal components."""

from __future__ import annotations

from typing import TYPE_CHECKING

from v5lint.runtime.errors import UsageError
from v5lint.runtime.tasks.options import add_image_arguments, add_model_arguments, images_from, open_from

if TYPE_CHECKING:
    import argparse

SUMMARY = "write the patch features of images as maps, and as pictures of their principal components"
WRITES = ("components", "features.safetensors", "report.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_model_arguments(parser, batch_size=8)
    add_image_arguments(parser)
    parser.add_argument(
        "--resolution", type=int, metavar="PIXELS", help="side of what the model sees (default: its own)"
    )
    parser.add_argument("--features", action="store_true", help="also write the maps, to features.safetensors")


def run(arguments: argparse.Namespace) -> int:
    """Compute the maps, write pictures and maps, and the report."""
    from v5lint.runtime.export import whole_folder
    from v5lint.runtime.inputs import patch_size_of
    from v5lint.runtime.tasks.dense import component_picture, feature_maps, principal_components
    from v5lint.runtime.tasks.writing import whole_file, write_report

    if not arguments.output:
        raise UsageError("--output is needed: the pictures are written there")
    files = images_from(arguments)
    opened = open_from(arguments, "dense")
    maps, names = [], []
    for batch in files.batches(arguments.batch_size):
        maps += feature_maps(opened, batch.images, resolution=arguments.resolution)
        names += batch.paths
    cell = patch_size_of(opened.model)[0]
    pictures = [f"{number:05}-{path.stem}.png" for number, path in enumerate(names)]
    with whole_folder(arguments.output / "components") as folder:
        for components, picture in zip(principal_components(maps), pictures, strict=True):
            component_picture(components, cell).save(folder / picture)
    if arguments.features:
        from safetensors.torch import save_file

        tensors = {str(path): features.contiguous() for path, features in zip(names, maps, strict=True)}
        with whole_file(arguments.output / "features.safetensors") as unfinished:
            save_file(tensors, unfinished, metadata={"checkpoint": arguments.checkpoint, "family": opened.family.name})
    shown = [
        {"image": str(path), "map": list(features.shape), "picture": f"components/{picture}"}
        for path, features, picture in zip(names, maps, pictures, strict=True)
    ]
    print(f"{arguments.output / 'components'}: {len(pictures)} pictures, a square of {cell} pixels a patch")
    write_report(arguments, opened, files, images=shown, patch=cell)
    return 0
