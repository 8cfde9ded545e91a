"""Looks names up in the installed release; runs in the interpreter of that release, with the standard library alone.

Reads JSON lines `{"key", "kind", "module", "name", "loaded"}` from the first argument and appends `{"key", "status",
"missing", "error"}` to the second. Statuses: `resolves`, `removed` (the release has no such name), `missing dependency`
(the name needs a package that this interpreter lacks, or its module defines it only under some condition) and `other
error`; `missing` is the part of the path that fails.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import io
import json
import os
import sys
import types
import warnings
from typing import Any

ROOTS = ("transformers", "huggingface_hub", "peft")
BACKEND_SIGNS = ("requires the ", "is required", "not found in your environment", "shared object", "Please install")


class AbsentError(AttributeError):
    """A module that has no such attribute.

    Attributes:
        path: The dotted path that is absent.
    """

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message)
        self.path = path


def find_attribute(module: str, name: str, loaded: list[str]) -> None:
    """Follows attributes from a module as far as modules go; what a class holds is not looked at.

    Raises:
        AbsentError, ImportError: As Python would, had the file that imports `loaded` run.
    """
    for submodule in loaded:
        with contextlib.suppress(ImportError):
            importlib.import_module(submodule)
    try:
        found: Any = importlib.import_module(module)
    except ImportError:
        # `module` may be a name of its parent: `from transformers import AutoModel` and then `AutoModel.x`.
        parent, _, last = module.rpartition(".")
        if not parent:
            raise
        found = attribute(importlib.import_module(parent), parent, last)
    path = module
    for part in name.split("."):
        if not isinstance(found, types.ModuleType):
            return
        found = attribute(found, path, part)
        path = f"{path}.{part}"


def attribute(owner: Any, path: str, name: str) -> Any:
    """Returns an attribute of the module at `path`.

    Raises:
        AbsentError: If it has none of that name.
    """
    try:
        return getattr(owner, name)
    except AttributeError as error:
        raise AbsentError(str(error), f"{path}.{name}") from error


def look_up(kind: str, module: str, name: str, loaded: list[str]) -> None:
    """Does what the reference does. Raises whatever Python raises."""
    if kind == "from":
        exec(f"from {module} import {name}", {})
    elif kind in {"import", "import_module"}:
        importlib.import_module(module)
    else:
        find_attribute(module, name, loaded)


def causes(error: BaseException) -> list[BaseException]:
    """Returns an exception and the chain of those that led to it."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    return chain


def bound_in(statements: list[ast.stmt], name: str, *, conditional: bool = False) -> bool:
    """Tells whether statements of a module bind `name` below an `if` or a `try`, functions and classes left out."""
    for statement in statements:
        if isinstance(statement, (ast.If, ast.Try)):
            blocks = [statement.body, statement.orelse]
            if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
                blocks = [statement.orelse]
            if any(bound_in(block, name, conditional=True) for block in blocks):
                return True
        elif conditional:
            names: list[str] = []
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                names = [alias.asname or alias.name for alias in statement.names]
            elif isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
                names = [statement.name]
            elif isinstance(statement, ast.Assign):
                names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
            if name in names:
                return True
    return False


def conditional(module: str, name: str) -> bool:
    """Tells whether the source of a module that can be imported defines `name` only under some condition."""
    try:
        source = inspect.getsource(importlib.import_module(module))
    except (ImportError, OSError, TypeError):
        return False
    return bound_in(ast.parse(source).body, name)


def absent(path: str) -> str:
    """Names the status of a path whose last part its module does not have."""
    module, _, name = path.rpartition(".")
    return "missing dependency" if conditional(module, name) else "removed"


def explain(error: BaseException, module: str, name: str) -> tuple[str, str]:
    """Says what kind of failure an exception is, and which part of the path is missing."""
    target = f"{module}.{name}" if name else module
    if isinstance(error, AbsentError):
        return absent(error.path), error.path
    for cause in causes(error):
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            if cause.name.split(".", 1)[0] not in ROOTS:
                return "missing dependency", cause.name
            if cause is error:
                return ("removed" if f"{target}.".startswith(f"{cause.name}.") else "other error"), cause.name
    if isinstance(error, ImportError) and error.name == module:
        return absent(target), target
    if isinstance(error, ImportError) and any(sign in str(error) for sign in BACKEND_SIGNS):
        return "missing dependency", ""
    return "other error", ""


def main() -> None:
    """Resolves every line of the input that has no answer yet."""
    wanted, answers = sys.argv[1:3]
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    warnings.simplefilter("ignore")
    with open(wanted, encoding="utf-8") as lines, open(answers, "a", encoding="utf-8") as out:
        for line in lines:
            question = json.loads(line)
            status, missing, error = "resolves", "", ""
            try:
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    look_up(question["kind"], question["module"], question["name"], question["loaded"])
            except (Exception, SystemExit) as failure:
                status, missing = explain(failure, question["module"], question["name"])
                shown = "AttributeError" if isinstance(failure, AbsentError) else type(failure).__name__
                error = f"{shown}: {failure}"[:500]
            out.write(json.dumps({"key": question["key"], "status": status, "missing": missing, "error": error}) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
