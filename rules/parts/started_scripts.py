"""The scripts that command lines start, and what parses their options: a part of V5303."""

from __future__ import annotations

import ast

from v5lint.patterns import pattern
from v5lint.rules.parts import arguments, training_classes, training_fields
from v5lint.rules.parts.command_words import HOLE, Word
from v5lint.view.script import ScriptView
from v5lint.view.values import External, LocalClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from v5lint.scripts import script
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView
    from v5lint.view.values import Value

#: Methods that parse a command line into dataclasses: of HfArgumentParser, and of trl's parser, which inherits from it.
PARSE = "parse_args_into_dataclasses"
PARSES = frozenset({PARSE, "parse_args_and_config"})

#: Methods of these parsers that read no command line; what else a class of the repository has may read it.
_READS_OTHERWISE = frozenset(
    "parse_dict parse_json_file parse_yaml_file add_argument add_argument_group set_defaults print_help".split()
)

#: The scripts in the examples of transformers whose options an HfArgumentParser parses into TrainingArguments.
_EXAMPLES = frozenset(
    "run_audio_classification run_classification run_clip run_clm run_fim run_glue run_image_classification "
    "run_instance_segmentation run_mae run_mim run_mlm run_ner run_object_detection run_plm run_qa "
    "run_qa_beam_search run_semantic_segmentation run_seq2seq_qa run_speech_recognition_ctc "
    "run_speech_recognition_ctc_adapter run_speech_recognition_seq2seq run_summarization run_swag run_translation "
    "run_xnli".split()
)

#: The commands of trl whose options are those of a class that inherits from TrainingArguments.
_COMMANDS = frozenset("dpo grpo kto reward rloo sft".split())

#: What parses a command line otherwise: a script that has it hands nothing on to a parser in what it imports.
_OTHER_PARSERS = pattern(r"\b(?:argparse|click|typer|fire|absl|hydra|tyro|docopt|jsonargparse|simple_parsing)\b")

#: How many imports lie between a script and what parses its options.
_DEPTH = 2

_IMPORT = pattern(r"\b(?:from|import)\s+([\w.]+)")


class Parser:
    """What takes the options of a script.

    Attributes:
        kind: "script" (the script parses them into TrainingArguments), "module" (a module that it imports does),
            "example" (a script of that name is among the examples of transformers), "own" (a class of the repository
            has the field) or "" (cannot be followed, or parses its options in another way).
        script: the name of the script.
        asks: whether the script itself asks for the field, `if not training_args.overwrite_output_dir`.
    """

    __slots__ = ("asks", "kind", "script")

    def __init__(self, kind: str, script: str = "", *, asks: bool = False) -> None:
        self.kind = kind
        self.script = script
        self.asks = asks


def script_of(view: ModuleView | ScriptView, words: Sequence[Word | script.Word]) -> tuple[int, str] | None:
    """The script that a command starts: its place among the words, and its path, or its module behind `-m`."""
    found: tuple[int, str] | None = None
    behind_option: tuple[int, str] | None = None
    for index, word in enumerate(words):
        before = words[index - 1].text if index else ""
        if before == "-c" and found is None:
            module = _IMPORT.search(word.text)  # `python -c "from package.train import main; main()"`
            found = (index, module[1]) if module is not None and _is_module(view, module[1]) else None
        elif word.text.endswith(".py"):
            if not before.startswith("--") or "=" in before:
                return index, word.text
            behind_option = behind_option or (index, word.text)  # `torchrun --standalone train.py`, `--config x.py`
        elif before == "-m" and _is_module(view, word.text):
            found = index, word.text
    return found or behind_option


def is_command(words: Sequence[Word | script.Word]) -> bool:
    """Whether a command is one of trl's own: `trl sft --output_dir out`."""
    return len(words) > 1 and words[0].text == "trl" and words[1].text in _COMMANDS


def parsers(view: ModuleView | ScriptView, script: str, field: str) -> Iterator[Parser]:
    """What takes an option of a script; of all the scripts that it may be.

    Args:
        view: the module that starts it.
        script: its path, or its module.
        field: the field of TrainingArguments that the option fills.
    """
    project = view.project
    if script.endswith(".py"):
        tail = script.rpartition(HOLE)[2] if HOLE in script else script
        if HOLE in script and not tail.startswith("/"):
            return  # `f"run_{task}.py"`
        name = tail.rpartition("/")[2]
        files = [script] if script == view.path else project.ending_with(tail, view.path)
        if not files:
            yield Parser("example" if name.removesuffix(".py") in _EXAMPLES else "", name)
    else:
        name = script
        file = project.module_file(f"{script}.__main__", view.path) or project.module_file(script, view.path)
        files = [file] if file is not None else []
    kinds, asks = [], False
    for each in files:
        other = project.view(each, view.settings) if each != view.path or isinstance(view, ScriptView) else view
        kinds.append(_kind(other, field) if other is not None else "")
        asks = asks or (other is not None and f".{field}" in other.text)
    if len(kinds) > 1 and not all(each in ("script", "module") for each in kinds):
        kinds = [""]  # which of the scripts of one name is meant, nothing says
    yield from (Parser(each, name, asks=asks) for each in kinds)


def is_asked_for(parsers: Iterable[Parser], field: str) -> bool:
    """Whether a script asks for a field that did nothing else under v4: without the option it goes another way."""
    return not training_fields.had_effect(field) and any(each.asks for each in parsers)


def _is_module(view: ModuleView | ScriptView, path: str) -> bool:
    return view.project.module_file(path, view.path) is not None


def _kind(script: ModuleView, field: str) -> str:
    """See Parser."""
    if _OTHER_PARSERS.search(script.text) is not None and not any(each in script.text for each in PARSES):
        return ""
    level = [script]
    seen = {script.path}
    for depth in range(_DEPTH + 1):
        kinds = {kind for each in level for kind in _parses(each, field)}
        if kinds:
            return "own" if "own" in kinds else "script" if depth == 0 else "module"
        following = []
        for each in level:
            for file in each.project.imported_files(each) if depth < _DEPTH else ():
                other = each.project.view(file, script.settings) if file not in seen else None
                seen.add(file)
                if other is not None:
                    following.append(other)
        level = following
    return ""


def _parses(view: ModuleView, field: str) -> Iterator[str]:
    """How a module parses its command line: "trainer" into TrainingArguments, "own" with a field of its own."""
    for call in _parsing_calls(view):
        func = call.func
        if isinstance(func, ast.Attribute) and any(training_classes.parsed_classes(call, func.value)):
            others = training_classes.parsed_local_classes(call, func.value)
            declared = any(arguments.declares(each, field) for each in others)
            yield "own" if declared or _adds(view, field) else "trainer"


def _parsing_calls(view: ModuleView) -> Iterator[CallSite]:
    """The calls that read a command line: of the parser's own methods, and of those that a class of ours adds."""
    if any(each in view.text for each in PARSES):
        yield from view.calls(PARSES)
    if "Parser" not in view.text:
        return
    for call in view.calls():
        func = call.func
        if not isinstance(func, ast.Attribute) or func.attr in PARSES or func.attr in _READS_OTHERWISE:
            continue
        made = view.links.defining_call(func.value)
        if made is not None and any(_has_own_methods(each) for each in view.values(made.func)):
            yield call


def _has_own_methods(parser: Value) -> bool:
    return isinstance(parser, LocalClass) or (isinstance(parser, External) and parser.package == "alignment")


def _adds(view: ModuleView, field: str) -> bool:
    """Whether a module adds an option to a parser itself."""
    return any(
        isinstance(each, ast.Constant) and str(each.value).lstrip("-").replace("-", "_") == field
        for call in view.links.calls_named("add_argument")
        for each in call.args
    )
