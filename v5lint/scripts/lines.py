"""Kinds of files whose lines can be read by themselves: `.env`, fish, PowerShell, make, systemd, Nix, Julia, ..."""

from __future__ import annotations

import re

from v5lint.patterns import pattern
from v5lint.scripts.script import Mention, Script, Word, braced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.scripts.script import Access

_NAME = r"(?P<name>[A-Za-z_]\w*)"


class _Kind:
    """How a kind of file writes things.

    Attributes:
        comment: what a comment is.
        sets: what sets a variable: groups `name` and `value`; `plain` where it does so only for the script itself,
            `open` where a value from outside counts first.
        reads: what reads one.
        exports: what puts one into the environment.
    """

    def __init__(self, comment: str, sets: str, reads: str, exports: str = r"(?!)") -> None:
        self.comment = pattern(comment, re.MULTILINE)
        self.sets = pattern(sets, re.MULTILINE | re.VERBOSE)
        self.reads = pattern(reads)
        self.exports = pattern(exports, re.MULTILINE | re.VERBOSE)


_KINDS = {
    "dotenv": _Kind(
        r"^[ \t]*#[^\r\n]*|(?<=[ \t])#[^\r\n]*",
        rf"^[ \t]*(?:export[ \t]+)?{_NAME}[ \t]*=[ \t]*(?P<value>[^\r\n]*)",
        r"(?<!\\)\$\{?(?P<name>[A-Za-z_]\w*)",
    ),
    "fish": _Kind(
        r"(?:^|(?<=[ \t;]))#[^\r\n]*",
        r"(?:^|;|\b(?:and|or)\b)[ \t]*"
        r"(?:set[ \t]+(?:-\S+[ \t]+)*?(?:-[A-Za-z]*x[A-Za-z]*|--export)[ \t]+(?:-\S+[ \t]+)*|export[ \t]+)"
        rf"{_NAME}(?:=|[ \t]+)(?P<value>[^\r\n;]*)",
        r"\$(?P<name>[A-Za-z_]\w*)|\bset[ \t]+(?:-\S+[ \t]+)*?(?:-[A-Za-z]*q[A-Za-z]*|--query)[ \t]+(?P<name2>\w+)",
    ),
    "powershell": _Kind(
        r"(?<!`)#[^\r\n]*|<\#(?s:.*?)\#>",
        rf"(?i:\$env:){_NAME}[ \t]*=(?!=)[ \t]*(?P<value>[^\r\n;]*)"
        rf"|(?i:SetEnvironmentVariable\()[ \t]*[\"'](?P<name2>\w+)[\"'],[ \t]*(?P<value2>[^\r\n,)]*)",
        r"(?i:\$\{?env:|\benv:\\?)(?P<name>[A-Za-z_]\w*)",
    ),
    "batch": _Kind(
        r"^[ \t]*@?(?i:rem\b|::)[^\r\n]*",
        r"(?:^[ \t]*@?(?:(?i:if)\b[^\r\n&|()]*[ \t])?|[&(][ \t]*)"
        rf"(?i:set|setx)[ \t]+\"?{_NAME}(?:=|[ \t]+(?=\S))(?P<value>[^\r\n&]*)",
        r"[%!](?P<name>[A-Za-z_]\w*)[%!:]|\b(?i:defined)[ \t]+(?P<name2>\w+)",
    ),
    "makefile": _Kind(
        r"(?:^|(?<=[ \t]))#[^\r\n]*",
        rf"^(?:(?P<export>[ ]*(?:[^\s:=\#][^:=\#\r\n]*:)?[ \t]*export[ \t]+)|(?P<plain>[ ]*)){_NAME}"
        r"[ ]*(?:(?P<open>\?)|:{0,3})=[ \t]*(?P<value>[^\r\n;&]*)",
        r"\$[({](?P<name>[A-Za-z_]\w*)[)}]|(?:\$\$\{?|\bifn?def[ \t]+)(?P<name2>[A-Za-z_]\w*)",
        rf"^[ \t]*export[ \t]+{_NAME}[ \t]*(?:$|\#)",
    ),
    "justfile": _Kind(
        r"(?:^|(?<=[ \t]))#[^\r\n]*",
        rf"^(?:export[ \t]+|(?P<plain>(?=[A-Za-z_])(?!export\b))){_NAME}[ \t]*:=[ \t]*(?P<value>[^\r\n]*)",
        r"\$\{?(?P<name>[A-Za-z_]\w*)"
        r"|(?:\{\{[ \t]*|\benv(?:_var)?(?:_or_default)?\([ \t]*[\"'])(?P<name2>[A-Za-z_]\w*)",
    ),
    "systemd": _Kind(
        r"^[ \t]*[#;][^\r\n]*",
        rf"(?:^[ \t]*Environment=|(?<=[\s\"']))[\"']?{_NAME}=(?P<value>[^\s\"']*)",
        r"\$\{?(?P<name>[A-Za-z_]\w*)",
    ),
    "nix": _Kind(
        r"(?:^|(?<=\s))#[^\r\n]*|/\*(?s:.*?)\*/",
        r"\bname[ \t]*=[ \t]*\"(?P<name2>[A-Z][A-Z0-9_]+)\";\s*value[ \t]*=[ \t]*(?P<value2>[^\r\n;]*)"
        rf"|(?:^|(?<=[\s\"';{{])|(?<=\benv\.))(?:export[ \t]+)?{_NAME}[ \t]*=[ \t]*(?P<value>(?![ \t{{[])[^\r\n;]*)",
        r"(?:''|\\)?\$\{?(?P<name>[A-Za-z_]\w*)",
    ),
    "julia": _Kind(
        r"#=(?s:.*?)=#|(?:^|(?<=[\s;]))#(?!=)[^\r\n]*",
        rf"\bENV\[\"{_NAME}\"\][ \t]*=(?!=)[ \t]*(?P<value>\"[^\"\r\n]*\")?"
        r"|\b(?:withenv\([ \t]*|get!\([ \t]*ENV,[ \t]*)\"(?P<name2>\w+)\"[ \t]*(?:=>|,)"
        r"[ \t]*(?P<value2>\"[^\"\r\n]*\")?",
        r"\bENV\[\"(?P<name>\w+)\"\]|\b(?:get|haskey|delete!|pop!)\(ENV,[ \t]*\"(?P<name2>\w+)\"",
    ),
    "snakefile": _Kind(
        r"(?:^|(?<=[ \t]))#[^\r\n]*",
        rf"\bos\.environ(?:\.setdefault\([ \t]*|\[)[\"']{_NAME}[\"'](?:\][ \t]*=(?!=)|,)"
        r"[ \t]*(?P<value>\"[^\"\r\n]*\"|'[^'\r\n]*')?"
        r"|(?:\bexport[ \t]+|(?<=[\"']))(?P<name2>[A-Z][A-Z0-9_]+)=(?P<value2>[^\s;&]+)",
        r"\bos\.(?:environ(?:\.get\(|\.pop\(|\[)|getenv\()[ \t]*[\"'](?P<name>\w+)"
        r"|\$(?:\{\{?)?(?P<name2>[A-Za-z_]\w*)",
    ),
}

#: What puts all variables of a Makefile, or of a justfile, into the environment.
_EXPORTS_ALL = pattern(
    r"^(?:export[ \t]*(?:#.*)?\r?$|\.EXPORT_ALL_VARIABLES[ \t]*:|set[ \t]+export\b(?![ \t]*:=[ \t]*false))",
    re.MULTILINE,
)

#: A line of a recipe, with those that it goes on in; a variable of a Makefile, and the words in its value.
_RECIPES = {
    kind: pattern(rf"^{indent}[ \t]*(?P<mark>[@+-]*)(?:[^\\\r\n]|\\(?:\r\n|[\s\S]))*", re.MULTILINE)
    for kind, indent in (("makefile", r"\t"), ("justfile", r"[ \t]"))
}
_HELD = pattern(
    r"^[ ]*(?:export[ ]+)?(?P<name>[A-Za-z_]\w*)[ ]*[:?+]?:?=(?P<value>(?:[^\\\r\n#]|\\(?:\r\n|[\s\S]))*)", re.MULTILINE
)
_WORD = pattern(r"(?:[^\s\\]|\\[^\s])+")

_LITERAL = r"(?:\"{3}(?s:.*?)\"{3}|'{3}(?s:.*?)'{3}|\"(?:[^\"\\\r\n]|\\.)*\"|'(?:[^'\\\r\n]|\\.)*')"

#: What a shell runs: commands of a unit, hooks of Nix, what Julia and Snakemake give it.
_RUN = {
    "systemd": pattern(r"^Exec\w+[ \t]*=[ \t]*[-@:+!|]*(?P<text>(?:[^\\\r\n]|\\(?:\r\n|[\s\S]))*)", re.MULTILINE),
    "nix": pattern(r"(?:Hook|Phase|[sS]cript|text|Exec\w+|command)[ \t]*=[ \t]*''(?P<text>(?s:.*?))''(?![$'\\])"),
    "julia": pattern(r"\brun\(\s*(?:pipeline\(\s*)?`(?P<text>[^`]*)`"),
    "snakefile": pattern(rf"\bshell[ \t]*[:(]\s*(?P<text>(?:[rf]{{0,2}}{_LITERAL}\s*)+)"),
}
_LITERALS = pattern(_LITERAL)

#: The kinds of files that are read here.
KINDS = frozenset(_KINDS)


def read(text: str, kind: str) -> Script:
    """See `v5lint.scripts.read_script`."""
    form = _KINDS[kind]
    script = Script(text)
    script.silent += [found.span() for found in form.comment.finditer(text)]
    exports_all = False
    if kind in _RECIPES:
        _read_recipes(script, _RECIPES[kind])
        exports_all = _EXPORTS_ALL.search(text) is not None

    def is_said(at: int) -> bool:
        return any(start <= at < end for start, end in script.silent)

    set_at: set[int] = set()
    for found in form.sets.finditer(text):
        which = "name" if found["name"] is not None else "name2"
        at = found.start(which)
        if is_said(at):
            continue
        set_at.add(at)
        groups = found.groupdict()
        access: Access = "assign" if groups.get("plain") is not None and not exports_all else "set"
        value = groups["value"] if which == "name" else groups["value2"]
        is_part = kind == "snakefile" and text[found.start() - 1 : found.start()] in (" ", "\t")  # a block needs it
        is_alone = which == "name" and not is_part
        removal = _line(text, found) if is_alone else None
        known = _value(value, kind) if value is not None else None
        if known is not None and groups.get("open") is not None:
            known = f"${{{found[which]}:-{known}}}"
        script.mentions.append(Mention(found[which], at, access, (), value=known, removal=removal))
    for access, reading in (("export", form.exports), ("read", form.reads)):
        for found in reading.finditer(text):
            which = "name" if found["name"] is not None else "name2"
            at = found.start(which)
            if at not in set_at and not is_said(at):
                script.mentions.append(Mention(found[which], at, access, ()))
    _read_commands(script, kind)
    return script


def _read_commands(script: Script, kind: str) -> None:
    """Note the commands of a file."""
    from v5lint.scripts import commands

    text = script.text
    if kind in ("batch", "powershell"):
        commands.read_lines(script, kind)
    elif kind == "fish":
        commands.read_text(script, 0, len(text))
    for found in _RUN[kind].finditer(text) if kind in _RUN else ():
        if kind != "snakefile":
            commands.read_text(script, *found.span("text"))
            continue
        for literal in _LITERALS.finditer(text, *found.span("text")):
            width = 3 if literal[0][:3] in ('"""', "'''") else 1
            commands.read_text(script, literal.start() + width, literal.end() - width)


def _read_recipes(script: Script, recipes: re.Pattern[str]) -> None:
    """Note the commands of a Makefile or a justfile, what they set, and the words that the variables of make hold."""
    from v5lint.scripts import shell

    text = script.text
    for found in recipes.finditer(text):
        recipe = Script(text)
        shell.read_into(recipe, found.end("mark"), found.end(), ())
        script.silent += recipe.silent
        for mention in recipe.mentions:
            if mention.access == "read":  # which is written as make and just write it
                continue
            mention.block = ()
            if mention.value is not None:
                mention.value = _of_make(mention.value)
            if mention.removal in recipe.commands_taken_out:
                mention.removal = None  # another line may go on from it
            script.mentions.append(mention)
        for command in recipe.commands:
            command.words = [Word(_of_make(each.text), each.start, each.end) for each in command.words]
            script.commands.append(command)
    for found in _HELD.finditer(text):
        held = script.values.setdefault(found["name"], [])
        for each in _WORD.finditer(text, found.start("value"), found.end("value")):
            held.append(Word(_of_make(each[0]), each.start(), each.end()))


def _of_make(text: str) -> str:
    """A word with every `$(X)`, and what a shell reads behind a doubled sign, as `${X}`."""
    return re.sub(r"\$\((\w+)\)", r"${\1}", text.replace("$$", "$"))


def _line(text: str, found: re.Match[str]) -> tuple[int, int] | None:
    """The line that a match takes up alone; None where more stands in it."""
    start = max(text.rfind("\n", 0, found.start()), text.rfind("\r", 0, found.start())) + 1
    if text[start : found.start()].strip():
        return None
    closing = '"' if found[0].count('"') % 2 else "'" if found[0].count("'") % 2 else ""
    rest = re.compile(rf"{closing}[ \t;]*(?:\#[^\r\n]*)?(\r\n|\n|\r|\Z)").match(text, found.end())
    return (start, rest.end()) if rest is not None else None


def _value(written: str, kind: str) -> str | None:
    """A value without quotes and comments, with `/` between its folders."""
    written = re.sub(r"\s+#.*", "", written.strip()) if kind in ("dotenv", "makefile") else written.strip()
    if kind == "powershell" and written[:1] not in ("'", '"'):
        joined = re.fullmatch(r"(?i:\(?Join-Path)\s+(\S+)\s+[\"']([^\"']+)[\"']\)?", written)
        if joined is None and not re.fullmatch(r"\$[\w:]+", written):
            return None
        written = f"{joined[1]}/{joined[2]}" if joined is not None else written
    written = re.sub(r"[\"']", "", written)
    if kind in ("powershell", "batch"):
        written = re.sub(r"(?i:\$env:)(\w+)|%(\w+)%", lambda found: f"${{{found[1] or found[2]}}}", written)
        written = written.replace("\\", "/")
    elif kind == "makefile":
        written = re.sub(r"\$\((\w+)\)", r"${\1}", written)
    return braced(written)
