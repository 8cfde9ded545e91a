"""Reads the releases in order and writes the data file."""

from __future__ import annotations

from pathlib import Path

from v5lint.rules.knowledge.collect.classes import Classes, read_classes
from v5lint.rules.knowledge.collect.history import short_releases
from v5lint.rules.knowledge.collect.model_types import read_model_types
from v5lint.rules.knowledge.collect.namespace import Namespace
from v5lint.rules.knowledge.collect.processors import Processors
from v5lint.rules.knowledge.collect.wheels import as_wheel, read_wheel
from v5lint.rules.knowledge.store import pack


def early(folder: Path, releases: list[str], target: Path) -> None:
    classes, processors = Classes(), Processors()
    before = None
    sections: dict[str, list[str]] = {"packages": [f"transformers\t{releases[0]}\t{releases[-1]}"]}
    types = {}
    for release in releases:
        before = read_wheel("transformers", release, folder, before)
        namespace = Namespace(as_wheel("transformers", release, before))
        classes.add(namespace)
        processors.add(namespace)
        if release in ("4.57.6", releases[-1]):
            types[release] = read_model_types(namespace, read_classes(namespace))
    names = short_releases(releases)
    sections["classes"] = classes.lines(names)
    sections["processors"] = processors.lines(names)
    sections["model_types"] = ["\t".join([key, *value.fields()]) for key, value in types[releases[-1]].items()]
    sections["model_types_v4"] = ["\t".join([key, *value.fields()]) for key, value in types["4.57.6"].items()]
    newest = set(namespace.names("transformers"))
    vision = []
    for name, facts in sorted(classes.latest.items()):
        new = name.removesuffix("FeatureExtractor") + "ImageProcessor"
        if facts.kind == "feature_extractor" and "image" in facts.modalities and name not in newest and new in newest:
            vision.append(f"{name}\t{new}")
    sections["vision_feature_extractors"] = vision
    target.write_bytes(pack(sections))
    for name, lines in sections.items():
        print(name, len(lines), len(pack({name: lines})))
