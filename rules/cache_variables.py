"""V5003: the cache variables that transformers no longer reads, and the constant that held their value."""

from __future__ import annotations

import ast
import os.path
import re

from v5lint.patterns import pattern
from v5lint.project import bytes_of
from v5lint.rule import Edit, Fix, FixUnavailableError, Option, Rule
from v5lint.rules.parts import api_edits, library, members, script_caches, script_variables
from v5lint.rules.parts.library import CACHE_READERS, CACHE_VARIABLES
from v5lint.rules.parts.standing import standing_of
from v5lint.view import strings
from v5lint.view.requirements import RequirementsView
from v5lint.view.script import ScriptView
from v5lint.view.values import Constant, External, LocalFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.view.environment import EnvironmentKey
    from v5lint.view.module import ModuleView, Reference

_HUB_CACHE = "HF_HUB_CACHE"
_HUB_ALIASES = (_HUB_CACHE, "HUGGINGFACE_HUB_CACHE")
_HOME = "HF_HOME"

#: huggingface_hub has `HF_HUB_CACHE` since 0.19, which transformers demands since 4.36.
_SINCE = "4.36"

_LITERALS = (ast.List, ast.Tuple, ast.Set)

#: How many modules of the repository an import is followed through.
_MODULES = 3


class RemovedCacheVariable(Rule):
    """A cache variable that transformers no longer reads.

    ## What it does

    Finds `TRANSFORMERS_CACHE`, `PYTORCH_TRANSFORMERS_CACHE` and `PYTORCH_PRETRAINED_BERT_CACHE` where they are set: in
    `os.environ`, in dicts for child processes and job APIs, by `monkeypatch.setenv`; and the constant of that name
    imported from transformers. A program that only reads the variable for itself (`cache_dir=os.getenv(...)`) works as
    before and is left alone.

    The same in shell scripts (`export`, `setenv`, before a command, `docker run -e`), Dockerfiles (`ENV`, `RUN`),
    `.env`, YAML (maps of variables, lists of `NAME=value`, pairs of `name:` and `value:`, the shell of CI), Makefiles,
    systemd units, PowerShell and batch files, Nix, Terraform and Nomad, Procfiles, Jenkinsfiles, Nextflow, Snakefiles,
    R (`Sys.setenv`, `withr`, `.Renviron`), Julia, the tables of variables in `pyproject.toml`, `setup.cfg`, `tox.ini`,
    `pytest.ini`, `mise.toml`, `pixi.toml`, `devcontainer.json`, VS Code's `settings.json`, task definitions of ECS,
    conda's `environment.yml` and Apptainer's `.def`, what a here-document of Python sets, the magics and shell lines of
    notebooks, the fences of Markdown: the variable and what reads it in the file are renamed together. Left alone are
    comments, what is only printed, variables of a shell that are not exported, and what is for Node (transformers.js
    reads one of this name): its children, stages and images.

    ## Why it breaks

    Since 5.0 nothing reads the variables: no error, no warning. Models are downloaded again to the default place, or,
    offline, not found. The constant is gone:

        ImportError: cannot import name 'TRANSFORMERS_CACHE' from 'transformers'

    ## Example

        os.environ["TRANSFORMERS_CACHE"] = "/data/models"

    becomes

        os.environ["HF_HUB_CACHE"] = "/data/models"

    `HF_HUB_CACHE` keeps the files where they are: transformers 4 stored `models--org--name` directly under
    `TRANSFORMERS_CACHE`. `HF_HOME`, which the official guide names, looks under `<dir>/hub` and takes the login token
    along; `replacement = "HF_HOME"` chooses it, and makes the fix unsafe. Where the value is `$HF_HOME/hub`, or
    `HF_HUB_CACHE` has it already, the line goes. Readers of the variable in the same module are renamed with it.

    ## Fix safety

    Safe in a module that sets the variable for itself or for a child process. Unsafe where another module of the
    repository reads it, where it is set after transformers is imported (it had no effect under v4 either: set
    `HF_HUB_CACHE` before the import), where the module sets or reads `HF_HUB_CACHE` for something else, and in dicts
    for other programs. Only shown where a text, a copy of the environment or a line of the notebook reads it in a way
    that is not followed. A dict that the module itself asks for the key is its own settings, and left alone.

    In a script: unsafe where a value from outside would be given up (`${TRANSFORMERS_CACHE:-/x}`), where the text is
    written to a file, and where what takes the setting is not known. Without a fix where another file of the repository
    reads the variable; only shown where the script names it in a way that is not followed. Where a module reads it and
    gives a `cache_dir` to what it loads, the setting is said to be unseen.

    ## References

    - https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
    - https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
    """

    code = "V5003"
    name = "removed-cache-variable"
    since = "5.0"
    tokens = (
        *("TRANSFORMERS_CACHE", "PYTORCH_PRETRAINED_BERT_CACHE", "environ.update(", "environ |="),
        *("}_CACHE", '"_CACHE"', "'_CACHE'"),  # put together: f"{PREFIX}_CACHE"
    )
    anywhere = True
    tokens_by_kind = {"script": ("TRANSFORMERS_CACHE", "PYTORCH_PRETRAINED_BERT_CACHE")}
    kinds = ("python", "script", "requirements")
    options = {
        "replacement": Option(
            _HUB_CACHE,
            "The variable that takes its place: HF_HUB_CACHE keeps the files where they are, HF_HOME moves them.",
            choices=(_HUB_CACHE, _HOME),
        )
    }

    def check(self, module: ModuleView | ScriptView | RequirementsView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        replacement = module.settings.option(self.name, "replacement")
        if isinstance(module, (ScriptView, RequirementsView)):
            script = script_variables.script_in(module)
            yield from script_caches.findings(script, replacement) if script is not None else ()
            return
        for reference in module.references(CACHE_VARIABLES):
            if standing_of(module, reference).kind == "live" and not module.guards.handled(reference.node):
                yield _constant(module, reference)
        yield from _set_constants(module)
        yield from _variables(module, replacement)
        yield from _commands(module)
        if members.imports_transformers(module):
            for site, given in module.environment_from_elsewhere():
                if not module.guards.is_dead(site):
                    yield module.unseen(site, f"what is in `{module.source(given)}` comes from elsewhere")


# The constant


def _constant(view: ModuleView, reference: Reference) -> Finding:
    node = reference.node
    message = (
        f"`{reference.path}` was removed in transformers 5.0; `huggingface_hub.constants.HF_HUB_CACHE` is its value"
    )

    def edits() -> list[Edit]:
        from v5lint.edits.imports import ImportEdits

        imports = ImportEdits(view)
        if reference.binding is not None:
            imports.rename(reference.binding, _HUB_CACHE, "huggingface_hub.constants", keep=True)
            return imports.edits()
        name = imports.use("huggingface_hub.constants", _HUB_CACHE, node)
        if isinstance(node, ast.Attribute) and (left := api_edits.import_for(view, node)) is not None:
            imports.remove(left)
        return [view.replace(node, name), *imports.edits()]

    fix: Fix | None = Fix(f"Take `{_HUB_CACHE}` of `huggingface_hub.constants`", edits, requires=_SINCE)
    if reference.how in ("getattr", "string") or (reference.binding is None and not _is_free(view, node)):
        fix = None
    return view.finding(node, message, fix=fix)


def _is_free(view: ModuleView, node: ast.AST) -> bool:
    """Whether `HF_HUB_CACHE` can be used at a node: it is the constant there, or nothing else has the name."""
    scope = view.tree.scope_of(node)
    if view.evaluator.owner(_HUB_CACHE, scope) is None:
        return True
    return External(f"huggingface_hub.constants.{_HUB_CACHE}") in view.evaluator.name_values(_HUB_CACHE, scope, node)


def _set_constants(view: ModuleView) -> Iterator[Finding]:
    """`transformers.utils.hub.TRANSFORMERS_CACHE = ...`: what v4 took for the default place, and v5 does not."""
    for node in view.tree.nodes.get(ast.Attribute, ()):
        assert isinstance(node, ast.Attribute)
        if (
            node.attr not in CACHE_VARIABLES
            or not isinstance(node.ctx, ast.Store)
            or not view.is_of(node.value, "transformers")
        ):
            continue
        statement = view.tree.parents[node]
        value = statement.value if isinstance(statement, (ast.Assign, ast.AnnAssign)) else None
        if (
            view.guards.is_dead(node)
            or (value is not None and view.is_of(value, "huggingface_hub"))
            or _is_missed(view, node)
        ):
            continue  # put there for code that still imports it
        yield view.finding(
            node,
            f"nothing reads `{view.source(node)}` since transformers 5.0: set the variable `{_HUB_CACHE}` before the "
            "import, or give `cache_dir=`",
        )


def _is_missed(view: ModuleView, node: ast.Attribute) -> bool:
    """Whether a constant is set because it was not there: `if not hasattr(transformers, "TRANSFORMERS_CACHE"):`."""
    asked: list[ast.AST] = [test for test, _ in view.reach.conditions(node)]
    for parent in view.tree.ancestors(node):
        statement = view.tree.parents[parent] if isinstance(parent, ast.ExceptHandler) else None
        if isinstance(statement, ast.Try):
            asked += statement.body
    mentions = (each for part in asked for each in ast.walk(part))
    return any(node.attr in (getattr(each, field, "") for field in ("attr", "value", "name")) for each in mentions)


# The variables


def _variables(view: ModuleView, replacement: str) -> Iterator[Finding]:
    keys = view.environment_keys(CACHE_VARIABLES)
    beside = view.environment_keys((*_HUB_ALIASES, _HOME))
    written = [
        each for each in keys if each.is_written and not view.guards.is_dead(each.node) and not _reports(view, each)
    ]
    set_here = {each.name for each in written}  # and what demands them is renamed with them
    yield from _preflight(view, [each for each in keys if each.name not in set_here])
    places = [_Written(view, key, keys, beside, replacement) for key in written]
    for place in places:
        place.find_followers(places)
    for place in places:
        yield place.finding()


def _reports(view: ModuleView, key: EnvironmentKey) -> bool:
    """Whether a dict only says what the variable is: `{"TRANSFORMERS_CACHE": os.getenv("TRANSFORMERS_CACHE")}`."""
    if key.access not in ("dict", "job", "child") or key.value is None:
        return False
    if key.access == "dict" and key.name in view.source(key.value):
        return True
    reads = [each for each in view.environment_keys((key.name,)) if each.access == "read"]
    made = view.links.defining_call(key.value) or key.value
    return any(_is_in(view, each.site, made) for each in reads if each.site is not key.site)


def _preflight(view: ModuleView, keys: list[EnvironmentKey]) -> Iterator[Finding]:
    """Programs that refuse to start where the variable is not set."""
    for key in keys:
        if key.access not in ("test", "read"):
            continue
        if _is_demanded(view, key.site):
            yield view.finding(
                key.node,
                f"`{key.name}` is demanded here and no longer read by transformers since 5.0: "
                f"demand `{_HUB_CACHE}`, or nothing",
            )


def _is_demanded(view: ModuleView, site: ast.AST) -> bool:
    """Whether the program stops where a test says so: `if name not in os.environ: raise ...`."""
    statement = view.tree.statement(site)
    if isinstance(statement, ast.If) and _is_in(view, site, statement.test):
        return any(isinstance(each, ast.Raise) or _exits(each) for each in statement.body)
    if isinstance(statement, ast.Assert):
        return _is_in(view, site, statement.test)
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    if not isinstance(target, ast.Name) or not any(
        isinstance(each, ast.comprehension) for each in view.tree.ancestors(site)
    ):
        return False  # `missing = [name for name in NAMES if name not in os.environ]`
    uses = [use for binding in view.links.bindings_at(target) for use in view.links.uses(binding)]
    return any(_is_demanded(view, use) for use in uses)


def _is_in(view: ModuleView, node: ast.AST, around: ast.AST) -> bool:
    return node is around or around in view.tree.ancestors(node)


def _exits(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and ast.unparse(statement).startswith(("sys.exit(", "exit(", "quit("))


class _Written:
    """One place that sets a variable, and what to do about it."""

    def __init__(
        self,
        view: ModuleView,
        key: EnvironmentKey,
        keys: list[EnvironmentKey],
        beside: list[EnvironmentKey],
        replacement: str,
    ) -> None:
        self.view = view
        self.key = key
        self.mine = [each for each in keys if each.name == key.name and each.node is not key.node]
        self.higher = [each for each in keys if each.is_written and _precedes(each, key) and self._is_beside(each)]
        self.hub = [each for each in beside if each.name in _HUB_ALIASES and each.is_written]
        self.hub_readers = [each for each in beside if each.name in _HUB_ALIASES and not each.is_written]
        self.home = [each for each in beside if each.name == _HOME and each.is_written]
        self.replacement = replacement
        self.followers: list[_Written] = []
        self.leader: _Written | None = None
        self._repaired: tuple[str, Fix | None] | None = None

    def find_followers(self, places: list[_Written]) -> None:
        """Find the places that only set what this one has set already: they go when this one changes."""
        for other in places:
            if other.leader is None and self.key in other.higher[:1] and not other.is_settled and not other.readers():
                other.leader = self
                self.followers.append(other)

    @property
    def is_settled(self) -> bool:
        """Whether the variable can go by itself: the hub uses its value anyway."""
        return self._is_told_already() and not self.readers()

    def finding(self) -> Finding:
        message = f"`{self.key.name}` is no longer read by transformers since 5.0, without a word"
        remark, fix = self._repair()
        return self.view.finding(self.key.node, message + remark, fix=fix)

    def _repair(self) -> tuple[str, Fix | None]:
        if self._repaired is None:
            self._repaired = self._decide()
        return self._repaired

    def _decide(self) -> tuple[str, Fix | None]:
        if self.is_settled:
            fix = self._removal(followed=True) or (None if self.hub else self._rename(_HUB_CACHE, "safe"))
            return "; this value is the default of `HF_HUB_CACHE` here, or is given to it already", fix
        if self.leader is not None:
            fix = self.leader._repair()[1]
            return f"; `{self.higher[0].name}` beside it counted anyway", fix or self._removal()
        clash = [each for each in self.hub if self._is_beside(each)]
        if clash:
            return f"; `{clash[0].name}` beside it says another place, and holds for all downloads", None
        if any(_gives_the_value(self.view, each) for each in (self.key, *self.mine)):
            return "; its name is a part of the value: another name would be another folder", None
        if self.replacement == _HOME:
            if self.home:
                return f"; `{_HOME}` is set beside it", None
            return f"; with `{_HOME}` models move to `<dir>/hub`, and the login token with them", self._rename(
                _HOME, "unsafe"
            )
        lines = self.view.region.beside.splitlines()  # of a notebook, which are no Python
        if any(re.search(rf"\$\{{?{self.key.name}\b", each.partition("#")[0]) for each in lines):
            return "; a line of the notebook that is no Python reads it", self._rename(_HUB_CACHE, "display")
        if (unknown := next(self._unknown(), None)) is not None:
            row = self.view.region.position(self.view.span(unknown)[0])[0]
            return f"; line {row} names it in a way that is not followed", self._rename(_HUB_CACHE, "display")
        doubt = self._doubt()
        return doubt, self._rename(_HUB_CACHE, "unsafe" if doubt else "safe")

    def _doubt(self) -> str:
        view, key = self.view, self.key
        if key.file:
            return f"; {os.path.relpath(key.file, os.path.dirname(view.path))} sets the variable that it names"
        if key.access in ("write", "default") and _is_after_import(view, key.site):
            return (
                "; it is set after the import that reads it, which had no effect under v4 either: "
                f"set `{_HUB_CACHE}` before the import"
            )
        if key.access in ("write", "default"):
            if any(self._may_meet(each) for each in self.hub):
                return f"; `{_HUB_CACHE}` is set elsewhere in this file, too"
            if any(self._is_told(each) for each in self.hub_readers):
                return f"; this file reads `{_HUB_CACHE}` for something else"
        if key.access == "dict":
            return "; where this dict goes is not known"
        if key.access == "job":
            return "; the program that it is for may have another transformers"
        if key.access == "child" and key.value is not None and "transformers_cache" in view.source(key.value):
            return "; the value is a setting of this program's own"
        for file in view.project.mentioning(key.name.encode(), view.path):
            other = view.project.view(file, view.settings)
            reads = [each for each in other.environment_keys((key.name,)) if not each.is_written] if other else []
            if other is not None and reads and view.project.are_linked(view.path, other):
                row = other.region.position(other.span(reads[0].node)[0])[0]
                return f"; {os.path.relpath(file, os.path.dirname(view.path))} line {row} reads it"
        for file in view.project.scripts_mentioning(key.name):
            if f"env:{key.name}".encode() in bytes_of(file):  # `${oc.env:NAME}` of Hydra
                return f"; {os.path.relpath(file, os.path.dirname(view.path))} reads it"
        return ""

    def readers(self) -> list[EnvironmentKey]:
        """The other mentions of the variable in the module that only read it."""
        return [each for each in self.mine if not each.is_written]

    def _is_beside(self, other: EnvironmentKey) -> bool:
        """Whether another variable is set in the same dict, or in the same block or one around it."""
        if (self.key.entry is None) is not (other.entry is None):
            return self.key.site is other.site
        if self.key.entry is not None and other.entry is not None:
            return self.key.site is other.site or self.key.entry.owner is other.entry.owner
        view = self.view
        if view.tree.scope_of(self.key.site) is not view.tree.scope_of(other.site):
            return False
        here, there = view.reach.path(self.key.node), view.reach.path(other.node)
        return there == here[: len(there)]

    def _may_meet(self, other: EnvironmentKey) -> bool:
        """Whether a variable is set in the same process, under conditions of its own and to another value."""
        view, mine, theirs = self.view, self.key.value, other.value
        if other.access not in ("write", "default") or view.reach.are_exclusive(self.key.node, other.node):
            return False
        return mine is None or theirs is None or not _same(view, mine, theirs)

    def _is_told(self, reader: EnvironmentKey) -> bool:
        """Whether a read would see what is set here, and is no part of setting it."""
        view = self.view
        around = [test for test, _ in view.reach.conditions(self.key.node)]
        around += [self.key.value] if self.key.value is not None else []
        return not any(_is_in(view, reader.node, each) for each in around)

    def _is_told_already(self) -> bool:
        """Whether the value is the place that the hub uses anyway: `$HF_HOME/hub`, or that of `HF_HUB_CACHE`."""
        view, value = self.view, self.key.value
        if value is None:
            return False
        for each in self.hub:
            if self._is_beside(each) and each.value is not None and _same(view, each.value, value):
                return True
        for each in self.home:
            if self._is_beside(each) and each.value is not None and _is_hub_of(view, value, each.value):
                return True
        return _is_hub_of_variable(view, value)

    def _rename(self, new: str, safety: Applicability) -> Fix:
        nodes = dict.fromkeys(each.node for each in [self.key, *self.mine])
        renamed = [edit for node in nodes for edit in _renamed(self.view, node, self.key.name, new)]
        message = f"Set `{new}` instead"
        if self.readers():
            message += ", and read it"
        removals = self._removals_of_followers()
        if new == _HUB_CACHE:
            renamed += [edit for _, edit in self._expanded()]

        def build() -> list[Edit]:
            return [*renamed, *(edit for fix in removals for edit in fix.edits)]

        return Fix(message, build, applicability=safety, requires=_SINCE)

    def _unknown(self) -> Iterator[ast.AST]:
        """What else names the variable, or has a field for it: a copy of the environment, a template, a command."""
        known = {each.node for each in (self.key, *self.mine)} | {each for each, _ in self._expanded()}
        for node in self.view.tree.nodes.get(ast.Constant, ()):
            assert isinstance(node, ast.Constant)
            if not isinstance(node.value, str) or self.key.name not in node.value or node in known:
                continue
            parent = self.view.tree.parents[node]
            if isinstance(parent, ast.Expr):
                continue  # a docstring
            if _is_looked_up(self.view, node) if node.value == self.key.name else self._is_read_in(node):
                yield node
        for field in self.view.tree.nodes.get(ast.AnnAssign, ()):
            assert isinstance(field, ast.AnnAssign)
            owner = self.view.tree.parents[field]
            if isinstance(field.target, ast.Name) and field.target.id.upper() == self.key.name:
                bases = getattr(owner, "bases", ())
                if any(strings.last_name(each).endswith("Settings") for each in bases):
                    yield field

    def _is_read_in(self, node: ast.Constant) -> bool:
        """Whether the variable is read in a text: `"$NAME/models"`, `"{NAME}/models".format(**os.environ)`."""
        text, name = str(node.value), self.key.name
        around = self.view.tree.parents[node]
        if isinstance(around, ast.Attribute) and around.attr in ("format", "format_map") and f"{{{name}" in text:
            return True
        return re.search(rf"\$\{{?{name}\b", text) is not None and not _is_said(self.view, node)

    def _expanded(self) -> Iterator[tuple[ast.Constant, Edit]]:
        """Where a text that this process hands to a shell reads the variable: `os.system("ls $NAME")`."""
        if self.key.access not in ("write", "default"):
            return
        for node in _handed_on(self.view):
            start, end = self.view.span(node)
            for found in re.compile(rf"\$\{{{{0,2}}({self.key.name})\b").finditer(self.view.text, start, end):
                yield node, Edit(*found.span(1), _HUB_CACHE)

    def _removals_of_followers(self) -> list[Fix]:
        return [fix for fix in (each._removal() for each in self.followers) if fix is not None]

    def _removal(self, *, followed: bool = False) -> Fix | None:
        """Take the variable out.

        Args:
            followed: whether its followers go with it.
        """
        view, key = self.view, self.key
        removals = self._removals_of_followers() if followed else []
        statement = key.site if isinstance(key.site, ast.stmt) else view.tree.parents.get(key.site)
        owner = view.tree.parents[key.node]
        element = self._element()
        is_key = isinstance(owner, ast.Dict) and key.node in owner.keys

        def edits() -> list[Edit]:
            from v5lint.edits.arguments import edit_arguments, edit_entries
            from v5lint.edits.elements import remove_element
            from v5lint.edits.entries import remove_entries
            from v5lint.edits.statements import delete_statement

            found = [edit for fix in removals for edit in fix.edits]
            if key.entry is not None:
                return [*found, *remove_entries(view, [key.entry])]
            if element is not None:
                return [*found, *remove_element(view, *element, self._staying(element[0]))]
            if isinstance(key.node, ast.keyword) and isinstance(key.site, ast.Call):
                return [*found, edit_arguments(view, key.site, remove=[key.node])]
            if is_key:
                assert isinstance(owner, ast.Dict)
                assert isinstance(key.node, ast.expr)
                return [*found, edit_entries(view, owner, remove=[key.node])]
            if isinstance(statement, ast.Assign) and len(statement.targets) > 1:
                return [*found, _without_target(view, statement, owner)]
            assert isinstance(statement, ast.stmt)
            return [*found, delete_statement(view, statement)]

        if key.entry is not None:
            can_go = key.entry.how in ("literal", "keyword", "subscript")
        elif isinstance(key.node, ast.keyword) or is_key or element is not None:
            can_go = True
        elif isinstance(owner, ast.Dict):
            can_go = False
        else:
            is_here = key.site in view.tree.ancestors(key.node)  # or it is a name that a loop or a helper takes
            can_go = is_here and isinstance(statement, (ast.Expr, ast.Assign)) and not _is_own_helper(view, key.site)
        return Fix(f"Remove `{key.name}`", edits) if can_go else None

    def _element(self) -> tuple[ast.List | ast.Tuple | ast.Set, ast.expr] | None:
        """The literal that the variable is an element of, and the element, which names it or is a pair or a dict of it.

        None where nothing else would be left in it.
        """
        view, node = self.view, self.key.node
        owner = view.tree.parents[node]
        outer = view.tree.parents.get(owner)
        if isinstance(owner, ast.Dict) and self.key.site is owner and isinstance(outer, _LITERALS):
            return (outer, owner) if len(owner.keys) == 2 and self._staying(outer) else None
        if self.key.entry is not None or self.key.site in view.tree.ancestors(node) or not isinstance(node, ast.expr):
            return None
        if isinstance(outer, _LITERALS) and isinstance(owner, (ast.Tuple, ast.List)) and owner.elts[0] is node:
            return (outer, owner) if self._staying(outer) else None
        return (owner, node) if isinstance(owner, _LITERALS) and self._staying(owner) else None

    def _staying(self, literal: ast.List | ast.Tuple | ast.Set) -> list[ast.expr]:
        """The elements of a literal that are not taken out: all but old variables, and the one that this follows."""
        mine = {self.key.name} if self.leader is None else {self.key.name, *CACHE_VARIABLES} - {self.leader.key.name}
        mine |= {each.key.name for each in self.followers}
        staying = []
        for each in literal.elts:
            name = each.elts[0] if isinstance(each, (ast.Tuple, ast.List)) and each.elts else each
            if isinstance(each, ast.Dict):  # `{"name": "NAME", "value": "..."}`
                named = (value for key, value in zip(each.keys, each.values, strict=True) if _is_text(key, "name"))
                name = next(named, each)
            if not isinstance(name, ast.Constant) or name.value not in mine:
                staying.append(each)
        return staying


def _is_text(node: ast.expr | None, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text


def _gives_the_value(view: ModuleView, key: EnvironmentKey) -> bool:
    """Whether the variable of a loop names it, from which the value is made: `environ[name] = f"/c/{name}"`."""
    if key.value is None or key.site in view.tree.ancestors(key.node):
        return False
    named = {each.id for each in ast.walk(key.site) if isinstance(each, ast.Name)}
    made_of = [each for each in ast.walk(key.value) if isinstance(each, ast.Name) and each.id in named]
    return any(key.name in view.constants(each) for each in made_of)


def _is_own_helper(view: ModuleView, site: ast.AST) -> bool:
    """Whether a variable is set by calling a function of the repository, which may do more than that."""
    return isinstance(site, ast.Call) and any(isinstance(each, LocalFunction) for each in view.values(site.func))


def _without_target(view: ModuleView, statement: ast.Assign, target: ast.AST) -> Edit:
    """The edit that takes one target out of `a = b = value`."""
    parts = [*statement.targets, statement.value]
    at = next(number for number, part in enumerate(parts) if part is target)
    start, end = view.span(parts[at])
    following = view.span(parts[at + 1])[0]
    if view.text[end:following].strip() != "=":
        raise FixUnavailableError("there are brackets around a target")
    return Edit(start, following, "")


def _precedes(other: EnvironmentKey, key: EnvironmentKey) -> bool:
    return other.name in CACHE_VARIABLES and CACHE_VARIABLES.index(other.name) < CACHE_VARIABLES.index(key.name)


def _renamed(view: ModuleView, node: ast.AST, old: str, new: str) -> list[Edit]:
    if isinstance(node, ast.keyword):
        return [Edit(*view.name_span(node), new)]
    start, end = view.span(node)
    at = view.text.find(old, start, end)
    if at < 0 and isinstance(node, (ast.JoinedStr, ast.BinOp)):  # put together of parts that others may use
        quote = "'" if '"' not in view.source(node) else '"'
        return [Edit(start, end, f"{quote}{new}{quote}")]
    return [Edit(at, at + len(old), new)] if at >= 0 else []


def _same(view: ModuleView, first: ast.expr, second: ast.expr) -> bool:
    if ast.dump(first) == ast.dump(second):
        return True
    values = view.values(first)
    return values == view.values(second) and len(values) == 1 and all(isinstance(each, Constant) for each in values)


def _is_hub_of(view: ModuleView, value: ast.expr, home: ast.expr) -> bool:
    """Whether a value is the folder `hub` of another."""
    inner, outer = library.texts(view.values(value)), library.texts(view.values(home))
    if len(inner) == len(outer) == 1 and "…" not in inner[0]:
        return inner[0].rstrip("/") == outer[0].rstrip("/") + "/hub"
    (base, tail), (root, start) = _split(view, value), _split(view, home)
    return ast.dump(base) == ast.dump(root) and tail == f"{start}/hub"


def _split(view: ModuleView, node: ast.expr) -> tuple[ast.expr, str]:
    """A path as the expression that it begins with and the constant text behind it: `root / "hub"` as root, "/hub"."""
    if isinstance(node, ast.BinOp) and isinstance(node.right, ast.Constant) and isinstance(node.right.value, str):
        base, tail = _split(view, node.left)
        separator = "/" if isinstance(node.op, ast.Div) else ""
        return base, f"{tail}{separator}{node.right.value}".rstrip("/")
    if isinstance(node, ast.JoinedStr) and node.values and isinstance(node.values[0], ast.FormattedValue):
        texts = [each.value for each in node.values[1:] if isinstance(each, ast.Constant)]
        if len(texts) == len(node.values) - 1:
            base, tail = _split(view, node.values[0].value)
            return base, f"{tail}{''.join(map(str, texts))}".rstrip("/")
    if isinstance(node, ast.Call) and node.args and not node.keywords:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        first, *rest = node.args
        if name == "joinpath" and isinstance(node.func, ast.Attribute):
            first, rest = node.func.value, node.args
        if not rest and name in ("str", "fspath", "Path", "as_posix", "expanduser"):
            return _split(view, first)
        parts = [str(each.value) for each in rest if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        if rest and len(parts) == len(rest) and name in ("join", "Path", "joinpath"):
            base, tail = _split(view, first)
            return base, "/".join([tail, *parts]).rstrip("/")
    return node, ""


def _is_hub_of_variable(view: ModuleView, value: ast.expr) -> bool:
    """Whether a value is read from `HF_HOME` and ends in `/hub`, or is `HF_HUB_CACHE` itself; without a default."""
    base, tail = _split(view, value)
    for key in view.environment_keys((*_HUB_ALIASES, _HOME)):
        is_read = key.access == "read" and view.tree.parents.get(key.node) is base
        if is_read and (not isinstance(base, ast.Call) or len(base.args) == 1):
            return tail == ("/hub" if key.name == _HOME else "")
    return False


def _is_after_import(view: ModuleView, site: ast.AST) -> bool:
    """Whether the module imports transformers, or what builds on it, before a place is reached."""
    function = view.links.function_around(site)
    called = view.links.calls_of(function) if function is not None else [site]
    places = [view.span(each)[0] for each in called if view.links.function_around(each) is None]
    place = min(places, default=len(view.text))  # a function that other functions call runs behind all imports
    before = [each for each in view.tree.root.body if view.span(each)[0] <= place]
    return _imports_a_reader(view, before, _MODULES)


def _imports_a_reader(view: ModuleView, statements: list[ast.stmt], depth: int, seen: set[str] | None = None) -> bool:
    """Whether some statements of a module import what reads the variables, themselves or by modules of the repository.

    Args:
        view: the module.
        statements: some of its statements.
        depth: how many modules on the way are looked into.
        seen: the modules that were looked into.
    """
    seen = {view.path} if seen is None else seen
    siblings: set[str] = set()
    for statement in statements:
        names: list[str] = []
        if isinstance(statement, ast.ImportFrom):
            module = view.names.module_of(statement)
            names = [module, *(f"{module}.{alias.name}" for alias in statement.names)]
        elif isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        for name in names:
            top = name.partition(".")[0]
            if view.project.is_first_party(top, view.path):
                siblings.add(view.project.module_file(name, view.path) or view.path)
            elif top in CACHE_READERS:
                return True
    others = sorted(siblings - seen) if depth else []
    seen.update(others)
    views = [view.project.view(file, view.settings) for file in others]
    return any(_imports_a_reader(each, each.tree.root.body, depth - 1, seen) for each in views if each is not None)


# Commands in strings

_IN_COMMAND = pattern(r"(?:^|[\s;&|\"',=])(?:export\s+)?(" + "|".join(CACHE_VARIABLES) + r")=")
_IN_SCRIPT = pattern(r"^[ \t]*export\s+(" + "|".join(CACHE_VARIABLES) + r")=", re.MULTILINE)
_SAYS = pattern(r"\A(?:p?print|s?echo|log|debug|info|warn|warning|error|exception|critical|success|markdown|help)\Z")
_DESCRIBES = frozenset({"help", "description", "epilog", "usage"})
_RUNNERS = frozenset("system popen run call check_call check_output Popen getoutput getstatusoutput".split())


def _is_looked_up(view: ModuleView, node: ast.Constant) -> bool:
    """Whether a name is looked up in a copy of the environment: `copy["NAME"]`, `copy.get("NAME")`."""
    parent = view.tree.parents[node]
    if isinstance(parent, ast.Subscript):
        holder = parent.value if isinstance(parent.ctx, ast.Load) else None
    else:
        func = parent.func if isinstance(parent, ast.Call) and parent.args[:1] == [node] else None
        holder = func.value if isinstance(func, ast.Attribute) and func.attr in ("get", "pop") else None
    if holder is None:
        return False
    made = [each.value for each in view.links.bindings_read(holder)] if isinstance(holder, ast.Name) else []
    return any("environ" in ast.unparse(each) for each in (holder, *made) if each is not None)


def _handed_on(view: ModuleView) -> Iterator[ast.Constant]:
    """The texts in which a shell, or `os.path.expandvars`, looks for variables of this process."""
    for call in view.calls(_RUNNERS | {"expandvars"}):
        is_known = any(isinstance(each, External) and each.package in ("os", "subprocess") for each in call.callees)
        if is_known and call.keyword("env") is None:
            yield from (each for each in ast.walk(call.node) if isinstance(each, ast.Constant))


def _commands(view: ModuleView) -> Iterator[Finding]:
    """Variables that are set in a command line which the program runs, or in a shell script that it writes."""
    run: set[ast.AST] = set()
    for call in view.calls(_RUNNERS):
        if any(isinstance(each, External) and each.package in ("os", "subprocess") for each in call.callees):
            run.update(ast.walk(call.node))
            for name in [each for given in call.args for each in ast.walk(given) if isinstance(each, ast.Name)]:
                written = [binding.value for binding in view.links.bindings_read(name)]
                run.update(node for value in written if value is not None for node in ast.walk(value))
    known = {each.node for each in view.environment_keys(CACHE_VARIABLES)}
    for node in view.tree.nodes.get(ast.Constant, ()):
        assert isinstance(node, ast.Constant)
        if not isinstance(node.value, str) or node in known or isinstance(view.tree.parents[node], ast.Expr):
            continue
        found = (_IN_COMMAND if node in run else _IN_SCRIPT).search(node.value)
        if found and (node in run or not _is_said(view, node)):
            start, end = view.span(node)
            at = view.text.find(found[1] + "=", start, end)
            is_told = any(f"{name}=" in node.value for name in _HUB_ALIASES)  # which holds for all downloads
            edits = [Edit(at, at + len(found[1]), _HUB_CACHE)] if at >= 0 and not is_told else []
            fix = Fix(f"Set `{_HUB_CACHE}` instead", edits, applicability="unsafe", requires=_SINCE)
            message = f"`{found[1]}` is no longer read by transformers since 5.0, without a word"
            yield view.finding(node, message, fix=fix if edits else None)


def _is_said(view: ModuleView, node: ast.expr) -> bool:
    """Whether a text is only shown to the user: printed, logged, raised, or the help of an option."""
    parent = view.tree.parents[node]
    if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name):
        uses = [use for each in view.links.bindings_at(parent.targets[0]) for use in view.links.uses(each)]
        return bool(uses) and all(_is_said(view, use) for use in uses)
    for each in view.tree.ancestors(node):
        if isinstance(each, ast.keyword) and each.arg in _DESCRIBES:
            return True
        if isinstance(each, ast.Call):
            if _SAYS.match(strings.last_name(each.func)):
                return all(keyword.arg != "file" for keyword in each.keywords)  # which writes a script
            if isinstance(view.tree.parents[each], ast.Raise):
                return True
        called = each.func if isinstance(each, ast.Call) else each
        is_format = isinstance(called, ast.Attribute) and called.attr == "format"
        if not is_format and not isinstance(each, (ast.JoinedStr, ast.BinOp, ast.Tuple, ast.List, ast.keyword)):
            break
    return False
