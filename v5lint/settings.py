"""Settings: what the configuration files and the command line say, for each file.

The nearest `.v5lint.toml`, or `pyproject.toml` with a `[tool.v5lint]` table, counts; the command line comes on top.
"""

from __future__ import annotations

import os

from v5lint.configuration import Configuration, SettingsError, configured, read_configuration
from v5lint.releases import release_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from v5lint.registry import Registry
    from v5lint.releases import Release
    from v5lint.rule import Facts, Rule

__all__ = ["Settings", "SettingsError", "SettingsFinder"]

_DEFAULT_MINIMUM: Release = (5,)


class Settings:
    """The settings of the files of one folder; they never change.

    Attributes:
        rules: the selected rules, in the order of their codes.
        target: the newest release of transformers whose breaks count.
        folder: the folder, as an absolute path.
        layers: where they come from, the one that has the last word first.
        facts: what is known of the releases of transformers.
    """

    __slots__ = ("_minimum", "_options", "facts", "folder", "layers", "rules", "target")

    def __init__(
        self,
        rules: Sequence[Rule],
        *,
        target: Release,
        minimum: Release | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        folder: str = "",
        layers: Sequence[Configuration] = (),
        facts: Sequence[Facts] = (),
    ) -> None:
        """Make settings.

        Args:
            rules: the selected rules.
            target: see the class.
            minimum: the oldest release that fixed code must run on; None reads it from the project's own requirements.
            options: those that differ from the rules' defaults, by the name of the rule.
            folder: see the class; empty for text that is in no folder.
            layers: see the class.
            facts: see the class.
        """
        self.rules = tuple(rules)
        self.target = target
        self.folder = folder
        self.layers = tuple(layers)
        self.facts = tuple(facts)
        self._minimum = minimum
        self._options = options or {}

    @property
    def minimum(self) -> Release:
        """The oldest release of transformers that fixed code must run on."""
        if self._minimum is None:
            from v5lint.pins import pinned_minimum

            pinned = pinned_minimum(self.folder) if self.folder else None
            self._minimum = pinned or _DEFAULT_MINIMUM
        return self._minimum

    def option(self, rule_name: str, key: str) -> Any:
        """The value of an option of a selected rule.

        Raises:
            KeyError: there is no such rule or option.
        """
        configured_options = self._options.get(rule_name, {})
        if key in configured_options:
            return configured_options[key]
        for rule in self.rules:
            if rule.name == rule_name:
                return rule.options[key].default
        raise KeyError(rule_name)

    def rules_for(self, path: str) -> tuple[Rule, ...]:
        """The selected rules without those that `per-file-ignores` takes away from a file.

        Raises:
            SettingsError: a pattern is wrong.
        """
        ignored = frozenset().union(*(layer.ignored_in(path) for layer in self.layers))
        return tuple(rule for rule in self.rules if rule.code not in ignored) if ignored else self.rules

    def in_folder(self, folder: str) -> Settings:
        """The same settings for the files of another folder."""
        return Settings(
            self.rules,
            target=self.target,
            minimum=self._minimum,
            options=self._options,
            folder=folder,
            layers=self.layers,
            facts=self.facts,
        )

    @property
    def force_exclude(self) -> bool:
        """Whether exclusion holds for files that are named one by one too."""
        return any(layer.values.get("force-exclude", False) for layer in self.layers)


class SettingsFinder:
    """Finds the settings of each file; what it reads, it reads once."""

    def __init__(
        self,
        registry: Registry,
        *,
        overrides: Mapping[str, Any] | None = None,
        file: str = "",
        isolated: bool = False,
    ) -> None:
        """Prepare for a run.

        Args:
            registry: the rules.
            overrides: what the command line says, by the keys of the configuration.
            file: the one configuration file that counts for all; empty where the nearest counts.
            isolated: whether no configuration file counts.

        Raises:
            SettingsError: the overrides or the file are wrong.
        """
        self._registry = registry
        self._top = configured(overrides or {}, registry, root=os.getcwd(), source="the command line")
        self._by_folder: dict[str, Settings | SettingsError] = {}
        self._configurations: dict[str, Configuration | SettingsError | None] = {}
        self._by_configuration: dict[Configuration, Settings] = {}
        self._none = Configuration(os.getcwd())
        self._fixed: Configuration | None = None
        if file:
            self._fixed = read_configuration(file, registry, root=os.getcwd(), required=True)
        elif isolated:
            self._fixed = self._none

    def of(self, path: str) -> Settings:
        """The settings of a file.

        Raises:
            SettingsError: its configuration file is wrong.
        """
        return self.of_folder(os.path.dirname(os.path.abspath(path)))

    def of_folder(self, folder: str) -> Settings:
        """The settings of the files in a folder, given as an absolute path.

        Raises:
            SettingsError: its configuration file is wrong.
        """
        found = self._by_folder.get(folder)
        if found is None:
            try:
                base = self._fixed or self._nearest(folder)
                if base not in self._by_configuration:
                    self._by_configuration[base] = self._made(base)
                found = self._by_configuration[base].in_folder(folder)
            except SettingsError as error:
                found = error
            self._by_folder[folder] = found
        if isinstance(found, SettingsError):
            raise found
        return found

    def usual(self) -> Settings | None:
        """The settings of the current folder; None where its configuration is wrong."""
        try:
            return self.of_folder(os.getcwd())
        except SettingsError:
            return None

    def _nearest(self, folder: str) -> Configuration:
        """The configuration in a folder or in the nearest one above."""
        if folder not in self._configurations:
            try:
                self._configurations[folder] = self._inside(folder)
            except SettingsError as error:
                self._configurations[folder] = error
        own = self._configurations[folder]
        if isinstance(own, SettingsError):
            raise own
        parent = os.path.dirname(folder)
        if own is None and parent != folder:
            return self._nearest(parent)
        return own or self._none

    def _inside(self, folder: str) -> Configuration | None:
        for name in (".v5lint.toml", "pyproject.toml"):
            if found := read_configuration(os.path.join(folder, name), self._registry, root=folder):
                return found
        return None

    def _made(self, base: Configuration) -> Settings:
        values = {**base.values, **self._top.values}
        target = values.get("target-version", self._registry.newest)
        minimum = values.get("min-version")
        if minimum and minimum > target:
            raise SettingsError(
                f"min-version {release_text(minimum)} is newer than target-version {release_text(target)}", base.source
            )
        return Settings(
            self._selected([base, self._top]),
            target=target,
            minimum=minimum,
            options={
                name: {**base.options.get(name, {}), **self._top.options.get(name, {})}
                for name in {*base.options, *self._top.options}
            },
            layers=(self._top, base),
            facts=self._registry.facts,
        )

    def _selected(self, layers: Iterable[Configuration]) -> tuple[Rule, ...]:
        """The rules that stay, decided as ruff does it.

        A `select` drops what the layers below chose; within a layer the more specific selector decides (a code before
        its beginning before `ALL`), and of two equally specific ones `ignore`.
        """
        chosen = {rule.code for rule in self._registry.rules if rule.default}
        for layer in layers:
            if "select" in layer.values:
                chosen = set()
            verdicts = sorted(
                (self._specificity(selector), ignored, selector)
                for key, ignored in (("select", False), ("extend-select", False), ("ignore", True))
                for selector in layer.values.get(key, ())
            )
            decided = {
                rule.code: not ignored
                for _, ignored, selector in verdicts
                for rule in self._registry.matching(selector)
            }
            chosen = {rule.code for rule in self._registry.rules if decided.get(rule.code, rule.code in chosen)}
        return tuple(rule for rule in self._registry.rules if rule.code in chosen)

    def _specificity(self, selector: str) -> int:
        if selector == "ALL":
            return 0
        return 1000 if self._registry.rule(selector) else len(selector)
