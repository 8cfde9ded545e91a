"""Variables in TOML, INI files and JSON."""

from __future__ import annotations

import pytest

from v5lint.scripts import kind_of, read_script


def mentions(kind: str, text: str) -> list[tuple[str, str, str | None]]:
    script = read_script(kind, text)
    return [(each.access, each.name, each.value) for each in sorted(script.mentions, key=lambda each: each.start)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[env]\nA_B = "/c"\n', [("set", "A_B", "/c")]),
        ("[tool.x.env-vars]\nA_B = '/c' # A_B = \"d\"\n", [("set", "A_B", "/c")]),
        (
            '[tool.y]\nenv = { A_B = "/c", C_D = "$A_B/d" }\n',
            [("set", "A_B", "/c"), ("set", "C_D", "${A_B}/d"), ("read", "A_B", None)],
        ),
        ('[pytest]\nenv = [\n  "D:A_B=/c",\n]\n', [("set", "A_B", "/c")]),
        ('[[runs]]\nenv.A_B = "/c"\n', [("set", "A_B", "/c")]),
        ('[paths]\nA_B = "/c"\n', [("text", "A_B", "/c")]),
        ('text = """\n[env]\nA_B = 1\n"""\n', []),
    ],
)
def test_toml(text: str, found: list[tuple[str, str, str | None]]) -> None:
    assert mentions("toml", text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[testenv]\nsetenv =\n  A_B = /c\n  py39: C_D = /d\n", [("set", "A_B", "/c"), ("set", "C_D", "/d")]),
        ("[testenv]\npassenv = A_B\n  C_D\n", [("pass", "A_B", None), ("pass", "C_D", None)]),
        ("[testenv]\ncommands = x {env:A_B}\n# {env:A_B}\n", [("read", "A_B", None)]),
        ('[program:x]\nenvironment=A_B="/c",C_D="/d"\n', [("set", "A_B", "/c"), ("set", "C_D", "/d")]),
        ("[paths]\nA_B = /c\n", [("text", "A_B", "/c")]),
    ],
)
def test_ini(text: str, found: list[tuple[str, str, str | None]]) -> None:
    assert mentions("ini", text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"containerEnv": {"A_B": "/c" /* "C_D": "" */}}', [("set", "A_B", "/c")]),
        ('{"environment": [{"name": "A_B", "value": "/c"}]}', [("set", "A_B", "/c")]),
        (
            '{"runArgs": ["--x"], "remoteEnv": {"A_B": "${localEnv:C_D}"}}',
            [("set", "A_B", "${localEnv:C_D}"), ("outside", "C_D", None)],
        ),
        ('{"customizations": {"A_B": "/c"}}', [("text", "A_B", "/c")]),
    ],
)
def test_json(text: str, found: list[tuple[str, str, str | None]]) -> None:
    assert mentions("json", text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('env {\n  A_B = "/c"\n}\n', [("set", "A_B", "/c")]),
        ('env {\n  name  = "A_B" # C_D\n  value = "/c"\n}\n', [("set", "A_B", "/c")]),
        ('environment = [{ name = "A_B", value = var.c }]\n', [("set", "A_B", None)]),
        ('e = { environment = x ? concat([{ "name" : "A_B", "value" : "/c" }]) : [] }\n', [("set", "A_B", "/c")]),
        ('dynamic "env" {\n  content {\n    name = "A_B"\n    value = "/c"\n  }\n}\n', [("set", "A_B", "/c")]),
        ('variable "env_vars" {\n  default = { A_B = "/c" }\n}\n', [("set", "A_B", "/c")]),
        ('locals {\n  A_B = "/c" /* C_D = "/d" */\n}\n', [("text", "A_B", "/c")]),
        ('resource "x" "A_B" {\n  name = "A_B"\n  value = "/c"\n}\n', []),
        ("x = <<-EOT\n  #!/bin/sh\n  export A_B=/c\n  EOT\n", [("set", "A_B", "/c")]),
        ("x = <<EOT\nA_B=/c\nEOT\n", [("text", "A_B", "/c")]),
        ('target "x" {\n  args = { A_B = "/c" }\n}\n', [("parameter", "A_B", None)]),
    ],
)
def test_hcl(text: str, found: list[tuple[str, str, str | None]]) -> None:
    assert mentions("hcl", text) == found


@pytest.mark.parametrize(
    ("text", "is_removed"),
    [('env {\n  A_B = "/c" # d\n}\n', True), ('env { A_B = "/c" }\n', False), ("env {\n  A_B = var.c\n}\n", False)],
)
def test_a_line_of_hcl_goes_where_it_holds_nothing_else(text: str, is_removed: bool) -> None:
    (mention,) = read_script("hcl", text).of(("A_B",))
    assert (mention.removal is not None) is is_removed


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a/tox.ini", "ini"),
        ("mise.toml", "toml"),
        ("devcontainer.json", "json"),
        ("infra/main.tf", "hcl"),
        ("Cargo.toml", None),
        ("a.json", None),
    ],
)
def test_which_files(name: str, kind: str | None) -> None:
    assert kind_of(name) == kind
