"""Environment variables: where a module reads and writes them, directly, in dicts of child processes and of jobs."""

from __future__ import annotations

import ast
import os.path
import re

from v5lint.patterns import pattern
from v5lint.scripts.shell import JAVASCRIPT
from v5lint.view.dicts import asked_of
from v5lint.view.strings import dotted
from v5lint.view.values import Constant, External, LocalFunction, Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from v5lint.view.calls import CallSite
    from v5lint.view.dicts import Entry
    from v5lint.view.module import ModuleView
    from v5lint.view.tree import Binding

#: Keywords under which subprocesses and job APIs take the environment of what they start.
_ENVIRONMENT_KEYWORDS = frozenset(
    "env envs environment env_vars environment_variables env_dict extra_env container_env environ".split()
)
_STARTERS = frozenset("run call check_call check_output Popen execve execvpe spawn create_subprocess_exec".split())
#: Functions that start a process in an environment, with the place of that among their arguments.
_EXECUTORS = {
    "os.execve": 2,
    "os.execvpe": 2,
    "os.posix_spawn": 2,
    "os.posix_spawnp": 2,
    "os.spawnve": 3,
    "os.spawnvpe": 3,
}

#: Methods of job APIs that take a variable and its value, a dict of variables, or a list of `NAME=value`.
_SETTER = pattern(r"(\A|_)(env|environ|environment)(_?var(iable)?)?s?\Z|\Afrom_dict\Z")

#: The magic of a notebook that sets a variable, as `get_ipython().run_line_magic("env", "NAME=value")` gets it.
_MAGIC = pattern(r"%?(?:set_)?env\s+(\w+)(?:\s*=|\s+\S)")

#: How programs call what holds their own settings.
_SETTINGS = pattern(r"conf(ig)?s?\b|config|cfg|settings|schema", re.IGNORECASE)

_FUNCTIONS = {
    "os.getenv": "read",
    "os.environ.get": "read",
    "os.environ.__getitem__": "read",
    "os.environ.pop": "delete",
    "os.environ.setdefault": "default",
    "os.environ.__setitem__": "write",
    "os.putenv": "write",
    "os.unsetenv": "delete",
    "os.getenvb": "read",
    "os.environb.get": "read",
    "os.environb.pop": "delete",
    "os.environb.setdefault": "default",
}


class EnvironmentKey:
    """One mention of an environment variable by its name.

    Attributes:
        name: the variable.
        node: the string (or keyword) that names it.
        access: "read", "write", "default" (written when it is not set), "delete", "test" (`in os.environ`), "child" (in
            the environment of a process that is started), "foreign" (of one that is no Python), "job" (in that of a
            job API) or "dict" (in a dict of which it is not known where it goes).
        value: what it is set to; None where it is not written.
        site: the statement or call that does it.
        entry: the entry of the dict, where it is in one.
        file: the other module that does it with a constant of this one; "" where it is done here.
    """

    __slots__ = ("access", "entry", "file", "name", "node", "site", "value")

    def __init__(
        self,
        name: str,
        node: ast.AST,
        access: str,
        value: ast.expr | None,
        site: ast.AST,
        entry: Entry | None = None,
        file: str = "",
    ) -> None:
        self.name = name
        self.node = node
        self.access = access
        self.value = value
        self.site = site
        self.entry = entry
        self.file = file

    @property
    def is_written(self) -> bool:
        """Whether it sets the variable."""
        return self.access in ("write", "default", "child", "job", "dict")


def environment_keys(view: ModuleView, names: Collection[str]) -> list[EnvironmentKey]:
    """The mentions of some variables in a module, in source order.

    Args:
        view: the module.
        names: the variables.
    """
    found: dict[tuple[ast.AST, bool], EnvironmentKey] = {}
    kinds = (_direct(view), _in_dicts(view), _in_apis(view), _by_helpers(view, names), _by_importers(view, names))
    for key in (*(each for kind in kinds for each in kind), *_loose(view, names)):
        if key.name in names:
            found.setdefault((key.node, key.is_written), key)
    foreign = {each.node for each in found.values() if each.access == "foreign"}
    return sorted((each for each in found.values() if each.node not in foreign), key=lambda each: view.span(each.node))


def set_from_elsewhere(view: ModuleView) -> Iterator[tuple[ast.AST, ast.expr]]:
    """The places that put a dict into the environment which could not be followed, each with the dict."""
    found: list[tuple[ast.AST, ast.expr]] = []
    for call in view.calls({"update"}):
        func = call.node.func
        if isinstance(func, ast.Attribute) and _is_environ(view, func.value):
            given = [*call.node.args, *(each.value for each in call.node.keywords if each.arg is None)]
            found += [(call.node, each) for each in given if not isinstance(each, (ast.List, ast.Tuple))]
    for node in view.tree.nodes.get(ast.AugAssign, ()):
        assert isinstance(node, ast.AugAssign)
        if isinstance(node.op, ast.BitOr) and _is_environ(view, node.target):
            found.append((node, node.value))
    yield from ((site, given) for site, given in found if view.dicts.flow(given).is_open)


def _named(
    view: ModuleView, given: ast.expr, access: str, value: ast.expr | None, site: ast.AST
) -> Iterator[EnvironmentKey]:
    """The variables that an expression may name, each at the string in which its name is written."""
    if isinstance(given, ast.Constant) and isinstance(given.value, bytes):  # `os.environb[b"X"]`
        yield EnvironmentKey(given.value.decode(errors="replace"), given, access, value, site)
        return
    if isinstance(given, (ast.JoinedStr, ast.BinOp)):  # f"{PREFIX}_CACHE": it stands nowhere as a whole
        texts = view.constants(given)
        if len(texts) == 1:
            yield EnvironmentKey(str(texts[0]), given, access, value, site)
        return
    for constant in view.written(given):
        if constant.node is not None and constant.node in view.tree.parents:
            written = value
            parent = view.tree.parents[constant.node]
            if isinstance(constant.node, ast.keyword):
                written = constant.node.value
            elif isinstance(parent, ast.Dict) and constant.node in parent.keys:
                # `for name, path in {"X": ...}.items(): os.environ[name] = path`
                written = parent.values[parent.keys.index(constant.node)]
            yield EnvironmentKey(constant.value, constant.node, access, written, site)


def _is_environ(view: ModuleView, node: ast.expr) -> bool:
    values = view.values(node)
    return External("os.environ") in values or External("os.environb") in values


def _direct(view: ModuleView) -> Iterator[EnvironmentKey]:
    for node, access, value, site in _places(view):
        yield from _named(view, node, access, value, site)


def _places(view: ModuleView) -> Iterator[tuple[ast.expr, str, ast.expr | None, ast.AST]]:
    """Where a module reads and writes the environment: what names the variable, the access, the value, the site."""
    tree = view.tree
    for node in tree.nodes.get(ast.Subscript, ()):
        assert isinstance(node, ast.Subscript)
        if not _is_environ(view, node.value):
            continue
        parent = tree.parents[node]
        if isinstance(node.ctx, ast.Load):
            yield node.slice, "read", None, parent
        elif isinstance(node.ctx, ast.Del):
            yield node.slice, "delete", None, parent
        else:
            value = parent.value if isinstance(parent, (ast.Assign, ast.AnnAssign)) else None
            yield node.slice, "write", value, tree.statement(node)
    for call in view.calls({path.rpartition(".")[2] for path in _FUNCTIONS}):
        for callee in call.callees:
            access = _FUNCTIONS.get(callee.path) if isinstance(callee, External) else None
            name = call.argument("key", 0) if access else None
            if access and name is not None:
                value = call.argument("default", 1) if access in ("default", "write") else None
                yield name, access, value, call.node
    for test in tree.nodes.get(ast.Compare, ()):
        assert isinstance(test, ast.Compare)
        if isinstance(test.ops[0], (ast.In, ast.NotIn)) and _is_environ(view, test.comparators[0]):
            yield test.left, "test", None, test


def _by_helpers(view: ModuleView, names: Collection[str]) -> Iterator[EnvironmentKey]:
    """The variables whose names are given to functions of other modules that set or read them: `set_env(NAME, x)`."""
    for constant in view.tree.nodes.get(ast.Constant, ()):
        assert isinstance(constant, ast.Constant)
        if not isinstance(constant.value, str) or constant.value not in names:
            continue
        parent = view.tree.parents[constant]
        call = view.tree.parents[parent] if isinstance(parent, ast.keyword) else parent
        if not isinstance(call, ast.Call) or call.func is constant:
            continue
        keyword = parent.arg or "" if isinstance(parent, ast.keyword) else ""
        place = call.args.index(constant) if constant in call.args else -1
        for callee in view.evaluator.values(call.func):
            if not isinstance(callee, LocalFunction) or callee.view is view:
                continue
            parameter = view.links.parameter_for(callee, call, keyword, place)
            for access, written in _uses_as_name(callee.view, parameter) if parameter is not None else ():
                given = _given_for(view, call, callee, written) if written is not None else None
                yield EnvironmentKey(constant.value, constant, access, given, call)


def _by_importers(view: ModuleView, names: Collection[str]) -> Iterator[EnvironmentKey]:
    """The variables that constants of this module name for others: `os.environ[CACHE] = x`, with `CACHE` from here."""
    for statement in view.tree.root.body:
        if not isinstance(statement, (ast.Assign, ast.AnnAssign)) or not isinstance(statement.value, ast.Constant):
            continue
        constant = statement.value
        target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
        if not isinstance(target, ast.Name) or not isinstance(constant.value, str) or constant.value not in names:
            continue
        for file in view.project.all_importers(view.path, target.id):
            other = view.project.view(file, view.settings)
            for node, access, _, _ in _places(other) if other is not None else ():
                if any(_is_at(each, constant) for each in other.written(node)):  # type: ignore[union-attr]
                    yield EnvironmentKey(constant.value, constant, access, None, statement, file=file)


def _is_at(found: Constant, constant: ast.Constant) -> bool:
    """Whether a constant that another module has is the one here, which that module has a view of its own of."""
    place = (getattr(found.node, "lineno", 0), getattr(found.node, "col_offset", 0))
    return found.value == constant.value and place == (constant.lineno, constant.col_offset)


def _uses_as_name(view: ModuleView, parameter: Binding) -> Iterator[tuple[str, ast.expr | None]]:
    """What a function does with the variable that a parameter of it names: the access, and what it is set to."""
    for use in view.links.uses(parameter):
        parent = view.tree.parents[use]
        if isinstance(parent, ast.Subscript) and parent.slice is use and _is_environ(view, parent.value):
            statement = view.tree.parents[parent]
            is_set = isinstance(parent.ctx, ast.Store) and isinstance(statement, ast.Assign)
            yield ("write", statement.value) if is_set else ("read", None)  # type: ignore[attr-defined]
        elif isinstance(parent, ast.Call) and parent.args[:1] == [use]:
            for callee in view.evaluator.values(parent.func):
                access = _FUNCTIONS.get(callee.path) if isinstance(callee, External) else None
                if access:
                    yield access, parent.args[1] if access in ("default", "write") and len(parent.args) > 1 else None


def _given_for(view: ModuleView, call: ast.Call, callee: LocalFunction, value: ast.expr) -> ast.expr | None:
    """What a call gives the parameter that a function sets a variable to."""
    bindings = callee.view.links.bindings_read(value) if isinstance(value, ast.Name) else []
    arguments = [(each, "", place) for place, each in enumerate(call.args)]
    arguments += [(each.value, each.arg, -1) for each in call.keywords if each.arg]
    for given, name, place in arguments:
        if view.links.parameter_for(callee, call, name, place) in bindings:
            return given
    return None


def _in_dicts(view: ModuleView) -> Iterator[EnvironmentKey]:
    """Dicts that are merged into the environment or become the environment of a child process or job."""
    for call in view.calls({"update"}):
        func = call.node.func
        if isinstance(func, ast.Attribute) and _is_environ(view, func.value):
            for argument in call.node.args:
                yield from _entries(view, argument, "write", call.node)
                for pair in argument.elts if isinstance(argument, (ast.List, ast.Tuple)) else ():
                    if isinstance(pair, ast.Tuple) and len(pair.elts) == 2:
                        yield from _named(view, pair.elts[0], "write", pair.elts[1], call.node)
            for keyword in call.node.keywords:
                if keyword.arg is not None:
                    yield EnvironmentKey(keyword.arg, keyword, "write", keyword.value, call.node)
                else:
                    yield from _entries(view, keyword.value, "write", call.node)
    for call in view.calls({"dict"}):
        func = call.func
        if isinstance(func, ast.Attribute) and dotted(func.value).rpartition(".")[2] == "patch":
            target, values = call.argument("in_dict", 0), call.argument("values", 1)
            if target is None or not (_is_environ(view, target) or Constant("os.environ") in view.values(target)):
                continue
            if values is not None:
                yield from _entries(view, values, "write", call.node)
            for keyword in call.node.keywords:
                if keyword.arg is not None:
                    yield EnvironmentKey(keyword.arg, keyword, "write", keyword.value, call.node)
    for node in view.tree.nodes.get(ast.AugAssign, ()):
        assert isinstance(node, ast.AugAssign)
        if isinstance(node.op, ast.BitOr) and _is_environ(view, node.target):
            yield from _entries(view, node.value, "write", node)
    for call, keyword in view.keywords(_ENVIRONMENT_KEYWORDS):
        access = "child" if _starts_process(call) else "job"
        if access == "child" and _runs_javascript(view, call):
            access = "foreign"
        yield from _entries(view, keyword.value, access, call.node)
        yield from _assignments(keyword.value, access, call.node)
    for call in view.calls({path.rpartition(".")[2] for path in _EXECUTORS}):
        for callee in call.callees:
            place = _EXECUTORS.get(callee.path) if isinstance(callee, External) else None
            given = call.argument("env", place) if place is not None else None
            if given is not None:
                yield from _entries(view, given, "child", call.node)
    for call in view.calls():
        if isinstance(call.func, ast.Attribute) and _SETTER.search(call.name):
            yield from _set_by_method(view, call)


def _set_by_method(view: ModuleView, call: CallSite) -> Iterator[EnvironmentKey]:
    """The variables that a method of a job API sets: `.env({...})`, `.envs(["A=b"])`, `.set_env_variable(a, b)`."""
    for argument in call.args:
        is_made = isinstance(argument, ast.Call) and dotted(argument.func) == "dict"
        if is_made or isinstance(argument, (ast.Dict, ast.Name)):
            yield from _entries(view, argument, "job", call.node)
        yield from _assignments(argument, "job", call.node)
    name, value = call.argument("name", 0), call.argument("value", 1)
    if name is not None and value is not None and not _is_own(call):
        yield from _named(view, name, "job", value, call.node)


def _starts_process(call: CallSite) -> bool:
    return call.name in _STARTERS and any(
        isinstance(each, External) and each.package in ("subprocess", "os", "asyncio") for each in call.callees
    )


def _runs_javascript(view: ModuleView, call: CallSite) -> bool:
    """Whether the first word of what a call starts is a program for JavaScript."""
    given = call.argument("args", 0)
    written = [each.value for each in view.links.bindings_read(given)] if isinstance(given, ast.Name) else [given]
    for words in (each for each in written if each is not None):
        first = words.elts[0] if isinstance(words, (ast.List, ast.Tuple)) and words.elts else words
        for text in view.constants(first):
            program = str(text).split(maxsplit=1)[:1]
            if program and os.path.basename(program[0]) in JAVASCRIPT:
                return True
    return False


def _entries(view: ModuleView, node: ast.expr, access: str, site: ast.AST) -> Iterator[EnvironmentKey]:
    """The variables in a dict, and where it is asked for them."""
    flow = view.dicts.flow(node)
    for entry in flow.entries:
        if isinstance(entry.key, str):
            how = "delete" if entry.how == "removal" else access
            value = entry.value if how == access else None
            for named in _written_key(view, entry):
                yield EnvironmentKey(entry.key, named, how, value, site, entry if how == access else None)
        elif isinstance(entry.node, ast.DictComp):  # `{name: folder for name in ("A", "B")}`
            yield from _named(view, entry.node.key, access, entry.node.value, site)
    for alias in flow.aliases:
        asked = asked_of(view, alias)
        if asked is not None:
            yield from _named(view, asked, "read", None, view.tree.parents[alias])


def _written_key(view: ModuleView, entry: Entry) -> Iterator[ast.AST]:
    """Where the key of an entry is written: there, or where the constant is that names it."""
    if not isinstance(entry.node, ast.Name):
        yield entry.node
        return
    written = [each.node for each in view.written(entry.node) if each.value == entry.key]
    found = [each for each in written if each is not None and each in view.tree.parents]
    yield from found or [entry.node]


def _assignments(node: ast.expr, access: str, site: ast.AST) -> Iterator[EnvironmentKey]:
    """The variables of a list like `["NAME=value", ...]`."""
    for each in node.elts if isinstance(node, (ast.List, ast.Tuple)) else ():
        first = each.values[0] if isinstance(each, ast.JoinedStr) and each.values else each  # f"NAME={value}"
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and "=" in first.value:
            yield EnvironmentKey(first.value.partition("=")[0], each, access, None, site)


def _in_apis(view: ModuleView) -> Iterator[EnvironmentKey]:
    for call in view.calls({"setenv", "delenv"}):
        name = call.argument("name", 0)
        if isinstance(call.func, ast.Attribute) and name is not None and not _is_own(call):
            written = call.name == "setenv"
            value = call.argument("value", 1) if written else None
            yield from _named(view, name, "write" if written else "delete", value, call.node)
    for call in view.calls({"setitem", "delitem"}):
        target, name = call.argument("dic", 0), call.argument("name", 1)
        if target is not None and name is not None and _is_environ(view, target):
            written = call.name == "setitem"
            value = call.argument("value", 2) if written else None
            yield from _named(view, name, "write" if written else "delete", value, call.node)
    for call in view.calls({"set_key", "unset_key"}):
        name = call.argument("key_to_set", 1)
        if name is not None and any(isinstance(each, External) and each.package == "dotenv" for each in call.callees):
            yield from _named(view, name, "job", call.argument("value_to_set", 2), call.node)
    for call in view.calls({"run_line_magic", "magic"}):  # a notebook that was saved as Python
        given = call.args[-1] if call.args and isinstance(call.args[-1], ast.Constant) else None
        line = " ".join(str(view.constants(each)[0]) for each in call.args if view.constants(each))
        if given is not None and (found := _MAGIC.match(line)) is not None:
            yield EnvironmentKey(found[1], given, "write", None, call.node)
    for node in view.tree.nodes.get(ast.Dict, ()):
        assert isinstance(node, ast.Dict)
        fields = {each.value: value for each, value in zip(node.keys, node.values, strict=True) if _is_text(each)}  # type: ignore[union-attr]
        if "name" in fields and ("value" in fields or "valueFrom" in fields):
            yield from _named(view, fields["name"], "job", fields.get("value"), node)
    for call, keyword in view.keywords({"envvar", "env_var"}):
        yield from _named(view, keyword.value, "read", None, call.node)
    for call in view.calls():
        name, value = call.argument("name", 0), call.argument("value", 1)
        if name is not None and value is not None and call.name.endswith(("EnvVar", "EnvironmentVariable")):
            yield from _named(view, name, "job", value, call.node)


def _is_text(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_own(call: CallSite) -> bool:
    """Whether a method called `setenv` is one of this repository, or of a class that is no test fixture."""
    return not any(isinstance(each, Method) or not isinstance(each, External) for each in call.callees)


def _loose(view: ModuleView, names: Collection[str]) -> Iterator[EnvironmentKey]:
    """Entries of dicts of which it is not known where they go, unless they look like a program's own settings."""
    found: list[EnvironmentKey] = []
    for node in view.tree.nodes.get(ast.Dict, ()):
        assert isinstance(node, ast.Dict)
        if any(isinstance(key, ast.Constant) and key.value in names for key in node.keys):
            found += _entries(view, node, "dict", node)
    for subscript in view.tree.nodes.get(ast.Subscript, ()):
        assert isinstance(subscript, ast.Subscript)
        key_node = subscript.slice
        if not isinstance(key_node, ast.Constant) or key_node.value not in names or _is_environ(view, subscript.value):
            continue
        parent = view.tree.parents[subscript]
        if isinstance(subscript.ctx, ast.Store) and isinstance(parent, ast.Assign):
            found.append(EnvironmentKey(str(key_node.value), key_node, "dict", parent.value, parent))
        elif isinstance(subscript.ctx, ast.Load):
            found.append(EnvironmentKey(str(key_node.value), key_node, "read", None, parent))
    asked = {each.name for each in found if each.access == "read"}
    for each in found:
        if each.access == "dict" and each.name not in asked and not _is_setting(view, each):
            yield each
    for call in view.calls({"fromkeys"}):
        listed = call.argument("iterable", 0)
        for name in listed.elts if isinstance(listed, (ast.List, ast.Tuple, ast.Set)) else ():
            yield from _named(view, name, _merged(view, call.node), call.argument("value", 1), call.node)
    for call, keyword in view.keywords(names):
        if "env" in call.name.lower():  # `with temporary_environment(NAME=value):`
            yield EnvironmentKey(str(keyword.arg), keyword, "dict", keyword.value, call.node)


def _merged(view: ModuleView, made: ast.Call) -> str:
    """What is done with a dict that `dict.fromkeys` makes, which `os.environ.update` takes as it is or by a name."""
    name = view.tree.statement(made)
    named = name.targets[0] if isinstance(name, ast.Assign) and name.value is made else None
    for call in view.calls({"update"}):
        func = call.func
        if isinstance(func, ast.Attribute) and _is_environ(view, func.value):
            for given in call.args:
                bindings = view.links.bindings_read(given) if isinstance(given, ast.Name) and named else []
                if given is made or (bindings and all(each.value is made for each in bindings)):
                    return "write"
    return "dict"


def _is_setting(view: ModuleView, key: EnvironmentKey) -> bool:
    """Whether an entry is no variable: it stands in what is called a configuration, or holds a schema or a sentence."""
    value = key.value
    if isinstance(value, (ast.Dict, ast.List, ast.Tuple)) or (
        isinstance(value, ast.Constant) and isinstance(value.value, str) and " " in value.value.strip()
    ):
        return True
    name = _called(view, key)
    return bool(_SETTINGS.search(name)) and "env" not in name.lower()


def _called(view: ModuleView, key: EnvironmentKey) -> str:
    """What a program calls the dict that an entry is put into: its variable, the keyword or the key it is given to."""
    if isinstance(key.site, ast.Assign) and isinstance(key.site.targets[0], ast.Subscript):
        return ast.unparse(key.site.targets[0].value)
    parent = view.tree.parents[key.site]
    if isinstance(parent, ast.keyword):
        return parent.arg or ""
    if isinstance(parent, ast.Dict):
        return ast.unparse(
            next((k for k, v in zip(parent.keys, parent.values, strict=True) if k and v is key.site), parent)
        )
    target = parent.targets[0] if isinstance(parent, ast.Assign) else getattr(parent, "target", None)
    return ast.unparse(target) if isinstance(target, ast.expr) else ""
