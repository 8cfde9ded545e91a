"""Run the fault matrix, and write what it measured.

    python tests/runtime/faults/fault_matrix.py run --families vit siglip2 --output part.json
    python tests/runtime/faults/fault_matrix.py write part.json other.json

The first runs every fault on every family that it concerns, with the guide's four checks beside ours, and correct runs
over several seeds. The second merges such files into `benchmarks/results/fault-matrix.json` and writes
`docs/fault-matrix.md` from it. timm's families need timm and torchvision.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import everyday_faults  # noqa: F401 - adds its faults to the table
import silent_faults  # noqa: F401 - adds its faults to the table
import torch
from fault_scene import Scene
from fault_table import FAULTS, Fault
from guide_checks import GUIDE, guide_alarms

from v5lint.runtime.report import installed_versions
from v5lint.runtime.tiny import tiny_families

ROOT = Path(__file__).parents[3]
RECORD = ROOT / "benchmarks" / "results" / "fault-matrix.json"
PAGE = ROOT / "docs" / "fault-matrix.md"
SEEDS = 10
IN_TRAINING = ("parameters", "movement", "weights", "resolution", "preprocessing", "split", "reload", "setup")


def inject(fault: Fault, family: str, seed: int = 0, *, guide: bool = False) -> dict[str, Any]:
    """Run one fault on one family.

    Returns:
        `caught`: whether the check that the table names failed (or noted it, where that is what the table says) with
        the words that name the fault; `failed`: all of its failures; `guide`: the alarms of the guide's checks.
    """
    scene = Scene(family, seed)
    alarms: dict[str, bool] = {}
    if guide:
        scene.look = lambda model, evaluation: alarms.update(guide_alarms(family, model, evaluation))
    try:
        fault.make(scene)
        report = scene.run([fault.check])
    finally:
        scene.close()
    named = [r for r in report.of(fault.check) if r.status == fault.status and re.search(fault.says, r.detail)]
    return {
        "caught": bool(named),
        "failed": [r.detail for r in report.failed],
        "results": [(r.status, r.detail) for r in report.results],
        "guide": alarms,
    }


def correct(family: str, seed: int, *, train: bool) -> list[str]:
    """The failures of a correct run: `validate` with every check but `device`, or a training with the callback."""
    scene = Scene(family, seed)
    if train:
        scene.mode = "train"
        scene.options = {"max_steps": 6}
    try:
        report = scene.run(None if train else IN_TRAINING)
    finally:
        scene.close()
    seen = {result.name for result in report.results if result.status == "passed"}
    idle = [f"{name}: did not pass" for name in IN_TRAINING if name not in seen]
    return [f"{result.name}: {result.detail}" for result in report.failed] + idle


def run(families: list[str], seeds: int, output: Path, names: list[str] | None = None) -> None:
    """Run all faults (or some) once and correct runs over the seeds, and write the outcome after each family."""
    torch.set_num_threads(1)
    record: dict[str, Any] = {"versions": installed_versions(), "faults": {}, "correct": {}}
    for family in families:
        for fault in FAULTS:
            if family in fault.families and (names is None or fault.name in names):
                found = inject(fault, family, guide=True)
                record["faults"].setdefault(fault.name, {})[family] = {
                    "caught": found["caught"], "guide": found["guide"],
                }  # fmt: skip
                if not found["caught"]:
                    print("missed", family, fault.name, found["results"], file=sys.stderr)
        for train in (False, True) if seeds else ():
            failures = {seed: correct(family, seed, train=train) for seed in range(seeds)}
            wrong = {str(seed): found for seed, found in failures.items() if found}
            record["correct"].setdefault(family, {})["training" if train else "validate"] = {
                "seeds": seeds, "failures": wrong,
            }  # fmt: skip
            if wrong:
                print("false alarms", family, wrong, file=sys.stderr)
        output.write_text(json.dumps(record, indent=1) + "\n")
        print(family, "done", flush=True)


def merged(parts: list[Path]) -> dict[str, Any]:
    """Several outcomes as one; what a later one has replaces what an earlier one had."""
    record: dict[str, Any] = {"versions": [], "faults": {}, "correct": {}}
    for part in parts:
        content = json.loads(part.read_text())
        versions = content["versions"] if isinstance(content["versions"], list) else [content["versions"]]
        record["versions"] += [entry for entry in versions if entry not in record["versions"]]
        for name, families in content["faults"].items():
            record["faults"].setdefault(name, {}).update(families)
        record["correct"].update(content["correct"])
    return record


def _runs(record: dict[str, Any]) -> list[str]:
    """Which cells are of which run, where not all are of one."""
    return [f"- {record['note']}"] if record.get("note") else []


def page(record: dict[str, Any]) -> str:
    """The documentation of the matrix, from a recorded run."""
    cells = [(fault, record["faults"].get(fault.name, {})) for fault in FAULTS]
    pairs = sum(len(found) for _, found in cells)
    caught = sum(cell["caught"] for _, found in cells for cell in found.values())
    alarms = Counter(name for _, found in cells for cell in found.values() for name, on in cell["guide"].items() if on)
    any_alarm = sum(any(cell["guide"].values()) for _, found in cells for cell in found.values())
    seeds = sum(entry["seeds"] for kinds in record["correct"].values() for entry in kinds.values())
    false = sum(len(entry["failures"]) for kinds in record["correct"].values() for entry in kinds.values())
    lines = [
        "# Which faults the checks catch",
        "",
        "Each fault is put into an otherwise correct LoRA fine-tune of a tiny checkpoint on scikit-learn's digits. It",
        "is caught where the check that is meant to find it fails with words that name it. Beside it stand four checks",
        "that are widely recommended: the share of trainable parameters (`ratio`: within a quarter of the right one),",
        "a glance at `requires_grad` (`frozen`), a forward pass of a random image (`forward`), and an embedding",
        "without NaN.",
        "This page is written by `tests/runtime/faults/fault_matrix.py` from a recorded run",
        "(`benchmarks/results/fault-matrix.json`).",
        "",
        f"- {len(FAULTS)} faults on {len(record['correct'])} families, {pairs} pairs: **{caught} caught and named**.",
        f"- The four others together raise an alarm, named or not, in {any_alarm} of {pairs} pairs: "
        + ", ".join(f"{name} {alarms[name]}" for name in GUIDE)
        + ".",
        f"- Correct runs (each family, several seeds, `validate` and a training with the callback): {false} of {seeds} "
        "had a failure.",
        "- Measured with "
        + "; ".join(", ".join(f"{name} {version}" for name, version in entry.items()) for entry in record["versions"])
        + ".",
        *_runs(record),
        "",
        "A number is that of the families in which the check raised an alarm, of those that the fault concerns. Where",
        "a star stands, the check names it in a note: a script may rightly do the same.",
        "",
        "| fault | what the script does | named by | caught | ratio | frozen | forward | embedding |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for fault, found in cells:
        if not found:
            continue
        counts = [sum(bool(cell["guide"].get(name)) for cell in found.values()) for name in GUIDE]
        numbers = " | ".join(str(count) if count else "-" for count in counts)
        total = sum(cell["caught"] for cell in found.values())
        named = f"`{fault.check}`" + ("" if fault.status == "failed" else " *")
        lines.append(f"| {fault.name.replace('_', ' ')} | {fault.what} | {named} | {total}/{len(found)} | {numbers} |")
    lines += ["", "Families: " + ", ".join(f"`{name}`" for name in record["correct"]) + ".", ""]
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    running.add_argument("--families", nargs="+", default=tiny_families())
    running.add_argument("--seeds", type=int, default=SEEDS, help="of the correct runs; 0 for none")
    running.add_argument("--faults", nargs="*", metavar="NAME", help="of these alone")
    running.add_argument("--output", type=Path, required=True)
    writing = commands.add_parser("write")
    writing.add_argument("parts", nargs="+", type=Path)
    writing.add_argument("--note", default="", help="which cells are of which run, for the page")
    arguments = parser.parse_args()
    if arguments.command == "run":
        run(arguments.families, arguments.seeds, arguments.output, arguments.faults)
        return
    record = merged(arguments.parts)
    record["note"] = arguments.note
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(record))


if __name__ == "__main__":
    main()
