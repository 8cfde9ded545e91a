r"""Times v5lint beside peers as whole processes, in turn, in one run: wall and processor seconds, peak memory, ratios.

    python benchmarks/speed.py --path legacy.py --path CORPUS/packages/flair-0.13.1 \
        --tool 'v5lint=v5lint -q --isolated {path}' --tool 'ruff=ruff check -q --isolated --no-cache {path}'

Every tool runs once uncounted on every path, then all tools in turn, `--runs` times. The first tool is the one that
the ratios are of: its median processor time by that of each other.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Figures:
    """What the runs of one tool on one path took: seconds, seconds, MB."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


def measured(command: list[str]) -> tuple[float, float, float]:
    """Run a command and wait for it: wall seconds, processor seconds of it and its children, peak MB of the process.

    Raises:
        SystemExit: it could not do its work (an exit status above 1).
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    code = os.waitstatus_to_exitcode(status)
    if code > 1:
        raise SystemExit(f"{shlex.join(command)} exits with {code}: {said.decode(errors='replace')[-2000:]}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def compared(tools: dict[str, str], paths: list[str], runs: int) -> dict[str, dict[str, Figures]]:
    """The figures of every tool on every path, the tools taking turns."""
    figures: dict[str, dict[str, Figures]] = {path: {name: Figures() for name in tools} for path in paths}
    for path in paths:
        for number in range(runs + 1):
            for name, template in tools.items():
                wall, cpu, memory = measured([part.format(path=path) for part in shlex.split(template)])
                if number:
                    figures[path][name].wall.append(wall)
                    figures[path][name].cpu.append(cpu)
                    figures[path][name].memory.append(memory)
    return figures


def report(figures: dict[str, dict[str, Figures]], runs: int) -> str:
    """A table in Markdown for each path: medians, and the ratio of the first tool to each other."""
    lines = [f"Medians of {runs} runs on {os.cpu_count()} processors, the tools in turn.", ""]
    for path, by_tool in figures.items():
        lines += [
            f"## {_described(Path(path))}",
            "",
            "| tool | wall s | processor s | peak MB | ratio of processor time |",
        ]
        lines.append("|---|---|---|---|---|")
        first = statistics.median(next(iter(by_tool.values())).cpu)
        for name, each in by_tool.items():
            cpu = statistics.median(each.cpu)
            row = (statistics.median(each.wall), cpu, statistics.median(each.memory), first / cpu)
            lines.append(f"| {name} | {row[0]:.3f} | {row[1]:.3f} | {row[2]:.1f} | {row[3]:.2f} |")
        lines.append("")
    return "\n".join(lines)


def _described(path: Path) -> str:
    if path.is_file():
        return f"{path.name}: one file, {path.stat().st_size:,} bytes"
    files = [each for each in path.rglob("*.py") if each.is_file()]
    return f"{path.name}: {len(files):,} Python files, {sum(each.stat().st_size for each in files):,} bytes"


def main() -> int:
    """Measure, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", action="append", required=True, metavar="NAME=COMMAND")
    parser.add_argument("--path", action="append", required=True)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    tools = dict(tool.split("=", 1) for tool in options.tool)
    print(report(compared(tools, options.path, options.runs), options.runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
