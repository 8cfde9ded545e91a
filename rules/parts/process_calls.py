"""Calls that start another program, and what they are given to start."""

from __future__ import annotations

import ast

from v5lint.rules.parts import command_words
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

#: What the functions are called.
STARTERS = frozenset(
    "run call check_call check_output Popen getoutput getstatusoutput system popen create_subprocess_exec "
    "create_subprocess_shell execv execve execvp execvpe execl execlp spawn spawnv spawnvp".split()
)
_PACKAGES = frozenset({"subprocess", "os", "asyncio", "pty", "pexpect"})


def starts_process(view: ModuleView, call: CallSite) -> bool:
    """Whether a call is of a function that starts a program, or of the shell of a notebook."""
    if any(isinstance(each, External) and each.package in _PACKAGES for each in call.callees):
        return True
    shell = call.func.value if isinstance(call.func, ast.Attribute) else None
    made_by = shell.func if isinstance(shell, ast.Call) else None
    return made_by is not None and view.source(made_by).rpartition(".")[2] == "get_ipython"


def started(view: ModuleView, call: CallSite) -> Iterator[ast.expr]:
    """What a call starts: its first argument, or the commands of the table or the list that it is taken from."""
    given = call.argument("args", 0) or call.argument("command", 0) or call.argument("cmd", 0)
    if len(call.args) > 1 and call.name.startswith(("create_subprocess_exec", "exec", "spawn")):
        yield ast.Tuple(elts=list(call.args), ctx=ast.Load())  # `create_subprocess_exec("a", "b")`
    elif given is not None:
        yield from command_words.alternatives(view, given)
