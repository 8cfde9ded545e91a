"""V5303: fields that TrainingArguments no longer has, as options of a command line that is written in Python."""

from __future__ import annotations

import ast
import re

from v5lint.patterns import pattern
from v5lint.rule import Edit, Finding, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import (
    arguments,
    command_words,
    library,
    script_flags,
    started_scripts,
    training_classes,
    training_fields,
)
from v5lint.rules.parts.started_scripts import PARSES
from v5lint.rules.parts.training_classes import CLASS, FIELDS
from v5lint.view.script import ScriptView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from v5lint.rule import Unseen
    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.rules.parts.command_words import Word
    from v5lint.rules.parts.started_scripts import Parser
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

#: The options of the fields, as they are written: `--no_cuda`, and `--no-cuda`, which the parser takes as well.
_OPTIONS = tuple(dict.fromkeys(f"--{each}" for field in FIELDS for each in (field, field.replace("_", "-"))))
_OPTION = pattern(rf"(?:{'|'.join(_OPTIONS)})(?![\w-])")

#: What jobs of SageMaker hand to their script as options, and where that is named.
_JOB_OPTIONS, _JOB_SCRIPT = "hyperparameters", "entry_point"

#: Names of functions that start a program which they are given as a text.
_STARTS = pattern(
    r"run|exec|call|check_output|launch|system|popen|output|spawn|submit|shell|cmd|command", re.IGNORECASE
)


class RemovedTrainingFlag(Rule):
    """An option of a field that `TrainingArguments` no longer has, in a command line that is written in Python.

    ## What it does

    Finds `"--evaluation_strategy"` and its like in lists that are given to
    `HfArgumentParser(...).parse_args_into_dataclasses(args=[...])`, in what is added to such a list, in texts that are
    split into one, and in `sys.argv` where the module sets it and the parser reads it; where the parser fills
    `TrainingArguments` and no other of its classes has a field of the name. (Dicts for `parse_dict`: V5301.)

    The same in the commands that a program starts: `subprocess.run([sys.executable, "train.py", "--no_cuda"])`,
    `os.system("torchrun train.py --no_cuda")`, a list that is built in steps, the `sys.argv` that a test sets. The
    script is looked for in the repository, and counts where it, or a module that it imports, fills
    `TrainingArguments` by such a parser, or by one that inherits from it (trl's, a class of the repository). A script
    that is not there counts where it has the name of one of transformers' examples. The commands of shell scripts,
    Makefiles, Dockerfiles and YAML are read in the same way, and so are the `hyperparameters=` of SageMaker's jobs,
    with the variables that hold their options (`ARGS="--no_cuda"`, then `$ARGS`); so are trl's own (`trl sft
    --no_cuda`).

    ## Why it breaks

    Measured on 5.23.0:

        ValueError: Some specified arguments are not used by the HfArgumentParser: ['--evaluation_strategy', 'epoch']

    ## Example

        parser.parse_args_into_dataclasses(["--output_dir", "out", "--evaluation_strategy", "epoch"])

    becomes

        parser.parse_args_into_dataclasses(["--output_dir", "out", "--eval_strategy", "epoch"])

    ## Fix safety

    In scripts `--warmup_ratio 0.03` becomes `--warmup_steps 0.03`, which is a share of the steps since 5.0.
    Safe for options that only have another name now, and for flags in a list that changed nothing
    (`--overwrite_output_dir`), which go. Unsafe where the script itself asks for what goes
    (`if not training_args.overwrite_output_dir`), and where a module parses them that the script imports; only
    shown where the same words go to other scripts too, or the script is not in the repository. Options that are gone
    are left to a person.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    """

    code = "V5303"
    name = "removed-training-flag"
    since = "5.0"
    tokens = (*sorted(PARSES), *_OPTIONS, _JOB_OPTIONS)
    anywhere = True
    tokens_by_kind = {"script": _OPTIONS}
    kinds = ("python", "script")

    def check(self, module: ModuleView | ScriptView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        seen: set[int] = set()
        if module.project.is_first_party("transformers", module.path):
            return
        if isinstance(module, ScriptView):
            yield from script_flags.findings(module, _OPTION)
            return
        yield from _parsed_here(module, seen)
        yield from _started(module, seen)
        yield from _given_to_jobs(module, seen)


def _parsed_here(module: ModuleView, seen: set[int]) -> Iterator[Finding]:
    """The options in what a parser of the module is given, and in `sys.argv` where the module sets it."""
    for call in module.calls(PARSES):
        if not isinstance(call.func, ast.Attribute) or module.guards.is_dead(call.node):
            continue
        if not any(training_classes.parsed_classes(call, call.func.value)):
            continue
        given = call.argument("args", 0)
        lists = _lists(module, given, set()) if given is not None else _command_line(module)
        for found in _options(module, call, lists):
            if found.start not in seen:
                seen.add(found.start)
                yield found


def _started(view: ModuleView, seen: set[int]) -> Iterator[Finding | Unseen]:
    """The options in the commands that start a script whose parser fills TrainingArguments."""
    if _OPTION.search(view.text) is None:
        return
    met: dict[tuple[int, int], list[tuple[Word, str, list[Parser]]]] = {}
    for command in _commands(view):
        script = started_scripts.script_of(view, command)
        for word in command[script[0] + 1 :] if script is not None else ():
            option = _OPTION.match(word.text)
            if option is None or word.text[option.end() : option.end() + 1] not in ("", "=", " "):
                continue
            name = option[0][len("--") :].replace("-", "_")
            assert script is not None
            parsers = [*started_scripts.parsers(view, script[1], name)]
            met.setdefault((word.start, view.span(word.node)[0]), []).append((word, name, parsers))
    target = library.release_text(view.settings.target)
    for (start, _), commands in met.items():
        word, name, _ = commands[0]
        removal = lookup.removed_parameter(CLASS, name, target)
        parsers = [each for _, _, found in commands for each in found]
        takers = [each for each in parsers if each.kind in ("script", "module", "example")]
        if removal is None or not takers or start in seen or view.guards.is_dead(word.node):
            continue
        seen.add(start)
        said = f"`{takers[0].script}` fills `TrainingArguments`, which has no field `{name}` since transformers"
        message = f"{said} {removal.gone}{arguments.advice(removal)}"
        written = re.split(r"[=\s]", word.text)[0]
        fix = _fix(view, written[len("--") :], start + len("--"), removal) if start >= 0 else None
        fix = fix or _without(view, word.node, name)
        kinds = {each.kind for each in parsers}
        if fix is not None and kinds != {"script"}:
            fix.applicability = "unsafe" if kinds == {"script", "module"} or kinds == {"module"} else "display"
        if fix is not None and fix.applicability == "safe" and started_scripts.is_asked_for(parsers, name):
            fix.applicability = "unsafe"
        if start >= 0:
            yield Finding(message, start, start + len(written), fix=fix, since=removal.gone)
        else:
            yield view.finding(word.node, message, since=removal.gone)


def _given_to_jobs(view: ModuleView, seen: set[int]) -> Iterator[Finding]:
    """The options in the dict of a job: `HuggingFace(entry_point="train.py", hyperparameters={"no_cuda": True})`."""
    target = library.release_text(view.settings.target)
    for call, keyword in view.keywords({_JOB_OPTIONS}):
        scripts = library.texts(call.values_of(_JOB_SCRIPT))
        if len(scripts) != 1 or view.guards.is_dead(call.node):
            continue
        for entry in view.dicts.flow(keyword.value).entries:
            name, node = entry.key, entry.node
            if not isinstance(name, str) or name not in FIELDS or entry.how == "removal":
                continue
            removal, start = lookup.removed_parameter(CLASS, name, target), view.span(node)[0]
            kinds = {each.kind for each in started_scripts.parsers(view, scripts[0], name)}
            if removal is None or start in seen or not kinds & {"script", "module", "example"}:
                continue
            seen.add(start)
            said = f"`{scripts[0]}` fills `TrainingArguments`, which has no field `{name}` since transformers"
            message = f"{said} {removal.gone}{arguments.advice(removal)}"
            fix = _renamed_key(view, node, name, removal)
            if fix is not None and kinds != {"script"}:
                fix.applicability = "display" if "example" in kinds else "unsafe"
            yield view.finding(node, message, fix=fix, since=removal.gone)


def _renamed_key(view: ModuleView, node: ast.AST, name: str, removal: Removal) -> Fix | None:
    new, source = removal.replacement, view.source(node)
    if new is None or not new.drop_in or not isinstance(node, ast.Constant) or source[1:-1] != name:
        return None
    is_alone = view.text.count(name) == 1  # else the program may ask its dict for the key
    edit = view.replace(node, f"{source[0]}{new.new}{source[-1]}")
    return Fix(
        f"Replace `{name}` with `{new.new}`",
        [edit],
        applicability="safe" if is_alone else "unsafe",
        requires=new.since,
    )


def _commands(view: ModuleView) -> Iterator[list[Word]]:
    """The command lines of a module: lists of words, and texts that something starts."""
    for kind in (ast.List, ast.Tuple):
        for node in view.tree.nodes.get(kind, ()):
            assert isinstance(node, (ast.List, ast.Tuple))
            if isinstance(node.ctx, ast.Load):
                yield from command_words.commands(view, node, is_shell=False)
    for call in view.calls():
        is_shell = _STARTS.search(call.name) is not None
        for each in [*call.args, *(keyword.value for keyword in call.node.keywords if keyword.arg is not None)]:
            if not isinstance(each, (ast.List, ast.Tuple)):
                for command in command_words.alternatives(view, each):
                    yield from command_words.commands(view, command, is_shell=is_shell)


def _options(view: ModuleView, call: CallSite, lists: Iterable[ast.expr]) -> Iterator[Finding]:
    target = library.release_text(view.settings.target)
    for node, text, start in _words(view, lists):
        option = text[2:].partition("=")[0]
        name = option.replace("-", "_")
        if not text.startswith("--") or name not in FIELDS or _is_declared(call, name):
            continue
        removal = lookup.removed_parameter(CLASS, name, target)
        if removal is not None:
            said = f"`TrainingArguments` has no field `{name}` since transformers {removal.gone}"
            fix = _fix(view, option, start + len("--"), removal) or _without(view, node, name)
            if fix is not None and not training_fields.had_effect(name) and f".{name}" in view.text:
                fix.applicability = "unsafe"  # the program goes another way with it than without
            message = f"{said}{arguments.advice(removal)}"
            if isinstance(node, ast.Constant) and node.value == text:
                yield view.finding(node, message, fix=fix, since=removal.gone)
            elif start >= 0:
                yield Finding(message, start, start + len(text), fix=fix, since=removal.gone)


def _words(view: ModuleView, lists: Iterable[ast.expr]) -> Iterator[tuple[ast.expr, str, int]]:
    """The words of some command lines: each with the string that it stands in, and where."""
    for each in lists:
        if isinstance(each, (ast.List, ast.Tuple)):
            strings = [one for one in each.elts if isinstance(one, ast.Constant)]
            is_line = False
        else:
            strings, is_line = [one for one in [each] if isinstance(one, ast.Constant)], True
        for string in strings:
            if not isinstance(string.value, str):
                continue
            start, end = view.span(string)
            source = view.text[start:end]
            for word in string.value.split() if is_line else [string.value]:
                found = re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", source)
                yield string, word, start + found.start() if found is not None else -1


def _lists(view: ModuleView, given: ast.expr, seen: set[ast.AST]) -> Iterator[ast.expr]:
    """What a list of options is made of: the literals, and the texts that are split into one."""
    if given in seen:
        return
    seen.add(given)
    if isinstance(given, ast.Name):
        for binding in view.links.bindings_read(given):
            if binding.kind == "parameter" and isinstance(binding.node, ast.arg):
                for each in view.links.arguments_for(binding.scope.node, binding.node)[0]:
                    yield from _lists(view, each, seen)
            if binding.value is not None:
                yield from _lists(view, binding.value, seen)
            if binding.kind == "augment" and isinstance(binding.node, ast.AugAssign):
                yield from _lists(view, binding.node.target, seen)
        yield from _added(view, given, seen)
    elif isinstance(given, ast.BinOp) and isinstance(given.op, ast.Add):
        yield from _lists(view, given.left, seen)
        yield from _lists(view, given.right, seen)
    elif isinstance(given, ast.Call) and isinstance(given.func, ast.Attribute) and given.func.attr == "split":
        # `"--a 1 --b".split()`, and `shlex.split("--a 1 --b")`
        yield given.args[0] if given.args and not isinstance(given.func.value, ast.Constant) else given.func.value
    elif isinstance(given, ast.ListComp):
        yield from _lists(view, given.generators[0].iter, seen)
    elif isinstance(given, (ast.List, ast.Tuple)):
        yield given


def _added(view: ModuleView, name: ast.expr, seen: set[ast.AST]) -> Iterator[ast.expr]:
    """What is put into a list later on: `argv.append("--no_cuda")`, `argv.extend([...])`."""
    for method in ("append", "extend"):
        for call in view.links.calls_named(method):
            func = call.func
            if (
                len(call.args) != 1
                or not isinstance(func, ast.Attribute)
                or ast.unparse(func.value) != ast.unparse(name)
            ):
                continue
            if method == "extend":
                yield from _lists(view, call.args[0], seen)
            else:
                yield ast.List([call.args[0]], ast.Load())


def _command_line(view: ModuleView) -> Iterator[ast.expr]:
    """What a module makes of its own command line: `sys.argv = [...]`, `sys.argv += [...]`."""
    seen: set[ast.AST] = set()
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if node.attr != "argv" or not isinstance(node.value, ast.Name) or node.value.id != "sys":
            continue
        statement = view.tree.parents[node]
        if isinstance(statement, (ast.Assign, ast.AugAssign)) and not isinstance(node.ctx, ast.Load):
            yield from _lists(view, statement.value, seen)
        elif isinstance(statement, ast.Attribute):
            yield from _added(view, node, seen)


def _is_declared(call: CallSite, name: str) -> bool:
    """Whether one of the classes that the parser fills has the field itself."""
    assert isinstance(call.func, ast.Attribute)
    return any(arguments.declares(each, name) for each in training_classes.parsed_local_classes(call, call.func.value))


def _without(view: ModuleView, node: ast.AST, name: str) -> Fix | None:
    """Take a flag out of the list that it stands in, which changed nothing and has no value behind it."""
    around = view.tree.parents[node]
    if training_fields.had_effect(name) or not isinstance(node, ast.Constant) or not isinstance(around, ast.List):
        return None
    place = around.elts.index(node)
    behind = around.elts[place + 1 : place + 2]
    if not isinstance(node.value, str) or node.value.lstrip("-").replace("-", "_") != name:
        return None
    if any(not (isinstance(each, ast.Constant) and str(each.value).startswith("--")) for each in behind):
        return None
    if behind:
        start, end = view.span(node)[0], view.span(behind[0])[0]
    elif place:
        start, end = view.span(around.elts[place - 1])[1], view.span(node)[1]
    else:
        return None
    if "#" in view.text[start:end]:
        return None
    return Fix(f"Remove `--{name}`", [Edit(start, end, "")])


def _fix(view: ModuleView, option: str, start: int, removal: Removal) -> Fix | None:
    new = removal.replacement
    if new is None or not new.drop_in or view.text[start : start + len(option)] != option:
        return None
    edit = Edit(start, start + len(option), new.new)
    return Fix(f"Replace `--{option}` with `--{new.new}`", [edit], requires=new.since)
