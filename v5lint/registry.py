"""The rules that are installed: how they are found, and how users name them."""

from __future__ import annotations

import os
import sys

from v5lint.releases import parse_release

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from v5lint.releases import Release
    from v5lint.rule import Catalogue, Facts, Rule

#: The entry-point group in which a distribution registers a function that returns its Catalogue.
GROUP = "v5lint.rules"


class RegistryError(Exception):
    """The installed rules cannot be used; the message says which distribution is to blame."""


class UnknownRuleError(Exception):
    """A user named a rule that does not exist; the message names the nearest one that does."""


class Registry:
    """All rules of all catalogues.

    Attributes:
        rules: in the order of their codes.
        newest: the newest transformers release that any catalogue was checked against.
        facts: what the catalogues know of the releases.
        packages: what a project names where the rules speak of it; empty where one of the catalogues does not say.
    """

    def __init__(self, catalogues: Iterable[Catalogue]) -> None:
        """Gather the rules.

        Raises:
            RegistryError: there are none, or two share a code or a name.
        """
        self.newest: Release = (5,)
        self.facts: list[Facts] = []
        self._urls: dict[str, str] = {}
        by_key: dict[str, Rule] = {}
        packages: list[Sequence[str]] = []
        for catalogue in catalogues:
            packages.append(catalogue.packages)
            if catalogue.newest:
                self.newest = max(self.newest, parse_release(catalogue.newest))
            if catalogue.facts is not None:
                self.facts.append(catalogue.facts)
            for rule in catalogue.rules:
                for key in (rule.code, rule.name):
                    if not key:
                        raise RegistryError(f"the rule {type(rule).__qualname__} has no code or no name")
                    if key in by_key:
                        raise RegistryError(f"two rules are called `{key}`: {_origin(by_key[key])} and {_origin(rule)}")
                    by_key[key] = rule
                self._urls[rule.code] = catalogue.url.format(code=rule.code, name=rule.name)
        self.packages = [each for some in packages for each in some] if all(packages) else []
        self._by_key = by_key
        self.rules: tuple[Rule, ...] = tuple(by_key[code] for code in sorted(self._urls))
        if not self.rules:
            raise RegistryError("no rules are installed: install v5lint as a package (pip install v5lint)")

    def rule(self, key: str) -> Rule | None:
        """The rule of a code or a name."""
        return self._by_key.get(key)

    def url(self, code: str) -> str:
        """The page of a rule; empty where its catalogue has none."""
        return self._urls[code]

    def matching(self, selector: str) -> tuple[Rule, ...]:
        """The rules that a code, the beginning of a code, a name or `ALL` stands for.

        Raises:
            UnknownRuleError: there is no such rule.
        """
        if selector == "ALL":
            return self.rules
        if rule := self.rule(selector):
            return (rule,)
        if selector and (found := tuple(rule for rule in self.rules if rule.code.startswith(selector))):
            return found
        raise UnknownRuleError(f"`{selector}` is not a rule{self.nearest(selector)}")

    def nearest(self, key: str) -> str:
        """`: did you mean ...?` for a mistyped code or name; empty where nothing is near."""
        return did_you_mean(key, self._by_key)


def did_you_mean(wrong: str, valid: Iterable[str]) -> str:
    """The end of a message about an unknown word: the nearest valid one, or nothing."""
    from difflib import get_close_matches

    folded = {word.lower(): word for word in valid}
    near = get_close_matches(wrong.lower(), folded, n=1, cutoff=0.5)
    return f": did you mean `{folded[near[0]]}`?" if near else ""


def installed_catalogues() -> list[Catalogue]:
    """Load what the installed distributions registered.

    Raises:
        RegistryError: one of them fails to load.
    """
    found = list(scan(sys.path)) or list(_from_metadata())
    return [_load(*entry) for entry in found]


def scan(folders: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Find the entry points of the group: distribution, name and `module:function` of each.

    It does what `importlib.metadata.entry_points` does for distributions in folders (not in zip files), without
    importing it: that import costs more time than v5lint needs to lint a file.

    Args:
        folders: as `sys.path`; of a distribution that is in two of them, the first counts.
    """
    seen: set[str] = set()
    for folder in folders:
        try:
            names = sorted(os.listdir(folder or "."))
        except OSError:
            continue
        for name in names:
            stem, ending = os.path.splitext(name)
            if ending not in (".dist-info", ".egg-info"):
                continue
            distribution = stem.partition("-")[0].replace(".", "_").lower()
            if distribution in seen:
                continue
            seen.add(distribution)
            try:
                with open(os.path.join(folder, name, "entry_points.txt"), encoding="utf-8") as file:
                    text = file.read()
            except (OSError, UnicodeDecodeError):
                continue
            if GROUP in text:
                for entry, value in _section(text):
                    yield stem, entry, value


def _section(text: str) -> Iterator[tuple[str, str]]:
    inside = False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            inside = line == f"[{GROUP}]"
        elif inside and line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield name.strip(), value.partition("[")[0].strip()


def _from_metadata() -> Iterator[tuple[str, str, str]]:
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP):
        yield entry.dist.name if entry.dist else "?", entry.name, f"{entry.module}:{entry.attr}"


def _load(distribution: str, name: str, value: str) -> Catalogue:
    from importlib import import_module

    module, _, attribute = value.partition(":")
    try:
        made: Catalogue = getattr(import_module(module), attribute)()
        made.rules, made.newest  # noqa: B018 (what is no Catalogue fails here, under its name)
    except Exception as error:
        raise RegistryError(
            f"the rules of `{distribution}` (entry point {name} = {value}) fail to load: "
            f"{type(error).__name__}: {error}"
        ) from error
    return made


def _origin(rule: Rule) -> str:
    return f"{type(rule).__module__}.{type(rule).__qualname__}"
