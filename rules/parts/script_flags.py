"""V5303 in shell scripts, Dockerfiles, YAML and their like: options of the programs that their commands start."""

from __future__ import annotations

import os.path
import re

from v5lint.rule import Edit, Fix
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import arguments, library, started_scripts, training_fields, word_gaps
from v5lint.rules.parts.command_words import HOLE
from v5lint.rules.parts.training_classes import CLASS
from v5lint.scripts.script import Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.rules.knowledge.lookup import Removal
    from v5lint.rules.parts.started_scripts import Parser
    from v5lint.scripts.script import Command
    from v5lint.view.script import ScriptView

#: What stands in a word for the part that is not known until the script runs.
UNKNOWN = re.compile(r"\$\{[^}]*\}|\$\([^)]*\)|`[^`]*`|\$\w+|\$\S")

#: A share of the steps; from 1 on `--warmup_steps` counts steps.
_SHARE = re.compile(r"0?\.\d+|0")

#: What stands between a word and another one in its line.
_BEHIND = re.compile(r"[ \t]+(?=[^\s\\\"'#;&|)])")

_FLAG_VALUES = frozenset("True False true false 1 0 yes no".split())


def findings(view: ScriptView, options: re.Pattern[str]) -> Iterator[Finding]:
    """Yield the options that no field of TrainingArguments takes any more, of programs that parse them into it.

    Args:
        view: the script.
        options: matches the options of fields that were removed.
    """
    if options.search(view.text) is None:
        return
    met: dict[int, list[tuple[list[Word], int, list[Parser]]]] = {}
    for command in view.commands:
        words = view.expanded(command)
        if not any(options.match(word.text) for word in words):
            continue
        known = [Word(UNKNOWN.sub(HOLE, word.text), word.start, word.end) for word in words]
        script = (1, "trl") if started_scripts.is_command(known) else started_scripts.script_of(view, known)
        if script is None:
            continue
        path = from_folder(view, command, script[1])
        for place in range(script[0] + 1, len(words)):
            option = options.match(words[place].text)
            if option is None or words[place].text[option.end() : option.end() + 1] not in ("", "="):
                continue
            own = [started_scripts.Parser("module", "trl")]
            parsers = own if path == "trl" else [*started_scripts.parsers(view, path, _name(option[0]))]
            met.setdefault(words[place].start, []).append((words, place, parsers))
    target = library.release_text(view.settings.target)
    for start, commands in met.items():
        words, place, _ = commands[0]
        option = options.match(words[place].text)
        assert option is not None
        name = _name(option[0])
        removal = lookup.removed_parameter(CLASS, name, target)
        parsers = [each for _, _, found in commands for each in found]
        takers = [each for each in parsers if each.kind in ("script", "module", "example")]
        if removal is None or not takers:
            continue
        said = f"`{takers[0].script}` fills `TrainingArguments`, which has no field `{name}` since transformers"
        fix = _replaced(view, words, place, name)
        fix = fix or _renamed(view, start, option[0], removal) or _removed(view, words, place, name)
        kinds = {each.kind for each in parsers}
        if fix is not None and kinds != {"script"}:
            fix.applicability = "unsafe" if kinds in ({"script", "module"}, {"module"}) else "display"
        if fix is not None and fix.applicability == "safe" and started_scripts.is_asked_for(parsers, name):
            fix.applicability = "unsafe"
        message = f"{said} {removal.gone}{arguments.advice(removal)}"
        yield view.finding(start, start + len(option[0]), message, fix=fix, since=removal.gone)


def _name(option: str) -> str:
    return option[len("--") :].replace("-", "_")


def from_folder(view: ScriptView, command: Command, script: str) -> str:
    """The path of a program as it is from the folder that the script has gone into."""
    if not command.folder or not script.endswith(".py"):
        return script
    inside = f"{command.folder}/{script}"
    for folder in (os.path.dirname(os.path.abspath(view.path)), os.path.abspath(view.project.root)):
        if os.path.isfile(os.path.join(folder, inside)):
            return os.path.normpath(inside)
    return script


def _renamed(view: ScriptView, start: int, option: str, removal: Removal) -> Fix | None:
    new = removal.replacement
    if new is None or not new.drop_in or view.text[start : start + len(option)] != option:
        return None
    edit = Edit(start, start + len(option), f"--{new.new}")
    return Fix(f"Replace `{option}` with `--{new.new}`", [edit], requires=new.since)


#: What stands at the end of a line that goes on, where it is no backslash.
_GOES_ON = {"batch": "^", "powershell": "`"}


def _replaced(view: ScriptView, words: list[Word], place: int, name: str) -> Fix | None:
    """Give the value of an option to another one, where it is known: `--warmup_ratio 0.03` as `--warmup_steps 0.03`."""
    word = words[place]
    following = words[place + 1] if place + 1 < len(words) else None
    value = following if following is not None and not following.text.startswith("-") else None
    if "=" in word.text or view.text[word.start : word.end] != word.text:
        return None
    if name == "warmup_ratio" and value is not None and _SHARE.fullmatch(value.text):
        if any(_name(each.text.partition("=")[0]) == "warmup_steps" for each in words):
            return None
        edit = Edit(word.start, word.end, "--warmup_steps")
        return Fix("Give the share to `--warmup_steps`", [edit], requires="5.0")
    if name == "group_by_length" and (value is None or value.text in ("True", "true", "1")):
        end = word.end if value is None else value.end
        between = word_gaps.between(view, words, place)
        if between is None:
            return None
        edit = Edit(word.start, end, f"--train_sampling_strategy{between}group_by_length")
        return Fix("Replace it with `--train_sampling_strategy`", [edit], requires="5.2")
    return None


def _removed(view: ScriptView, words: list[Word], place: int, name: str) -> Fix | None:
    """Take an option out which changed nothing, with its value."""
    word = words[place]
    following = words[place + 1] if place + 1 < len(words) else None
    if training_fields.had_effect(name) or _name(word.text.partition("=")[0]) != name:
        return None
    end = word.end
    if "=" not in word.text and following is not None and not following.text.startswith("-"):
        if following.text not in _FLAG_VALUES:
            return None
        end = following.end
    before = words[place - 1].end
    between = view.text[before : word.start]
    if not 0 < len(between) < 200 or between.replace(_GOES_ON.get(view.kind, "\\"), "").strip():
        return None
    start = before
    behind = _BEHIND.match(view.text, end)
    if "\n" in between and behind is not None:  # first in its line, and not the last
        start, end = word.start, behind.end()
    return Fix(f"Remove `--{name}`", [Edit(start, end, "")])
