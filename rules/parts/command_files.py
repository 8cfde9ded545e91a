"""Files of settings on command lines, whose keys a script puts into TrainingArguments: a part of V5301.

`python train.py args.json`, and `accelerate launch train.py --config recipe.yaml` of trl's parser.
"""

from __future__ import annotations

import ast
from itertools import pairwise

from v5lint.patterns import pattern
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import argument_files, arguments, library, started_scripts, training_classes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from v5lint.rule import Finding
    from v5lint.scripts.script import Word
    from v5lint.view.module import ModuleView
    from v5lint.view.script import ScriptView

#: The tokens of scripts with such commands.
TOKENS = (".yaml", ".yml", ".json")

#: Whether there may be one at all: a program and a file in one line, or in lines that go on.
_STARTED = pattern(r"(?:\.py\b|\btrl[ ]+\w)(?:[^\n]|\\\n)*?\.(?:ya?ml|json)\b")

#: How trl's parser is told its file.
_OPTION = "--config"
_WITH_OPTION = "parse_args_and_config"


def findings(view: ScriptView, names: Iterable[str]) -> Iterator[Finding]:
    """Yield the files on the command lines of a script with keys of some names that go into TrainingArguments.

    Args:
        view: the script.
        names: the removed fields.
    """
    if _STARTED.search(view.text) is None:
        return
    target = library.release_text(view.settings.target)
    told: set[tuple[int, str]] = set()
    for command in view.commands:
        words = view.expanded(command)
        for reader, word, path in _files(view, words):
            keys = argument_files.keys_of(view, path)
            for name in (each for each in names if each in keys and (word.start, each) not in told):
                removal = lookup.removed_parameter(training_classes.CLASS, name, target)
                if removal is not None and not _is_own(view, reader, name):
                    told.add((word.start, name))
                    said = f"`{path}` gives `{training_classes.CLASS}` the field `{name}`, which is gone since"
                    message = f"{said} transformers {removal.gone}{arguments.advice(removal)}"
                    yield view.finding(word.start, word.end, message, since=removal.gone)


def _files(view: ScriptView, words: Sequence[Word]) -> Iterator[tuple[str, Word, str]]:
    """The files that a command gives to a script, each with the script ("" for trl's own), its word and its path."""
    if started_scripts.is_command(words):
        yield from (("", *each) for each in _behind_option(words[2:]))
        return
    found = started_scripts.script_of(view, words)
    if found is None:
        return
    index, script = found
    behind = words[index + 1 :]
    readers = {method for module in modules(view, script) for method in _readers(module)}
    if _WITH_OPTION in readers:
        yield from ((script, *each) for each in _behind_option(behind))
    if behind and behind[0].text.endswith(TOKENS) and readers & argument_files.READERS.keys():
        yield script, behind[0], behind[0].text


def _behind_option(words: Sequence[Word]) -> Iterator[tuple[Word, str]]:
    for before, word in pairwise(words):
        if before.text == _OPTION:
            yield word, word.text


def modules(view: ScriptView, script: str) -> Iterator[ModuleView]:
    """The module of a script, as far as the repository has one of the name, and no second one."""
    if script.endswith(".py"):
        files = view.project.ending_with(script, view.path)
    else:
        file = view.project.module_file(f"{script}.__main__", view.path) or view.project.module_file(script, view.path)
        files = [file] if file is not None else []
    module = view.project.view(files[0], view.settings) if len(files) == 1 else None
    if module is not None:
        yield module


def _readers(module: ModuleView) -> Iterator[str]:
    """The methods by which a script puts the file that it is given into TrainingArguments."""
    for call in module.calls((_WITH_OPTION, *argument_files.READERS)):
        func = call.func
        if not isinstance(func, ast.Attribute) or not any(training_classes.parsed_classes(call, func.value)):
            continue
        given = call.argument(argument_files.READERS.get(call.name, ""), 0)
        lenient = call.keyword("return_remaining_strings") or call.keyword("fail_with_unknown_args")
        lenient = lenient or call.keyword("allow_extra_keys")
        if lenient is None and (
            call.name == _WITH_OPTION or (given is not None and _is_of_command_line(module, given))
        ):
            yield call.name


def _is_of_command_line(module: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is made of `sys.argv`, as it stands there or where its name is assigned."""
    nodes = [node]
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            nodes += [bound.value for bound in module.links.bindings_read(each) if bound.value is not None]
    return any("argv" in ast.unparse(each) for each in nodes)


def _is_own(view: ScriptView, script: str, name: str) -> bool:
    """Whether another class that the script fills has a field of a name."""
    return any(
        arguments.declares(of, name)
        for module in modules(view, script)
        for call in module.calls((_WITH_OPTION, *argument_files.READERS))
        if isinstance(call.func, ast.Attribute)
        for of in training_classes.parsed_local_classes(call, call.func.value)
    )
