"""Shell scripts: the commands and their words, what they set and read. Enough of the grammar to be sure of both.

Known are quotes, continued lines, comments, here-documents, command substitutions, and the blocks of `if`, loops,
`case` and functions. What is expanded when a script runs is left as it is written.
"""

from __future__ import annotations

import posixpath
import re
from itertools import pairwise

from v5lint.patterns import pattern
from v5lint.scripts.script import RUNS_TEXT, Command, Mention, Script, Word, braced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.scripts.script import Access, Block, Span

_ENDS = frozenset(" \t\r\n;&|<>()")
_ASSIGNMENT = pattern(r"([A-Za-z_]\w*)(\+?=)")
_NAME = pattern(r"[A-Za-z_]\w*")
_VARIABLE = pattern(r"\$(?:\{[#!]?)?([A-Za-z_]\w*)")
_DEFAULT = pattern(r":?=")
_IN_WORD = pattern(r"(?:\A|(?<=[,\s{]))(?:--[\w-]+=[\"']?)?(?P<name>[A-Za-z_]\w*)=")
_WORD_OF_VALUE = pattern(r"(?:[^\s\\]|\\[^\s])+")
_OPTION = pattern(r"--[\w-]+(?==)")
_PAIRS = pattern(r"[^,]*(?:=[^,]*,)+")
_FOLDED = pattern(r"(?:\r\n|\n|\r)[ \t]*[^\s#]")
_BLOCK_START = frozenset("if for foreach while until select case switch {".split())
_ASKS = frozenset("if while until".split())  # no arm of them has begun yet
_BLOCK_END = frozenset("fi endif done end esac endsw }".split())
_BLOCK_NEXT = frozenset("then elif else do".split())
_AFTER_WHICH_A_COMMAND = frozenset("if then elif else while until do { ! time".split())

_EXPORTS = frozenset({"export"})
_DECLARES = frozenset("declare typeset local readonly".split())
_PREFIXES = frozenset("env sudo exec nohup command nice".split())

#: Commands that only say what they are given.
_SAYS = frozenset("echo printf log info warn error die fail say print logger".split())

#: Programs that run JavaScript: transformers.js reads variables of its own, one of which has an old name.
JAVASCRIPT = frozenset("node nodejs npm npx yarn pnpm bun bunx deno tsx ts-node next vite".split())

#: Commands that run their first argument in this shell.
_RUNS_LATER = frozenset({"eval", "trap"})

#: Commands whose here-document is a program of another language: of Python is read what it sets.
_OTHER_LANGUAGES = pattern(r"(?:\A|/)(?:python|perl|ruby|node|psql|mysql|sqlite)[\d.]*\Z")

_PYTHON = pattern(r"(?:\A|/)python[\d.]*\Z")

#: Commands whose here-document is a script, and the first line of one that is for another program, or for a shell.
_SHELL = pattern(r"(?:\A|/)(?:ba|z|k|da)?sh\Z|\A(?:sbatch|qsub|bsub)\Z")
_REMOTE_SHELL = pattern(r"\A(?:ba|z|k|da)?sh(?: -\w+)*\Z")
_TEE = pattern(r"\|?[ \t]*(?:sudo[ \t]+)?tee\b")
_OTHER_SHEBANG = pattern(r"#!(?!\S*(?:/|\benv[ ]+)(?:ba|z|k|da)?sh\b)")
_SHEBANG = pattern(r"\s*#!\S*(?:/|\benv[ ]+)(?:ba|z|k|da)?sh\b")

#: Options that take a variable, or a variable and its value, for what is started.
_ENVIRONMENT_OPTIONS = frozenset(
    "-e --env --env-vars --set-env-vars --update-env-vars --environment --environment-variables --export --setenv "
    "--build-arg -env -genv -x".split()
)

#: Options that take a script as text: `sbatch --wrap="..."`.
_WRAPS = pattern(r"--wrap(?:=|\Z)")

#: What a text sets that is put into a variable: it is a script, or options of what is started; and a key of JSON.
_IN_VALUE = pattern(
    r"\bexport[ \t]+(?P<name>[A-Za-z_]\w*)=(?P<value>[^\s;&]*)"
    r"|(?<![\w-])(?:-e|--env)(?:[ \t]+|=)[\"']?(?P<name2>[A-Za-z_]\w*)=(?P<value2>[^\s\"']*)"
)
_IN_JSON = pattern(r"[\"'](?P<name>[A-Za-z_]\w*)[\"']\s*:\s*[\"'](?P<value>[^\"']*)")

#: What Apptainer hands a variable on to its container with: `APPTAINERENV_NAME=value`.
_OF_CONTAINER = pattern(r"(?:SINGULARITY|APPTAINER)ENV_(?=[A-Za-z_])")

#: Comments that a batch system reads, with the variables of the job: `#SBATCH --export=ALL,NAME=value`, `#PBS -v ...`.
_DIRECTIVE = pattern(r"#(?:SBATCH[ \t]+--export[= \t]|PBS[ \t]+-v[ \t]+|\$[ \t]+-v[ \t]+)(?P<given>[^\s#]*)")
_OF_JOB = pattern(r"(?:\A|(?<=,))(?P<name>[A-Za-z_]\w*)=(?P<value>[^,]*)")

#: How many programs in programs are looked into, how deep substitutions may stand in one another, and how many commands
#: behind one another are known to depend on all that stand before them.
_DEPTH = 4
_NESTED = 40
_LIST = 60


def read(text: str) -> Script:
    """See `v5lint.scripts`."""
    script = Script(text)
    read_into(script, 0, len(text), ())
    return script


def read_into(
    script: Script,
    start: int,
    end: int,
    block: Block,
    *,
    docker: bool = False,
    text: bool = False,
    folded: bool = False,
) -> None:
    """Read a part of a text as a shell script.

    Args:
        script: what takes what is found.
        start: where the part begins.
        end: where it ends.
        block: the blocks that it stands in.
        docker: whether comments may stand between continued lines, as they may in a Dockerfile.
        text: whether it is written to a file, or run elsewhere.
        folded: whether its lines are one, as in a text of YAML behind `>`.
    """
    _Reader(script, end, docker=docker, text=text, folded=folded).run(start, block, "")


class _Read:
    """A word that is being read."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.end = start
        self.parts: list[str] = []
        self.inner: Span | None = None  # of a word that is one string
        self.is_single = False

    @property
    def text(self) -> str:
        return "".join(self.parts)


class _Reader:
    def __init__(
        self, script: Script, end: int, *, docker: bool, text: bool, depth: int = 0, folded: bool = False
    ) -> None:
        self.script = script
        self.source = script.text
        self.end = end
        self.docker = docker
        self.is_text = text
        self.is_folded = folded
        self.depth = depth
        self.folder: str | None = ""
        self.exports_all = False
        self.waiting: list[tuple[str, bool, bool]] = []  # here-documents: the end, whether quoted, whether `<<-`
        self.at_block: Block = ()  # of what is being read
        self.is_backquoted = False
        self.containers: dict[Block, int] = {}  # what is handed on to one, by the block in which that is done
        self.heads: list[str] = []  # the command that a here-document is for

    def run(self, at: int, block: Block, closer: str) -> int:
        """Read commands up to a closing sign, or to the end; give the place behind it."""
        source, end = self.source, self.end
        stack: list[str] = []
        path = block
        line_path: Block | None = None  # behind `&&` and `||`
        words: list[_Read] = []
        redirects: list[_Read] = []
        expects_target = ""

        def finish(upto: int, sign: str) -> None:
            nonlocal words, redirects, line_path
            if words:
                self.command(words, redirects, line_path or path, upto, sign)
            words, redirects = [], []

        while at < end:
            sign = source[at]
            if sign == "\\" and source[at + 1 : at + 2] in ("\n", "\r"):
                at = self.after_newline(at + 1)
                at = self.skip_comments(at) if self.docker else at
                continue
            if sign in " \t":
                at += 1
                continue
            if sign in "\r\n":
                if self.is_folded and _FOLDED.match(source, at, end):
                    at = self.after_newline(at)
                    continue
                finish(at, "\n")
                line_path = None
                at = self.after_newline(at)
                at = self.documents(at, line_path or path)
                continue
            if sign == "#":
                stop = self.line_end(at)
                self.directive(at, stop, path)
                self.script.silent.append((at, stop))
                at = stop
                continue
            if closer == "`" and sign == "`":
                finish(at, "")
                return at + 1
            if sign == ")":
                finish(at, "")
                at += 1
                if stack and stack[-1] == "(":
                    stack.pop()
                    path = path[:-1]
                elif stack and stack[-1] == "case":
                    path = (*path[:-1], self.script.block())
                elif closer == ")":
                    return at
                continue
            if sign == "(":
                if words and words[-1].end == at and words[-1].text.endswith("="):
                    at = self.array(at + 1, words[-1].text.rstrip("+="))
                    words[-1].end = at
                    continue
                if words and source[at : at + 2] == "()":
                    words, at = [], at + 2  # a function is defined
                    continue
                if source[at : at + 2] == "((":
                    at = self.arithmetic(at + 2)
                    continue
                finish(at, "")
                stack.append("(")
                path = (*path, self.script.block())
                at += 1
                continue
            if sign in ";&|":
                length = 2 if source[at : at + 2] in ("&&", "||", ";;", "|&") else 1
                mark = source[at : at + length]
                if mark == "&" and source[at + 1 : at + 2] == ">":
                    at += 2 + (source[at + 2 : at + 3] == ">")
                    expects_target = ">"
                    continue
                finish(at + length, mark)
                at += length
                if mark in ("&&", "||"):
                    before = line_path or path
                    deep = len(before) - len(path) >= _LIST  # so long a list is no program
                    line_path = (*(before[:-1] if deep else before), self.script.block())
                elif mark in (";", "&"):
                    line_path = None
                elif mark == ";;":
                    line_path = None
                    if stack and stack[-1] == "case":
                        path = (*path[:-1], self.script.block())
                continue
            if sign in "<>":
                at, expects_target = self.redirection(at)
                continue
            self.at_block = line_path or path
            word = self.word(at)
            at = word.end
            if expects_target:
                if expects_target.startswith("<<") and expects_target != "<<<":
                    is_quoted = source[word.start] in "'\"\\"
                    self.waiting.append((word.text, is_quoted, expects_target == "<<-"))
                    self.heads = [each.text for each in words]
                else:
                    redirects.append(word)
                expects_target = ""
                continue
            if source[at : at + 1] in ("<", ">") and word.text.isdigit():
                continue  # `2>`
            text = word.text if source[word.start] not in "'\"" else ""
            if not words and text in (_BLOCK_START | _BLOCK_NEXT | _BLOCK_END | _AFTER_WHICH_A_COMMAND):
                if text in _BLOCK_START:
                    stack.append(text)
                    if text not in _ASKS:
                        path = (*path, self.script.block())
                    line_path = None
                    if text in ("for", "foreach", "select", "case"):
                        at = self.head(at, text)
                elif text in _BLOCK_NEXT and stack:
                    line_path = None
                    if stack[-1] in _ASKS:  # what it asks stands in the block around
                        path = (*path, self.script.block())
                        stack[-1] = text
                    elif text == "elif":
                        path, stack[-1] = path[:-1], "if"
                    elif text != "do":
                        path = (*path[:-1], self.script.block())
                elif text in _BLOCK_END and stack:
                    if stack.pop() not in _ASKS:
                        path = path[:-1] if len(path) > len(block) else path
                    line_path = None
                continue
            words.append(word)
        finish(end, "")
        return at

    # Words

    def word(self, at: int) -> _Read:
        word = _Read(at)
        source, end = self.source, self.end
        while at < end:
            sign = source[at]
            if sign in _ENDS or (sign == "`" and self.is_backquoted):
                break
            if sign == "\\":
                if source[at + 1 : at + 2] in ("\n", "\r"):
                    if self.docker and self.skip_comments(self.after_newline(at + 1)) != self.after_newline(at + 1):
                        break
                    at = self.after_newline(at + 1)
                    continue
                word.parts.append(source[at + 1 : at + 2])
                at += 2
            elif sign == "'":
                stop = source.find("'", at + 1, end)
                stop = end if stop < 0 else stop
                word.parts.append(source[at + 1 : stop])
                if at == word.start:
                    word.inner, word.is_single = (at + 1, stop), True
                at = stop + 1
            elif sign == '"':
                first = at
                at = self.string(at + 1, word)
                if first == word.start:
                    word.inner = (first + 1, at - 1)
            elif sign == "$" or sign == "`":
                at = self.expansion(at, word)
            else:
                word.parts.append(sign)
                at += 1
        word.end = min(at, end)
        if at == word.start:  # nothing that a word can begin with
            word.end = at + 1
        if word.inner is not None and word.inner[1] + 1 != word.end:
            word.inner = None
        return word

    def string(self, at: int, word: _Read) -> int:
        source, end = self.source, self.end
        while at < end:
            sign = source[at]
            if sign == '"':
                return at + 1
            if sign == "\\":
                word.parts.append(
                    source[at + 1 : at + 2] if source[at + 1 : at + 2] in '"\\$`\n' else source[at : at + 2]
                )
                at += 2
            elif sign in "$`":
                at = self.expansion(at, word)
            else:
                word.parts.append(sign)
                at += 1
        return end

    def expansion(self, at: int, word: _Read) -> int:
        """Read what begins with `$` or a backquote."""
        source, end = self.source, self.end
        following = source[at + 1 : at + 2]
        first = at
        if source[at] == "`":
            at = self.run_inner(at + 1, "`")
        elif source[at : at + 3] == "$((":
            at = self.arithmetic(at + 3)
        elif following == "(":
            at = self.run_inner(at + 2, ")")
        elif following == "{":
            at = self.braces(at + 2)
            name = _VARIABLE.match(source, first)
            if name is not None and at == name.end() + 1:
                word.parts.append(f"${{{name[1]}}}")
                return at
        elif following == "'" and at == word.start:
            stop = at + 2
            while stop < end and source[stop] != "'":
                stop += 2 if source[stop] == "\\" else 1
            at = min(stop + 1, end)
        elif name := _VARIABLE.match(source, at):
            self.read_of(name[1], name.start(1))
            word.parts.append(f"${{{name[1]}}}")
            return min(name.end(), end)
        else:
            at += 1
        at = min(at, end)
        word.parts.append(source[first:at])
        return at

    def run_inner(self, at: int, closer: str) -> int:
        """Read the commands of a substitution."""
        if self.depth > _NESTED:
            return self.end
        self.depth += 1
        before = self.waiting, self.is_backquoted
        self.waiting, self.is_backquoted = [], closer == "`"
        at = self.run(at, (*self.at_block, self.script.block()), closer)
        self.waiting, self.is_backquoted = before
        self.depth -= 1
        return at

    def braces(self, at: int) -> int:
        """Read `${...}` behind its brace."""
        source, end = self.source, self.end
        if self.depth > _NESTED:
            return end
        self.depth += 1
        name = _NAME.match(source, at + (source[at : at + 1] in ("#", "!")))
        if name is not None and name.end() <= end:
            if source[at] != "!":
                self.read_of(name[0], name.start())
            at = name.end()
        default = _DEFAULT.match(source, at)
        inside = _Read(at)
        while at < end and source[at] != "}":
            if source[at] == "\\":
                at += 2
            elif source[at] == '"':
                at = self.string(at + 1, inside)
            elif source[at] == "'":
                stop = source.find("'", at + 1, end)
                at = stop + 1 if stop >= 0 else at + 1
            elif source[at] in "$`":
                at = self.expansion(at, inside)
            else:
                at += 1
        if name is not None and default is not None and default.end() <= end:
            value = f"${{{name[0]}:-{source[default.end() : at]}}}"  # `: "${NAME:=value}"`
            access: Access = "set" if self.exports_all else "assign"
            self.script.mentions.append(Mention(name[0], name.start(), access, self.at_block, value=value))
        self.depth -= 1
        return min(at + 1, end)

    def arithmetic(self, at: int) -> int:
        depth = 2
        while at < self.end and depth:
            depth += {"(": 1, ")": -1}.get(self.source[at], 0)
            at += 1
        return at

    def array(self, at: int, name: str) -> int:
        """Read the words of an array behind its bracket."""
        held = self.script.values.setdefault(name, [])
        block = (*self.at_block, self.script.block())
        while at < self.end and self.source[at] != ")":
            if self.source[at] == "#":
                stop = self.line_end(at)
                self.script.silent.append((at, stop))
                at = stop
            elif self.source[at] in _ENDS:
                at += 1
            else:
                word = self.word(at)
                if held and held[-1].text in _ENVIRONMENT_OPTIONS and (found := _ASSIGNMENT.match(word.text)):
                    place = word.start + (self.source[word.start] in "'\"")
                    self.add(Mention(found[1], place, "text", block, value=word.text[found.end() :]))
                held.append(Word(word.text, word.start, word.end))
                at = word.end
        return min(at + 1, self.end)

    def head(self, at: int, keyword: str) -> int:
        """Read what stands behind `for`, `select` or `case` up to its first command."""
        while at < self.end and self.source[at] not in ";\n\r":
            if self.source[at] in " \t":
                at += 1
            elif self.source[at] == "\\" and self.source[at + 1 : at + 2] in ("\n", "\r"):
                at = self.after_newline(at + 1)
            elif self.source[at] in "()":
                at = self.arithmetic(at + 2) if self.source[at : at + 2] == "((" else at + 1
            elif self.source[at] in _ENDS:
                break
            else:
                word = self.word(at)
                at = word.end
                if keyword == "case" and word.text == "in":
                    break
        return at

    # Lines

    def after_newline(self, at: int) -> int:
        return at + (2 if self.source[at : at + 2] == "\r\n" else 1)

    def line_end(self, at: int) -> int:
        found = re.compile(r"[\r\n]").search(self.source, at, self.end)
        return found.start() if found is not None else self.end

    def skip_comments(self, at: int) -> int:
        """The place behind lines that are comments, or empty: a Dockerfile leaves them out of what goes on."""
        skipped = re.compile(r"(?:[ \t]*(?:#[^\r\n]*)?(?:\r\n|\n|\r))*").match(self.source, at, self.end)
        if skipped is not None and skipped.end() > at and "#" in skipped[0]:
            self.script.silent.append(skipped.span())
            return skipped.end()
        return at

    def redirection(self, at: int) -> tuple[int, str]:
        source = self.source
        for mark in ("<<<", "<<-", "<<", "<&", "<(", ">(", ">>", ">&", ">|", "<>", "<", ">"):
            if source.startswith(mark, at):
                if mark in ("<(", ">("):
                    return self.run_inner(at + 2, ")"), ""
                if mark in ("<&", ">&") and source[at + 2 : at + 3] in "-0123456789":
                    return at + 3, ""
                return at + len(mark), mark
        return at + 1, ""

    def documents(self, at: int, block: Block) -> int:
        """Read the here-documents that begin at a line."""
        for stop, is_quoted, is_dash in self.waiting:
            start = at
            while at < self.end:
                line_end = self.line_end(at)
                line = self.source[at:line_end]
                following = min(self.after_newline(line_end), self.end) if line_end < self.end else self.end
                if (line.lstrip("\t") if is_dash else line) == stop:
                    break
                at = following
            self.document(start, at, block, is_quoted=is_quoted)
            at = min(self.after_newline(self.line_end(at)), self.end)
        self.waiting = []
        return at

    def document(self, start: int, end: int, block: Block, *, is_quoted: bool) -> None:
        """Read a here-document: the reads in it, and what the text of it sets."""
        script = self.script
        if not is_quoted:
            for found in _VARIABLE.finditer(self.source, start, end):
                if self.source[found.start() - 1 : found.start()] != "\\":
                    self.read_of(found[1], found.start(1))
        from v5lint.scripts import texts

        if any(_OTHER_LANGUAGES.search(each) for each in self.heads) or self.depth > _DEPTH:
            if any(map(_PYTHON.search, self.heads)):
                texts.read_python(script, start, end, (*block, script.block()))
            return
        started = (*block, script.block())
        program = self.heads[0] if self.heads else "sh" if self.docker else ""  # `RUN <<EOF`
        is_remote = program == "ssh" or any(map(_REMOTE_SHELL.match, self.heads[1:]))  # `docker exec -i box bash`
        is_run = is_remote or _SHELL.search(program) is not None
        if _SHEBANG.match(self.source, start, end) or (is_run and not _OTHER_SHEBANG.match(self.source, start, end)):
            is_text = self.is_text or is_remote or not is_run
            inner = _Reader(script, end, docker=False, text=is_text, depth=self.depth + 1)
            inner.run(start, started, "")
            return
        texts.read_into(script, start, end, started)

    # Commands

    def read_of(self, name: str, at: int) -> None:
        self.script.mentions.append(Mention(name, at, "read", self.at_block))

    def command(self, words: list[_Read], redirects: list[_Read], block: Block, upto: int, sign: str) -> None:
        """Take in a command that is read."""
        script = self.script
        script.sizes[block] = script.sizes.get(block, 0) + 1
        place = 0
        while place < len(words) and self.assignment(words[place]) is not None:
            place += 1
        heads = words[:place]
        rest = words[place:]
        whole = (words[0].start, upto, sign)
        started = (*block, script.block()) if rest else block  # what holds for this command alone
        given = [each for each in rest if self.assignment(each) is None and not each.text.startswith("-")]
        program = next((each for each in given if each.text not in _PREFIXES), None)
        if program is not None and program.text.rpartition("/")[2] in JAVASCRIPT:
            script.silent += [(each.start, each.end) for each in words[: words.index(program)]]
            heads, rest = [], rest[rest.index(program) :]
        for each in heads:
            following = words[words.index(each) + 1] if rest else None
            removal = (each.start, following.start) if following is not None else self.removal(words, each, whole)
            access: Access = "set" if rest or self.exports_all else "assign"
            self.set(each, access, started, removal)
        while rest and rest[0].text in _PREFIXES and not (len(rest) > 1 and rest[1].text in ("-v", "-V")):
            for each in rest[1:]:
                if self.assignment(each) is None and not each.text.startswith("-"):
                    break
                if self.assignment(each) is not None:
                    self.set(each, "set", started, None)
            rest = rest[1:]
            while rest and (self.assignment(rest[0]) is not None or rest[0].text.startswith("-")):
                rest = rest[1:]
        if not rest:
            return
        if not _only_says(rest[0]):
            found = [Word(each.text, each.start, each.end) for each in rest]
            (script.written if self.is_text else script.commands).append(Command(found, block, self.folder))
        self.understand(rest, redirects, block, whole)

    def understand(self, words: list[_Read], redirects: list[_Read], block: Block, whole: tuple[int, int, str]) -> None:
        program, arguments = words[0].text.rpartition("/")[2], words[1:]
        if program in _EXPORTS or program in _DECLARES:
            is_exported = program in _EXPORTS or any(re.match(r"-\w*x", each.text) for each in arguments)
            for each in arguments:
                if self.assignment(each) is not None:
                    removal = self.removal(words, each, whole)
                    self.set(each, "set" if is_exported or self.exports_all else "assign", block, removal)
                elif _NAME.fullmatch(each.text):
                    access: Access = "export" if is_exported else "assign"
                    self.add(Mention(each.text, each.start, access, block, removal=self.removal(words, each, whole)))
        elif program == "launchctl" and len(arguments) > 2 and arguments[0].text == "setenv":
            self.add(Mention(arguments[1].text, arguments[1].start, "set", block, value=arguments[2].text))
        elif program == "setenv" and arguments and _NAME.fullmatch(arguments[0].text):
            value = arguments[1].text if len(arguments) > 1 else ""
            removal = self.removal(words, words[0], whole)
            self.add(Mention(arguments[0].text, arguments[0].start, "set", block, value=value, removal=removal))
        elif program in ("unset", "unsetenv"):
            for each in arguments:
                if _NAME.fullmatch(each.text):
                    self.add(Mention(each.text, each.start, "unset", block))
        elif program == "set":
            self.exports_all = self.exports_all or any(
                each.text in ("-a", "allexport") or re.fullmatch(r"-\w*a\w*", each.text) for each in arguments
            )
        elif program == "cd":
            self.enter(arguments)
        elif program == "alias":
            for each in arguments if self.depth < _DEPTH else ():
                self.alias(each, block)
        elif program in _RUNS_LATER:
            for each in arguments[:1] if self.depth < _DEPTH else ():
                self.inner(each, block)
        elif _only_says(words[0]):
            into_file = bool(redirects) or (whole[2] == "|" and _TEE.match(self.source, whole[1]) is not None)
            self.said(arguments, redirects, block, into_file=into_file)
        else:
            self.given(words, block)

    def directive(self, at: int, stop: int, block: Block) -> None:
        """A comment by which a job gets variables."""
        found = _DIRECTIVE.match(self.source, at, stop)
        for each in _OF_JOB.finditer(found["given"]) if found is not None else ():
            start = found.start("given") + each.start("name")  # type: ignore[union-attr]
            self.add(Mention(each["name"], start, "set", block, value=braced(each["value"])))

    def enter(self, arguments: list[_Read]) -> None:
        """Go into a folder."""
        given = arguments[0].text if arguments else "$"
        if "$" in given or "`" in given or given.startswith(("/", "-")) or self.folder is None:
            self.folder = None
        else:
            self.folder = posixpath.normpath(posixpath.join(self.folder, given))

    def said(self, arguments: list[_Read], redirects: list[_Read], block: Block, *, into_file: bool) -> None:
        """What is printed: to the user, or into a file that sets it later."""
        for each in arguments:
            if into_file and each.inner is not None:
                from v5lint.scripts import texts

                is_environment = any(target.text.strip("${}") == "GITHUB_ENV" for target in redirects)
                texts.read_into(
                    self.script,
                    *each.inner,
                    () if is_environment else (*block, self.script.block()),  # what follows in the job has it
                    access="set" if is_environment else "text",
                )
            elif into_file and (found := _ASSIGNMENT.match(each.text)) is not None:
                self.add(Mention(found[1], each.start, "text", block, value=each.text[found.end() :]))
            self.script.silent.append((each.start, each.end))

    def given(self, words: list[_Read], block: Block) -> None:
        """What a command is given: variables for what it starts, and programs as texts."""
        started = (*block, self.script.block())
        is_env = False
        for before, each in pairwise(words):
            is_env = before.text == "env" or (is_env and self.assignment(before) is not None)
            runs_text = RUNS_TEXT.match(before.text) is not None or before.text == "--wrap"
            if each.inner is not None and runs_text and self.depth < _DEPTH:
                self.inner(each, (*block, self.script.block()))
                continue
            if each.inner is not None and words[0].text == "ssh" and " " in each.text and self.depth < _DEPTH:
                inner = _Reader(self.script, each.inner[1], docker=False, text=True, depth=self.depth + 1)
                inner.run(each.inner[0], (*block, self.script.block()), "")
                continue
            if (wraps := _WRAPS.match(each.text)) is not None and self.source[each.start + wraps.end()] in "'\"":
                self.inner(_string_of(each, each.start + wraps.end()), (*block, self.script.block()))
                continue
            source = self.source[each.start : each.end]
            offset = each.start
            if source.startswith(("'", '"')):
                source, offset = source[1:], offset + 1
            if before.text in _ENVIRONMENT_OPTIONS and _NAME.fullmatch(each.text):
                if before.text in ("--setenv", "-genv"):
                    place = words.index(each)
                    value = words[place + 1].text if place + 1 < len(words) else ""
                    self.add(Mention(each.text, offset, "child", started, value=value))
                else:
                    self.add(Mention(each.text, offset, "pass", started))
                continue
            named = _OPTION.match(source)
            option = named[0] if named is not None else before.text
            for found in _IN_WORD.finditer(source):
                access: Access = "child" if option in _ENVIRONMENT_OPTIONS else "set" if is_env else "text"
                value = each.text.partition(f"{found['name']}=")[2]
                if _PAIRS.match(source) or "{" in source:
                    value = re.split(r"[,}]", value, maxsplit=1)[0]
                self.add(
                    Mention(
                        found["name"],
                        offset + found.start("name"),
                        "parameter" if option == "--build-arg" else access,
                        started,
                        value=value,
                    )
                )
            for found in _IN_JSON.finditer(source) if "{" in source else ():
                place = offset + found.start("name")
                self.add(Mention(found["name"], place, "text", started, value=braced(found["value"])))

    def inner(self, word: _Read, block: Block) -> None:
        """Read a word that is a program itself."""
        if word.inner is not None:
            inner = _Reader(self.script, word.inner[1], docker=self.docker, text=self.is_text, depth=self.depth + 1)
            inner.run(word.inner[0], block, "")

    def alias(self, word: _Read, block: Block) -> None:
        """Read what an alias stands for: `alias train='python train.py'`."""
        found = self.assignment(word)
        first = found.end() if found is not None else word.end
        if self.source[first : first + 1] in ("'", '"') and self.source[word.end - 1] == self.source[first]:
            value = _Read(word.start)
            value.inner = (first + 1, word.end - 1)
            self.inner(value, (*block, self.script.block()))

    def assignment(self, word: _Read) -> re.Match[str] | None:
        return _ASSIGNMENT.match(self.source, word.start, word.end)

    def set(self, word: _Read, access: Access, block: Block, removal: Span | None) -> None:
        found = self.assignment(word)
        assert found is not None
        value = word.text[found.end() - found.start() :] if found[2] == "=" else None
        if value and not self.is_text:
            self.script.values.setdefault(found[1], []).extend(self.words_of(found.end(), word.end))
            self.held(found.end(), word.end, block)
        self.add(Mention(found[1], word.start, access, block, value=value, removal=removal))
        inner = _OF_CONTAINER.match(found[1])
        if inner is not None and access == "set":
            held = self.containers.setdefault(block, self.script.block())
            start = word.start + inner.end()
            self.add(Mention(found[1][inner.end() :], start, "child", (*block, held), value=value, removal=removal))

    def held(self, start: int, end: int, block: Block) -> None:
        """Take in what a value sets where it is run later: `SETUP="export A=1"`, `OPTIONS="-e A=1"`."""
        if self.source[start : start + 1] not in ("'", '"'):
            return
        for found in _IN_VALUE.finditer(self.source, start, end):
            which = "" if found["name"] is not None else "2"
            value = braced(found[f"value{which}"].strip("\"'"))
            place = found.start(f"name{which}")
            self.add(Mention(found[f"name{which}"], place, "text", (*block, self.script.block()), value=value))

    def add(self, mention: Mention) -> None:
        if self.source[mention.start : mention.end] != mention.name:
            return  # a sign in it is escaped
        if self.is_text and mention.access in ("set", "export"):
            mention.access = "text"
        self.script.mentions.append(mention)

    def words_of(self, start: int, end: int) -> list[Word]:
        """The words of a value, as it is split where it stands without quotes: `ARGS="--a 1 --b"`."""
        found = []
        for each in _WORD_OF_VALUE.finditer(self.source, start, end):
            text = each[0].strip("\"'")
            first = each.start() + len(each[0]) - len(each[0].lstrip("\"'"))
            found.append(Word(braced(text), first, first + len(text)))
        return found

    def removal(self, words: list[_Read], word: _Read, whole: tuple[int, int, str]) -> Span | None:
        """What is taken out with a word that sets a variable; None where more than that depends on it."""
        start, upto, sign = whole
        program = words[0]
        others = any(each is not word and not each.text.startswith("-") for each in words[1:])
        is_setenv = program.text == "setenv"
        if word is not program and others and not is_setenv:
            before = words[words.index(word) - 1]
            return (before.end, word.end) if "#" not in self.source[before.end : word.start] else None
        if len(words) > 1 and word is program and not is_setenv:
            return None  # `A=1 B=2`
        removal = self.whole_removal(start, upto, sign)
        if removal is not None:
            self.script.commands_taken_out.add(removal)
        return removal

    def whole_removal(self, start: int, upto: int, sign: str) -> Span | None:
        """What is taken out with a whole command: its line, or it and the sign behind it."""
        line = max(self.source.rfind("\n", 0, start), self.source.rfind("\r", 0, start)) + 1
        is_first = not self.source[line:start].strip()
        if self.source[:line].rstrip("\r\n")[-1:] == "\\" and not self.docker:
            is_first = False  # it goes on from the line before
        if sign == "\n" or (sign == "" and upto == self.end):
            stop = self.line_end(upto)
            if not is_first or self.source[upto:stop].strip():
                return None
            return (line, min(self.after_newline(stop), self.end)) if stop < self.end else (line, stop)
        if sign in ("&&", ";"):
            following = re.compile(r"(?:[ \t]|\\?(?:\r\n|\n|\r))*").match(self.source, upto, self.end)
            assert following is not None
            behind = self.source[following.end() : following.end() + 1]
            if sign == ";" and following[0].strip(" \t"):
                return None
            return (start, following.end()) if behind not in ("", "#", ";", "&", "|", ")", "}") else None
        return None


def _string_of(word: _Read, start: int) -> _Read:
    """The string that a word ends in: `--wrap="..."`."""
    found = _Read(start)
    found.inner = (start + 1, word.end - 1)
    return found


def _only_says(program: _Read) -> bool:
    """Whether a command only says what it is given."""
    name = program.text.rpartition("/")[2]
    return name in _SAYS or name.startswith(("log_", "print_"))
