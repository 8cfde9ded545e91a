"""The report of the checks as one HTML file that needs nothing else: no network and no script, in light and dark.

A status is said in words, not by colour alone; the table has its headings for a screen reader.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

from v5lint.runtime.report import installed_versions

if TYPE_CHECKING:
    from v5lint.runtime.checks.validation import Report
    from v5lint.runtime.results import CheckResult

_STYLE = """
:root { color-scheme: light dark; --text: #1d2733; --soft: #57606a; --line: #dde3ea; --page: #fff;
  --passed: #1a7f37; --failed: #c62828; --skipped: #7d6100; --note: #0b66a5; }
@media (prefers-color-scheme: dark) { :root { --text: #e3e8ee; --soft: #9aa7b4; --line: #3a4450; --page: #14191f;
  --passed: #5dc878; --failed: #ff8a80; --skipped: #e0b84c; --note: #79bdf2; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--text); background: var(--page); overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; } h3 { font-size: .95rem; font-weight: 600; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; color: var(--soft); padding: 0 0 .5rem; }
td, th { text-align: left; vertical-align: top; padding: .5rem .75rem .5rem 0; border-bottom: 1px solid var(--line); }
tbody th { font-weight: 400; } thead th, tbody th, td.status { overflow-wrap: normal; }
.passed { color: var(--passed); } .failed { color: var(--failed); font-weight: 600; }
.skipped { color: var(--skipped); } .note { color: var(--note); }
.remedy { font-weight: 600; } summary { color: var(--soft); cursor: pointer; }
pre { font-size: 12px; margin: .3rem 0 0; white-space: pre-wrap; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; align-items: end; }
figure { margin: 0; } figcaption, footer { font-size: 13px; color: var(--soft); } footer { margin-top: 2rem; }
img { border: 1px solid var(--line); max-width: 100%; image-rendering: pixelated; display: block; }
@media (max-width: 36rem) { body { margin: 1rem auto; font-size: 14px; } td, th { padding-right: .4rem; } }
"""
_GROUPS = {
    "processor": "Noise in three shapes, as the processor makes it",
    "training": "Training images, as the model gets them",
    "evaluation": "Evaluation images, as the model gets them",
    "confusion": "Answers on the evaluation images: rows are the true classes, columns the answers",
}
"""What a group of pictures shows, by the first word of its titles."""


def html_of(report: Report) -> str:
    """The report as HTML, its pictures inside."""
    title = " ".join(part for part in ("Validation", report.family or "", report.checkpoint or "") if part)
    rows = "".join(_row(result) for result in report.results)
    counts = Counter(result.status for result in report.results)
    said = ", ".join(f"{counts[status]} {status}" for status in ("failed", "passed", "note", "skipped"))
    versions = ", ".join(f"{name} {version}" for name, version in installed_versions().items())
    shown = f"<h2>What the model sees</h2>{_pictures(report)}" if report.pictures else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f'<main><h1>{escape(title)}: <span class="{report.status}">{report.status}</span></h1>'
        f'<table><caption>{said}</caption><thead><tr><th scope="col">check</th><th scope="col">status</th>'
        f'<th scope="col">what was found</th></tr></thead><tbody>{rows}</tbody></table>{shown}</main>'
        f"<footer>{escape(versions)}</footer></body></html>\n"
    )


def _row(result: CheckResult) -> str:
    remedy = f'<div class="remedy">{escape(result.remedy)}</div>' if result.remedy else ""
    numbers = json.dumps(_numbers(result), default=str, ensure_ascii=False)
    details = f"<details><summary>numbers</summary><pre>{escape(numbers)}</pre></details>" if numbers != "{}" else ""
    return (
        f'<tr><th scope="row">{escape(result.name)}</th><td class="status {result.status}">{result.status}</td>'
        f"<td>{escape(result.detail)}{remedy}{details}</td></tr>"
    )


def _numbers(result: CheckResult) -> dict[str, object]:
    """What was measured and what was expected, without aspects that have no number."""
    found = {}
    for title, values in (("measured", result.measured), ("expected", result.expected)):
        kept = {k: v for k, v in values.items() if v is not None} if isinstance(values, dict) else values
        if kept not in (None, {}):
            found[title] = kept
    return found


def _pictures(report: Report) -> str:
    parts = []
    for group, titles in groupby(report.pictures, key=lambda title: title.partition(" ")[0]):
        heading = _GROUPS.get(group, group)
        figures = "".join(_figure(heading, title, report.pictures[title]) for title in titles)
        parts.append(f'<h3>{escape(heading)}</h3><div class="pictures">{figures}</div>')
    return "".join(parts)


def _figure(heading: str, title: str, content: bytes) -> str:
    number = title.partition(" ")[2]
    alternative = f"{heading}, {number}" if number else heading
    caption = f"<figcaption>{escape(title)}</figcaption>" if number else ""
    data = base64.b64encode(content).decode()
    return f'<figure><img alt="{escape(alternative)}" src="data:image/png;base64,{data}">{caption}</figure>'
