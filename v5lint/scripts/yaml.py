"""YAML of CI, compose, Kubernetes and the like: variables in maps, lists and pairs of `name` and `value`, and shell.

Read are lines and their indentation, no more: what has an anchor may be merged into anything, and so holds for the
whole file; a template's `{{ }}` is text.
"""

from __future__ import annotations

import re
from itertools import pairwise

from v5lint.patterns import pattern
from v5lint.scripts import shell, texts
from v5lint.scripts.script import RUNS_TEXT, Command, Mention, Script, Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.scripts.script import Access, Block, Span

_LINE = pattern(
    r"""(?P<indent>[ ]*)(?P<dashes>(?:-[ ]+)*)(?:(?P<quote>["']?)(?P<key>[\w./$@%+-]+)(?P=quote)[ ]*:(?=[ ]|$)[ ]*)?
    (?P<value>.*)\Z""",
    re.VERBOSE,
)
_BLOCK = pattern(r"(?:&\S+[ ]+|!\S+[ ]+)*[|>][+-]?\d*[+-]?[ ]*(?:#.*)?\Z")
_ANCHOR = pattern(r"&[\w.-]+[ ]*")
_COMMENT = pattern(r"(?:^|(?<=[ \t]))#.*")
_NAME = pattern(r"[A-Za-z_]\w*\Z")
_ITEM = pattern(r"[\"']?([A-Za-z_]\w*)=([^\"'\r\n]*)[\"']?\Z")
_FLOW_PAIR = pattern(r"\{\s*name\s*:\s*[\"']?(\w+)[\"']?\s*(?:,\s*value\s*:\s*([^,}]*))?[^}]*\}")
_FLOW_MAP = pattern(r"(?<=[{,])\s*[\"']?([A-Za-z_]\w*)[\"']?\s*:\s*([^,}\r\n]*)")
_FLOW_LIST = pattern(r"(?<=[\[,])\s*([\"'])([A-Za-z_]\w*)=(.*?)\1")
_VARIABLE = pattern(r"(\$?)\$[({]?([A-Za-z_]\w*)|\benv\.([A-Za-z_]\w*)|\benv\[['\"]([A-Za-z_]\w*)['\"]\]")
_STRING = pattern(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^']|'')*)'|([^\s\[\],\"'][^\[\],]*)")

#: Keys whose values are what a shell runs.
_SHELL = frozenset(
    "run script scripts command commands cmd cmds args entrypoint before_script after_script inlineScript bash sh "
    "shell setup install before_install pre post start build entry pre_build post_build pre_install post_install "
    "buildCommand startCommand preDeployCommand dockerCommand build_command run_command run_commands "
    "extra_run_commands initialization_commands setup_commands head_setup_commands worker_setup_commands".split()
)

#: Those whose lists are the words of one command.
_LISTS = frozenset("command args entrypoint cmd".split())

#: Keys of the variables of a program.
ENVIRONMENTS = pattern(
    r"(?:\A|[_-])(?i:env|envs|environment|variables|vars|env_?vars|matrix)\Z"
    r"|[eE]nv(?:ironment)?(?:[Vv]ar(?:iable)?s?|s)?\Z"
)


class _Level:
    """One step into the structure: a map, or an item of a list; `is_shared` where it has an anchor."""

    __slots__ = ("block", "indent", "is_shared", "key")

    def __init__(self, indent: int, key: str, block: Block, *, is_shared: bool = False) -> None:
        self.indent = indent
        self.key = key
        self.block = block
        self.is_shared = is_shared


class _Pair:
    """A `name:` whose `value:` is looked for."""

    __slots__ = ("indent", "mention", "others", "start")

    def __init__(self, indent: int, mention: Mention, start: int) -> None:
        self.indent = indent
        self.mention = mention
        self.start = start
        self.others = 0


def read(text: str) -> Script:
    """See `v5lint.scripts`."""
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self.script = Script(text)
        self.text = text
        self.is_compose = re.search(r"^services[ ]*:", text, re.MULTILINE) is not None
        self.levels: list[_Level] = [_Level(-1, "", ())]
        self.pair: _Pair | None = None
        self.before: tuple[int, str, int] | None = None  # a `value:` before its `name:`: indentation, value, place
        self.shells: dict[Block, int] = {}  # that the lists of commands are run in, by what holds them
        self.listed: Command | None = None  # the command whose words may go on

    def read(self) -> Script:
        text, at = self.text, 0
        while at < len(text):
            stop = text.find("\n", at)
            stop = len(text) if stop < 0 else stop + 1
            at = self.line(at, stop)
        return self.script

    def line(self, at: int, stop: int) -> int:
        """Read a line, and the text below it that belongs to it; give the place behind it."""
        line = self.text[at:stop].rstrip("\r\n")
        comment = self.comment(line)
        if comment < len(line):
            self.script.silent.append((at + comment, at + len(line)))
        code = line[:comment].rstrip()
        found = _LINE.match(code)
        if not code.strip() or found is None:
            return stop
        indent = len(found["indent"])
        while len(self.levels) > 1 and self.levels[-1].indent >= indent + (1 if found["dashes"] else 0):
            self.levels.pop()
        if found["dashes"]:
            while len(self.levels) > 1 and self.levels[-1].indent > indent:
                self.levels.pop()
            self.close_items(indent)
            for each in re.finditer("-", found["dashes"]):
                self.levels.append(_Level(indent + each.start(), "-", (*self.levels[-1].block, self.script.block())))
            indent += len(found["dashes"])
        key, value, start = found["key"], found["value"], at + found.start("value")
        if key is None:
            return self.item(at, stop, value, start, code)
        key_start = at + found.start("key")
        self.key(key, key_start, value, start, indent, (at, stop), bool(found["dashes"]))
        around = self.levels[-1]
        level = _Level(indent, key, (*around.block, self.script.block()))
        if _BLOCK.match(value):
            end = self.end_of_block(stop, indent)
            self.levels.append(level)
            self.block_text(key, stop, end, around.block, folded=_is_folded(value))
            self.levels.pop()
            return end
        if (anchor := _ANCHOR.match(value)) is not None:
            value, start = value[anchor.end() :], start + anchor.end()
            level.is_shared = True
        if value.startswith(("'", '"')) and not self.is_closed(value):
            stop = self.end_of_string(start, stop)
            self.reads(start, stop, around.block)
            return stop
        if not value:
            self.levels.append(level)
        elif self.is_shell(key):
            self.command(value, start, around.block)
        else:
            self.reads(start, start + len(value), around.block)
        self.flow(value, start, key, around.block)
        return stop

    def is_environment(self, depth: int) -> bool:
        """Whether what is so many levels up holds the variables of a program."""
        return len(self.levels) >= depth and ENVIRONMENTS.search(self.levels[-depth].key) is not None

    def access(self, depth: int = 1) -> Access:
        """What is done with the variables that stand in what is so many levels up."""
        if self.is_environment(depth):
            return "set"
        is_build = [each.key for each in self.levels[-depth - 1 :][:2]] == ["build", "args"]
        return "parameter" if is_build else "text"  # those of a build keep the names that the Dockerfile asks for

    def owner(self, depth: int) -> Block:
        """The block of what holds a variable, so many levels up: all of the file where it is shared by an anchor."""
        if len(self.levels) < depth or any(level.is_shared for level in self.levels):
            return ()
        return self.levels[-depth].block

    def close_items(self, indent: int) -> None:
        """Leave the items of a list at the indentation of one that begins."""
        while len(self.levels) > 1 and self.levels[-1].indent >= indent and self.levels[-1].key == "-":
            self.levels.pop()
        while len(self.levels) > 1 and self.levels[-1].indent > indent:
            self.levels.pop()

    def comment(self, line: str) -> int:
        """Where the comment of a line begins."""
        for found in _COMMENT.finditer(line):
            before = line[: found.start()]
            if before.count('"') % 2 == 0 and before.count("'") % 2 == 0:
                return found.start()
        return len(line)

    def is_closed(self, value: str) -> bool:
        rest = value[1:].replace('\\"', "").replace("''", "") if value[0] == "'" else value[1:].replace('\\"', "")
        return value[0] in rest

    def end_of_string(self, at: int, stop: int) -> int:
        """The place behind the line in which a string of several lines ends."""
        closing = self.text.find(self.text[at], stop)
        if closing < 0 or closing - at > 4000:
            return stop
        end = self.text.find("\n", closing)
        return len(self.text) if end < 0 else end + 1

    def end_of_block(self, at: int, indent: int) -> int:
        """The place behind the lines that are indented deeper."""
        text = self.text
        while at < len(text):
            stop = text.find("\n", at)
            stop = len(text) if stop < 0 else stop + 1
            line = text[at:stop]
            if line.strip() and len(line) - len(line.lstrip(" ")) <= indent:
                return at
            at = stop
        return at

    def is_shell(self, key: str) -> bool:
        return key.removeprefix("ansible.builtin.") in _SHELL or any(level.key in _SHELL for level in self.levels[-2:])

    def shell_of(self, key: str, owner: Block) -> Block:
        """The block of what the items of a list run in: the same shell, and that of what GitLab runs before all."""
        if key == "before_script" and not owner:
            return ()
        return (*owner, self.shells.setdefault(owner, self.script.block()))

    def block_text(
        self, key: str, start: int, end: int, block: Block, *, folded: bool, inner: Block | None = None
    ) -> None:
        """A text of several lines: what a shell runs, or a file."""
        inner = inner if inner is not None else (*block, self.script.block())
        body = self.text[start:end].lstrip()
        if self.is_shell(key) or key.endswith((".sh", ".bash")) or re.match(r"#!\S*[ /](?:ba|z|da)?sh\b", body):
            shell.read_into(self.script, start, end, inner, folded=folded)
            self.outside(start, end)
        else:
            texts.read_into(self.script, start, end, inner)
            self.reads(start, end, inner)
            silent = re.compile(r"^[ \t]*#[^\r\n]*", re.MULTILINE).finditer(self.text, start, end)
            self.script.silent += [found.span() for found in silent]

    def command(self, value: str, start: int, block: Block, *, inner: Block | None = None) -> None:
        """A command in one line: shell, or a list of words."""
        if value.startswith("["):
            words = []
            for found in _STRING.finditer(value):
                which = next(number for number in (1, 2, 3) if found[number] is not None)
                words.append(Word(found[which].strip(), start + found.start(which), start + found.end(which)))
            for before, each in pairwise(words):
                if RUNS_TEXT.match(before.text):
                    shell.read_into(self.script, each.start, each.end, (*block, self.script.block()))
            self.started(words, block)
            self.reads(start, start + len(value), block)
            return
        quoted = value.startswith(("'", '"')) and value[-1:] == value[:1] and len(value) > 1
        first, last = (start + 1, start + len(value) - 1) if quoted else (start, start + len(value))
        shell.read_into(self.script, first, last, inner if inner is not None else (*block, self.script.block()))
        self.outside(first, last)

    def started(self, words: list[Word], block: Block) -> None:
        """Words that a container starts: `args` go on where `command` ends, and each item where the last one does."""
        if words and self.listed is not None and self.listed.block == block:
            if RUNS_TEXT.match(self.listed.words[-1].text):  # `command: [sh, -c]`, then `args: ["..."]`
                shell.read_into(self.script, words[0].start, words[0].end, (*block, self.script.block()))
            self.listed.words += words
        elif words:
            self.listed = Command(words, block)
            self.script.commands.append(self.listed)

    def item(self, at: int, stop: int, value: str, start: int, code: str) -> int:
        """A value without a key: an item of a list, or a line that goes on."""
        level = self.levels[-1]
        in_list = level.key == "-"
        parent = self.levels[-2].key if in_list and len(self.levels) > 1 else level.key
        owner = self.owner(3) if in_list and len(self.levels) > 2 else level.block[:-1]
        if _BLOCK.match(value):
            end = self.end_of_block(stop, level.indent)
            inner = self.shell_of(parent, owner) if in_list and parent in _SHELL else None
            self.block_text(parent, stop, end, level.block, folded=_is_folded(value), inner=inner)
            return end
        found = _ITEM.match(value)
        if in_list and found is not None and not (parent in _SHELL and " " in value.strip()):
            offset = start + found.start(1)
            access = self.access(2)
            mention = Mention(found[1], offset, access, owner, value=_value(found[2]))
            mention.removal = (at, stop) if code.strip().startswith("-") else None
            self.script.mentions.append(mention)
            self.reads(start + found.start(2), start + found.end(2), owner)
        elif in_list and ENVIRONMENTS.search(parent) and _NAME.match(value.strip("\"'")):
            quote = value.startswith(("'", '"'))
            self.script.mentions.append(Mention(value.strip("\"'"), start + quote, "pass", owner))
        elif parent in _SHELL and value.strip():
            if re.match(r"[-\"']*-\w*c[\"']?\Z", value) or " " not in value.strip():
                self.reads(start, start + len(value), level.block)
                if parent in _LISTS:
                    quoted = value[:1] in ("'", '"') and value[-1:] == value[:1] and len(value) > 1
                    first, last = (start + 1, start + len(value) - 1) if quoted else (start, start + len(value))
                    self.started([Word(self.text[first:last], first, last)], owner)
            else:
                self.command(value, start, owner, inner=self.shell_of(parent, owner))
        else:
            self.reads(start, start + len(value), level.block)
            self.flow(value, start, parent, owner)
        return stop

    def key(self, key: str, at: int, value: str, start: int, indent: int, line: Span, is_first: bool) -> None:
        """A key and what stands behind it in its line."""
        if self.pair is not None and (indent < self.pair.indent or (is_first and indent <= self.pair.indent)):
            self.pair = None
        level = self.levels[-1]
        if key in ("Name", "Value"):  # as CloudFormation writes them
            key = key.lower()
        if key == "image":
            self.script.images_of[level.block] = value.strip("\"'")
        is_pair = key == "name" or (key == "key" and len(self.levels) > 1 and ENVIRONMENTS.search(self.levels[-2].key))
        if key == "key" and not is_pair and _NAME.match(value.strip("\"'")):  # of a ConfigMap: not this program's
            self.script.silent.append((start, start + len(value)))
        pair_access: Access = "set" if is_first and self.is_environment(2) else "text"
        if is_pair and is_first and _NAME.match(value.strip("\"'")):
            owner = self.owner(3)
            name = value.strip("\"'")
            mention = Mention(name, start + (value.startswith(("'", '"'))), pair_access, owner)
            self.script.mentions.append(mention)
            self.pair = _Pair(indent, mention, line[0])
            return
        before, self.before = self.before, (indent, value, line[0]) if is_first and key == "value" else None
        if before is not None and not is_first and key == "name" and indent == before[0]:
            name = value.strip("\"'")
            if _NAME.match(name):
                place = start + value.startswith(("'", '"'))
                access: Access = "set" if self.is_environment(2) else "text"
                mention = Mention(name, place, access, self.owner(3), value=_value(before[1]))
                mention.removal = (before[2], line[1])
                self.script.mentions.append(mention)
            return
        if self.pair is not None and indent == self.pair.indent:
            self.pair.others += 1
            if key == "value":
                self.pair.mention.value = _value(value)
                self.pair.mention.removal = (self.pair.start, line[1])
            if self.pair.others > 1 or key != "value":
                self.pair.mention.removal = None
            return
        if _NAME.match(key) and len(self.levels) > 1 and (not is_first or self.is_environment(2)):
            depth = 2 if is_first else 1  # `- NAME: value`, as CircleCI has it
            mention = Mention(key, at, self.access(depth), self.owner(depth + 1), value=_value(value), removal=line)
            if not value or value[:1] in "|>&{[":
                mention.value = mention.removal = None
            self.script.mentions.append(mention)

    def flow(self, value: str, start: int, key: str, block: Block) -> None:
        """Maps and lists in one line."""
        if value[:1] not in "[{":
            return
        access: Access = "set" if ENVIRONMENTS.search(key) else "text"
        for found in _FLOW_PAIR.finditer(value):
            self.script.mentions.append(
                Mention(found[1], start + found.start(1), access, block, value=_value(found[2] or ""))
            )
        for found in _FLOW_MAP.finditer(value):
            if found[1] not in ("name", "value"):
                self.script.mentions.append(
                    Mention(found[1], start + found.start(1), access, block, value=_value(found[2]))
                )
        for found in _FLOW_LIST.finditer(value):
            self.script.mentions.append(
                Mention(found[2], start + found.start(2), access, block, value=_value(found[3]))
            )

    def reads(self, start: int, end: int, block: Block) -> None:
        """What a value reads; in compose from the environment of compose itself, unless the `$` is doubled."""
        for found in _VARIABLE.finditer(self.text, start, end):
            which = next(number for number in (2, 3, 4) if found[number] is not None)
            access: Access = "outside" if self.is_compose and which == 2 and not found[1] else "read"
            self.script.mentions.append(Mention(found[which], found.start(which), access, block))

    def outside(self, start: int, end: int) -> None:
        """What is read in a shell's text before the shell sees it: `$NAME` in compose, `${{ env.NAME }}`, `$(NAME)`."""
        for mention in self.script.mentions:
            if self.is_compose and mention.access == "read" and start <= mention.start < end:
                before = self.text[max(start, mention.start - 3) : mention.start]
                if "$$" not in before:
                    mention.access = "outside"
        for found in re.compile(r"(?:\benv\.|\$\()([A-Za-z_]\w*)\b").finditer(self.text, start, end):
            self.script.mentions.append(Mention(found[1], found.start(1), "read", self.levels[-1].block))


def _is_folded(value: str) -> bool:
    """Whether the lines of a text are one: it stands behind `>`."""
    return ">" in value.partition("#")[0]


def _value(written: str) -> str:
    return re.sub(r"\$\(?(\w+)\)?", r"${\1}", re.sub(r"[\"']", "", written.strip()))
