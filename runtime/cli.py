"""The command line `v5lint-runtime`: it finds a subcommand, runs it, and turns its errors into an exit status.

0: nothing failed. 1: a check failed. 2: it could not do its work (a wrong option, bad data, a library that is not
installed, an error that nobody thought of). The subcommands are the modules of `commands/`; only the one that is called
is imported.
"""

from __future__ import annotations

import argparse
import contextlib
import pkgutil
import re
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from v5lint.runtime import commands
from v5lint.runtime.errors import RuntimeSetupError, UsageError, ValidationError, missing_library

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "v5lint-runtime"
_INTERRUPTED = 130
_ALLOCATOR = "DefaultCPUAllocator: can't allocate memory"
_LESS_MEMORY = (
    f"take a smaller batch, or a smaller backbone; `{PROGRAM} describe` says what a training step needs, and "
    "finetune has --gradient_accumulation, --activation_checkpointing and --bf16"
)


class Command(Protocol):
    """What a module of `commands/` is."""

    SUMMARY: str
    WRITES: tuple[str, ...]

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of the subcommand."""
        ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Do the work.

        Returns:
            The exit status.
        """
        ...


def command_names() -> list[str]:
    """The subcommands, as they are typed."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(commands.__path__))


def load_command(name: str) -> Command:
    """The module of a subcommand."""
    return cast("Command", import_module(f"{commands.__name__}.{name.replace('-', '_')}"))


def command_parser(name: str) -> argparse.ArgumentParser:
    """The parser of one subcommand, with `--output` and, where it writes by itself, `--overwrite`."""
    command = load_command(name)
    parents = command.parents() if hasattr(command, "parents") else []
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} {name}", description=command.SUMMARY, parents=parents, allow_abbrev=False
    )
    if parents:  # dozens of options: an error would stand below a page of them
        parser.usage = "%(prog)s [FILE] [OPTIONS], described by --help"
    command.add_arguments(parser)
    with contextlib.suppress(argparse.ArgumentError):  # the command has an --output of its own
        parser.add_argument("--output", type=Path, metavar="DIR", help="write report.json, and what else is made, here")
    if hasattr(command, "WRITES"):
        with contextlib.suppress(argparse.ArgumentError):
            parser.add_argument("--overwrite", action="store_true", help="replace the results of an earlier command")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        argv: The arguments; those of the process by default.

    Returns:
        The exit status.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    parser = None
    try:
        if not words or words[0] not in command_names():
            _top_parser().parse_args(words or ["--help"])
            return 2
        parser = command_parser(words[0])
        arguments = parser.parse_args(words[1:])
        command = load_command(words[0])
        _check_free(command, arguments)
        return command.run(arguments)
    except ValidationError as error:
        return _fail(_in_flags(str(error), parser), 1)
    except RuntimeSetupError as error:
        return _fail(_in_flags(str(error), parser))
    except ModuleNotFoundError as error:
        message = missing_library(error, f"{PROGRAM} {words[0]}")
        if message is None:
            raise
        return _fail(message)
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except Exception as error:  # Python's own status for it would be that of a check that failed
        if _is_out_of_memory(error):
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            return _fail(f"out of memory ({reason}): {_LESS_MEMORY}")
        traceback.print_exc()
        return _fail(f"{words[0]} was ended by an error that it does not know, above: {type(error).__name__}")


def _is_out_of_memory(error: Exception) -> bool:
    """Whether there was no room for a tensor: torch has a class for GPUs, and for CPUs the words of its allocator."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or _ALLOCATOR in str(error)


def _check_free(command: Command, arguments: argparse.Namespace) -> None:
    """Raise where results of an earlier command would be lost unasked, before any work is done."""
    if not hasattr(command, "WRITES") or arguments.output is None or arguments.overwrite:
        return
    output = arguments.output
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is a file, and --output needs a folder")
    made = [name for name in command.WRITES if (output / name).exists()]
    if made:
        raise UsageError(
            f"{output} has the results of another command ({', '.join(made)}): replace them (--overwrite), or choose "
            "another --output"
        )


def _in_flags(message: str, parser: argparse.ArgumentParser | None) -> str:
    """A message of the library in the words of the command line: `base=` is `--base`, `resume=True` is `--resume`."""
    if parser is None:
        return message
    options: dict[str, str] = {}
    for action in parser._actions:
        if action.option_strings:
            options.setdefault(action.dest, action.option_strings[-1])  # of --progress and --no_progress the first

    def flag(match: re.Match[str]) -> str:
        option = options.get(match[1])
        return match[0] if option is None else option + " " * (match[2] is None and match[3] is not None)

    first = re.match(r"([a-z]\w*) (?=\S+:|'[^']*' cannot)", message)  # `top_k 0: must be at least 1`
    if first is not None and first[1] in options:
        message = f"{options[first[1]]} {message[first.end() :]}"
    return re.sub(r"(?<![\w./-])([a-z]\w*)=(True\b)?(?=(['\"\w-])?)", flag, message)


def _top_parser() -> argparse.ArgumentParser:
    """Of the program itself: help, version, and the message for a subcommand that does not exist."""
    names = command_names()
    width = max(map(len, names))
    summaries = "\n".join(f"  {name:{width}}  {load_command(name).SUMMARY}" for name in names)
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="The reference LoRA fine-tune for vision backbones under transformers 5, and its checks.",
        epilog=f"commands:\n{summaries}\n\nexit status: 0 nothing failed, 1 a check failed, 2 it could not do its work",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=_version())
    parser.add_argument("command", choices=names, metavar="COMMAND", help=f"see `{PROGRAM} COMMAND --help`")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="options of the command")
    return parser


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{PROGRAM} {version('v5lint')}"
    except PackageNotFoundError:  # imported from the tree, without an installation
        return PROGRAM


def _fail(message: str, status: int = 2) -> int:
    print(f"{PROGRAM}: error: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
