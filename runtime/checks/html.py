"""The report of the checks as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import json
from html import escape
from typing import TYPE_CHECKING

from v5lint.runtime.report import installed_versions

if TYPE_CHECKING:
    from v5lint.runtime.checks.validation import Report
    from v5lint.runtime.results import CheckResult

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1d2733; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .5rem .75rem; border-bottom: 1px solid #dde3ea; }
.passed { color: #1a7f37; } .failed { color: #c62828; font-weight: 600; }
.skipped { color: #8a6d00; } .note { color: #0b66a5; }
.remedy { font-weight: 600; } pre { font-size: 12px; margin: .3rem 0 0; white-space: pre-wrap; }
figure { display: inline-block; margin: 0 1rem 1rem 0; } figcaption { font-size: 13px; color: #57606a; }
img { border: 1px solid #dde3ea; max-width: 100%; image-rendering: pixelated; }
"""


def html_of(report: Report) -> str:
    """The report as HTML, its pictures inside."""
    title = " ".join(part for part in ("Validation", report.family or "", report.checkpoint or "") if part)
    rows = "".join(_row(result) for result in report.results)
    versions = ", ".join(f"{name} {version}" for name, version in installed_versions().items())
    pictures = "".join(
        f'<figure><img alt="{escape(name)}" src="data:image/png;base64,{base64.b64encode(content).decode()}">'
        f"<figcaption>{escape(_caption(name))}</figcaption></figure>"
        for name, content in report.pictures.items()
    )
    shown = f"<h2>What the model sees</h2>{pictures}" if pictures else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}: "
        f'<span class="{report.status}">{report.status}</span></h1>'
        f"<table><tr><th>check</th><th>status</th><th>what was found</th></tr>{rows}</table>{shown}"
        f"<p>{escape(versions)}</p></body></html>\n"
    )


def _row(result: CheckResult) -> str:
    remedy = f'<div class="remedy">{escape(result.remedy)}</div>' if result.remedy else ""
    fields = {"measured": result.measured, "expected": result.expected}
    numbers = json.dumps({name: value for name, value in fields.items() if value}, default=str, ensure_ascii=False)
    details = f"<details><summary>numbers</summary><pre>{escape(numbers)}</pre></details>" if numbers != "{}" else ""
    return (
        f'<tr><td>{escape(result.name)}</td><td class="{result.status}">{result.status}</td>'
        f"<td>{escape(result.detail)}{remedy}{details}</td></tr>"
    )


def _caption(name: str) -> str:
    return "confusion matrix (rows: true classes)" if name == "confusion" else name
