"""Options of programs that trl's classes no longer have: on command lines, and in the files that these name."""

from __future__ import annotations

import ast
import re
from itertools import pairwise

from v5lint.patterns import pattern
from v5lint.rule import Edit, Fix
from v5lint.rules.parts import (
    argument_files,
    arguments,
    command_files,
    script_flags,
    started_scripts,
    training_classes,
    trl_arguments,
    trl_names,
)
from v5lint.rules.parts.command_words import HOLE
from v5lint.rules.parts.trl_trainers import PACKAGE
from v5lint.scripts.script import Word
from v5lint.view.values import External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.scripts.script import Command
    from v5lint.view.script import ScriptView

#: The classes that each command of trl fills, beside those that all of them do.
_COMMANDS = {
    "dpo": "DPOConfig",
    "grpo": "GRPOConfig",
    "kto": "KTOConfig",
    "reward": "RewardConfig",
    "rloo": "RLOOConfig",
    "sft": "SFTConfig",
}
_ALWAYS = ("ModelConfig", "ScriptArguments")

#: Options that are parsed today: abbreviations of others, the file of settings, and what another class has now.
#: (each option of the table was given to trl's parser, 1.16.0)
_TAKEN = frozenset("config normalize_advantage trust_remote_code use_liger vllm_max_model_len".split())

_OPTION = pattern(r"--([A-Za-z][\w-]*)")
_FILE = "--config"
_READER = "parse_args_and_config"


def options() -> tuple[str, ...]:
    """Every option that is gone, in both spellings."""
    gone = sorted(trl_arguments.names() - _TAKEN)
    return tuple(dict.fromkeys(f"--{each}" for name in gone for each in (name, name.replace("_", "-"))))


def findings(view: ScriptView) -> Iterator[Finding]:
    """The options that a command gives to a program whose parser fills classes of trl that no longer have them."""
    told: set[tuple[int, str]] = set()
    for command in view.commands:
        words = view.expanded(command)
        if not any(each.text.startswith("--") for each in words):
            continue
        found = _program(view, command, words)
        if found is None:
            continue
        behind, classes = found
        for word in words[behind:]:
            option = _OPTION.match(word.text)
            lost = _lost(view, classes, option[1].replace("-", "_")) if option is not None else None
            if option is not None and lost is not None and (word.start, "") not in told:
                told.add((word.start, ""))
                end = word.start + len(option[0])
                yield view.finding(word.start, end, _said(lost), fix=_renamed(view, word.start, option[0], lost))
        for before, word in pairwise(words[behind:]):
            keys = argument_files.keys_of(view, word.text) if before.text == _FILE else frozenset()
            for name in sorted(keys):
                lost = _lost(view, classes, name)
                if lost is not None and (word.start, name) not in told:
                    told.add((word.start, name))
                    yield view.finding(word.start, word.end, f"`{word.text}` sets `{name}`: {_said(lost)}")


def _program(view: ScriptView, command: Command, words: list[Word]) -> tuple[int, list[str]] | None:
    """The place behind the program that a command starts, and the classes of trl that its parser fills."""
    if started_scripts.is_command(words):
        return 2, [_COMMANDS[words[1].text], *_ALWAYS]
    known = [Word(script_flags.UNKNOWN.sub(HOLE, each.text), each.start, each.end) for each in words]
    script = started_scripts.script_of(view, known)
    if script is None or HOLE in script[1]:
        return None
    found: list[External | LocalClass] = []
    for module in command_files.modules(view, script_flags.from_folder(view, command, script[1])):
        for call in module.calls(started_scripts.PARSES):
            if isinstance(call.func, ast.Attribute) and not call.node.keywords:
                found += training_classes.parsed(call, call.func.value)
    names = [
        root.name
        for each in found
        for root in (each.view.roots(each) if isinstance(each, LocalClass) else [each])
        if root.package == PACKAGE
    ]
    local = [each for each in found if isinstance(each, LocalClass)]
    return (script[0] + 1, [*names, *_fields(local)]) if names else None


def _fields(classes: list[LocalClass]) -> Iterator[str]:
    """The fields that classes of the repository declare, each as `.field`."""
    wanted = trl_arguments.names()
    for each in classes:
        yield from (f".{name}" for name in wanted if arguments.declares(each, name))


def _lost(view: ScriptView, classes: list[str], name: str) -> Removal | None:
    """What took an option from the classes that a parser fills."""
    if name in _TAKEN or f".{name}" in classes:
        return None
    found = next((lost for of in classes if (lost := trl_arguments.removal(of, name)) is not None), None)
    return None if found is None or trl_names.is_held_before(view, found.gone) else found


def _said(lost: Removal) -> str:
    _package, of, name = lost.path.split(".")
    return f"`{of}` has no field `{name}` since trl {lost.gone}{arguments.advice(lost)}"


def _renamed(view: ScriptView, start: int, option: str, lost: Removal) -> Fix | None:
    new = lost.replacement
    if new is None or not re.match(re.escape(option), view.text[start:]):
        return None
    edit = Edit(start, start + len(option), f"--{new.new}")
    return Fix(f"Replace `{option}` with `--{new.new}`", [edit], applicability=trl_arguments.safety(view, lost))
