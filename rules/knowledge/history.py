"""Reads the short texts in which the data file keeps what happened over the releases."""

from __future__ import annotations

from v5lint.releases import parse_release

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.releases import Release


def is_present(spans: str, release: Release | None) -> bool:
    """Tell whether spans like "4.26..5.0,5.3.." hold a release; None stands for the newest."""
    if release is None:
        return spans.endswith("..")
    for span in spans.split(","):
        start, _, end = span.partition("..")
        if (not start or parse_release(start) <= release) and (not end or release < parse_release(end)):
            return True
    return False


def gone_in(spans: str, release: Release | None) -> str:
    """Give the release since which a thing is missing at `release`; "" when it is there, or was never there before."""
    gone = ""
    for span in spans.split(","):
        start, _, end = span.partition("..")
        if release is not None and start and parse_release(start) > release:
            break
        gone = end
    return gone if gone and (release is None or parse_release(gone) <= release) else ""


def appeared_in(spans: str) -> str:
    """Give the release in which a thing first appeared; "" when the oldest release known has it."""
    return spans.partition("..")[0]


def value_at(changes: str, release: Release | None) -> str:
    """Give the value of changes like "=a b|5.0=a" at a release; "" before its first value."""
    value = ""
    for change in changes.split("|"):
        start, _, text = change.partition("=")
        if release is not None and start and parse_release(start) > release:
            break
        value = text
    return value


def value_since(changes: str, release: Release | None) -> str:
    """Give the release since which changes have the value that they have at a release; "" from the first one on."""
    since = ""
    for change in changes.split("|"):
        start = change.partition("=")[0]
        if release is not None and start and parse_release(start) > release:
            break
        since = start
    return since
