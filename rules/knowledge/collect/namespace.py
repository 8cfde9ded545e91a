"""Works out which names each module of a wheel offers, the way Python and transformers' lazy modules do."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any

from v5lint.rules.knowledge.collect.literals import strings

if TYPE_CHECKING:
    from v5lint.rules.knowledge.collect.wheels import FileFacts, Wheel

_LAZY_SOURCE = "transformers.utils.import_utils"
_SKIPPED_FILES = ("convert_", "modular_")
"""Files beside a package that `define_import_structure` does not look into."""


class Namespace:
    """The names that the modules of one wheel offer.

    A name counts as importable from a module when some branch of the module binds it: which optional libraries are
    installed is not known, and a name that is there with TensorFlow installed is there.
    """

    def __init__(self, wheel: Wheel) -> None:
        self.wheel = wheel
        self.modules = wheel.modules
        self._children: dict[str, set[str]] = {}
        for name in self.modules:
            parent, _, child = name.rpartition(".")
            if parent:
                self._children.setdefault(parent, set()).add(child)
        self._structures: dict[str, dict[str, str]] = {}
        self._names: dict[str, frozenset[str]] = {}
        self._resolved: dict[tuple[str, str], str | None] = {}
        self._bases: dict[str, list[str]] = {}
        self._ancestors: dict[str, list[str]] = {}

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Module paths that exist only as an alias made at import, with the module that they stand for."""
        found: dict[str, str] = {}
        package = self.wheel.package
        for alias, target in self.modules.get(package, {}).get("aliases", ()):
            if "*" not in alias:
                if f"{package}.{target}" in self.modules:
                    found[f"{package}.{alias}"] = f"{package}.{target}"
                continue
            # In 5.4.0 to 5.17.0 every image_processing_*.py got an alias with `_fast`; later ones skip the PIL files.
            lazily = self._fast_aliases_are_found_on_demand
            for name in self.modules:
                if fnmatchcase(name, f"{package}.{target}") and name.count(".") == 3:
                    leaf = name.rpartition(".")[2]
                    if not (lazily and leaf.startswith("image_processing_pil_")) and f"{name}_fast" not in self.modules:
                        found[f"{name}_fast"] = name
        return found

    @cached_property
    def _fast_aliases_are_found_on_demand(self) -> bool:
        return "_LegacyModuleAliasFinder" in self.modules.get(_LAZY_SOURCE, {}).get("classes", {})

    @cached_property
    def _fallbacks(self) -> frozenset[str]:
        """The suffixes for which a lazy module falls back to another class: Tokenizer, TokenizerFast, ..."""
        return frozenset(self.modules.get(_LAZY_SOURCE, {}).get("suffixes", ()))

    @cached_property
    def _converters(self) -> dict[str, str]:
        """SLOW_TO_FAST_CONVERTERS: tokenizer -> converter class."""
        table = self.modules.get("transformers.convert_slow_tokenizer", {}).get("tables", {})
        return {key: value for key, value in table.get("SLOW_TO_FAST_CONVERTERS", {}).items() if value}

    def names(self, module: str) -> frozenset[str]:
        """Give the names that `from module import name` finds, those that only a fallback answers left out.

        `resolve` knows the fallbacks, too.

        Args:
            module: a dotted module name of this wheel, or an alias of one.
        """
        if module not in self._names:
            self._names[module] = frozenset(
                name for name in self._declared(module, set()) if name != "*" and self.resolve(module, name) is not None
            )
        return self._names[module]

    def submodules(self, module: str) -> set[str]:
        """Give the names of the modules directly inside a package, aliases included."""
        children = set(self._children.get(module, ()))
        children.update(alias.rpartition(".")[2] for alias in self.aliases if alias.rpartition(".")[0] == module)
        return children

    def structure(self, module: str) -> dict[str, str]:
        """Give what a lazy module offers: name -> the module that it is taken from."""
        if module not in self._structures:
            facts = self.modules[module]
            found: dict[str, str] = {}
            for key, names in facts.get("lazy", {}).items():
                origin = f"{module}.{key}" if key else ""
                found.update(dict.fromkeys(names, origin))
                if key:
                    found.setdefault(key.partition(".")[0], "")
            if facts.get("scanned"):
                base = f"{module}.models" if module == self.wheel.package else module
                for origin in self.modules:
                    if origin.startswith(base + "."):
                        found.update(dict.fromkeys(self._exports(origin), origin))
            self._structures[module] = found
        return self._structures[module]

    def _exports(self, module: str) -> list[str]:
        """Give what `define_import_structure` takes from a file: its `__all__` and its objects under `@requires`."""
        leaf = module.rpartition(".")[2]
        if module in self.wheel.packages or leaf.startswith(_SKIPPED_FILES):
            return []
        facts = self.modules[module]
        return [*facts.get("all", ()), *facts.get("exported", ())]

    def is_lazy(self, module: str) -> bool:
        """Tell whether importing a module gives a lazy one that offers only its import structure."""
        facts = self.modules.get(module, {})
        return "lazy" in facts or bool(facts.get("scanned"))

    def _declared(self, module: str, seen: set[str]) -> set[str]:
        """Give the names that a module may offer, before it is known whether each resolves."""
        if module in self.aliases:
            target = self.aliases[module]
            names = self._declared(target, seen)
            return names | {name + "Fast" for name in names if name.endswith("ImageProcessor")}
        if module not in self.modules or module in seen:
            return set()
        seen = seen | {module}
        facts = self.modules[module]
        names = set(facts.get("served", ())) | self.submodules(module)
        if self.is_lazy(module):
            return names | set(self.structure(module))
        names.update(facts.get("bindings", ()), *facts.get("attached", {}).values())
        for star in facts.get("stars", ()):
            names.update(self._starred(star, seen))
        return names

    def _starred(self, module: str, seen: set[str]) -> set[str]:
        """Give what `from module import *` brings; nothing is known of other packages."""
        if module not in self.modules:
            return set()
        public = self.modules[module].get("all")
        return set(public) if public else {name for name in self._declared(module, seen) if not name.startswith("_")}

    def resolve(self, module: str, name: str) -> str | None:
        """Follow a name to where it is defined.

        Args:
            module: the module that it is imported from.
            name: one identifier.

        Returns:
            The dotted path of the definition, "transformers.trainer.Trainer"; for a name from another package the path
            there; None when the import fails.
        """
        key = (module, name)
        if key not in self._resolved:
            self._resolved[key] = None  # a circle of re-exports resolves to nothing
            self._resolved[key] = self._resolve(module, name)
        return self._resolved[key]

    def _resolve(self, module: str, name: str) -> str | None:
        if module in self.aliases:
            target = self.aliases[module]
            found = self.resolve(target, name)
            if found is None and name.endswith("ImageProcessorFast"):
                found = self.resolve(target, name.removesuffix("Fast"))
            return found
        if module not in self.modules:
            return None if module.partition(".")[0] == self.wheel.package else f"{module}.{name}"
        facts = self.modules[module]
        found = self._resolve_lazy(module, name) if self.is_lazy(module) else self._resolve_plain(module, name, facts)
        if found is None and f"{module}.{name}" in self.modules:
            return f"{module}.{name}"
        if found is None and f"{module}.{name}" in self.aliases:
            return self.aliases[f"{module}.{name}"]
        if found is None and name in facts.get("served", {}):
            written = facts["served"][name]
            return (self.resolve(module, written) if written.isidentifier() else None) or f"{module}.{name}"
        return found

    def _resolve_plain(self, module: str, name: str, facts: FileFacts) -> str | None:
        kinds: str | None = facts.get("bindings", {}).get(name)
        if kinds is None:
            for submodule, names in facts.get("attached", {}).items():
                if name in names:
                    absolute = submodule.startswith(f"{self.wheel.package}.")  # hub 1.32 on: `huggingface_hub.errors`
                    return self.resolve(submodule if absolute else f"{module}.{submodule}", name)
            for star in facts.get("stars", ()):
                if star in self.modules and name in self._starred(star, {module}):
                    return self.resolve(star, name)
            return None
        for kind in kinds.split("|"):
            found = self._resolve_binding(module, name, kind)
            if found:
                return found
        return None

    def _resolve_binding(self, module: str, name: str, kind: str) -> str | None:
        if kind.startswith("m:"):
            target = kind[2:]
            inside = target.partition(".")[0] == self.wheel.package
            return target if not inside or target in self.modules or target in self.aliases else None
        if kind.startswith("i:"):
            _, origin, original = kind.split(":")
            if (origin, original) == (module, name):
                return f"{module}.{name}"
            return self.resolve(origin, original)
        return f"{module}.{name}"

    def _resolve_lazy(self, module: str, name: str) -> str | None:
        structure = self.structure(module)
        if name in structure:
            origin = structure[name]
            found = self.resolve(origin, name) if origin else f"{module}.{name}"
            if not origin and name != "__version__":
                found = self._module_path(module, name)
            return found or (self._tokenizer_fallback(module, name) if name.endswith("TokenizerFast") else None)
        for suffix in ("TokenizerFast", "ImageProcessorFast"):
            if name.endswith(suffix) and suffix in self._fallbacks and name.removesuffix("Fast") in structure:
                return self.resolve(module, name.removesuffix("Fast"))
        if name.endswith(("Tokenizer", "TokenizerFast")) and "TokenizerFast" in self._fallbacks:
            return self._tokenizer_by_converter(module, name)
        return None

    def _module_path(self, module: str, name: str) -> str | None:
        path = f"{module}.{name}"
        return path if path in self.modules else self.aliases.get(path)

    def _tokenizer_fallback(self, module: str, name: str) -> str | None:
        """A declared `XTokenizerFast` that its module no longer defines: `X`, or the class with the same converter."""
        if "TokenizerFast" not in self._fallbacks:
            return None
        plain = name.removesuffix("Fast")
        structure = self.structure(module)
        origin = structure.get(plain) or structure[name]
        return self.resolve(origin, plain) or self._tokenizer_by_converter(module, name, declared=True)

    def _tokenizer_by_converter(self, module: str, name: str, *, declared: bool = False) -> str | None:
        """Find the tokenizer class that shares a converter: `FNetTokenizer` -> `AlbertTokenizer`."""
        plain = name.removesuffix("Fast")
        converter = self._converters.get(plain)
        if converter is None:
            return None
        candidates = [converter.rpartition(".")[2].replace("Converter", "") + "Tokenizer"]
        candidates += [other for other, its in self._converters.items() if its == converter and other != plain]
        structure = self.structure(module)
        for candidate in candidates:
            if declared:
                model = candidate.removesuffix("Tokenizer").lower()
                found = self.resolve(f"transformers.models.{model}.tokenization_{model}", candidate)
                if found:
                    return found
            if candidate in structure:
                found = self.resolve(structure[candidate], candidate)
            elif declared:
                found = None
            else:
                found = self.resolve(self.wheel.package, candidate)
            if found:
                return found
        return None

    def class_facts(self, path: str) -> dict[str, Any] | None:
        """Give the facts of a class by the path of its definition, or None when it is no class of this wheel."""
        module, _, name = path.rpartition(".")
        facts: dict[str, Any] | None = self.modules.get(module, {}).get("classes", {}).get(name)
        return facts

    def bases(self, path: str) -> list[str]:
        """Give the direct bases of a class as paths of definitions, those that cannot be followed left out."""
        facts = self.class_facts(path)
        if facts is None:
            return []
        found = self._bases.get(path)
        if found is None:
            module = path.rpartition(".")[0]
            located = [self.locate(module, re.split(r"[\[(]", written)[0]) for written in facts.get("bases", ())]
            found = self._bases[path] = [base for base in located if base and base != path]
        return found

    def locate(self, module: str, written: str) -> str | None:
        """Follow an expression `a.b.C` written in a module to the definition."""
        first, *rest = written.split(".")
        if not all(part.isidentifier() for part in (first, *rest)):
            return None
        found = self.resolve(module, first)
        for part in rest:
            if found is None:
                return None
            found = self.resolve(found, part) if found in self.modules else f"{found}.{part}"
        return found

    def ancestors(self, path: str) -> list[str]:
        """Give all bases of a class, nearest first (depth first, each once)."""
        found = self._ancestors.get(path)
        if found is None:
            found = []
            waiting = list(self.bases(path))
            while waiting:
                base = waiting.pop(0)
                if base not in found:
                    found.append(base)
                    waiting = self.bases(base) + waiting
            self._ancestors[path] = found
        return found


def table(namespace: Namespace, module: str, name: str) -> dict[str, Any]:
    """Give a table of constants (`SUPPORTED_TASKS`, `..._MAPPING_NAMES`) of a module; empty when it has none."""
    found: dict[str, Any] = namespace.modules.get(module, {}).get("tables", {}).get(name, {})
    return found


def listed(value: Any) -> list[str]:
    """Give the strings of a table's value, which is a string, a list of strings or a mapping to strings."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [item for inner in value.values() for item in listed(inner)]
    return strings(value)
