"""`v5lint-runtime migrate-adapter`: rename an adapter of an older transformers so that it loads under this one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

SUMMARY = "rename an adapter that was trained under an older transformers, bit for bit"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("adapter", type=Path, help="folder of the adapter, as PEFT saved it; it is only read")
    parser.add_argument("--base", help="the base model, where adapter_config.json does not name it (any more)")


def run(arguments: argparse.Namespace) -> int:
    """Rename into `--output` (by default beside the adapter), print, and write the report."""
    from v5lint.runtime.migrate import migrate_adapter
    from v5lint.runtime.report import RunReport

    done = migrate_adapter(arguments.adapter, arguments.output, base=arguments.base)
    if not done.changed:
        print(f"{done.source} fits {done.model_class} of the installed transformers as it is: nothing was renamed.")
        if done.output != done.source:
            print(f"{done.output} is a copy of it.")
    else:
        print(f"{done.output} fits {done.model_class}: {len(done.renamed)} modules were renamed.")
    if arguments.output:
        RunReport(
            checkpoint=str(done.source),
            metrics={
                "adapter": done.output,
                "model_class": done.model_class,
                "renamed": done.renamed,
                "target_modules": done.target_modules,
            },
        ).write(arguments.output)
    return 0
