"""What a module of Python installs: requirements that it hands to an installer, or that stand at its top (PEP 723)."""

from __future__ import annotations

import ast

from v5lint.metadata import command as commands
from v5lint.metadata import requirements_in
from v5lint.metadata.requirement import parse
from v5lint.rules.parts import command_words, process_calls
from v5lint.scripts import script
from v5lint.view.strings import last_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.metadata.requirement import Requirement
    from v5lint.rules.parts.command_words import Word
    from v5lint.view.module import ModuleView

#: Methods that install what they are given: of nox, and of the images of Modal.
_INSTALLERS = frozenset("install conda_install pip_install uv_pip_install micromamba_install".split())

#: Arguments and keys of dicts that list what is to be installed: of Kubeflow, Ray, MLflow, Airflow, Flyte, BentoML.
_LISTS = frozenset(
    "packages_to_install pip pip_packages pip_requirements extra_pip_requirements packages python_packages "
    "requirements additional_python_modules".split()
)


def lists(view: ModuleView) -> Iterator[list[Requirement]]:
    """What is installed together, a list for each place that says so."""
    inline = requirements_in("inline_script", view.text) if "# /// script" in view.text else ()
    yield from [[*inline]] if inline else []
    chains: dict[ast.Call, list[Requirement]] = {}
    for call in view.tree.nodes.get(ast.Call, ()):
        assert isinstance(call, ast.Call)
        if last_name(call.func) in _INSTALLERS:
            group = chains.setdefault(_first_of_chain(call), [])
            for requirement in _stated(view, call.args):
                requirement.step = view.span(call)[1]
                group.append(requirement)
        for keyword in call.keywords:
            if keyword.arg in _LISTS:
                yield [*_stated(view, [keyword.value])]
    yield from chains.values()
    for table in view.tree.nodes.get(ast.Dict, ()):
        assert isinstance(table, ast.Dict)
        for key, value in zip(table.keys, table.values, strict=True):
            if isinstance(key, ast.Constant) and key.value in _LISTS:
                yield [*_stated(view, [value])]
    for site in view.calls(process_calls.STARTERS):
        if process_calls.starts_process(view, site):
            for started in process_calls.started(view, site):
                for words in command_words.commands(view, started, is_shell=True):
                    yield commands.read(view.text, script.Command([_placed(view, each) for each in words], ()))


def _first_of_chain(call: ast.Call) -> ast.Call:
    """The first call that installs of those behind one another: `image.pip_install("a").pip_install("b")`."""
    first, at = call, call
    while isinstance(at.func, ast.Attribute) and isinstance(at.func.value, ast.Call):
        at = at.func.value
        first = at if last_name(at.func) in _INSTALLERS else first
    return first


def _stated(view: ModuleView, given: list[ast.expr]) -> Iterator[Requirement]:
    """The requirements in what a call, or a key, is given: texts, and lists of them."""
    for each in given:
        inner = each.value if isinstance(each, ast.Starred) else each
        if isinstance(inner, (ast.List, ast.Tuple, ast.Set)):
            yield from _stated(view, inner.elts)
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            start = _place(view, inner, inner.value)
            requirement = parse(inner.value, start) if start >= 0 else None
            if requirement is not None:
                yield requirement
        elif isinstance(inner, ast.Name):
            for binding in view.links.bindings_read(inner):
                if binding.kind == "assign" and isinstance(binding.value, (ast.List, ast.Tuple)):
                    yield from _stated(view, [binding.value])


def _placed(view: ModuleView, word: Word) -> script.Word:
    """A word of a command with its place; one that stands nowhere, or at two places, is put before the text."""
    start = _place(view, word.node, word.text) if word.text else -1
    return script.Word(word.text, start, start + len(word.text))


def _place(view: ModuleView, node: ast.expr, text: str) -> int:
    """Where a text stands in an expression as it is written; -1 where it does not, or more than once."""
    source = view.source(node)
    return view.span(node)[0] + source.index(text) if source.count(text) == 1 else -1
