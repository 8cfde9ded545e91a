"""Reads from the wheels which attributes the modules that models are made of have lost, and models of their private.

    python -m v5lint.rules.knowledge.collect.lost_attributes CACHE rules/knowledge/lost_attributes.toml

reads the wheels of transformers that are in the folder CACHE (of each minor since 4.31 one; see `wheels.download`), and
writes the table. Nothing is imported: what a class binds, and what its methods set on `self`, is read in its source.
"""

from __future__ import annotations

import argparse
import keyword
import re
import zipfile
from pathlib import Path
from typing import NamedTuple

from v5lint.rules.knowledge.collect.layer_outputs import wheels_of
from v5lint.rules.knowledge.collect.torch_module import MEMBERS as TORCH_MODULE_MEMBERS

HEAD = """\
# Attributes that the modules of models have lost: the first release without them, the attributes, each with the setting
# of `self.config` that it was behind "=", and the classes.
# Generated from the wheels: see collect/lost_attributes.py.
"""

_SINCE = (4, 31)
_FILES = re.compile(
    r"transformers/(models/\w+/modeling_(?!tf_|flax_)\w+|modeling_(?!tf_|flax_)\w+|generation/utils|pytorch_utils|"
    r"cache_utils|masking_utils|integrations/\w+|utils/\w+)\.py$"
)
_MODELS = "transformers/models/"

_CLASS = re.compile(r"class (\w+)(?:\(([^)]*)\))?:")

#: What a class binds in its body, what its methods set on `self`, and what they put into it by its name.
_OWN = (
    re.compile(r"(?m)^    (?:async def|def|class) (\w+)"),
    re.compile(r"(?m)^    (\w+)(?:: [^=\n]+)?(?: =|$)"),
    re.compile(r"(?<![.\w])self\.(\w+)\s*(?::[^=\n]+)?=(?!=)"),
    re.compile(r"(?<![.\w])self\.(?:register_buffer|register_parameter|add_module|register_module)\(\s*\"(\w+)\""),
    re.compile(r"\bsetattr\(\s*self,\s*\"(\w+)\""),
)
_SETTING = re.compile(r"(?m)^        self\.(\w+) = (?:self\.)?config\.(\w+)$")
_TOGETHER = re.compile(r"(?m)^ +((?:self\.\w+, )+self\.\w+) = ")

#: What answers for attributes whose names are not written down.
_OPEN = re.compile(
    r"def __getattr|\bsetattr\(\s*self,\s*[^\"\s]|\bself\.(?:register_\w+er|add_module|register_module)\(\s*[^\"\s]"
)

#: Settings that the configurations of some of these classes have lost as well, so that they are no advice.
_LOST_SETTINGS = frozenset(
    "rope_theta rope_scaling rotary_emb_base partial_rotary_factor is_decoder max_length use_falcon_mambapy "
    "memory_attention_rope_theta position_embedding_type".split()
)

#: The bases beyond which nothing of the models is found: whoever asks for their members asks the data file.
_ROOTS = frozenset({"PreTrainedModel", "GenerationMixin", "ModuleUtilsMixin", "PushToHubMixin"})
_PLAIN = frozenset({"Module", "object", "ABC", "Generic", "Protocol"})


class Source(NamedTuple):
    """What the source of one class says.

    Attributes:
        bases: the last names of its bases.
        own: what it binds, and what its methods set on `self`.
        settings: the attributes that are a setting of the configuration, each with the name of that.
        is_closed: whether nothing else answers for attributes: no `__getattr__`, no computed name.
    """

    bases: tuple[str, ...]
    own: frozenset[str]
    settings: dict[str, str]
    is_closed: bool


Release = dict[str, list[tuple[str, Source]]]
"""The classes of one release by their names: those of one name in several files each with its file."""


def main() -> None:
    """Read the wheels and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("table", type=Path)
    options = parser.parse_args()
    wheels = wheels_of(options.cache, _SINCE)
    known: dict[str, dict[str, Source]] = {}
    read = {minor: classes_of(wheels[minor], known) for minor in sorted(wheels)}
    options.table.write_text(table(read), encoding="utf-8")


def classes_of(wheel: Path, known: dict[str, dict[str, Source]]) -> Release:
    """The classes of one wheel.

    Args:
        wheel: its path.
        known: what was read of a file, by its text; files of other releases with the same text are not read again.
    """
    found: Release = {}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if _FILES.match(name):
                text = archive.read(name).decode()
                if text not in known:
                    parts = re.split(r"(?m)^(?=class |def |@)", text)
                    known[text] = {each.group(1): _read(each, part) for part in parts if (each := _CLASS.match(part))}
                for of, source in known[text].items():
                    found.setdefault(of, []).append((name, source))
    return found


def table(read: dict[tuple[int, ...], Release]) -> str:
    """The text of the table, of the classes in each minor release, the oldest first."""
    newest = max(read)
    roots = {each for release in read.values() for root in _ROOTS for each in _members(release, root, "") or ()}
    roots |= TORCH_MODULE_MEMBERS
    groups: dict[tuple[tuple[int, ...], str], list[str]] = {}
    for name, defined in sorted(read[newest].items()):
        places = [place for place, _source in defined if place.startswith(_MODELS)]
        now = _members(read[newest], name, places[0]) if len(places) == 1 else None
        if now is None:
            continue
        last = {each: minor for minor in sorted(read) for each in _members(read[minor], name, places[0]) or ()}
        is_model = _is_model(read[newest], name)
        since: dict[tuple[int, ...], list[str]] = {}
        for each in sorted(last.keys() - now - roots):
            if _is_attribute(each) and (each.startswith("_") or not is_model):
                setting = _setting(read[last[each]], name, places[0], each) if "config" in now else ""
                written = f"{each}={setting}" if setting else each
                since.setdefault(min(minor for minor in read if minor > last[each]), []).append(written)
        for minor, written_there in since.items():
            groups.setdefault((minor, " ".join(written_there)), []).append(name)
    lines = [HEAD, "lost = ["]
    for (minor, attributes), names in sorted(groups.items()):
        lines.append(f"  ['{'.'.join(map(str, minor))}', '{attributes}', '{' '.join(names)}'],")
    return "\n".join([*lines, "]"]) + "\n"


def _is_attribute(name: str) -> bool:
    """Whether code reads a name from `self`: no keyword alone in its line, no name of a class or constant."""
    is_other = name[0].isupper() and ("_" not in name or name.isupper())
    return not name.startswith("__") and not keyword.iskeyword(name) and not is_other


def _is_model(release: Release, name: str) -> bool:
    """Whether a class is a `PreTrainedModel`, whose public members the data file has."""
    bases = release[name][0][1].bases if name in release else ()
    return any(each in _ROOTS or (each != name and _is_model(release, each)) for each in bases)


def _members(release: Release, name: str, place: str, seen: tuple[str, ...] = ()) -> set[str] | None:
    """What a class and its bases bind; None where a base is not known, or answers for more than can be read."""
    defined = release.get(name)
    if not defined:
        return None
    source = dict(defined).get(place, defined[0][1])
    found = set(source.own)
    for base in source.bases:
        if base in _PLAIN or base in seen or base in _ROOTS:
            continue
        inherited = _members(release, base, place, (*seen, name))
        if inherited is None and name not in _ROOTS:
            return None
        found |= inherited or set()
    return found if source.is_closed or name in _ROOTS else None


def _setting(release: Release, name: str, place: str, attribute: str) -> str:
    """The setting of the configuration that an attribute of a class was; "" where it was more than that."""
    defined = release[name]
    setting = dict(defined).get(place, defined[0][1]).settings.get(attribute, "")
    return "" if setting in _LOST_SETTINGS else setting


def _read(head: re.Match[str], text: str) -> Source:
    body = text[head.end() :]
    own = {name for pattern in _OWN for name in pattern.findall(body)}
    own.update(name for names in _TOGETHER.findall(body) for name in re.findall(r"self\.(\w+)", names))
    bases = [each.partition("[")[0].strip().rpartition(".")[2] for each in (head.group(2) or "").split(",")]
    is_closed = not _OPEN.search(body)
    settings = dict(_SETTING.findall(body))
    return Source(tuple(each for each in bases if each and "=" not in each), frozenset(own), settings, is_closed)


if __name__ == "__main__":
    main()
