"""V5602: commands that transformers and huggingface_hub no longer install, where a program starts them."""

from __future__ import annotations

import ast
import re

from v5lint.rule import Edit, Fix, Rule
from v5lint.rules.knowledge import lookup
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Unseen
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

_STARTERS = frozenset(
    "run call check_call check_output Popen getoutput getstatusoutput system popen create_subprocess_exec "
    "create_subprocess_shell execv execve execvp execvpe execl execlp spawnv spawnvp".split()
)
_PACKAGES = frozenset({"subprocess", "os", "asyncio"})

_SCRIPTS = ("huggingface-cli", "transformers-cli")
_WORD = r"(?<![\w./-])({})(?=$|[\s;&|)\"'])"
_SCRIPT = re.compile(_WORD.format("|".join(_SCRIPTS)))
_SUBCOMMAND = re.compile(r"[ \t]+([a-z-]+)")
_MODULE = re.compile(r"(?:^|\s)-m\s+(transformers(?:\.\w+)+)")

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

#: Options of the old commands that the new ones refuse.
_REFUSED = re.compile(r"--(?:resume-download|local-dir-use-symlinks|add-to-git-credential=)")

#: The releases of transformers since which the new command comes along.
_SINCE = {"huggingface-cli": "5.0", "transformers-cli": "4.52"}


class RemovedCommand(Rule):
    """A command that is no longer installed, started by a program.

    ## What it does

    Finds `huggingface-cli`, `transformers-cli` and `python -m transformers.<module that is gone>` in what
    `subprocess.run` and its kin, `os.system`, `os.popen` and `asyncio.create_subprocess_*` are given: a string, an
    f-string, a list, or a variable with one.

    ## Why it breaks

    Measured with transformers 5.23 and huggingface_hub 2.4:

        FileNotFoundError: [Errno 2] No such file or directory: 'huggingface-cli'
        /bin/sh: 1: transformers-cli: not found
        No module named transformers.onnx

    ## Example

        subprocess.run(["huggingface-cli", "download", "google/vit-base-patch16-224"], check=True)

    becomes

        subprocess.run(["hf", "download", "google/vit-base-patch16-224"], check=True)

    ## Fix safety

    Safe for the subcommands that kept their name and arguments (`download`, `upload`, `env`, `version`, and `login`,
    `logout` and `whoami` behind `hf auth`), once `min-version` is a release that installs the new command. Where
    `--resume-download` or `--local-dir-use-symlinks` is passed, which `hf download` refuses, and for everything else
    there is no fix.

    ## References

    - https://huggingface.co/docs/huggingface_hub/guides/cli
    """

    code = "V5602"
    name = "removed-command"
    since = "5.0"
    tokens = (*_SCRIPTS, "-m transformers.", '"transformers.', "'transformers.")

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        told: set[ast.AST] = set()
        for call in module.calls(_STARTERS):
            if not _starts_process(call) or module.guards.is_dead(call.node):
                continue
            for command in _commands(module, call):
                for node, finding in _in_command(module, command):
                    if node not in told:
                        told.add(node)
                        yield finding


def _starts_process(call: CallSite) -> bool:
    return any(isinstance(each, External) and each.package in _PACKAGES for each in call.callees)


def _commands(view: ModuleView, call: CallSite) -> Iterator[ast.expr]:
    """What a call starts: its first argument, or what was assigned to the variable there."""
    given = call.argument("args", 0) or call.argument("command", 0)
    if len(call.args) > 1 and all(isinstance(each, ast.Constant) for each in call.args):
        yield ast.Tuple(elts=list(call.args), ctx=ast.Load())  # `create_subprocess_exec("a", "b")`
    elif isinstance(given, ast.Name):
        for binding in view.links.bindings_read(given):
            if binding.value is not None:
                yield binding.value
    elif given is not None:
        yield given


def _in_command(view: ModuleView, command: ast.expr) -> Iterator[tuple[ast.AST, Finding]]:
    """The findings in one command, each with the string that it stands in."""
    line = _unwrapped(command)
    words = _words(line)
    if isinstance(line, (ast.List, ast.Tuple)):
        texts = [str(each.value) for each in words]
        for index, node in enumerate(words):
            if texts[index] in _SCRIPTS:
                edits = _word_edits(view, words, index)
                yield node, _of_script(view, node, texts[index], edits if not _is_refused(words) else None)
            elif index and texts[index - 1] == "-m":
                yield from _of_module(view, node, texts[index])
        return
    for node in words:
        script = _SCRIPT.search(str(node.value))
        if script is not None:
            edits = _text_edits(view, node)
            yield node, _of_script(view, node, script[1], edits if not _is_refused(words) else None)
        module = _MODULE.search(str(node.value))
        if module is not None:
            yield from _of_module(view, node, module[1])


def _unwrapped(command: ast.expr) -> ast.expr:
    """The text or list itself of `shlex.split("...")`, `"...".split()` and `"...".format(x)`."""
    if not isinstance(command, ast.Call):
        return command
    func = command.func
    if isinstance(func, ast.Attribute) and isinstance(func.value, (ast.Constant, ast.JoinedStr)):
        return func.value
    return command.args[0] if command.args else command


def _words(node: ast.expr) -> list[ast.Constant]:
    """The strings of a command, in order."""
    found = [each for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return sorted(found, key=lambda each: (each.lineno, each.col_offset))


def _is_refused(words: list[ast.Constant]) -> bool:
    return any(_REFUSED.search(str(each.value)) for each in words)


def _of_module(view: ModuleView, node: ast.Constant, path: str) -> Iterator[tuple[ast.AST, Finding]]:
    gone = lookup.removed_in(path, view.settings.target) if path.startswith("transformers.") else None
    if gone is not None:
        message = f"`python -m {path}` runs nothing: the module was removed in transformers {gone.gone}"
        note = gone.note.rstrip(".")
        said = f"{message}; {note[:1].lower()}{note[1:]}" if note else message
        yield node, view.finding(node, said, since=gone.gone)


def _of_script(view: ModuleView, node: ast.Constant, script: str, edits: list[Edit] | None) -> Finding:
    removal = lookup.removed_script(script)
    assert removal is not None, f"the knowledge has `{script}` among the commands of the newest release"
    new = removal.replacement.new if removal.replacement is not None else ""
    message = f"the command `{script}` is no longer installed: it is `{new}` now ({removal.note.rstrip('.')})"
    fix = Fix(f"Call `{new}`", edits, requires=_SINCE[script]) if edits else None
    return view.finding(node, message, fix=fix)


def _word_edits(view: ModuleView, words: list[ast.Constant], index: int) -> list[Edit] | None:
    """The edits of a list of words: `"huggingface-cli", "login"` becomes `"hf", "auth", "login"`."""
    following = words[index + 1] if index + 1 < len(words) else None
    script = str(words[index].value)
    spelling = _SPELLINGS[script].get(str(following.value), "") if following is not None else ""
    written = view.source(words[index])
    if following is None or not spelling or written.count(script) != 1:
        return None
    command, *more = spelling.split(" ")
    at = view.span(words[index])[0] + written.index(script)
    edits = [Edit(at, at + len(script), command)]
    if len(more) > 1:
        place = view.span(following)[0]
        quote = view.source(following)[0]
        edits.append(Edit(place, place, f"{quote}{more[0]}{quote}, "))
    return edits


def _text_edits(view: ModuleView, node: ast.Constant) -> list[Edit] | None:
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
