"""Files of the repository whose keys a parser puts into TrainingArguments: a part of V5301."""

from __future__ import annotations

import ast
import os.path
import re

from v5lint.patterns import pattern
from v5lint.project import bytes_of
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import arguments, library
from v5lint.view.values import LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from v5lint.rule import Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView
    from v5lint.view.script import ScriptView
    from v5lint.view.values import External

    #: From a call and the parser whose method it is to the classes that the parser fills.
    Filled = Callable[[CallSite, ast.expr], Iterable[External | LocalClass]]

#: Methods of HfArgumentParser that read a file, and what they call it.
READERS = {"parse_json_file": "json_file", "parse_yaml_file": "yaml_file"}

_CLASS = "TrainingArguments"

#: A key at the beginning of a line of YAML, or in a JSON object.
_KEY = pattern(rb"""(?:^|[{,])[ \t\r\n]*(["']?)([A-Za-z_]\w*)\1[ \t]*:""", re.MULTILINE)


def findings(view: ModuleView, names: Iterable[str], filled: Filled) -> Iterator[Finding]:
    """Yield the files with keys of some names that go into TrainingArguments.

    Args:
        view: the module.
        names: the removed fields.
        filled: see `Filled`.
    """
    target = library.release_text(view.settings.target)
    for call in view.calls(READERS):
        given = call.argument(READERS[call.name], 0)
        if given is None or not isinstance(call.func, ast.Attribute) or view.guards.is_dead(call.node):
            continue
        classes = [*filled(call, call.func.value)]
        if not any(_is_training(view, each) for each in classes):
            continue
        for path in view.constants(given):
            keys = keys_of(view, str(path))
            for name in (each for each in names if each in keys and not _is_declared(classes, each)):
                removal = lookup.removed_parameter(_CLASS, name, target)
                if removal is not None:
                    said = f"`{path}` gives `{_CLASS}` the field `{name}`, which is gone since transformers"
                    message = f"{said} {removal.gone}{arguments.advice(removal)}"
                    yield view.finding(given, message, since=removal.gone)


def _is_training(view: ModuleView, of: External | LocalClass) -> bool:
    return any(each.package == "transformers" and lookup.is_subclass(each.name, _CLASS) for each in view.roots(of))


def _is_declared(classes: Iterable[External | LocalClass], name: str) -> bool:
    return any(isinstance(each, LocalClass) and arguments.declares(each, name) for each in classes)


def keys_of(view: ModuleView | ScriptView, path: str) -> frozenset[str]:
    """The keys in a file, which a script looks for beside itself or where the repository begins."""
    for folder in (os.path.dirname(os.path.abspath(view.path)), os.path.abspath(view.project.root)):
        file = os.path.join(folder, path)
        if os.path.isfile(file):
            return frozenset(found[2].decode() for found in _KEY.finditer(bytes_of(file)))
    return frozenset()
