"""Reads what one Python file of a wheel binds, defines and exports, without importing it."""

from __future__ import annotations

import ast
import re
from typing import Any

from v5lint.rules.knowledge.collect.literals import UNKNOWN, evaluate, strings

_ENVIRONMENT_NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\Z")
_FEATURE_METHOD = re.compile(r"get_\w+_features\Z")
_NO_FIELD = re.compile(r"init=False|: (?:typing\.)?ClassVar\b")
_TABLES = re.compile(r"models/auto/|pipelines/__init__\.py|convert_slow_tokenizer\.py")

#: What stands for the result of a method that hands its call on to the method of its name of `self.model`.
PASSED_ON = "self.model"

FACTS_VERSION = 6
"""Raised with every change of what `read_source` returns, so that cached facts are made anew."""


def read_source(text: str, module: str, *, is_package: bool, path: str = "") -> dict[str, Any]:
    """Read one file.

    Args:
        text: the source code.
        module: the dotted name that the file has when imported.
        is_package: whether it is an `__init__.py`.
        path: the path inside the wheel, which decides whether its tables of constants are kept.

    Returns:
        A dictionary that JSON can hold, without the keys whose value is empty:

        - `bindings` name -> "c" (class), "f" (function), "v" (value), "m:module" or "i:module:name" (imports);
          alternatives are joined by "|"
        - `typing` the same for what only type checkers see
        - `stars` modules imported with `*`
        - `all` the literal `__all__`
        - `exported` names under `@requires`
        - `lazy` the import structure (module -> names) of a module that replaces itself by a lazy one, with `scanned`
          when that structure is read from the files beside it
        - `served` names that a module-level `__getattr__` answers
        - `attached` submodule -> names that it answers
        - `aliases` module aliases made at import
        - `suffixes` of the names for which a lazy module class has a fallback
        - `classes` name -> what `read_class` gives
        - `functions` name -> parameters
        - `environment` variables read
        - `tables` of constants, in which a class stands as its name

    Raises:
        SyntaxError: the file is not Python 3.
    """
    reader = _Reader(module, is_package, keep_tables=bool(_TABLES.search(path)))
    reader.read(ast.parse(text))
    reader.facts["exported"] = _required_objects(text) if "@requires" in text else []
    reader.facts["aliases"] = _module_aliases(text) if is_package and "alias" in text else []
    if "class _LazyModule" in text:
        reader.facts["suffixes"] = sorted(set(re.findall(r'name\.endswith\("(\w+)"\)', text)))
    return {key: value for key, value in reader.facts.items() if value}


class _Symbols(dict[str, Any]):
    """Constants in which a name without a value stands for itself."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, key)


class _Reader:
    """Walks the statements of a module that run when it is imported."""

    def __init__(self, module: str, is_package: bool, keep_tables: bool) -> None:
        self.module = module
        self.package = module if is_package else module.rpartition(".")[0]
        self.keep_tables = keep_tables
        self.scans_files = False
        self.constants: dict[str, Any] = _Symbols() if keep_tables else {}
        self.structure: dict[str, list[str]] = {}
        self.facts: dict[str, Any] = {
            "bindings": {},
            "typing": {},
            "stars": [],
            "all": [],
            "lazy": {},
            "scanned": False,
            "served": {},
            "classes": {},
            "functions": {},
            "environment": [],
            "tables": {},
        }

    def read(self, tree: ast.Module) -> None:
        self._statements(tree.body, self.facts["bindings"])
        self.facts["environment"] = sorted(_environment_reads(tree, self.constants))

    def _statements(self, body: list[ast.stmt], into: dict[str, str]) -> None:
        for statement in body:
            self._statement(statement, into)

    def _statement(self, node: ast.stmt, into: dict[str, str]) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            _bind(into, node.name, "f")
            self.facts["functions"][node.name] = parameters(node)
            if node.name == "__getattr__":
                self._module_getattr(node)
        elif isinstance(node, ast.ClassDef):
            _bind(into, node.name, "c")
            self.facts["classes"][node.name] = read_class(node)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                _bind(into, alias.asname or root, "m:" + (alias.name if alias.asname else root))
        elif isinstance(node, ast.ImportFrom):
            self._import_from(node, into)
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            self._assignment(node, into)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            self._call(node.value)
        elif isinstance(node, ast.If):
            self._if(node, into)
        elif isinstance(node, ast.Delete):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    into.pop(target.id, None)
        else:
            self._compound(node, into)

    def _if(self, node: ast.If, into: dict[str, str]) -> None:
        test = ast.unparse(node.test)
        if test in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            self._statements(node.body, self.facts["typing"])
        else:
            self._statements(node.body, into)
        self._statements(node.orelse, into)

    def _compound(self, node: ast.stmt, into: dict[str, str]) -> None:
        if isinstance(node, (ast.For, ast.AsyncFor)):
            for name in _target_names(node.target):
                _bind(into, name, "v")
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                for name in _target_names(item.optional_vars) if item.optional_vars else ():
                    _bind(into, name, "v")
        for field in ("body", "orelse", "finalbody"):
            self._statements(getattr(node, field, []), into)
        for handler in getattr(node, "handlers", []):
            self._statements(handler.body, into)
        for case in getattr(node, "cases", []):
            self._statements(case.body, into)

    def _import_from(self, node: ast.ImportFrom, into: dict[str, str]) -> None:
        origin = self._absolute(node.module or "", node.level)
        for alias in node.names:
            if alias.name == "*":
                self.facts["stars"].append(origin)
            else:
                _bind(into, alias.asname or alias.name, f"i:{origin}:{alias.name}")

    def _absolute(self, module: str, level: int) -> str:
        if not level:
            return module
        base = self.package.split(".")
        base = base[: len(base) - (level - 1)]
        return ".".join([*base, module] if module else base)

    def _assignment(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign, into: dict[str, str]) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if node.value is None:
            return
        for target in targets:
            if isinstance(target, ast.Name):
                self._named_value(target.id, node, into)
            elif isinstance(target, ast.Subscript):
                self._subscript(target, node)
            else:
                for name in _target_names(target):
                    _bind(into, name, "v")

    def _named_value(self, name: str, node: ast.Assign | ast.AnnAssign | ast.AugAssign, into: dict[str, str]) -> None:
        assert node.value is not None
        if name == "__getattr__" and isinstance(node.value, ast.Call):
            self._deprecated_attributes(node.value)
            return
        written = node.value.id if isinstance(node.value, ast.Name) else ""
        _bind(into, name, f"i:{self.module}:{written}" if written in into and written != name else "v")
        if ast.unparse(node.value).startswith("define_import_structure"):
            self.scans_files = True
        value = evaluate(node.value, self.constants)
        if isinstance(node, ast.AugAssign):
            earlier = self.constants.get(name)
            value = earlier + value if isinstance(earlier, list) and isinstance(value, list) else earlier
        if name == "__all__":
            self.facts["all"].extend(strings(value))
            return
        if value is UNKNOWN:
            return
        self.constants[name] = value
        if name in ("_import_structure", "import_structure") and isinstance(value, dict):
            for key, names in value.items():
                self.structure.setdefault(str(key), []).extend(strings(names))
        elif name == "_SUBMOD_ATTRS" and isinstance(value, dict):
            self.facts["attached"] = {str(key): strings(names) for key, names in value.items()}
        elif self.keep_tables and isinstance(value, dict):
            self.facts["tables"][name] = _plain(value)

    def _subscript(self, target: ast.Subscript, node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> None:
        """Read `_import_structure["x"] = [...]` (or `+=`) and `sys.modules[__name__] = _LazyModule(...)`."""
        assert node.value is not None
        holder = ast.unparse(target.value)
        if holder in ("_import_structure", "import_structure"):
            key = evaluate(target.slice, self.constants)
            if isinstance(key, str):
                self.structure.setdefault(key, []).extend(strings(evaluate(node.value, self.constants)))
        elif holder == "sys.modules" and ast.unparse(target.slice) == "__name__":
            call = ast.unparse(node.value)
            if "LazyModule" in call:
                if "__version__" in call:
                    self.structure.setdefault("", []).append("__version__")
                self.facts["lazy"] = self.structure
                self.facts["scanned"] = self.scans_files or "define_import_structure" in call
        elif self.keep_tables and isinstance(target.value, ast.Name):
            table = self.facts["tables"].get(target.value.id)
            key, value = evaluate(target.slice, self.constants), evaluate(node.value, self.constants)
            if table is not None and isinstance(key, str) and value is not UNKNOWN:
                table[key] = _plain(value)

    def _call(self, call: ast.Call) -> None:
        """Read `_import_structure["x"].append("Name")`, `__all__.extend([...])` and `TABLE.update({...})`."""
        if not isinstance(call.func, ast.Attribute) or len(call.args) < 1:
            return
        method, holder = call.func.attr, call.func.value
        value = evaluate(call.args[0], self.constants)
        names = [value] if isinstance(value, str) else strings(value)
        if isinstance(holder, ast.Name) and holder.id == "__all__":
            self.facts["all"].extend(names)
        elif isinstance(holder, ast.Name) and holder.id in self.facts["tables"] and isinstance(value, dict):
            self.facts["tables"][holder.id].update(_plain(value))
        elif isinstance(holder, ast.Name) and holder.id in ("_import_structure", "import_structure"):
            if method == "setdefault" and isinstance(value, str):
                self.structure.setdefault(value, [])
        elif isinstance(holder, ast.Subscript) and "import_structure" in ast.unparse(holder.value):
            key = evaluate(holder.slice, self.constants)
            if isinstance(key, str):
                self.structure.setdefault(key, []).extend(names)
        elif isinstance(holder, ast.Call) and isinstance(holder.func, ast.Attribute):
            # _import_structure.setdefault("x", []).append("Name")
            inner = holder.func
            if "import_structure" in ast.unparse(inner.value) and inner.attr == "setdefault" and holder.args:
                key = evaluate(holder.args[0], self.constants)
                if isinstance(key, str):
                    self.structure.setdefault(key, []).extend(names)

    def _deprecated_attributes(self, call: ast.Call) -> None:
        """Read `__getattr__ = deprecate_attr(__name__, rename={"Old": (New, "6.0")})`."""
        for keyword in call.keywords:
            if keyword.arg in ("rename", "remove") and isinstance(keyword.value, ast.Dict):
                for key, value in zip(keyword.value.keys, keyword.value.values, strict=True):
                    name = evaluate(key) if key is not None else UNKNOWN
                    first = value.elts[0] if isinstance(value, ast.Tuple) and value.elts else value
                    if isinstance(name, str):
                        self.facts["served"][name] = ast.unparse(first)

    def _module_getattr(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Read the names that a module-level `__getattr__` knows: `name == "X"`, `name in TABLE`."""
        argument = node.args.args[0].arg if node.args.args else "name"
        for test in ast.walk(node):
            if not (isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == argument):
                continue
            for operator, other in zip(test.ops, test.comparators, strict=True):
                value = evaluate(other, self.constants)
                if isinstance(operator, ast.Eq) and isinstance(value, str):
                    self.facts["served"][value] = ""
                elif isinstance(operator, ast.In) and isinstance(value, (list, dict)):
                    self.facts["served"].update({name: "" for name in value if isinstance(name, str)})


def read_class(node: ast.ClassDef) -> dict[str, Any]:
    """Read one class.

    Returns:
        A dictionary without the keys whose value is empty:

        - `bases` as written
        - `methods` name -> parameters
        - `attributes` other names bound in the body or through `self`
        - `fields` annotated names of the body in order, without those that no constructor takes
        - `constants` attributes that are a string, None or a list of strings
        - `names` attributes set to a name, as written, and the annotation of `config`
        - `properties`
        - `returns` the annotated results of `get_..._features`; `PASSED_ON` of those that give what `self.model` does
        - `dataclass` when decorated as one
    """
    methods: dict[str, list[str]] = {}
    attributes: set[str] = set()
    names: dict[str, str] = {}
    returns: dict[str, str] = {}
    constants: dict[str, Any] = {}
    fields: list[str] = []
    properties: list[str] = []
    for statement in _class_statements(node.body):
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            methods[statement.name] = parameters(statement)
            if _FEATURE_METHOD.match(statement.name):
                result = ast.unparse(statement.returns) if statement.returns is not None else _passed_on(statement)
                returns.update({statement.name: result} if result else {})
            if any("property" in ast.unparse(decorator) for decorator in statement.decorator_list):
                properties.append(statement.name)
            attributes.update(_self_attributes(statement))
        elif isinstance(statement, (ast.Assign, ast.AnnAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for name in (name for target in targets for name in _target_names(target)):
                if isinstance(statement, ast.AnnAssign) and not _NO_FIELD.search(ast.unparse(statement)):
                    fields.append(name)
                if name == "config" and isinstance(statement, ast.AnnAssign):
                    names[name] = ast.unparse(statement.annotation).strip("'")
                elif isinstance(statement.value, (ast.Name, ast.Attribute)):
                    names[name] = ast.unparse(statement.value)
                if statement.value is not None:
                    attributes.add(name)
                value = evaluate(statement.value) if statement.value is not None else UNKNOWN
                if value is None or isinstance(value, str) or (isinstance(value, list) and strings(value) == value):
                    constants[name] = value
                elif name == "attribute_map" and isinstance(value, dict):
                    attributes.update(str(key) for key in value)
        elif isinstance(statement, ast.ClassDef):
            attributes.add(statement.name)
    attributes.update(_spread_attributes(node))
    facts = {
        "bases": [ast.unparse(base) for base in node.bases],
        "methods": methods,
        "attributes": sorted(attributes - set(methods)),
        "fields": fields,
        "constants": constants,
        "properties": properties,
        "names": names,
        "returns": returns,
        "dataclass": any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list),
    }
    return {key: value for key, value in facts.items() if value}


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Give the parameters of a function in order; `*` starts the keyword-only ones, `**kwargs` takes the rest.

    What the signature does not name but the function takes follows as "~name": keyword arguments that it looks up in
    its `**kwargs`, and old names that a `@deprecate_kwarg` translates ("~old>new").
    """
    arguments = node.args
    names = [argument.arg for argument in arguments.posonlyargs]
    if names:
        names.append("/")
    names += [argument.arg for argument in arguments.args]
    if arguments.vararg:
        names.append("*" + arguments.vararg.arg)
    elif arguments.kwonlyargs:
        names.append("*")
    names += [argument.arg for argument in arguments.kwonlyargs]
    hidden = {}
    if arguments.kwarg:
        names.append("**" + arguments.kwarg.arg)
        hidden = dict.fromkeys(_looked_up(node, arguments.kwarg.arg), "")
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith("deprecate_kwarg"):
            named = {keyword.arg: evaluate(keyword.value) for keyword in decorator.keywords}
            old = evaluate(decorator.args[0]) if decorator.args else named.get("old_name")
            new = named.get("new_name")
            if isinstance(old, str):
                hidden[old] = new if isinstance(new, str) else ""
    names += [f"~{old}>{new}" if new else f"~{old}" for old, new in sorted(hidden.items()) if old not in names]
    return names


def _looked_up(function: ast.FunctionDef | ast.AsyncFunctionDef, mapping: str) -> set[str]:
    """Give the constant keys that a function looks up in one of its dictionaries: `kwargs.pop("x", None)`."""
    found: set[str] = set()
    lists: dict[str, list[str]] = {}
    constants: dict[str, Any] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            constants.setdefault(node.targets[0].id, evaluate(node.value))
    for node in ast.walk(function):
        loops = [node] if isinstance(node, ast.For) else getattr(node, "generators", [])
        for loop in loops:
            if isinstance(loop.target, ast.Name):
                lists.setdefault(loop.target.id, []).extend(strings(evaluate(loop.iter, constants)))

    def add(key: ast.expr) -> None:
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            found.add(key.value)
        elif isinstance(key, ast.Name):
            found.update(lists.get(key.id, ()))

    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            if node.func.attr in ("pop", "get") and _is_name(node.func.value, mapping):
                add(node.args[0])
        elif isinstance(node, ast.Subscript) and _is_name(node.value, mapping) and isinstance(node.ctx, ast.Load):
            add(node.slice)
        elif isinstance(node, ast.Compare) and any(_is_name(other, mapping) for other in node.comparators):
            add(node.left)
    return found


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _class_statements(body: list[ast.stmt]) -> list[ast.stmt]:
    """Give the statements of a class body, those under `if` and `try` included."""
    found: list[ast.stmt] = []
    for statement in body:
        if isinstance(statement, (ast.If, ast.Try)):
            found += _class_statements(statement.body) + _class_statements(statement.orelse)
            for handler in getattr(statement, "handlers", []):
                found += _class_statements(handler.body)
        else:
            found.append(statement)
    return found


def _passed_on(method: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    last = method.body[-1]
    call = last.value if isinstance(last, ast.Return) else None
    is_same = isinstance(call, ast.Call) and ast.unparse(call.func) == f"{PASSED_ON}.{method.name}"
    return PASSED_ON if is_same else ""


def _self_attributes(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Give the names assigned through the first parameter of a method: `self.x = ...`, `setattr(self, "x", ...)`."""
    if not function.args.args:
        return set()
    first = function.args.args[0].arg
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_name(node.value, first):
            found.add(node.attr)
        elif isinstance(node, ast.Call) and _is_name(node.func, "setattr") and len(node.args) == 3:
            name = evaluate(node.args[1])
            if _is_name(node.args[0], first) and isinstance(name, str):
                found.add(name)
    return found


def _bind(into: dict[str, str], name: str, kind: str) -> None:
    """Add a binding of a name beside those that it has."""
    earlier = into.get(name)
    if earlier is None:
        into[name] = kind
    elif kind not in earlier.split("|"):
        into[name] = f"{earlier}|{kind}"


def _spread_attributes(node: ast.ClassDef) -> set[str]:
    """Give the attributes set in a loop over the literal that another method of the class returns.

    For example `for name, default in self._get_defaults().items(): setattr(self, name, ...)`.
    """
    functions = {part.name: part for part in node.body if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))}
    found: set[str] = set()
    for function in functions.values():
        for loop in ast.walk(function):
            if isinstance(loop, ast.For) and any(_is_name(call, "setattr") for call in _called(loop)):
                for method in re.findall(r"self\.(\w+)\(\)", ast.unparse(loop.iter)):
                    for part in ast.walk(functions[method]) if method in functions else ():
                        value = evaluate(part.value) if isinstance(part, ast.Return) and part.value else None
                        found.update(key for key in value if isinstance(key, str)) if isinstance(value, dict) else None
    return found


def _called(node: ast.AST) -> list[ast.expr]:
    return [part.func for part in ast.walk(node) if isinstance(part, ast.Call)]


def _target_names(target: ast.expr) -> list[str]:
    if isinstance(target, ast.Name):
        return [target.id]
    if isinstance(target, (ast.Tuple, ast.List)):
        return [name for element in target.elts for name in _target_names(element)]
    if isinstance(target, ast.Starred):
        return _target_names(target.value)
    return []


def _plain(value: Any) -> Any:
    """Make a value of `evaluate` fit for JSON: unknown parts become None."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if value is UNKNOWN or not isinstance(value, (str, int, float, bool)) else value


def _environment_reads(tree: ast.Module, constants: dict[str, Any]) -> set[str]:
    """Give the environment variables that a module reads, through `os` or through a helper with "env" in its name."""
    found: set[str] = set()

    def add(node: ast.expr) -> None:
        value = evaluate(node, constants)
        for text in [value] if isinstance(value, str) else strings(value):
            if _ENVIRONMENT_NAME.match(text):
                found.add(text)

    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            function = ast.unparse(node.func).lower()
            if "env" in function and not function.endswith(".setdefault"):
                add(node.args[0])
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            if ast.unparse(node.value).endswith("environ"):
                add(node.slice)
        elif isinstance(node, ast.Compare) and any(
            isinstance(operator, (ast.In, ast.NotIn)) and ast.unparse(other).endswith("environ")
            for operator, other in zip(node.ops, node.comparators, strict=True)
        ):
            add(node.left)
    return found


def _required_objects(text: str) -> list[str]:
    """Give the objects under `@requires(...)`, which the lazy import structure exports without `__all__`."""
    found = []
    pending = False
    for line in text.split("\n"):
        if line.startswith("@requires"):
            pending = True
        elif pending and line.startswith(("class ", "def ")):
            found.append(re.split(r"[(:]", line.split(" ", 1)[1])[0].strip())
            pending = False
    return found


def _module_aliases(text: str) -> list[list[str]]:
    """Give the module aliases that a package makes at import, as [alias, target] with names relative to the package.

    The alias of a pattern is spelled with `*`: "models.*.image_processing_*_fast".
    """
    pairs = re.findall(r'_create_\w*alias\(\s*f"\{__name__\}\.([\w.]+)",\s*"\.([\w.]+)"\s*\)', text)
    table = re.search(r"_LEGACY_MODULE_ALIASES = \{(.*?)\}", text, re.DOTALL)
    if table:
        pairs += re.findall(r'"([\w.]+)":\s*"([\w.]+)"', table.group(1))
    if 'rglob("image_processing_*.py")' in text or "image_processing_(?!pil_)" in text:
        pairs.append(("models.*.image_processing_*_fast", "models.*.image_processing_*"))
    return [[alias, target] for alias, target in pairs]
