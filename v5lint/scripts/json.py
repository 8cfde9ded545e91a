"""JSON with comments: the environments of containers, debuggers and tasks: `"containerEnv": {"NAME": "value"}`."""

from __future__ import annotations

import re

from v5lint.patterns import pattern
from v5lint.scripts.assignments import NAME, Table, assign, is_environment, note_reads
from v5lint.scripts.script import Script

_TOKENS = pattern(
    r'(?P<comment>//[^\r\n]*|/\*(?s:.*?)\*/)|"(?P<string>(?:[^"\\\r\n]|\\.)*)"(?P<colon>\s*:)?'
    r"|(?P<open>[\[{])|(?P<close>[\]}])"
)


def read(text: str) -> Script:
    """See `v5lint.scripts.read_script`."""
    script = Script(text)
    top = Table(script, "")
    around: list[Table] = []  # what is open; what stands in a list is called as the list is
    key, place = "", 0
    named: tuple[str, int] | None = None  # the variable that `{"name": "NAME", "value": "..."}` began
    for found in _TOKENS.finditer(text):
        if found["comment"] is not None:
            script.silent.append(found.span())
        elif found["open"] is not None:
            outer = around[-1] if around else top
            around.append(Table(script, key) if key else outer)
            key, named = "", None
        elif found["close"] is not None:
            del around[-1:]
            key = ""
        elif found["colon"] is not None:
            key, place = found["string"], found.start("string")
        elif key:
            table = around[-1] if around else top
            if re.fullmatch(NAME, key):
                assign(script, table, key, place, found["string"])
            elif key == "name" and re.fullmatch(NAME, found["string"]):
                named = found["string"], found.start("string")
            elif key == "value" and named is not None:
                assign(script, table, *named, found["string"])
            key = ""
        elif around and is_environment(around[-1].name):
            name, equal, value = found["string"].partition("=")
            if equal and re.fullmatch(NAME, name):
                assign(script, around[-1], name, found.start("string"), value)
    note_reads(script)
    return script
