"""The fenced code of a Markdown file: where it stands, in which language, and whether it is old on purpose."""

from __future__ import annotations

import re

from v5lint.formats.cells import SIGNS, Cell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: What reads a fence, by the first word behind it.
_LANGUAGES = {
    **dict.fromkeys("python py python3 py3 ipython ipython3 pycon python-repl doctest".split(), "python"),
    **dict.fromkeys("bash sh shell zsh shellscript console shell-session shellsession csh tcsh ksh".split(), "shell"),
    "fish": "fish",
    **dict.fromkeys("powershell pwsh ps1".split(), "powershell"),
    **dict.fromkeys("bat batch batchfile cmd dosbatch".split(), "batch"),
    **dict.fromkeys("dockerfile docker containerfile".split(), "dockerfile"),
    **dict.fromkeys("makefile make".split(), "makefile"),
    **dict.fromkeys("yaml yml".split(), "yaml"),
    **dict.fromkeys("json jsonc".split(), "json"),
    **dict.fromkeys("ini systemd".split(), "systemd"),
    **dict.fromkeys("hcl terraform tf".split(), "hcl"),
    **dict.fromkeys("groovy jenkinsfile nextflow".split(), "groovy"),
    **dict.fromkeys("dotenv env".split(), "dotenv"),
    "toml": "toml",
    "nix": "nix",
    "r": "r",
    "julia": "julia",
}

#: Languages in which only what stands behind a prompt is typed.
_SESSIONS = frozenset("pycon python-repl doctest console shell-session shellsession".split())

_OPENING = re.compile(
    r"(?P<lead>(?:[ \t]*>)*[ \t]*)(?P<item>(?:[-*+]|\d{1,9}[.)])[ \t]+)?(?P<fence>`{3,}(?=[^`]*\Z)|~{3,})(?P<info>.*)"
)
_LANGUAGE = re.compile(r"[ \t]*\{?[ \t]*\.?([\w-]+)")
_DIFF = re.compile(r"\bdiff\b")
_PROMPT = re.compile(r"[ \t]*(?:\([\w.-]+\)[ \t]*)?\$[ \t]+(?=\S)")
_CODE_PROMPT = re.compile(r"[ \t]*>>>(?: |\Z)")
_CODE_GOES_ON = re.compile(r"[ \t]*\.\.\.(?: |\Z)")
_HEADING = re.compile(r"[ \t>]*(#{1,6})[ \t]+(.*)")

#: `transformers.js` reads environment variables of the same names.
_FOR_NODE = re.compile(r"transformers\.js|@(?:xenova|huggingface)/transformers")

_OLD_RELEASE = (
    r"\btransformers[`'\" ]*(?:<|==\s*4|v?4(?![.\d]))|\b(?:in|until|up to) transformers[`'\" ]*v?4\.\d"
    r"|\A\W*v4\b|\bv?4\.x\b|\bv4 (?:api|code|style|syntax|way|to v5)"
)
_OLD = r"\bdeprecat|\blegacy\b|\bobsolete|\boutdated|\bno longer\b|[\u274c\U0001f6ab]"
_OLD_THING = r"\b(?:old|older|previous) (?:api|way|code|versions?|releases?|style|syntax|form|usage|behaviou?r)\b"
_BEFORE = r"\bbefore(?=\W*\Z|\W*[(:/|-]|\s*(?:and|vs)\b|\s+(?:v?\d|transformers\b|the (?:change|fix|migration)))"

#: Headings of what shows old code.
_OLD_HEADING = re.compile(
    rf"{_OLD}|{_OLD_THING}|{_OLD_RELEASE}|{_BEFORE}|\A\W*old\b|\bremoved\b|\bmigrat"
    r"|\bupgrad\w+ (?:guide|notes|from|to)\b|\bbreaking changes?\b|\bchange ?log\b|\brelease notes\b"
    r"|\bwhat'?s new\b|\banti-?pattern|\bdon'?ts\b|\bmistakes?\b|\bpitfalls?\b",
    re.IGNORECASE,
)

#: Lines that lead to old code.
_OLD_LINE = re.compile(
    rf"{_OLD}|{_OLD_THING}|{_OLD_RELEASE}|{_BEFORE}|\bremoved\b"
    r"|\A\W*(?:old|was|from|bad|wrong|incorrect|previous(?:ly)?|don'?t|do not|never|avoid)\b[^.]{0,30}\Z"
    r"|\binstead of\W*\Z|\bfails?\b|\braises\b|\bused to be\b|\b(?:replace|rename|change)\W*\Z",
    re.IGNORECASE,
)

#: Lines behind old code, which say that the new one follows.
_BECOMES = re.compile(
    r"\W*(?:becomes|replaced? (?:it |this )?(?:with|by)\b"
    r"|after\W*\Z|new\b[^.]{0,25}\Z|(?:is|are) now\b|now\W*\Z|v5\b|to\W*\Z|with\W*\Z"
    r"|should (?:be|become)\b|instead\b|use (?:this|the following) instead)",
    re.IGNORECASE,
)

#: Comments by which a fence shows old beside new.
_OLD_COMMENT = re.compile(
    rf"#[^\n]*(?:{_OLD}|{_OLD_THING}|\bremoved in\b|\bnot supported\b)|#\W*(?:{_OLD_RELEASE})"
    r"|^[ \t]*#\W*(?:before|old|bad|wrong|incorrect|previous(?:ly)?)\b(?:[^\n\w]*$|\s*[(:]|[^\n\w]+v?\d)",
    re.IGNORECASE | re.MULTILINE,
)

#: A comment of the Markdown that leaves out the next fence, or all of them.
_IGNORED = re.compile(r"<!--.*v5lint:\s*ignore\s*(?:-->|\Z)")
_ALL_IGNORED = re.compile(r"<!--.*v5lint:\s*ignore-file")


class Fence(Cell):
    """One fence.

    Attributes:
        kind: what reads it: "python", or what `v5lint.scripts` calls it; "" where nothing does.
        rows: the rows of the file, from 0, that its code stands in.
        prefixes: what stands before the code in each of them: an indent, the sign of a quote, a prompt.
        end: the row behind its last one.
    """

    def __init__(self, kind: str, rows: Sequence[int], lines: Sequence[str], prefixes: Sequence[str], end: int) -> None:
        super().__init__("\n".join(lines))
        self.kind = kind
        self.rows = rows
        self.prefixes = prefixes
        self.end = end

    def place(self, row: int, column: int) -> tuple[int, int]:
        """See Cell."""
        index = min(row, len(self.rows)) - 1
        return self.rows[index] + 1 + row - 1 - index, column + len(self.prefixes[index])

    def written(self, raw: Sequence[str], source: str) -> list[str]:
        """The rows of the file, from the fence's first row of code to its end, with another source.

        Args:
            raw: all rows of the file as they are.
            source: what the code becomes.
        """
        from difflib import SequenceMatcher

        old = self.source.split("\n")
        new = source.split("\n") if source else []
        if new and not new[-1] and old[-1]:
            new.pop()  # its last line was taken out, and the end of the one before it was left
        stops = [*self.rows[1:], self.end]
        end = "\r" if raw[self.rows[0]].endswith("\r") else ""
        begins = self._statements(new)
        result: list[str] = []
        for _, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            for here in range(i1, max(i2, i1 + 1)):
                there = j1 + here - i1
                for at in range(there, j2 if here >= i2 - 1 else min(there + 1, j2)):
                    if here < i2 and at == there and old[here] == new[at]:
                        result.append(raw[self.rows[here]])
                        continue
                    is_there = here < i2 and at == there and old[here].strip() != ""
                    prefix = self.prefixes[here] if is_there else self._prefix(at, begins)
                    result.append((prefix if new[at] else prefix.rstrip()) + new[at] + end)
                if here < i2:  # what is printed stays
                    result += raw[self.rows[here] + 1 : stops[here]]
        return result

    def _prefix(self, row: int, begins: set[int]) -> str:
        """What stands before a line that is added."""
        longest = max(self.prefixes, key=len)  # that of a blank line may be cut off, and what goes on has no prompt
        return longest if row in begins else longest.replace(">>>", "...")

    def _statements(self, lines: Sequence[str]) -> set[int]:
        """The rows in which the statements of a session begin."""
        if not any(">>>" in each for each in self.prefixes):
            return set()
        from v5lint.document import Region
        from v5lint.view.parsing import parse

        tree = parse(Region("python", "\n".join(lines)))
        return {
            min([each.lineno, *(at.lineno for at in getattr(each, "decorator_list", ()))]) - 1 for each in tree.body
        }


class _Raw:
    """A fence as it stands in the file."""

    def __init__(self, language: str, info: str, prefix: str, first: int, end: int, *, is_old: bool) -> None:
        self.language = language
        self.info = info
        self.prefix = prefix
        self.first = first
        self.end = end
        self.is_old = is_old


def fences(rows: Sequence[str]) -> list[Fence]:
    """The fences of a file, in order; those without a kind are left out, whatever the reason.

    Args:
        rows: the lines of the file, without LF.
    """
    text = "\n".join(rows)
    is_ignored = _ALL_IGNORED.search(text) is not None
    is_for_node = _FOR_NODE.search(text) is not None
    found = []
    for each in _raw(rows):
        kind = _LANGUAGES.get(each.language, "")
        if each.is_old or is_ignored or (is_for_node and kind != "python") or _DIFF.search(each.info):
            kind = ""
        found.append(_fence(rows, each, kind))
    return found


def _raw(rows: Sequence[str]) -> Iterator[_Raw]:
    titles: list[tuple[int, bool]] = []  # the headings that something stands under: level, whether of old code
    before = ""
    at, count = 0, len(rows)
    while at < count:
        row = rows[at]
        if ("```" in row or "~~~" in row) and (found := _OPENING.match(row.rstrip("\r"))):
            prefix = found["lead"] + " " * len(found["item"] or "")
            end = _end(rows, at + 1, prefix, found["fence"])
            language = _LANGUAGE.match(found["info"])
            is_old = (
                any(is_old for _, is_old in titles)
                or _OLD_LINE.search(before) is not None
                or _IGNORED.search(before) is not None
                or _BECOMES.match(_following(rows, end + 1)) is not None
            )
            name = language[1].lower() if language is not None else ""
            yield _Raw(name, found["info"], prefix, at + 1, end, is_old=is_old)
            at, before = end, ""
        elif "#" in row and (found := _HEADING.match(row)):
            level = len(found[1])
            titles = [each for each in titles if each[0] < level]
            titles.append((level, _OLD_HEADING.search(found[2].rstrip()) is not None))
            before = ""
        elif row.strip(" \t\r>"):
            before = row.strip()
        at += 1


def _end(rows: Sequence[str], at: int, prefix: str, fence: str) -> int:
    """The row that closes a fence, or the one behind the last one."""
    closing = re.compile(rf"(?P<indent>[ \t>]*){re.escape(fence[0])}{{{len(fence)},}}[ \t\r]*\Z")
    quotes = prefix.count(">")
    while at < len(rows):
        row = rows[at]
        if quotes and row.lstrip(" \t").count(">", 0, 2 * quotes) < quotes:
            return at  # the quote ends, and what is in it
        if fence in row and (found := closing.match(row)) and _width(found["indent"]) <= _width(prefix) + 3:
            return at
        at += 1
    return at


def _width(indent: str) -> int:
    return len(indent.expandtabs(4))


def _following(rows: Sequence[str], at: int) -> str:
    """The line behind a fence, if a fence follows it."""
    label = ""
    for row in rows[at : at + 6]:
        if "```" in row or "~~~" in row:
            return label
        if not label:
            label = row.strip()
        elif row.strip(" \t\r>"):
            return ""
    return ""


def _fence(rows: Sequence[str], raw: _Raw, kind: str) -> Fence:
    """The code of a fence; without a kind where it cannot be told from what is around it."""
    left = Fence("", [], [], [], raw.end)
    if not kind:
        return left
    places: list[int] = []
    lines: list[str] = []
    prefixes: list[str] = []
    blank = raw.prefix.rstrip()
    for at in range(raw.first, raw.end):
        row = rows[at].removesuffix("\r")
        if row.startswith(raw.prefix):
            prefix = raw.prefix
        elif not row.removeprefix(blank).strip():
            prefix = row
        else:
            return left
        places.append(at)
        prefixes.append(prefix)
        lines.append(row[len(prefix) :])
    if any(sign in line for line in lines for sign in f"{SIGNS}\r"):
        return left
    if kind in ("python", "shell"):
        chosen = _typed(lines, kind, is_session=raw.language in _SESSIONS)
        if chosen is not None:
            places = [places[at] for at, _ in chosen]
            prefixes = [prefixes[at] + prompt for at, prompt in chosen]
            lines = [lines[at][len(prompt) :] for at, prompt in chosen]
    if not places:
        return left
    source = "\n".join(lines)
    if _OLD_COMMENT.search(source):
        return left
    return Fence(kind, places, lines, prefixes, raw.end)


def _typed(lines: Sequence[str], kind: str, *, is_session: bool) -> list[tuple[int, str]] | None:
    """The lines of a session that are typed, each with its prompt; None of what is no session."""
    prompt = _CODE_PROMPT if kind == "python" else _PROMPT
    if not is_session and not prompt.match(next((line for line in lines if line.strip()), "")):
        return None
    typed: list[tuple[int, str]] = []
    goes_on = False
    for at, line in enumerate(lines):
        if found := prompt.match(line):
            typed.append((at, found[0]))
        elif goes_on and kind == "shell":
            typed.append((at, ""))
        elif goes_on and (found := _CODE_GOES_ON.match(line)):
            typed.append((at, found[0]))
        else:
            goes_on = False
            continue
        goes_on = kind == "python" or line.rstrip().endswith("\\")
    return typed
