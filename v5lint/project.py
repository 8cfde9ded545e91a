"""What can be known of the files around a file: which imports mean this repository, what they define, who imports whom.

Everything is looked up when it is first asked for: most files never ask.
"""

from __future__ import annotations

import os
import re

from v5lint.document import UnreadableError
from v5lint.patterns import pattern
from v5lint.reading import read_bytes
from v5lint.words import core_of, words_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeAlias, TypeVar

    Noted = TypeVar("Noted")

    from v5lint.document import Region
    from v5lint.settings import Settings
    from v5lint.view.module import ModuleView
    from v5lint.view.script import ScriptView
    from v5lint.view.values import Values

    Views: TypeAlias = dict[tuple[str, str], ModuleView | None]
    """The views of files by the root of their project and their path, the one used last at the end."""

#: Folders beside the packages of a project that are put on the path by its build or its scripts.
_SOURCE_FOLDERS = ("src", "lib", "python")

#: Folders into which packages are installed: what stands there is no part of a repository.
_INSTALLED = frozenset({"site-packages", "dist-packages"})

#: Folders that hold nothing that a module of the repository imports by name.
_SKIPPED = frozenset(
    ".git .hg .svn .venv venv .tox .nox node_modules __pycache__ .mypy_cache .ruff_cache .pytest_cache "
    "build dist".split()
)

#: So many bytes before a dot are looked at for the name that stands there.
_LONGEST_NAME = 200

#: A third module is taken to join two others where no more than so many name one of them, and both: `utils` joins none.
_MOST_IMPORTERS = 8

#: How many bytes of source the views of other files are kept of, at some sixty times that in memory: those that many
#: files ask for stay, and a large repository, or a folder of many, fits into memory.
_VIEWED_BYTES = 1_500_000

_FROM_IMPORT = pattern(
    rb"^[ \t]*from[ \t]+(\.*)[ \t]*([\w.]*)[ \t]+import[ \t]*(\([^)]*\)|(?:[^\n\\#;]|\\\r?\n)*)", re.MULTILINE
)
_COMMENT = pattern(rb"#[^\n]*")
_LAST_WORD = pattern(rb"\b(\w{1,100})\s*\Z")
_QUOTED_MODULE = pattern(rb"""['"](?:[\w.]*\.)?(\w+)['"]""")
_STAR_IMPORT = pattern(rb"import[ \t]*\(?[ \t]*\*")


class Project:
    """One repository.

    Args:
        root: its folder; files outside of it are looked at by themselves.
        files: the Python files of it that are known already; None to walk the root when they are wanted.
        views: the views kept so far, by project and file; all projects of a run share them.
        scripts: as `files`, of its shell scripts, Dockerfiles and their like.
    """

    def __init__(
        self,
        root: str,
        files: Iterable[str] | None = None,
        views: Views | None = None,
        *,
        scripts: Iterable[str] | None = None,
    ) -> None:
        self.root = root
        self._given = files
        self._given_scripts = scripts
        self._scripts: dict[str, list[str]] = {}
        self._noted: dict[tuple[str, ...], Any] = {}
        self._views: Views = {} if views is None else views
        self._roots: dict[str, list[str]] = {}
        self._found: dict[tuple[str, str], str | None] = {}
        self._folders: dict[str, str] = {}
        self._packages: dict[str, str] = {}
        self._reals: dict[str, str] = {}
        self._importers: dict[bytes, list[tuple[str, str]]] | None = None
        self._importers_of: dict[tuple[str, str], list[str]] = {}
        self._stars: dict[str, set[str]] | None = None
        self._words: dict[str, bytes] | None = None  # of each file: a fifth of it, and read once
        self._named: dict[bytes, list[str]] | None = None
        self._mentions: dict[bytes, list[str]] = {}
        self._held: dict[tuple[str, str], bool] = {}
        self._readers: dict[str, dict[str, set[str]]] = {}
        self._busy: set[tuple[str, str]] = set()
        self._required: dict[tuple[str, str], list[str]] = {}
        self._linted: set[str] | None = None

    def is_first_party(self, package: str, path: str) -> bool:
        """Whether an absolute import of a top-level name in a file means a package or module of this repository.

        A folder without `__init__.py` does not hide an installed package of its name, and neither does a module or
        folder inside another package: imports are absolute.
        """
        if not package or package.startswith("."):
            return package.startswith(".")
        return self._file_of(package, path) is not None

    def is_linted(self, path: str) -> bool:
        """Whether a file is linted in this run as well, since the run is over the whole repository."""
        if self._linted is None:
            self._linted = {self.real(each) for each in self._given or ()}
        return self.real(path) in self._linted

    def required(self, package: str, path: str) -> list[str]:
        """What the requirements on a package say that hold for a file, as specifiers; nothing where there are none.

        Args:
            package: the normalized name of the package, as in an index: "trl".
            path: the file.
        """
        from v5lint.pins import specifiers

        key = (package, os.path.dirname(os.path.abspath(path)))
        if key not in self._required:
            self._required[key] = specifiers(key[1], package)
        return self._required[key]

    def package_of(self, path: str) -> str:
        """The dotted name of the package that a file belongs to; "" for a script in a folder that is none."""
        home = self._folder_of(path)
        if home not in self._packages:
            folder, parts = home, []
            while _is_package(folder):
                folder, _, name = folder.rpartition(os.sep)
                parts.append(name)
            relative = os.path.relpath(folder, os.path.abspath(self.root))
            outside = "" if relative.startswith(".") else relative.replace(os.sep, ".")
            self._packages[home] = ".".join(reversed(parts)) or outside
        return self._packages[home]

    def member(self, module: str, name: str, view: ModuleView) -> Values | None:
        """The values of a name of a module, as seen from a file.

        Returns:
            None where the module is not one of this repository; an unknown value where it is and does not define the
            name.
        """
        from v5lint.view.values import NOTHING_KNOWN, External

        file = self._file_of(module, view.path)
        if file is None:
            # A module that a package of ours should hold and does not is still not another package's.
            is_ours = module.startswith(".") or self.is_first_party(module.partition(".")[0], view.path)
            return NOTHING_KNOWN if is_ours else None
        key = (file, name)
        if key in self._busy:
            return NOTHING_KNOWN
        self._busy.add(key)
        try:
            other = view if self.real(file) == self.real(view.path) else None
            if other is None and _may_define(file, name):
                other = self.view(file, view.settings)
            found = other.exported_values(name) if other is not None else None
        finally:
            self._busy.discard(key)
        if found is not None:
            return found
        if self._file_of(f"{module}.{name}", view.path) is not None:
            return frozenset({External(f"{module}.{name}")})
        return NOTHING_KNOWN

    def real(self, path: str) -> str:
        """The path of a file without links, looked up once: nothing moves while a run reads."""
        if path not in self._reals:
            self._reals[path] = os.path.realpath(path)
        return self._reals[path]

    def known_view(self, region: Region, path: str, settings: Settings) -> ModuleView | None:
        """The view of a module that is linted, if other files have asked for it and its text is the same."""
        key = (self.root, os.path.abspath(path))
        known = self._views.get(key)
        if known is None or known.text != region.text or known.settings is not settings:
            return None
        self._views[key] = self._views.pop(key)  # the last one used goes last
        return known

    def view(self, file: str, settings: Settings) -> ModuleView | None:
        """The view of another file of the repository; None where it cannot be read or parsed, or is a table of data.

        A file that alone is larger than all views that are kept would be parsed anew each time it is asked for.
        """
        key = (self.root, os.path.abspath(file))
        if key in self._views:
            self._views[key] = self._views.pop(key)  # the last one used goes last
        else:
            self._views[key] = None
            from v5lint.formats import read_document
            from v5lint.view import view_of

            try:
                data = read_bytes(file)
                if len(data) > _VIEWED_BYTES:
                    return None
                document = read_document(file, data, "python")
                self._views[key] = view_of(document.regions[0], file, settings, self)
            except (UnreadableError, RecursionError, MemoryError):
                return None
            self._forget_views()
        return self._views[key]

    def _forget_views(self) -> None:
        """Let go of the views that were not asked for lately, as far as they are too large together."""
        size = 0
        for key, view in [*self._views.items()][::-1]:
            size += len(view.text) if view else 0
            if size > _VIEWED_BYTES and view and size > len(view.text):
                del self._views[key]

    def importers(self, path: str, name: str) -> list[str]:
        """The other files of the repository that get a name from a file.

        They import it by name or with a star, read it as an attribute of the module (`backbones.Name`), or list it in
        a table of lazy imports (`{"Name": "package.backbones"}`).

        Args:
            path: the file that defines the name.
            name: the name.
        """
        asked = (path, name)
        if asked not in self._importers_of:
            self._importers_of[asked] = self._find_importers(path, name)
        return [*self._importers_of[asked]]

    def _find_importers(self, path: str, name: str) -> list[str]:
        if self._importers is None:
            self._importers = self._scan()
        here = self.real(path)
        found = []
        for key in (name.encode(), b"*"):
            for file, module in self._importers.get(key, ()):
                if self.real(file) == here or file in found:
                    continue
                target = self._file_of(self._absolute(module, file), file)
                if target is None or self.real(target) != here:
                    continue
                if key == b"*" and not _mentions(file, name):
                    continue
                found.append(file)
        stem = os.path.splitext(os.path.basename(here))[0]
        if stem == "__init__":
            stem = os.path.basename(os.path.dirname(here))
        readers = self._readers.get(name)
        if readers is None:
            readers = self._readers[name] = {}
            for file in self._naming(name):
                for module in _modules_read_for(name, bytes_of(file)):
                    readers.setdefault(module, set()).add(file)
        found += [file for file in readers.get(stem, ()) if file not in found and self.real(file) != here]
        return sorted(found)

    def all_importers(self, path: str, name: str) -> list[str]:
        """The other files of the repository that get a name from a file, or from a package that hands it on.

        Args:
            path: the file that defines the name.
            name: the name.
        """
        found = self.importers(path, name)
        here = self.real(path)
        for file in found:  # grows while it is walked
            if os.path.basename(file) == "__init__.py":
                found += [each for each in self.importers(file, name) if each not in found and self.real(each) != here]
        return sorted(found)

    def starred_by(self, path: str) -> list[str]:
        """The other files of the repository that take everything from a file, at first hand or from one that does."""
        if self._importers is None:
            self._importers = self._scan()
        if self._stars is None:
            self._stars = {}
            for file, module in self._importers.get(b"*", ()):
                target = self._file_of(self._absolute(module, file), file)
                if target is not None:
                    self._stars.setdefault(self.real(target), set()).add(self.real(file))
        found: set[str] = set()
        left = [self.real(path)]
        while left:
            new = self._stars.get(left.pop(), set()) - found
            found |= new
            left += new
        return sorted(found - {self.real(path)})

    def mentioning(self, token: bytes, path: str) -> list[str]:
        """The other Python files of the repository whose bytes hold a token.

        Args:
            token: the bytes looked for.
            path: the file that is left out.
        """
        here = self.real(path)
        return [file for file in self._holding(token) if self.real(file) != here]

    def scripts_mentioning(self, token: str) -> list[str]:
        """The shell scripts, Dockerfiles and their like in the repository whose bytes hold a token."""
        if token not in self._scripts:
            files = self._given_scripts if self._given_scripts is not None else self._walked(_is_script)
            self._scripts[token] = sorted(file for file in files if token.encode() in bytes_of(file))
        return self._scripts[token]

    def noted(self, key: tuple[str, ...], made: Callable[[], Noted]) -> Noted:
        """What was found out once about all files of the repository.

        Args:
            key: what it is.
            made: finds it out.
        """
        if key not in self._noted:
            self._noted[key] = made()
        found: Noted = self._noted[key]
        return found

    def script(self, file: str, settings: Settings) -> ScriptView | None:
        """The view of another shell script, Dockerfile or the like; None where it cannot be read."""
        from v5lint.formats import script
        from v5lint.view.script import ScriptView

        try:
            document = script.read(file, read_bytes(file))
        except UnreadableError:
            return None
        return ScriptView(document.regions[0], file, settings, self)

    @property
    def has_modules(self) -> bool:
        """Whether the repository has any Python file."""
        return next(iter(self._files()), None) is not None

    def _naming(self, name: str) -> list[str]:
        """The Python files of the repository in which a name stands as a word of its own."""
        if not name.isascii():
            return self._holding(name.encode())
        if self._named is None:
            self._named = {}
            for file, words in self._words_of_files().items():
                for word in words.split():
                    self._named.setdefault(word, []).append(file)
        return self._named.get(name.encode(), [])

    def _words_of_files(self) -> dict[str, bytes]:
        """The words of every Python file of the repository, each once, in one text for each file."""
        if self._words is None:
            self._words = {file: b" ".join(words_in(bytes_of(file))) for file in self._files()}
        return self._words

    def _holding(self, token: bytes) -> list[str]:
        """The Python files of the repository whose bytes hold a token."""
        if token not in self._mentions:
            core = core_of(token)
            self._mentions[token] = [
                file
                for file, words in self._words_of_files().items()
                if core in words and (core == token or token in bytes_of(file))
            ]
        return self._mentions[token]

    def ending_with(self, tail: str, path: str) -> list[str]:
        """The Python files of the repository that a relative path of a script may mean, in a program of some file.

        Args:
            tail: the end of the path that is known: "train.py", "examples/train.py".
            path: the file of the program; what lies beside it, or at the root, is meant before any other.
        """
        parts = [each for each in tail.split("/") if each not in ("", ".", "..")]
        end = os.path.join(*parts) if parts else ""
        for folder in (os.path.dirname(os.path.abspath(path)), os.path.abspath(self.root)):
            file = os.path.join(folder, end)
            if end and os.path.isfile(file):
                return [file]
        return sorted(file for file in self._files() if end and os.path.abspath(file).endswith(os.sep + end))

    def module_file(self, module: str, path: str) -> str | None:
        """The file of a module of the repository, as a file of it would import it."""
        return self._file_of(module, path)

    def holds(self, file: str, text: str) -> bool:
        """Whether a text stands in a file of the repository."""
        key = file, text
        if key not in self._held:
            self._held[key] = text.encode() in bytes_of(file)
        return self._held[key]

    def imported_files(self, view: ModuleView) -> list[str]:
        """The files of the repository that a module imports."""
        return sorted(self._imports_of(view))

    def are_linked(self, path: str, other: ModuleView) -> bool:
        """Whether two files run in one program, as far as they say so.

        One imports the other, they share a package, a third one imports both, or one is the `conftest.py` of the other.

        Args:
            path: one file.
            other: the view of the other.
        """
        here = self.real(path)
        if _is_package(os.path.dirname(here)):
            top = self.package_of(here).partition(".")[0]
            if _is_package(os.path.dirname(other.path)) and self.package_of(other.path).partition(".")[0] == top:
                return True
        there = self.real(other.path)
        for each, of in ((here, there), (there, here)):
            if os.path.basename(each) == "conftest.py" and of.startswith(os.path.dirname(each) + os.sep):
                return True
        if here in self._imports_of(other) or there in self._imports_of(self.view(here, other.settings)):
            return True
        return self._have_importer(here, there, other.settings)

    def _have_importer(self, one: str, another: str, settings: Settings) -> bool:
        """Whether a third file imports two files, as far as few files name both."""
        names = [self._holding(os.path.splitext(os.path.basename(each))[0].encode()) for each in (one, another)]
        if min(map(len, names)) > _MOST_IMPORTERS:
            return False
        both = sorted(set(names[0]) & set(names[1]) - {one, another})
        return len(both) <= _MOST_IMPORTERS and any(
            {one, another} <= self._imports_of(self.view(each, settings)) for each in both
        )

    def _imports_of(self, view: ModuleView | None) -> set[str]:
        """The files of the repository that a module imports."""
        if view is None:
            return set()
        found = {self._file_of(module, view.path) for module in view.names.imported_modules()}
        return {self.real(file) for file in found if file is not None}

    def _absolute(self, module: str, file: str) -> str:
        level = len(module) - len(module.lstrip("."))
        if not level:
            return module
        package = self.package_of(file)
        parts = package.split(".") if package else []
        kept = parts[: len(parts) - (level - 1)]
        return ".".join([*kept, module[level:]] if module[level:] else kept)

    def _scan(self) -> dict[bytes, list[tuple[str, str]]]:
        """Every `from x import y` of the repository: the name to the files and the modules as they are written."""
        found: dict[bytes, list[tuple[str, str]]] = {}
        for file in self._files():
            raw = bytes_of(file)
            for dots, module, names in _FROM_IMPORT.findall(raw):
                written = (dots + module).decode("ascii", "replace")
                for each in _COMMENT.sub(b"", names).strip(b"()").replace(b"\\", b" ").split(b","):
                    words = each.split()
                    if words:
                        found.setdefault(words[0], []).append((file, written))
        return found

    def _files(self) -> Iterable[str]:
        return self._given if self._given is not None else self._walked(_is_module)

    def _walked(self, is_wanted: Callable[[str], bool]) -> list[str]:
        """The files under the root of some kind."""
        from v5lint.pins import project_root

        is_project = project_root(os.path.abspath(self.root)) is not None
        found = []
        for folder, folders, names in os.walk(self.root):
            folders[:] = [each for each in folders if each not in _SKIPPED and each not in _INSTALLED]
            if not is_project:  # a script in somebody's home: what is below it is not its program, packages aside
                folders[:] = [each for each in folders if _is_package(os.path.join(folder, each))]
            found += [os.path.join(folder, each) for each in names if is_wanted(each)]
        return found

    def _file_of(self, module: str, path: str) -> str | None:
        """The file that an absolute import of a module reaches from a file of the repository."""
        if not module.strip("."):
            return None
        folder = self._folder_of(path)
        key = (module, folder)
        if key not in self._found:
            self._found[key] = self._search(module, folder)
        return self._found[key]

    def _folder_of(self, path: str) -> str:
        """The absolute folder of a file, looked up once."""
        if path not in self._folders:
            self._folders[path] = os.path.dirname(os.path.abspath(path))
        return self._folders[path]

    def _search(self, module: str, folder: str) -> str | None:
        parts = module.split(".")
        if not all(part.isidentifier() for part in parts):
            return None
        for root in self._roots_of(folder):
            base = os.path.join(root, *parts)
            if len(parts) > 1 and not os.path.isdir(os.path.join(root, parts[0])):
                continue
            for file in (os.path.join(base, "__init__.py"), f"{base}.py", f"{base}.pyi"):
                if os.path.isfile(file):
                    return file
        return None

    def _roots_of(self, folder: str) -> list[str]:
        """The folders from which a file's absolute imports may be served, nearest first."""
        known = self._roots.get(folder)
        if known is not None:
            return known
        top = os.path.abspath(self.root)
        found: list[str] = []
        at = folder
        while True:
            if os.path.basename(at) in _INSTALLED:
                break
            package = _is_package(at)
            if not package:
                found.append(at)
                found += [source for each in _SOURCE_FOLDERS if os.path.isdir(source := os.path.join(at, each))]
            parent = os.path.dirname(at)
            if parent == at or (at == top and not package) or not (package or at.startswith(top + os.sep)):
                break
            at = parent
        self._roots[folder] = found
        return found


def _is_module(name: str) -> bool:
    return name.endswith(".py")


def _is_script(name: str) -> bool:
    from v5lint.scripts import kind_of

    return kind_of(name) is not None


def _is_package(folder: str) -> bool:
    """Whether a folder is a package: one called `repo-main` cannot be imported, whatever is in it."""
    return os.path.basename(folder).isidentifier() and os.path.isfile(os.path.join(folder, "__init__.py"))


def _mentions(file: str, name: str) -> bool:
    return re.search(rb"\b%s\b" % re.escape(name.encode()), bytes_of(file)) is not None


def _may_define(file: str, name: str) -> bool:
    """Whether a name, or a star import, stands in a file: what is cheaper to know than what the file defines."""
    raw = bytes_of(file)
    return name.encode() in raw or _STAR_IMPORT.search(raw) is not None


def _modules_read_for(name: str, raw: bytes) -> set[str]:
    """Last names of the modules from which a file may get a name: `m` of `m.Name`, and of `{"Name": "package.m"}`."""
    if not _stands_behind_dot_or_quote(name.encode(), raw):
        return set()
    key = re.escape(name.encode())
    found: set[bytes] = set()
    # `m.Name`, and `patch.object(m, "Name")`.
    for read in re.finditer(rb"""\.\s*%s\b|,\s*['"]%s['"]""" % (key, key), raw):
        # Looked for backwards: a search for `\w+` and a dot takes for ever on a word of a megabyte.
        if before := _LAST_WORD.search(raw, max(0, read.start() - _LONGEST_NAME), read.start()):
            found.add(before[1])
    if re.search(rb"""(\}|['"])\s*\.%s['"]""" % key, raw):  # `patch(MODULE + ".Name")`
        found.update(_QUOTED_MODULE.findall(raw))
    for prefix in [*found]:
        found.update(re.findall(rb"\bimport\b[^\n]*\b(\w+)\s+as\s+%s\b" % re.escape(prefix), raw))
    if re.search(rb"""['"]%s['"]""" % key, raw):
        found.update(_QUOTED_MODULE.findall(raw))
    return {module.decode() for module in found}


def _stands_behind_dot_or_quote(name: bytes, raw: bytes) -> bool:
    """Whether a name stands behind a dot or a quotation mark: the cheap question before the dear ones."""
    at = raw.find(name)
    while at >= 0:
        if raw[max(0, at - _LONGEST_NAME) : at].rstrip()[-1:] in (b".", b"'", b'"', b""):
            return True
        at = raw.find(name, at + len(name))
    return False


def bytes_of(file: str) -> bytes:
    """The content of a file; nothing where it cannot be read, which is said when the file itself is linted."""
    try:
        return read_bytes(file)
    except UnreadableError:
        return b""
