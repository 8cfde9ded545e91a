"""Makes the data file of the knowledge anew: python -m v5lint.rules.knowledge.collect CACHE."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from v5lint.rules.knowledge.collect.build import PACKAGES, gather, make_sections
from v5lint.rules.knowledge.collect.changes import describe
from v5lint.rules.knowledge.collect.replacements import CuratedError
from v5lint.rules.knowledge.collect.requires import FILE_NAME as REQUIRES_NAME
from v5lint.rules.knowledge.collect.requires import requires_text
from v5lint.rules.knowledge.collect.wheels import published, version_key
from v5lint.rules.knowledge.store import FILE_NAME, Store, pack, read_store

DATA_FILE = Path(__file__).parent.parent / FILE_NAME
REQUIRES_FILE = DATA_FILE.with_name(REQUIRES_NAME)


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Returns:
        0, or 1 when `--check` finds another file than the one that is there, 2 when the data cannot be made.
    """
    parser = argparse.ArgumentParser(prog="python -m v5lint.rules.knowledge.collect", description=__doc__)
    parser.add_argument("cache", type=Path, help="folder for the wheels and for what was read from them (about 3 GB)")
    parser.add_argument("--offline", action="store_true", help="read only the wheels that the folder holds")
    parser.add_argument("--linear", type=Path, help="folder with what linear_names.py wrote; else its records are kept")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the data file is not current")
    options = parser.parse_args(arguments)
    options.cache.mkdir(parents=True, exist_ok=True)
    earlier = read_store(str(DATA_FILE)) if DATA_FILE.exists() else None
    try:
        releases = {package: _releases(package, options.cache, options.offline) for package in PACKAGES}
        requires = requires_text(options.cache, releases["transformers"])
        sections = make_sections(gather(options.cache, releases, _progress), options.linear, earlier)
    except (CuratedError, RuntimeError, FileNotFoundError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 2
    content = pack(sections)
    print(f"\n{len(content)} bytes", *_sizes(sections), sep="\n  ")
    print(*describe(earlier, Store(content, "the new file")), sep="\n")
    if options.check:
        is_current = DATA_FILE.exists() and DATA_FILE.read_bytes() == content
        return 0 if is_current and REQUIRES_FILE.read_text(encoding="utf-8") == requires else 1
    DATA_FILE.write_bytes(content)
    REQUIRES_FILE.write_text(requires, encoding="utf-8")
    return 0


def _releases(package: str, cache: Path, offline: bool) -> list[str]:
    if not offline:
        return published(package)
    found = {path.name.split("-")[1] for path in cache.glob(f"{package}-*.whl")}
    if not found:
        raise FileNotFoundError(f"{cache} holds no wheel of {package}: run without --offline")
    return sorted(found, key=version_key)


def _sizes(sections: dict[str, list[str]]) -> list[str]:
    return [f"{len(pack({name: lines})):7} {name} ({len(lines)} lines)" for name, lines in sections.items()]


def _progress(line: str) -> None:
    print(f"\r{line:40}", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
