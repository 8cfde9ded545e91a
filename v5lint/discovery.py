"""From the paths that a user names to the files that are linted."""

from __future__ import annotations

import os
import stat

from v5lint.configuration import SettingsError
from v5lint.formats import format_of
from v5lint.results import Notice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from v5lint.settings import SettingsFinder

#: Folders that hold no source of the project: version control, environments, caches, builds.
DEFAULT_EXCLUDES = frozenset(
    ".bzr .direnv .eggs .git .git-rewrite .hg .ipynb_checkpoints .mypy_cache .nox .pants.d .pyenv .pytest_cache "
    ".pytype .ruff_cache .svn .tox .venv .vscode __pycache__ __pypackages__ _build buck-out build dist node_modules "
    "site-packages venv".split()
)


class Discovered:
    """What the paths stand for.

    Attributes:
        files: in the order of their paths, each once.
        problems: paths that could not be followed.
        skipped: files that were named one by one and are not linted, with the reason.
        excluded: how many folders and files exclusion patterns kept out.
        walked: the folders that were walked, as absolute paths.
    """

    def __init__(self) -> None:
        self.files: list[str] = []
        self.problems: list[Notice] = []
        self.skipped: list[Notice] = []
        self.excluded = 0
        self.walked: list[str] = []


def discover(paths: Iterable[str], settings: SettingsFinder) -> Discovered:
    """Find the files.

    Folders are walked without following links to folders, so that no file is met twice and no loop is entered; a link
    to a file is followed unless the file itself is met. Git's ignore rules and the exclusion patterns hold for what a
    walk meets; a path that is named is taken in any case, unless `force-exclude` is set.

    Args:
        paths: files and folders.
        settings: for the exclusion patterns.
    """
    search = _Search(settings)
    for path in paths:
        search.named(os.path.normpath(path) if path else path)
    return search.finished()


class _Search:
    def __init__(self, settings: SettingsFinder) -> None:
        self._settings = settings
        self._out = Discovered()
        self._files: dict[str, str] = {}  # by what they are on disk
        self._links: dict[str, str] = {}

    def named(self, path: str) -> None:
        """A path that the user gave."""
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError) as error:
            self._problem(path, _missing(path, error))
            return
        folder = stat.S_ISDIR(mode)
        try:
            settings = self._settings.of_folder(os.path.abspath(path)) if folder else self._settings.of(path)
            exclusion = _Exclusion(settings, None)
            if settings.force_exclude and _within_excluded(path, folder, exclusion):
                self._out.skipped.append(Notice(path, "excluded"))
                self._out.excluded += 1
                return
        except SettingsError:
            if not folder:
                self._files.setdefault(os.path.realpath(path), path)  # reading it says what is wrong
                return
        if folder:
            self._walk(path)
        elif not stat.S_ISREG(mode):
            self._problem(path, f"it is {_kind(mode)}, not a file")
        elif format_of(path) or _is_python_script(path):
            self._files.setdefault(os.path.realpath(path), path)
        else:
            self._out.skipped.append(Notice(path, "not a kind of file that v5lint lints"))

    def _walk(self, root: str) -> None:
        absolute = os.path.abspath(root)
        self._out.walked.append(absolute)
        real = os.path.realpath(root)
        prefix = "" if root == os.curdir else root
        ignores = _GitIgnores(absolute)
        stack = [(prefix, absolute, real)]
        while stack:
            shown, folder, real_folder = stack.pop()
            try:
                with os.scandir(folder) as scan:
                    entries = sorted(scan, key=lambda entry: entry.name)
            except OSError as error:
                self._problem(shown or root, f"the folder cannot be read: {_reason(error)}")
                continue
            if folder != absolute and any(entry.name == "pyvenv.cfg" for entry in entries):
                self._out.excluded += 1
                continue
            try:
                exclusion = _Exclusion(self._settings.of_folder(folder), absolute)
                decide = exclusion.decide
            except SettingsError as error:
                self._out.problems.append(Notice(error.source, error.cause, row=error.row))
                continue
            ignores.enter(folder, entries)
            folders = []
            for entry in entries:
                is_folder = entry.is_dir(follow_symlinks=False)
                if not is_folder and (format_of(entry.name) is None or entry.name.startswith(".#")):
                    continue  # Emacs marks an open file by a broken link `.#file.py`
                if decide(entry.path, entry.name, is_folder) or ignores.ignored(entry.path, is_folder):
                    self._out.excluded += 1
                    continue
                path = os.path.join(shown, entry.name)
                if is_folder:
                    folders.append((path, entry.path, os.path.join(real_folder, entry.name)))
                else:
                    self._met(entry, path, os.path.join(real_folder, entry.name))
            stack.extend(reversed(folders))

    def _met(self, entry: os.DirEntry[str], path: str, real: str) -> None:
        """A file of a walk."""
        if not entry.is_symlink():
            if entry.is_file():
                self._files.setdefault(real, path)
            else:
                self._problem(path, f"it is {_kind(entry.stat(follow_symlinks=False).st_mode)}, not a file")
            return
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            self._problem(path, _missing(path, error))
            return
        if stat.S_ISREG(mode):
            self._links.setdefault(os.path.realpath(path), path)
        elif not stat.S_ISDIR(mode):
            self._problem(path, f"it is a link to {_kind(mode)}, not to a file")

    def finished(self) -> Discovered:
        """All that was found, in order."""
        for real, path in self._links.items():
            self._files.setdefault(real, path)
        self._out.files = sorted(self._files.values(), key=lambda path: path.split(os.sep))
        return self._out

    def _problem(self, path: str, text: str) -> None:
        self._out.problems.append(Notice(path, text))


class _Exclusion:
    """The exclusion patterns that hold in one folder: gitignore's syntax, the last match counts.

    The order is: the default folders, the configuration, the command line. Patterns that match the folder that was
    named, or one above it, do not hold inside it: whoever names it wants it linted.
    """

    def __init__(self, settings: Any, root: str | None) -> None:
        self._specs: list[tuple[Any, Any]] = []
        for layer in settings.layers:
            if patterns := layer.values.get("exclude"):
                self._specs.append((layer, _holding_inside(layer.matcher(patterns), root and layer.relative(root))))

    def decide(self, path: str, name: str, is_folder: bool) -> bool:
        """Whether a file or folder that a walk meets is excluded."""
        for layer, spec in self._specs:
            relative = layer.relative(path)
            if relative is not None:
                verdict = spec.check_file(relative + "/" if is_folder else relative).include
                if verdict is not None:
                    return bool(verdict)
        return is_folder and name in DEFAULT_EXCLUDES


def _within_excluded(path: str, is_folder: bool, exclusion: _Exclusion) -> bool:
    """Whether a path, or a folder that it is in, is excluded."""
    absolute = os.path.abspath(path)
    if exclusion.decide(absolute, os.path.basename(absolute), is_folder):
        return True
    top = os.getcwd() + os.sep
    folder = os.path.dirname(absolute)
    while folder.startswith(top):
        if exclusion.decide(folder, os.path.basename(folder), True):
            return True
        folder = os.path.dirname(folder)
    return False


class _GitIgnores:
    """The `.gitignore` files that hold in a walk, and `.git/info/exclude`; the deepest that decides counts."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._specs: list[tuple[str, Any]] = []  # the outermost first
        above = list(_repository_folders(root))
        for folder in reversed(above):
            if os.path.isdir(os.path.join(folder, ".git")):
                self._add(folder, os.path.join(folder, ".git", "info", "exclude"))
            if folder != root:
                self._add(folder, os.path.join(folder, ".gitignore"))

    def enter(self, folder: str, entries: list[os.DirEntry[str]]) -> None:
        """The walk, depth first, comes to a folder."""
        while self._specs and not (folder + os.sep).startswith(self._specs[-1][0]):
            self._specs.pop()
        if any(entry.name == ".gitignore" for entry in entries):
            self._add(folder, os.path.join(folder, ".gitignore"))

    def ignored(self, path: str, is_folder: bool) -> bool:
        """Whether Git ignores a path that the walk has met."""
        for prefix, spec in reversed(self._specs):
            relative = path[len(prefix) :].replace(os.sep, "/")
            verdict = spec.check_file(relative + "/" if is_folder else relative).include
            if verdict is not None:
                return bool(verdict)
        return False

    def _add(self, folder: str, path: str) -> None:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                lines = file.read().splitlines()
        except OSError:
            return
        from pathspec import GitIgnoreSpec

        lines = [line for line in lines if _is_pattern(line)]
        prefix = folder.rstrip(os.sep) + os.sep
        if lines:
            inside = os.path.relpath(self._root, folder).replace(os.sep, "/") if self._root != folder else None
            if inside and inside.startswith(".."):
                inside = None
            self._specs.append((prefix, _holding_inside(GitIgnoreSpec.from_lines(lines), inside)))


def _is_pattern(line: str) -> bool:
    """Whether Git takes a line for a pattern: a few odd ones, it passes over."""
    return line.strip() not in ("", "!", "/", "!/") and not line.startswith("#")


def _holding_inside(spec: Any, named: str | None) -> Any:
    """The patterns without those that match a folder that was named."""
    if not named:
        return spec
    kept = [pattern for pattern in spec.patterns if not (pattern.include and pattern.match_file(named + "/"))]
    return spec if len(kept) == len(spec.patterns) else type(spec)(kept)


def _repository_folders(root: str) -> Iterator[str]:
    """A folder and those above it up to the top of its Git repository; the folder alone outside of one."""
    folders = [root]
    while not os.path.exists(os.path.join(folders[-1], ".git")):
        parent = os.path.dirname(folders[-1])
        if parent == folders[-1]:
            return iter([root])
        folders.append(parent)
    return iter(folders)


def _is_python_script(path: str) -> bool:
    """Whether a file without a known ending starts with a `#!` line that names Python."""
    if os.path.splitext(path)[1]:
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(128)
    except OSError:
        return False
    return head.startswith(b"#!") and b"python" in head.partition(b"\n")[0]


def _missing(path: str, error: OSError | ValueError) -> str:
    """Why a path cannot be looked at."""
    if not isinstance(error, OSError):
        return "it cannot be the name of a file"
    if os.path.islink(path):
        if isinstance(error, FileNotFoundError):
            return f"it is a broken link: `{os.readlink(path)}` does not exist"
        return f"it is a link that cannot be followed: {_reason(error)}"
    return "it does not exist" if isinstance(error, FileNotFoundError) else _reason(error)


def _reason(error: OSError) -> str:
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]


def _kind(mode: int) -> str:
    for test, name in (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if test(mode):
            return name
    return "something else"
