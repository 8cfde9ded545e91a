"""V5602: commands that transformers and huggingface_hub no longer install, where a program starts them."""

from __future__ import annotations

import ast
import re

from v5lint.patterns import pattern
from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.parts import command_words, hub, process_calls, script_variables, word_gaps
from v5lint.view.requirements import RequirementsView
from v5lint.view.script import ScriptView
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.rules.parts.command_words import Word
    from v5lint.scripts import script
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

    AnyWord: TypeAlias = Word | script.Word

_SCRIPTS = ("huggingface-cli", "transformers-cli")
_SCRIPT = pattern(r"(?<![\w.-])({})(?=$|[\s;&|)\"'])".format("|".join(_SCRIPTS)))
_SUBCOMMAND = pattern(r"[ \t]+([a-z-]+)")
_HUB = "huggingface_hub"

#: Where a list of commands goes on in the next line, what ends it, and how far back its beginning may be.
_GOES_ON = re.compile(r"\\\r?\n|(?<=[|&])[ \t]*\r?\n")
_ENDS = re.compile(r"[;\r\n]")
_LIST = 600

#: Commands that take what follows them as words, and do not start it.
_NO_STARTERS = frozenset(
    "echo printf which type whereis man grep cat ls rm cp mv ln chmod touch test [ git pip pip3 apt apt-get brew conda "
    "pkill killall pgrep alias unalias".split()
)

#: Commands that say where another one is.
_ASKING = frozenset("which type hash whereis where where.exe Get-Command gcm".split())

#: Words before the name of a package that is installed.
_INSTALLS = frozenset({"install", "add", "remove", "uninstall"})

#: What stands before a command and starts it.
_BEFORE_COMMAND = frozenset("sudo env exec nohup time command nice ! if then do while $( ( {".split())
_VARIABLE = pattern(r"\w+=")

#: What follows the command, and what is written instead of both. Subcommands that are not here were changed.
_SPELLINGS = {
    "huggingface-cli": {
        "login": "hf auth login",
        "logout": "hf auth logout",
        "whoami": "hf auth whoami",
        "download": "hf download",
        "upload": "hf upload",
        "env": "hf env",
        "version": "hf version",
    },
    "transformers-cli": {"env": "transformers env", "version": "transformers version"},
}

#: Subcommands of `transformers` that are gone: the release, and what to do instead.
_GONE = {
    "run": ("5.0", "call `pipeline` in Python"),
    "convert": ("5.0", "it read checkpoints of TensorFlow: convert them with 4.57"),
    "add-fast-image-processor": ("5.4", "image processors have both backends"),
}
_CLIENT = "transformers"

#: Options of `transformers chat` that loaded a model: it talks to a server since 5.0.
_LOADING = ("--model_name_or_path", "--model-name-or-path")

#: Options that the new commands refuse and that had no effect any more, with the number of their values.
_IDLE = {"--resume-download": 0, "--local-dir-use-symlinks": 1}
_VALUES = frozenset("True False true false auto 0 1".split())

#: Options that took any number of values, and take one each time now.
_SEVERAL = frozenset({"--include", "--exclude"})

#: The releases of transformers since which the new command comes along.
_SINCE = {"huggingface-cli": "5.0", "transformers-cli": "4.52"}


class RemovedCommand(Rule):
    """A command that is no longer installed, started by a program.

    ## What it does

    Finds `huggingface-cli`, `transformers-cli`, subcommands of `transformers` that are gone (`transformers run`) and
    `python -m transformers.<module that is gone>` in what `subprocess.run` and its kin, `os.system`, `os.popen`,
    `asyncio.create_subprocess_*` and `get_ipython().system` are given: a string, an f-string, a list, what these are
    put together to, a variable with one, or a table of them. `shutil.which` of such a command finds nothing any more.
    What only names the command, as `echo` does, is left alone, and so is what falls back on it: the new command was
    looked for (`shutil.which("hf")`, `command -v hf`) or tried before (`hf download x || huggingface-cli download x`).

    The same in the commands of shell scripts, Dockerfiles, YAML and Makefiles (`which huggingface-cli` as well), of
    batch files and PowerShell, and in what files of settings and other languages have a shell run: tasks of
    `pyproject.toml` and `pixi.toml`, `tox.ini`, units of systemd, `devcontainer.json`, Terraform, Nix, Snakefiles, R,
    Julia.

    ## Why it breaks

    Measured with transformers 5.23 and huggingface_hub 2.4:

        FileNotFoundError: [Errno 2] No such file or directory: 'huggingface-cli'
        /bin/sh: 1: transformers-cli: not found
        No module named transformers.onnx
        Error: No such command 'run'.

    ## Example

        subprocess.run(["huggingface-cli", "download", "google/vit-base-patch16-224"], check=True)

    becomes

        subprocess.run(["hf", "download", "google/vit-base-patch16-224"], check=True)

    ## Fix safety

    Safe for the subcommands that kept their name and arguments (`download`, `upload`, `env`, `version`, and `login`,
    `logout` and `whoami` behind `hf auth`), once `min-version` is a release that installs the new command. Where
    `--resume-download` or `--local-dir-use-symlinks` is passed, which `hf download` refuses, and for everything else
    there is no fix. Unsafe in a script that is written to a file or run on another machine.

    ## References

    - https://huggingface.co/docs/huggingface_hub/guides/cli
    """

    code = "V5602"
    name = "removed-command"
    since = "5.0"
    kinds = ("python", "script", "requirements")
    tokens = (
        *_SCRIPTS,
        *(f"{_CLIENT}{between}{each}" for between in (" ", '", "', "', '") for each in (*_GONE, "chat")),
        *(f"{before}{package}." for package in ("transformers", _HUB) for before in ("-m ", '"', "'")),
    )

    def check(self, module: ModuleView | ScriptView | RequirementsView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        if isinstance(module, (ScriptView, RequirementsView)):
            view = script_variables.script_in(module)
            if view is not None:
                for command in view.commands:
                    yield from _in_script(view, command.words)
                for command in view.written:
                    yield from _in_script(view, command.words, is_written=True)
            return
        told: set[ast.AST] = set()
        for call in module.calls({*process_calls.STARTERS, "which"}):
            if module.guards.is_dead(call.node):
                continue
            for node, finding in _in_call(module, call):
                if node not in told:
                    told.add(node)
                    yield finding


# Scripts


def _looks_for(view: ScriptView, name: str) -> bool:
    """Whether a script asks where a command is: it knows both names, and takes the one that is there."""
    for command in view.commands:
        first, *others = (word.text for word in command.words)
        asks = first in _ASKING or (first == "command" and others[:1] in (["-v"], ["-V"]))
        if asks and name in others:
            return True
    return False


def _is_second_choice(view: ScriptView, at: int, new: str) -> bool:
    """Whether a command runs only where the new one fails: `hf download x || huggingface-cli download x`."""
    before = _ENDS.split(_GOES_ON.sub(" ", view.text[max(0, at - _LIST) : at]))[-1]
    return re.search(rf"(?<![\w./-]){new}(?![\w./-]).*\|\|", before) is not None


def _in_script(view: ScriptView, words: list[script.Word], *, is_written: bool = False) -> Iterator[Finding]:
    """The findings in one command of a shell script, or of what holds such commands.

    Args:
        view: the script.
        words: the words of the command.
        is_written: whether it is of a script that this one writes, or has run on another machine.
    """
    program = words[0].text.rpartition("/")[2]
    asks = program in _ASKING or (program == "command" and len(words) > 1 and words[1].text in ("-v", "-V"))
    texts = [word.text for word in words]
    for index, word in enumerate(words):
        name = word.text.rpartition("/")[2]
        is_started = index == 0 or ("/" not in word.text and not _INSTALLS & {*texts[:index]})
        if name in _SCRIPTS and not _is_ours(view, name) and (asks or (is_started and program not in _NO_STARTERS)):
            new = _successor(name)
            if not _looks_for(view, new) and not _is_second_choice(view, words[0].start, new):
                yield _script_finding(view, words, index, name, asks=asks, is_written=is_written)
        elif index and texts[index - 1] == _CLIENT and index == 1 and not _is_ours(view, _CLIENT):
            if (said := _about_client(words[index:])) is not None:
                yield view.finding(word.start, word.end, said[0], since=said[1])
        elif index and texts[index - 1] == "-m" and (said := _about_module(view, word.text)) is not None:
            yield view.finding(word.start, word.end, said[0], since=said[1])


def _script_finding(
    view: ScriptView, words: list[script.Word], index: int, name: str, *, asks: bool, is_written: bool
) -> Finding:
    word = words[index]
    following = words[index + 1] if index + 1 < len(words) else None
    spelling = _SPELLINGS[name].get(following.text, "") if following is not None else ""
    start = word.end - len(name)
    is_plain = view.text[start : word.end] == name
    if asks:
        new = spelling.partition(" ")[0] or ("hf" if name == "huggingface-cli" else _CLIENT)
        edits = [Edit(start, word.end, new)] if is_plain else None
        return _said(view, name, Fix(f"Look for `{new}`", edits, applicability="unsafe") if edits else None, word)
    dropped = _dropped_words(words)
    if not spelling or following is None or not is_plain or dropped is None or _takes_several(words):
        return _said(view, name, None, word)
    if view.text[following.start : following.end] != following.text:
        return _said(view, name, None, word)
    new, *more = spelling.split(" ")
    between = word_gaps.between(view, words, index + 1)
    if between is None and len(more) > 1:
        return _said(view, name, None, word)
    edits = [Edit(start, word.end, new), Edit(following.start, following.end, (between or "").join(more)), *dropped]
    applicability: Applicability = "unsafe" if is_written else "safe"
    return _said(view, name, Fix(f"Call `{new}`", edits, applicability=applicability, requires=_SINCE[name]), word)


def _said(view: ScriptView, name: str, fix: Fix | None, word: script.Word) -> Finding:
    return view.finding(word.start, word.end, _message(name), fix=fix)


def _dropped_words(words: list[script.Word]) -> list[Edit] | None:
    """The edits that take options out which do nothing; None where they cannot be told apart from what follows."""
    edits = []
    for at, word in enumerate(words):
        option, equals, _ = word.text.partition("=")
        if option not in _IDLE:
            continue
        count = 0 if equals else _IDLE[option]
        values = words[at + 1 : at + 1 + count]
        if len(values) < count or any(each.text not in _VALUES for each in values):
            return None
        edits.append(Edit(words[at - 1].end, [word, *values][-1].end, ""))
    return edits


# Python


def _in_call(view: ModuleView, call: CallSite) -> Iterator[tuple[ast.AST, Finding]]:
    """The findings in what a call starts, each with the string that it stands in."""
    if call.name == "which":
        if any(isinstance(each, External) and each.package == "shutil" for each in call.callees):
            yield from _looked_for(view, call)
        return
    if not process_calls.starts_process(view, call):
        return
    for started in process_calls.started(view, call):
        for command in command_words.commands(view, started, is_shell=True):
            yield from _in_command(view, command)


def _looked_for(view: ModuleView, call: CallSite) -> Iterator[tuple[ast.AST, Finding]]:
    """`shutil.which("huggingface-cli")`, which finds nothing: the program takes it for missing."""
    given = call.argument("cmd", 0)
    if isinstance(given, ast.Constant) and given.value in _SCRIPTS and not _is_fallback(view, given, str(given.value)):
        yield given, _of_script(view, given, str(given.value), None)


def _in_command(view: ModuleView, command: list[Word]) -> Iterator[tuple[ast.AST, Finding]]:
    """The findings in one command, each with the string that it stands in."""
    first = _first(command)
    if first < len(command) and command[first].text in _NO_STARTERS:
        return
    for index, word in enumerate(command):
        before = command[index - 1].text if index else ""
        script = word.text.lstrip("$(`{").rpartition("/")[2]
        # A path is a command only where one stands; a bare word may follow any wrapper: `poetry run huggingface-cli`.
        if script in _SCRIPTS and (index <= first or "/" not in word.text) and not _is_ours(view, script):
            if _is_fallback(view, word.node, script):
                continue
            edits = None if _takes_several(command) else _edits(view, command, index, script)
            yield word.node, _of_script(view, word.node, script, edits)
        elif before == _CLIENT and index - 1 <= first and not _is_ours(view, before):
            yield from _of_client(view, command, index)
        elif before == "-m" and not _is_ours(view, word.text):
            yield from _of_module(view, word.node, word.text)


def _is_fallback(view: ModuleView, node: ast.expr, script: str) -> bool:
    """Whether a command is for where the new one is not: the module looks for that, or has tried it before."""
    new = _successor(script)
    for call in view.calls({"which"}):
        given = call.argument("cmd", 0)
        if isinstance(given, ast.Constant) and given.value == new:
            return True
    if re.search(rf"(?<![\w./-]){new}(?![\w./-])[^;\n]*\|\|[^;\n]*{script}", view.source(node)):
        return True
    for each in view.tree.ancestors(node):
        around = view.tree.parents[each] if isinstance(each, ast.ExceptHandler) else None
        if isinstance(around, ast.Try):
            tried = (inner for part in around.body for inner in ast.walk(part) if isinstance(inner, ast.Constant))
            if any(isinstance(text.value, str) and text.value.partition(" ")[0] == new for text in tried):
                return True
    return False


def _is_ours(view: ModuleView | ScriptView, what: str) -> bool:
    """Whether a command, or a module, comes with a copy of transformers that the repository holds."""
    return what.startswith("transformers") and view.project.is_first_party("transformers", view.path)


def _of_client(view: ModuleView, command: list[Word], index: int) -> Iterator[tuple[ast.AST, Finding]]:
    """The finding about a subcommand of `transformers`."""
    word = command[index]
    if (said := _about_client(command[index:])) is not None:
        yield word.node, view.finding(word.node, said[0], since=said[1])


def _about_client(words: Sequence[AnyWord]) -> tuple[str, str] | None:
    """What is wrong with a subcommand of `transformers`, and since when."""
    subcommand = words[0].text
    if subcommand in _GONE:
        gone, instead = _GONE[subcommand]
        return f"`{_CLIENT} {subcommand}` is gone since transformers {gone}: {instead}", gone
    if subcommand == "chat" and any(each.text.startswith(_LOADING) for each in words):
        instead = f"start `{_CLIENT} serve`, and name its address"
        return f"`{_CLIENT} chat` loads no model since transformers 5.0: {instead}", ""
    return None


def _first(command: list[Word]) -> int:
    """The place of the word that is started."""
    for index, word in enumerate(command):
        if word.text not in _BEFORE_COMMAND and not _VARIABLE.match(word.text):
            return index
    return len(command)


def _takes_several(command: Sequence[AnyWord]) -> bool:
    """Whether an option has several values, of which the new command takes the second for a file."""
    texts = [word.text for word in command]
    return any(
        each in _SEVERAL and not any(text.startswith("-") for text in (*texts[at + 1 : at + 3], "-")[:2])
        for at, each in enumerate(texts)
    )


def _without_element(view: ModuleView, node: ast.expr) -> Edit | None:
    """The edit that takes an element out of a list, with the comma before it."""
    around = view.tree.parents[node]
    if not isinstance(around, (ast.List, ast.Tuple)) or around.elts[0] is node:
        return None
    start = view.span(around.elts[around.elts.index(node) - 1])[1]
    end = view.span(node)[1]
    return None if "#" in view.text[start:end] else Edit(start, end, "")


def _of_module(view: ModuleView, node: ast.expr, path: str) -> Iterator[tuple[ast.AST, Finding]]:
    if (said := _about_module(view, path)) is not None:
        yield node, view.finding(node, said[0], since=said[1])


def _about_module(view: ModuleView | ScriptView, path: str) -> tuple[str, str] | None:
    """What is wrong with running a module, and since when."""
    package = path.partition(".")[0]
    if _is_ours(view, path) or package not in ("transformers", _HUB) or "." not in path:
        return None
    gone = lookup.removed_in(path, hub.release(view) if package == _HUB else view.settings.target)
    if gone is None:
        return None
    message = f"`python -m {path}` runs nothing: the module was removed in {package} {gone.gone}"
    note = gone.note.rstrip(".")
    said = f"{message}; {note[:1].lower()}{note[1:]}" if note else message
    return said, gone.gone if package != _HUB else ""


def _of_script(view: ModuleView, node: ast.expr, script: str, edits: list[Edit] | None) -> Finding:
    fix = Fix(f"Call `{_successor(script)}`", edits, requires=_SINCE[script]) if edits else None
    return view.finding(node, _message(script), fix=fix)


def _successor(command: str) -> str:
    removal = lookup.removed_script(command)
    assert removal is not None, f"the knowledge has `{command}` among the commands of the newest release"
    return removal.replacement.new if removal.replacement is not None else ""


def _message(command: str) -> str:
    removal = lookup.removed_script(command)
    note = removal.note.rstrip(".") if removal is not None else ""
    return f"the command `{command}` is no longer installed: it is `{_successor(command)}` now ({note})"


def _edits(view: ModuleView, command: list[Word], index: int, script: str) -> list[Edit] | None:
    """The edits of a command; None where it has no new spelling."""
    node = command[index].node
    is_word = isinstance(node, ast.Constant) and node.value == command[index].text
    found = _word_edits(view, command, index, script) if is_word else _text_edits(view, node)
    dropped = _dropped(view, command)
    return [*found, *dropped] if found is not None and dropped is not None else None


def _dropped(view: ModuleView, command: list[Word]) -> list[Edit] | None:
    """The edits that take options out which do nothing; None where they cannot be told apart from what follows."""
    edits: dict[tuple[int, int], Edit] = {}
    for at, word in enumerate(command):
        option, equals, _ = word.text.partition("=")
        if option not in _IDLE:
            continue
        count = 0 if equals else _IDLE[option]
        values = command[at + 1 : at + 1 + count]
        if len(values) < count or any(each.text not in _VALUES for each in values):
            return None
        for each in _without(view, [word, *values]):
            if each is None:
                return None
            edits[each.start, each.end] = each
    return list(edits.values())


def _without(view: ModuleView, words: list[Word]) -> Iterator[Edit | None]:
    """The edits that take words out of the list, or the text, that they stand in."""
    node = words[0].node
    if isinstance(node, ast.Constant) and node.value == words[0].text:
        yield from (_without_element(view, word.node) for word in words)
        return
    at, _ = view.span(node)
    written = re.compile(r"[ \t]+" + r"[ \t]+".join(re.escape(word.text) for word in words) + r"(?![\w-])")
    found = [*written.finditer(view.source(node))]
    yield from (Edit(at + each.start(), at + each.end(), "") for each in found)
    if not found:
        yield None


def _word_edits(view: ModuleView, command: list[Word], index: int, script: str) -> list[Edit] | None:
    """The edits of a list of words: `"huggingface-cli", "login"` becomes `"hf", "auth", "login"`."""
    word = command[index].node
    following = command[index + 1].node if index + 1 < len(command) else None
    spelling = _SPELLINGS[script].get(command[index + 1].text, "") if following is not None else ""
    written = view.source(word)
    if not isinstance(following, ast.Constant) or not spelling or written.count(script) != 1:
        return None
    new, *more = spelling.split(" ")
    at = view.span(word)[0] + written.index(script)
    edits = [Edit(at, at + len(script), new)]
    if len(more) > 1:
        place = view.span(following)[0]
        quote = view.source(following)[0]
        edits.append(Edit(place, place, f"{quote}{more[0]}{quote}, "))
    return edits


def _text_edits(view: ModuleView, node: ast.expr) -> list[Edit] | None:
    """The edits of a command line in one text; None where one of its commands has no new spelling."""
    start = view.span(node)[0]
    written = view.source(node)
    edits = []
    for found in _SCRIPT.finditer(written):
        subcommand = _SUBCOMMAND.match(written, found.end())
        spelling = _SPELLINGS[found[1]].get(subcommand[1], "") if subcommand is not None else ""
        if subcommand is None or not spelling:
            return None
        edits.append(Edit(start + found.start(), start + subcommand.end(), spelling))
    return edits or None
