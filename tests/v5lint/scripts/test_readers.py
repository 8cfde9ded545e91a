"""What the readers of scripts see: who sets a variable, who reads it, which words a command has."""

from __future__ import annotations

import time

import hypothesis
import pytest
from hypothesis import strategies

from v5lint.scripts import is_shell, kind_of, lines, read_script

NAME = "VARIABLE"


def accesses(kind: str, text: str) -> list[tuple[int, str]]:
    """The line, from 1, and the access of each mention."""
    script = read_script(kind, text)
    found = []
    for mention in script.of({NAME}):
        assert text[mention.start : mention.end] == NAME
        found.append((text.count("\n", 0, mention.start) + 1, mention.access))
    return found


def words(text: str) -> list[list[str]]:
    return [[word.text for word in command.words] for command in read_script("shell", text).commands]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a/run.sh", "shell"),
        ("job.slurm", "shell"),
        (".envrc", "shell"),
        ("Dockerfile", "dockerfile"),
        ("Dockerfile.gpu", "dockerfile"),
        ("gpu.Dockerfile", "dockerfile"),
        (".env", "dotenv"),
        (".env.example", "dotenv"),
        ("prod.env", "dotenv"),
        ("a.yaml", "yaml"),
        ("Makefile", "makefile"),
        ("a.ps1", "powershell"),
        ("a.service", "systemd"),
        (".Renviron", "dotenv"),
        ("a/setup.R", "r"),
        ("Jenkinsfile", "groovy"),
        ("main.nf", "groovy"),
        ("Procfile.dev", "procfile"),
        ("workflow/Snakefile", "snakefile"),
        ("run.jl", "julia"),
        ("README.md", None),
        ("a.py", None),
        ("environment", None),
    ],
)
def test_kinds(path: str, kind: str | None) -> None:
    assert kind_of(path) == kind


@pytest.mark.parametrize("line", ["#!/bin/sh", "#!/usr/bin/env bash", "#! /bin/zsh -l", "#!/usr/bin/env -S bash -e"])
def test_the_first_line_names_a_shell(line: str) -> None:
    assert is_shell(f"{line}\n".encode())


@pytest.mark.parametrize("line", ["#!/usr/bin/env python3", "#!/usr/bin/env node", "# /bin/sh", ""])
def test_the_first_line_names_no_shell(line: str) -> None:
    assert not is_shell(f"{line}\n".encode())


@pytest.mark.parametrize(
    ("text", "access"),
    [
        ("export VARIABLE=1", "set"),
        ("declare -x VARIABLE=1", "set"),
        ("declare VARIABLE=1", "assign"),
        ("VARIABLE=1", "assign"),
        ("VARIABLE=1 python a.py", "set"),
        ("set -a; VARIABLE=1", "set"),
        ("env -u X VARIABLE=1 python a.py", "text"),
        ("sudo VARIABLE=1 python a.py", "set"),
        ("setenv VARIABLE 1", "set"),
        ("export VARIABLE", "export"),
        ("unset VARIABLE", "unset"),
        ("docker run -e VARIABLE=1 image", "child"),
        ("docker run --env=VARIABLE=1 image", "child"),
        ("docker run -e VARIABLE image", "pass"),
        ("sbatch --export=ALL,VARIABLE=1 a.sh", "child"),
        ("docker build --build-arg VARIABLE=1 .", "parameter"),
        ("make VARIABLE=1", "text"),
        ('echo "export VARIABLE=1" >> ~/.bashrc', "text"),
        ('echo "VARIABLE=1" >> "$GITHUB_ENV"', "set"),
        ('bash -c "export VARIABLE=1"', "set"),
        ("x=$(VARIABLE=1 python a.py)", "set"),
        ("x=`VARIABLE=1 python a.py`", "set"),
        ("echo $VARIABLE", "read"),
        ("echo ${VARIABLE:-x}", "read"),
        ('echo "a ${VARIABLE}b"', "read"),
        ("echo ${#VARIABLE}", "read"),
        ("cat <<EOF\n$VARIABLE\nEOF", "read"),
        ("cat <<'EOF' > a.sh\nexport VARIABLE=1\nEOF", "text"),
        ("case $x in a) VARIABLE=1 python a.py;; esac", "set"),
        ("(cd a && export VARIABLE=1)", "set"),
        ("f() {\n  export VARIABLE=1\n}", "set"),
        ("if true; then export VARIABLE=1; fi", "set"),
        ("a && \\\n  export VARIABLE=1", "set"),
        ("python a.py 2>&1 | tee $VARIABLE", "read"),
        ("diff <(VARIABLE=1 python a.py) b", "set"),
        ("A=(1 2) VARIABLE=1 python a.py", "set"),
    ],
)
def test_shell(text: str, access: str) -> None:
    assert [each for _, each in accesses("shell", text)] == [access]


@pytest.mark.parametrize(
    "text",
    [
        "# export VARIABLE=1",
        "ls # export VARIABLE=1",
        "echo 'export VARIABLE=1'",
        "export VARIABLES=1 MY_VARIABLE=2",
        "echo '$VARIABLE'",
        "cat <<'EOF'\n$VARIABLE\nEOF",
        "python - <<EOF\nVARIABLE=1\nEOF",
    ],
)
def test_shell_that_does_not(text: str) -> None:
    assert accesses("shell", text) == []


def test_a_here_document_ends() -> None:
    text = "cat <<-EOF > a\n\tVARIABLE=1\n\tEOF\nexport VARIABLE=2\ncat <<A <<B\nx\nA\ny\nB\nexport VARIABLE=3\n"
    assert accesses("shell", text) == [(2, "text"), (4, "set"), (10, "set")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b 'c d' \"e $f\"", [["a", "b", "c d", "e ${f}"]]),
        ("a \\\n  b # c\nd", [["a", "b"], ["d"]]),
        ("a; b && c || d | e & f", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]),
        ("X=1 Y=2 a b > c 2>&1 < d", [["a", "b"]]),
        ("a $(b c) d", [["b", "c"], ["a", "$(b c)", "d"]]),
        ("while read x; do a $x; done < f", [["read", "x"], ["a", "${x}"]]),
        ("[ -n \"$x\" ] && a", [["[", "-n", "${x}", "]"], ["a"]]),
        ("for x in 1 2; do a; done", [["a"]]),
        ("a=b#c\nd", [["d"]]),
        ("sudo -E nohup a b", [["a", "b"]]),
        ("if [[ $x == *.py ]]; then a; else d; fi", [["[[", "${x}", "==", "*.py", "]]"], ["a"], ["d"]]),
    ],
)  # fmt: skip
def test_words(text: str, expected: list[list[str]]) -> None:
    assert words(text) == expected


def test_where_a_command_runs() -> None:
    script = read_script("shell", "a\ncd sub/x\nb\ncd ..\nc\ncd $HOME\nd\n")
    assert [(each.words[0].text, each.folder) for each in script.commands if each.words[0].text != "cd"] == [
        ("a", ""),
        ("b", "sub/x"),
        ("c", "sub"),
        ("d", None),
    ]


def test_dockerfile() -> None:
    text = (
        "ARG VARIABLE=1\nFROM a AS b\n# ENV VARIABLE=1\nENV VARIABLE=1 X=2\nENV VARIABLE 1 2\nENV X=1 \\\n"
        "    # VARIABLE=1\n    VARIABLE=2\nRUN export VARIABLE=1 && \\\n  # VARIABLE\n  ls $VARIABLE\n"
        'COPY a ${VARIABLE}\nCMD ["sh", "-c", "ls $VARIABLE"]\nRUN <<EOF\nls $VARIABLE\nEOF\nLABEL a="VARIABLE"\n'
    )
    assert accesses("dockerfile", text) == [
        (1, "parameter"),
        (4, "set"),
        (5, "set"),
        (8, "set"),
        (9, "set"),
        (11, "read"),
        (12, "read"),
        (13, "read"),
        (15, "read"),
    ]


def test_yaml() -> None:
    text = (
        "env:\n  VARIABLE: 1\n  # VARIABLE: 2\nx:\n  environment:\n    - VARIABLE=1\n    - VARIABLE\n"
        '  env:\n    - name: VARIABLE\n      value: "1"\n    - {name: VARIABLE, value: 1}\n'
        "  run: |\n    ls $VARIABLE\n"
        "  path: ${{ env.VARIABLE }}\n  data:\n    VARIABLE: 1\n  args: [a, $(VARIABLE)]\n  text: the VARIABLE\n"
    )
    assert accesses("yaml", text) == [
        (2, "set"),
        (6, "set"),
        (7, "pass"),
        (9, "set"),
        (11, "set"),
        (13, "read"),
        (14, "read"),
        (16, "text"),
        (17, "read"),
    ]


def test_compose_reads_its_own_environment() -> None:
    text = (
        "services:\n  a:\n    environment:\n      - VARIABLE=${VARIABLE}\n    command: sh -c 'ls $$VARIABLE'\n"
        "    volumes:\n      - ${VARIABLE}:/x\n"
    )
    assert accesses("yaml", text) == [(4, "set"), (4, "outside"), (5, "read"), (7, "outside")]


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("dotenv", "VARIABLE=1\n# VARIABLE=2\nX=${VARIABLE}\n", [(1, "set"), (3, "read")]),
        ("powershell", '$env:VARIABLE = "1"\n# $env:VARIABLE\nls $env:VARIABLE\n', [(1, "set"), (3, "read")]),
        ("batch", "set VARIABLE=1\nREM set VARIABLE=1\ndir %VARIABLE%\n", [(1, "set"), (3, "read")]),
        (
            "makefile",
            "export VARIABLE := 1\nVARIABLE = 2\na:\n\tls $(VARIABLE)",
            [(1, "set"), (2, "assign"), (4, "read")],
        ),
        ("systemd", '[Service]\nEnvironment="VARIABLE=1"\n# VARIABLE=1\n', [(2, "set")]),
        ("nix", 'x = "\n  export VARIABLE=1\n"; # VARIABLE=1\n', [(2, "set")]),
        ("nix", 'env.VARIABLE = "1";\nx = { name = "VARIABLE"; value = "1"; };\n', [(1, "set"), (2, "set")]),
        ("makefile", "ifdef X\n    a b: export VARIABLE := 1\nendif\n", [(2, "set")]),
        ("julia", 'ENV["VARIABLE"] = "1" # ENV["VARIABLE"]\nls(ENV["VARIABLE"])\n', [(1, "set"), (2, "read")]),
        ("julia", 'withenv("VARIABLE" => "1", "B" => "2") do\nend\n', [(1, "set")]),
        (
            "snakefile",
            'os.environ["VARIABLE"] = "1"\nVARIABLE = "1"\nrule a:\n    shell: "VARIABLE=1 a && ls $VARIABLE"\n',
            [(1, "set"), (4, "set"), (4, "read")],
        ),
        ("procfile", "# VARIABLE=1\nweb: VARIABLE=1 a b\nw: sh -c 'ls $VARIABLE'\n", [(2, "set"), (3, "read")]),
        (
            "r",
            "# Sys.setenv(VARIABLE = 1)\nSys.setenv(A_B = 1, VARIABLE = f(c(VARIABLE = 2)))\nf(VARIABLE = 1)\n"
            'Sys.getenv("VARIABLE")\nwithr::with_envvar(c("VARIABLE" = "1"), f(VARIABLE = 1))\n'
            'Sys.unsetenv("VARIABLE")\n"Sys.setenv(VARIABLE = 1)"\n',
            [(2, "set"), (4, "read"), (5, "set"), (6, "unset")],
        ),
        (
            "groovy",
            "// VARIABLE\nenvironment {\n  VARIABLE = '1'\n}\nwithEnv(['VARIABLE=1']) {\n"
            "  sh 'ls $VARIABLE'\n  sh '''\n  export VARIABLE=1\n  ls ${env.VARIABLE}\n  '''\n}\n"
            "env.VARIABLE = '1'\necho \"$VARIABLE\"\nargs '-e VARIABLE=1'\nf(VARIABLE: 1)\nVARIABLE = '1'\n",
            [(3, "set"), (5, "set"), (6, "read"), (8, "set"), (9, "read"), (12, "set"), (13, "read"), (14, "child")],
        ),
        (
            "groovy",
            'process a {\n  script:\n  """\n  export VARIABLE=1\n  """\n}\n'
            'process b {\n  script:\n  """\n  #!/usr/bin/env python\n  os.environ["VARIABLE"] = "1"\n  """\n}\n',
            [(4, "set"), (11, "text")],
        ),
        ("shell", "python - <<E\nos.environ['VARIABLE'] = '1'\nVARIABLE = 1\nE\n", [(2, "set")]),
        (
            "magics",
            "%env VARIABLE=1\n!ls $VARIABLE\n# \u241e\n%%sh\nexport VARIABLE=1",
            [(1, "set"), (2, "read"), (5, "set")],
        ),
        ("magics", "%%writefile run.sh\nexport VARIABLE=1", [(2, "text")]),
        ("makefile", "a:\n\tOTHER=1 VARIABLE=2 python a.py", [(2, "set")]),
        ("batch", "if not defined VARIABLE set VARIABLE=1", [(1, "read"), (1, "set")]),
        ("fish", "set -q VARIABLE; or set -gx VARIABLE 1", [(1, "read"), (1, "set")]),
        ("json", '{"env": [{"name": "VARIABLE", "value": "1"}]}', [(1, "set")]),
    ],
)
def test_lines(kind: str, text: str, expected: list[tuple[int, str]]) -> None:
    assert accesses(kind, text) == expected


OTHER_KINDS = "shell dockerfile yaml magics fences hcl groovy r procfile toml ini json".split()
PIECES = strategies.sampled_from(
    ["VARIABLE", "=", "$", "{", "}", "(", ")", '"', "'", "`", "\\", "\n", " ", "#", "<<EOF", "EOF", "if", "fi", "case",
     "esac", ";;", "- ", ": ", "|", "export ", "ENV ", "RUN ", "FROM a\n", "name:", "run: |\n  ", "%%bash\n", "[", "]",
     "environment", "env.", "sh ", "Sys.setenv(", "a:", "-e ", "\"name\": ", "Exec", "shell: ", "command", "set ",
     "run(", ", ", "{\"", "&& ", "#!/bin/sh\n", "ssh a ", "sbatch ", "tee ", "^\n", "cmd = "]
)  # fmt: skip


@hypothesis.given(strategies.lists(PIECES, max_size=30).map("".join))
@hypothesis.settings(max_examples=150)
def test_whatever_is_written_is_read(text: str) -> None:
    for kind in (*lines.KINDS, *OTHER_KINDS):
        script = read_script(kind, text)
        for mention in script.mentions:
            assert text[mention.start : mention.end] == mention.name
        for command in (*script.commands, *script.written):
            assert all(0 <= word.start <= word.end <= len(text) for word in command.words)
        for mention in script.mentions:
            if mention.removal is not None:
                start, end = mention.removal
                assert 0 <= start <= mention.start
                assert mention.end <= end <= len(text)


@pytest.mark.parametrize("kind", ["groovy", "hcl", "json", "shell", "toml"])
@pytest.mark.parametrize("piece", ["\\'", '\\"', "${", "x && "])
def test_long_lines_take_no_longer_than_they_are(kind: str, piece: str) -> None:
    began = time.process_time()
    read_script(kind, f"sh 'a'\n{piece * 20_000}\n")
    assert time.process_time() - began < 5  # of work that grew with the square of the length it was minutes
