"""Configuration files: reading them, and refusing what they must not hold."""

from __future__ import annotations

import os

from v5lint.document import UnreadableError
from v5lint.reading import VanishedError, read_bytes
from v5lint.registry import UnknownRuleError, did_you_mean
from v5lint.releases import parse_release

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from v5lint.registry import Registry
    from v5lint.rule import Option


class SettingsError(Exception):
    """A configuration or an option of the command line is wrong.

    Attributes:
        cause: what is wrong.
        source: the file, or "the command line".
        row: the line, from 1; 0 where it is not known.
    """

    def __init__(self, cause: str, source: str = "", *, row: int = 0) -> None:
        super().__init__(cause)
        self.cause = cause
        self.source = source
        self.row = row


class Configuration:
    """What one configuration file says, checked.

    Attributes:
        root: the folder that its patterns start from.
        source: the file, or "the command line"; empty for no configuration.
        values: the settings by their keys; releases as tuples.
        options: the options of rules, by the name of the rule.
    """

    def __init__(
        self,
        root: str,
        source: str = "",
        values: Mapping[str, Any] | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.root = root
        self.source = source
        self.values: Mapping[str, Any] = values or {}
        self.options: Mapping[str, Mapping[str, Any]] = options or {}
        self._patterns: dict[str, Any] = {}

    def matcher(self, patterns: Sequence[str]) -> Any:
        """What matches paths relative to the root: a `pathspec.GitIgnoreSpec`, made once.

        Raises:
            SettingsError: one of the patterns is none.
        """
        key = "\n".join(patterns)
        if key not in self._patterns:
            from pathspec import GitIgnoreSpec

            try:
                self._patterns[key] = GitIgnoreSpec.from_lines(patterns)
            except ValueError as error:
                raise SettingsError(str(error), self.source) from None
        return self._patterns[key]

    def relative(self, path: str) -> str | None:
        """The path from the root, with `/` between its parts; None where it is not under the root."""
        top = self.root.rstrip(os.sep) + os.sep
        path = os.path.abspath(path)
        return path[len(top) :].replace(os.sep, "/") if path.startswith(top) else None

    def ignored_in(self, path: str) -> frozenset[str]:
        """The codes that `per-file-ignores` takes away from a file.

        Raises:
            SettingsError: a pattern is wrong.
        """
        table: Mapping[str, frozenset[str]] = self.values.get("per-file-ignores", {})
        relative = self.relative(path) if table else None
        if relative is None:
            return frozenset()
        return frozenset().union(
            *(codes for pattern, codes in table.items() if self.matcher([pattern]).match_file(relative))
        )


def read_configuration(path: str, registry: Registry, *, root: str, required: bool = False) -> Configuration | None:
    """Read a configuration file.

    Args:
        path: a `pyproject.toml`, whose `[tool.v5lint]` counts, or any other TOML file, which counts whole.
        registry: the rules, for their names and options.
        root: the folder that its patterns start from.
        required: whether it is an error that the file is missing or has no `[tool.v5lint]`.

    Returns:
        The configuration, or None where the file is not there or says nothing of v5lint.

    Raises:
        SettingsError: the file is wrong.
    """
    is_project = os.path.basename(path) == "pyproject.toml"
    try:
        raw = read_bytes(path)
    except VanishedError:
        if required:
            raise SettingsError("it does not exist", path) from None
        return None
    except UnreadableError as error:
        if required or not is_project:
            raise SettingsError(error.cause, path) from None
        return None  # what it says of others cannot be read by them, either
    if is_project and not required and b"v5lint" not in raw:
        return None  # before the TOML reader is imported: most projects end here
    from v5lint.toml import TOMLDecodeError, loads

    try:
        text = raw.decode("utf-8-sig")
        data = loads(text)
    except UnicodeDecodeError as error:
        row = raw[: error.start].count(b"\n") + 1
        raise SettingsError(f"it is not valid UTF-8 (byte 0x{raw[error.start]:02x})", path, row=row) from None
    except TOMLDecodeError as error:
        raise SettingsError(f"it is not valid TOML: {error}", path) from None
    if is_project:
        table = data.get("tool", {}).get("v5lint")
        if table is None:
            if required:
                raise SettingsError("it has no [tool.v5lint] table", path)
            return None
        data = table
    try:
        return configured(data, registry, root=root, source=path)
    except SettingsError as error:
        error.row = _row_of(text, error.key) if isinstance(error, _KeyedError) else 0
        raise


def configured(data: Mapping[str, Any], registry: Registry, *, root: str, source: str) -> Configuration:
    """Check the tables of a configuration.

    Args:
        data: the keys and values as they were written.
        registry: the rules.
        root: the folder that patterns start from.
        source: what to call it in messages.

    Raises:
        SettingsError: a key or a value is wrong.
    """
    values: dict[str, Any] = {}
    options: dict[str, Mapping[str, Any]] = {}
    for key, value in data.items():
        if key in _READERS:
            reader, wanted = _READERS[key]
            try:
                values[key] = reader(value, registry)
            except TypeError:
                raise _KeyedError(f"`{key}` must be {wanted}", source, key) from None
            except (ValueError, UnknownRuleError) as error:
                raise _KeyedError(f"`{key}`: {error}", source, key) from None
        elif (rule := registry.rule(key)) and key == rule.name and isinstance(value, dict):
            options[key] = {
                name: _option(rule.options, f"{key}.{name}", name, given, source) for name, given in value.items()
            }
        else:
            valid = [*_READERS, *(rule.name for rule in registry.rules if rule.options)]
            raise _KeyedError(_unknown(key, valid), source, key)
    return Configuration(root, source, values, options)


class _KeyedError(SettingsError):
    def __init__(self, cause: str, source: str, key: str) -> None:
        super().__init__(cause, source)
        self.key = key


def _unknown(key: str, valid: Sequence[str]) -> str:
    nearest = did_you_mean(key, valid)
    return f"unknown key `{key}`{nearest or ': valid are ' + ', '.join(valid)}"


def _option(known: Mapping[str, Option], dotted: str, name: str, given: Any, source: str) -> Any:
    if name not in known:
        what = f"unknown option `{dotted}`{did_you_mean(name, known)}" if known else f"`{dotted}`: no options here"
        raise _KeyedError(what, source, name)
    option = known[name]
    if isinstance(given, list) and isinstance(option.default, tuple):
        given = tuple(given)
    if type(given) is not type(option.default):
        raise _KeyedError(f"`{dotted}` must be a {_TYPES.get(type(option.default), 'value')}", source, name)
    if option.choices and given not in option.choices:
        valid = ", ".join(map(repr, option.choices))
        near = did_you_mean(given, option.choices) if isinstance(given, str) else ""
        raise _KeyedError(f"`{dotted}` cannot be {given!r}{near}: it is one of {valid}", source, name)
    return given


_TYPES = {str: "string", bool: "boolean", int: "number", tuple: "list", dict: "table"}


def _strings(value: Any, _registry: Registry) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise TypeError
    return tuple(value)


def _selectors(value: Any, registry: Registry) -> tuple[str, ...]:
    for selector in _strings(value, registry):
        registry.matching(selector)
    return tuple(value)


def _flag(value: Any, _registry: Registry) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _release(value: Any, _registry: Registry) -> Any:
    if not isinstance(value, str):
        raise TypeError
    return parse_release(value)


def _per_file(value: Any, registry: Registry) -> Mapping[str, frozenset[str]]:
    if not isinstance(value, dict):
        raise TypeError
    return {
        pattern: frozenset(
            rule.code for selector in _strings(selectors, registry) for rule in registry.matching(selector)
        )
        for pattern, selectors in value.items()
    }


#: Every key: the function that checks its value, and what the value must be.
_READERS: dict[str, tuple[Callable[[Any, Registry], Any], str]] = {
    "select": (_selectors, "a list of codes or names"),
    "extend-select": (_selectors, "a list of codes or names"),
    "ignore": (_selectors, "a list of codes or names"),
    "per-file-ignores": (_per_file, "a table of patterns with lists of codes or names"),
    "exclude": (_strings, "a list of patterns"),
    "force-exclude": (_flag, "true or false"),
    "target-version": (_release, 'a release of transformers in quotes, as "5.0"'),
    "min-version": (_release, 'a release of transformers in quotes, as "4.40"'),
}


def _row_of(text: str, key: str) -> int:
    """The first line that sets a key or opens its table; 0 where none is seen."""
    import re

    pattern = re.compile(rf"""\s*(?:\[.*)?["']?\b{re.escape(key)}\b["']?\s*[=.\]]""")
    for row, line in enumerate(text.splitlines(), 1):
        if pattern.match(line):
            return row
    return 0
