"""Reads from the wheels of trl which names it dropped, in which release, and where they are found today.

    python -m v5lint.rules.knowledge.collect.trl_names CACHE > rules/knowledge/trl_names.toml

reads the wheels of trl that are in the folder CACHE (see `wheels.download`). Nothing is imported. Private names, and
those of modules that are private, experimental or run as scripts, are left out.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from pathlib import Path

from v5lint.rules.knowledge.collect.history import Axis
from v5lint.rules.knowledge.collect.names import Names
from v5lint.rules.knowledge.collect.namespace import Namespace
from v5lint.rules.knowledge.collect.wheels import as_wheel, read_wheel, version_key

HEAD = """\
# What trl dropped, by the release that was the first without it, and where some of that is found in the newest one.
# Generated from the wheels: see collect/trl_names.py.
"""

_PACKAGE = "trl"
_LEFT_OUT = re.compile(r"\._|\.(?:experimental|skills|scripts|cli|extras\.profiling|_nbdev|gpt2|ppo|xxx|test)(?:\.|$)")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    sys.stdout.write(table(parser.parse_args().cache))


def table(cache: Path) -> str:
    """The table of the wheels in a folder."""
    releases = sorted({path.name.split("-")[1] for path in cache.glob(f"{_PACKAGE}-*.whl")}, key=version_key)
    names = Names(_PACKAGE, Axis(releases, releases[0]))
    content = None
    for release in releases:
        content = read_wheel(_PACKAGE, release, cache, content)
        newest = Namespace(as_wheel(_PACKAGE, release, content))
        names.add(newest)
    names.finish()
    gone: dict[str, set[str]] = defaultdict(set)
    modules = {module for module in names.modules if not names.modules.is_current(module)}
    for module in modules:
        if not _LEFT_OUT.search(module):
            gone[_minor(releases[names.modules.spans(module)[-1][1]])].add(module)
    for module, presence in names.names.items():
        for name in names.removed(module) if module not in modules else ():
            path = f"{module}.{name}"
            is_own = names.paths[module, name].startswith(f"{_PACKAGE}.") or module == _PACKAGE
            if not presence.is_current(name) and is_own and not _LEFT_OUT.search(path):
                gone[_minor(releases[presence.spans(name)[-1][1]])].add(path)
    lost = {path for paths in gone.values() for path in paths}
    lines = [HEAD, "[gone]"]
    lines += [f'"{release}" = "{" ".join(sorted(gone[release]))}"' for release in sorted(gone, key=version_key)]
    moves = {
        f"{module}.{name}": move.path
        for (module, name), move in names.moves(newest).items()
        if f"{module}.{name}" in lost and move.path.startswith(f"{_PACKAGE}.")
    }
    lines += ["", "[moved]", *(f'"{old}" = "{new}"' for old, new in sorted(moves.items()))]
    return "\n".join(lines) + "\n"


def _minor(release: str) -> str:
    return ".".join(release.split(".")[:2])


if __name__ == "__main__":
    main()
