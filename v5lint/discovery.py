"""From the paths that a user names to the files that are linted."""

from __future__ import annotations

import os
import stat

from v5lint.configuration import SettingsError
from v5lint.document import UnreadableError
from v5lint.formats import containers, format_of, format_of_text
from v5lint.reading import VanishedError, read_bytes, reason
from v5lint.results import Notice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from v5lint.configuration import Configuration
    from v5lint.settings import SettingsFinder

#: Folders that hold no source of the project: version control, environments, caches, builds, records of runs.
DEFAULT_EXCLUDES = frozenset(
    ".bzr .direnv .eggs .git .git-rewrite .hg .hydra .ipynb_checkpoints .mypy_cache .nox .pants.d .pyenv .pytest_cache "
    ".pytype .ruff_cache .svn .tox .venv __pycache__ __pypackages__ _build buck-out build dist node_modules "
    "site-packages venv".split()
)


class Discovered:
    """What the paths stand for.

    Attributes:
        files: in the order of their paths, each once.
        problems: paths that could not be followed.
        skipped: files that were named one by one and are not linted, with the reason.
        excluded: how many files and folders exclusion patterns kept out of walks.
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
        # `a/../b` is not always `b`: `a` may be a link
        search.named(path if os.pardir in path or not path else os.path.normpath(path))
    return search.finished()


def is_excluded(path: str, settings: SettingsFinder) -> bool:
    """Whether exclusion patterns keep out a path that is named, which they only do under `force-exclude`.

    Raises:
        SettingsError: the configuration of the path is wrong.
    """
    folder = os.path.isdir(path)
    found = settings.of_folder(os.path.abspath(path)) if folder else settings.of(path)
    return found.force_exclude and _within_excluded(os.path.abspath(path), folder, found.layers)


class _Search:
    def __init__(self, settings: SettingsFinder) -> None:
        self._settings = settings
        self._out = Discovered()
        self._files: dict[str, str] = {}  # by what they are on disk
        self._links: dict[str, str] = {}
        self._exclusions: dict[tuple[tuple[Configuration, ...], str], _Exclusion] = {}
        self._blamed: set[str] = set()

    def named(self, path: str) -> None:
        """A path that the user gave."""
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError) as error:
            self._problem(path, _missing(path, error))
            return
        folder = stat.S_ISDIR(mode)
        try:
            forced = is_excluded(path, self._settings)
        except SettingsError as error:
            forced = False
            if not folder:
                self._misconfigured(error)
                return
        if forced:
            self._out.skipped.append(Notice(path, "excluded"))
            return
        if folder:
            self._walk(path)
        elif not stat.S_ISREG(mode):
            self._problem(path, f"it is {_kind(mode)}, not a file")
        elif format_of(path) or _is_script(path):
            self._files.setdefault(os.path.realpath(path), path)
        else:
            self._out.skipped.append(Notice(path, "not a kind of file that v5lint lints"))

    def _walk(self, root: str) -> None:
        absolute = os.path.abspath(root)
        self._out.walked.append(absolute)
        real = os.path.realpath(root)
        prefix = "" if root == os.curdir else root
        ignores = _GitIgnores(absolute, self._problem)
        stack = [(prefix, absolute, real)]
        while stack:
            shown, folder, real_folder = stack.pop()
            try:
                with os.scandir(folder) as scan:
                    entries = sorted(scan, key=lambda entry: entry.name)
            except OSError as error:
                self._problem(shown or root, f"the folder cannot be read: {reason(error)}")
                continue
            if folder != absolute and any(entry.name == "pyvenv.cfg" for entry in entries):
                self._out.excluded += 1
                continue
            try:
                exclusion = self._exclusion(folder, absolute)
                configured = True
            except SettingsError as error:
                self._misconfigured(error)
                exclusion, configured = _Exclusion((), None), False
            ignores.enter(folder, entries)
            folders = []
            for entry in entries:
                is_folder = entry.is_dir(follow_symlinks=False)
                if not is_folder and (_is_other(entry) or entry.name.startswith(".#")):
                    continue  # Emacs marks an open file by a broken link `.#file.py`
                if exclusion.decide(entry.path, entry.name, is_folder) or ignores.ignored(entry.path, is_folder):
                    self._out.excluded += 1
                    continue
                path = os.path.join(shown, entry.name)
                if is_folder:
                    folders.append((path, entry.path, os.path.join(real_folder, entry.name)))
                elif configured:
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

    def _exclusion(self, folder: str, named: str) -> _Exclusion:
        layers = self._settings.of_folder(folder).layers
        if (layers, named) not in self._exclusions:
            self._exclusions[layers, named] = _Exclusion(layers, named)
        return self._exclusions[layers, named]

    def _misconfigured(self, error: SettingsError) -> None:
        """A configuration file is wrong: said once, however many folders it is for."""
        if error.source not in self._blamed:
            self._blamed.add(error.source)
            hint = "the files it is for are not linted"
            self._out.problems.append(Notice(error.source, error.cause, row=error.row, hint=hint))

    def _problem(self, path: str, text: str) -> None:
        self._out.problems.append(Notice(path, text))


class _Exclusion:
    """The exclusion patterns that hold in one folder: gitignore's syntax, the last match counts.

    The order is: the default folders, the configuration, the command line. Patterns that match the folder that was
    named, or one above it, do not hold inside it: whoever names it wants it linted.
    """

    def __init__(self, layers: Sequence[Configuration], named: str | None) -> None:
        self._specs: list[tuple[Configuration, Any]] = []
        for layer in layers:
            if patterns := layer.values.get("exclude"):
                inside = layer.relative(named) if named else None
                self._specs.append((layer, _holding_inside(layer.matcher(patterns), inside)))

    def decide(self, path: str, name: str, is_folder: bool) -> bool:
        """Whether a file or folder that a walk meets is excluded."""
        for layer, spec in self._specs:
            relative = layer.relative(path)
            if relative is not None:
                verdict = spec.check_file(relative + "/" if is_folder else relative).include
                if verdict is not None:
                    return bool(verdict)
        return is_folder and name in DEFAULT_EXCLUDES


def _within_excluded(path: str, is_folder: bool, layers: Sequence[Configuration]) -> bool:
    """Whether a path, or a folder that it is in, is excluded; folders above the configuration do not count."""
    exclusion = _Exclusion(layers, None)
    *_, base = layers
    while not exclusion.decide(path, os.path.basename(path), is_folder):
        path, is_folder = os.path.dirname(path), True
        if not base.relative(path):
            return False
    return True


class _GitIgnores:
    """The `.gitignore` files that hold in a walk, and `.git/info/exclude`; the deepest that decides counts."""

    def __init__(self, root: str, blame: Callable[[str, str], None]) -> None:
        self._root = root
        self._blame = blame
        self._specs: list[tuple[str, Any]] = []  # the outermost first
        above = list(_repository_folders(root))
        for folder in reversed(above):
            if (repository := _git_folder(folder)) is not None:
                self._add(folder, os.path.join(repository, "info", "exclude"))
            if folder != root:
                self._add(folder, os.path.join(folder, ".gitignore"))

    def enter(self, folder: str, entries: list[os.DirEntry[str]]) -> None:
        """The walk, depth first, comes to a folder."""
        while self._specs and not (folder + os.sep).startswith(self._specs[-1][0]):
            self._specs.pop()
        names = {entry.name for entry in entries}
        if ".git" in names and folder != self._root and (repository := _git_folder(folder)) is not None:
            self._add(folder, os.path.join(repository, "info", "exclude"))
        if ".gitignore" in names:
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
            lines = read_bytes(path).decode("utf-8-sig", errors="surrogateescape").splitlines()
        except VanishedError:
            return
        except UnreadableError as error:
            self._blame(path, f"{error.cause}; what it ignores is linted")
            return
        from pathspec import GitIgnoreSpec

        patterns: list[Any] = []
        for line in lines:
            try:
                patterns += GitIgnoreSpec.from_lines([line]).patterns
            except ValueError:
                continue  # Git passes over what is no pattern, too
        prefix = folder.rstrip(os.sep) + os.sep
        inside = self._root[len(prefix) :].replace(os.sep, "/")
        self._specs.append((prefix, _holding_inside(GitIgnoreSpec(patterns), inside)))


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


def _git_folder(folder: str) -> str | None:
    """Where Git keeps what belongs to a repository whose top is a folder; None where it is the top of none.

    Of a submodule, and of a working tree beside the first one, `.git` is a file that names a folder; the folder of a
    working tree names the one that all of them share.
    """
    at = os.path.join(folder, ".git")
    if os.path.isdir(at):
        return at
    try:
        named = _first_line(at).removeprefix("gitdir:").strip()
        at = os.path.join(folder, named)
        return os.path.join(at, _first_line(os.path.join(at, "commondir")).strip())
    except VanishedError:
        return at if os.path.isdir(at) else None
    except UnreadableError:
        return None


def _first_line(path: str) -> str:
    return read_bytes(path).decode("utf-8", errors="surrogateescape").partition("\n")[0]


def _is_other(entry: os.DirEntry[str]) -> bool:
    """Whether a file is of no kind that is linted: by its name, and JSON that may be of one by its size."""
    form = format_of(entry.path)
    if form != "containers":
        return form is None
    try:
        return entry.stat().st_size > containers.MAX_BYTES
    except OSError:
        return True


def _is_script(path: str) -> bool:
    """Whether a file without a known ending starts with a `#!` line that names Python or a shell."""
    if os.path.splitext(path)[1]:
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(128)
    except OSError:
        return False
    return head.startswith(b"#!") and (b"python" in head.partition(b"\n")[0] or format_of_text(head) == "script")


def _missing(path: str, error: OSError | ValueError) -> str:
    """Why a path cannot be looked at."""
    if not isinstance(error, OSError):
        return "it cannot be the name of a file"
    if os.path.islink(path):
        if isinstance(error, FileNotFoundError):
            return f"it is a broken link: `{os.readlink(path)}` does not exist"
        return f"it is a link that cannot be followed: {reason(error)}"
    return "it does not exist" if isinstance(error, FileNotFoundError) else reason(error)


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
