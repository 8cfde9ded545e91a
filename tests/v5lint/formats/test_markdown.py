"""Markdown: the code in its fences, and every byte around it as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.v5lint.conftest import Outcome
from tests.v5lint.formats.test_script import RULES as SCRIPT_RULES
from tests.v5lint.rules import Replace, Together
from v5lint.document import UnreadableError
from v5lint.formats import format_of, markdown, searched

Lint = Callable[..., Outcome]
Write = Callable[..., Path]


def texts(raw: str | bytes) -> list[str]:
    """What is read of a file."""
    document = markdown.read("a.md", raw if isinstance(raw, bytes) else raw.encode())
    return [region.text for region in document.regions]


def fenced(*sources: str) -> str:
    """Fences of Python, with prose between them."""
    return "".join(f"It is old.\n\n```python\n{source}\n```\n\n" for source in sources)


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (b"\xef\xbb\xbf```python\nx\n```\n", ["x"]),
        (b"a\r\n```python\r\nx\r\n\r\ny\r\n```\r\n", ["x\n\ny"]),
        (b"\xff\n~~~py\nx\n~~~\n\xfe", ["x"]),
        (b"```python\nx", ["x"]),
        (b"```python", []),
        (b"```python\n```", []),
        (b"`````python\n```\nx\n`````\n", []),  # three signs are no Python
        (b"`````python\nx = '''\n```\n'''\n`````\n", ["x = '''\n```\n'''"]),
        (b"````markdown\n```python\nx\n```\n````\n", []),
        (b"```python\nx = '\xff'\n```\n", []),
        (b"```python\nx = 1\ry = 2\n```\n", []),
        (b"~~~python a`b\nx\n~~~", ["x"]),
        (b"a ```python\nx\n```\n", []),
        (b"  - a\n\n    ```Python\n    if x:\n\n      y\n    ```\n", ["if x:\n\n  y"]),
        (b"- ```python\n  x\n  ```\n", ["x"]),
        (b"12. ```python\n    x\n    ```\n", ["x"]),
        (b"\t```python\n\tif x:\n\t\ty\n\t```\n", ["if x:\n\ty"]),
        (b"  ```python\n  x\ny\n  ```\n", []),
        (b"> ```python\n> x\n>\n> y\n> ```\n", ["x\n\ny"]),
        (b"> ```python\n> x\n\n```python\ny\n```\n", ["x\n# \u241e\ny"]),
        (b"> > ```python\n> > x\n> > ```\n", ["x"]),
        (b"```python\nx = '''\n    ```\n'''\n```\n", ["x = '''\n    ```\n'''"]),
        (b"```{.python .numberLines}\nx\n```\n```{python}\ny\n```\n", ["x\n# \u241e\ny"]),
        (b"```python:a.py\nx\n```\n", ["x"]),
        (b"```pythonic\nx\n```\n```\ny\n```\n```js\nz\n```\n", []),
        (b"```pycon\n>>> x(\n...   1)\n2\n>>> if y:\n...     z\n...\n```\n", ["x(\n  1)\nif y:\n    z\n"]),
        (b"```python\n>>> x\nold\n\n>>> y\n```\n", ["x\ny"]),
        (b"```pycon\nx\n```\n", []),
        (b"```console\n$ a \\\n  b\nold\n(venv) $ c\n```\n", ["a \\\n  b\nc"]),
        (b"```sh\na\n```\n```bash\n$ b\nold\n```\n", ["a\n# \u241e\nb"]),
        (b"```python\nx = '\xe2\x90\x9e'\n```\n", []),
    ],
)
def test_what_is_read_and_bytes_come_back(raw: bytes, read: list[str]) -> None:
    document = markdown.read("a.md", raw)
    assert [region.text for region in document.regions] == read
    assert document.replaced(read) == raw


LINES = st.sampled_from(
    "```python|```|~~~|~~~py|> ```py|> ```|  ```bash|  ```|- ```py|>>> old|... x|$ old|import a|old|  old|> old|# old|"
    "!old|%env OLD=1|(|)|pass  # \u241b 0|# \u241e|\u2028|\r|\t||<!-- v5lint: ignore -->|Before:|\ufeff".split("|")
)


@given(st.lists(LINES, max_size=14), st.sampled_from(["\n", "\r\n"]))
def test_any_text_comes_back(lines: list[str], newline: str) -> None:
    raw = newline.join(lines).encode()
    document = markdown.read("a.md", raw)
    read = [region.text for region in document.regions]
    assert document.replaced(read) == raw
    changed = document.replaced([text.replace("old", "new") for text in read])
    assert changed.replace(b"new", b"old") == raw
    assert [region.text for region in document.reread(changed).regions] == [each.replace("old", "new") for each in read]
    for region in document.regions:
        for offset in (at for at in range(len(region.text)) if region.text.startswith("old", at)):
            row, column = region.position(offset)
            assert raw.decode().split("\n")[row - 1][column - 1 :].startswith("old")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("so old\r\n```python\r\nalpha\r\n```\r\nold", "so old\r\n```python\r\nimport beta\r\nbeta\r\n```\r\nold"),
        ("- a\n\n  ```py\n  alpha\n  ```", "- a\n\n  ```py\n  import beta\n  beta\n  ```"),
        ("> ```py\n> alpha\n> ```", "> ```py\n> import beta\n> beta\n> ```"),
        ("```py\n>>> x\n1\n>>> alpha\n2\n```", "```py\n>>> import beta\n>>> x\n1\n>>> beta\n2\n```"),
        ("  ```py\n\n  alpha\n  ```", "  ```py\n  import beta\n\n  beta\n  ```"),
        ("\t~~~py\n\talpha", "\t~~~py\n\timport beta\n\tbeta"),
    ],
)
def test_a_line_that_is_added_stands_as_those_around_it(lint: Lint, write: Write, before: str, after: str) -> None:
    path = write("a.md", before.encode())
    lint("a.md", "--fix", rules=(Together(),))
    assert path.read_bytes().decode() == after
    assert lint("a.md", "--fix", rules=(Together(),)).status == 0
    assert path.read_bytes().decode() == after


def test_a_session_goes_on_in_a_line_that_is_added(lint: Lint, write: Write) -> None:
    path = write("a.md", "```py\n>>> f(old)\n3\n>>> g(\n...     old,\n... )\n4\n```\n")
    lint("a.md", "--fix", rules=(Replace(new="new(\n    1,\n)"),))
    expected = ">>> f(new(\n...     1,\n... ))\n3\n>>> g(\n...     new(\n...     1,\n... ),\n... )\n4\n"
    assert path.read_text() == f"```py\n{expected}```\n"


def test_places_are_those_of_the_file(lint: Lint, write: Write) -> None:
    write("a.md", "old\n\n- a\n  ```python\n  x = 1\n  y = old\n  ```\n\n```python\n>>> f(\n...   old)\n```\n")
    assert lint("a.md", "--output-format", "json").found == [("a.md", "T1001", 6, 7), ("a.md", "T1001", 11, 7)]
    found = lint("a.md", "--output-format", "json").objects
    assert [(each["cell"], each["fix"]["edits"][0]["location"]) for each in found] == [
        (None, {"row": 6, "column": 7}),
        (None, {"row": 11, "column": 7}),
    ]
    assert "--> a.md:6:7" in lint("a.md").out


def test_a_fence_that_imports_begins_a_program() -> None:
    assert texts(fenced("import a\na", "a.b", "import c\nc", "c.d")) == [
        "import a\na\n# \u241e\na.b",
        "import c\nc\n# \u241e\nc.d",
    ]


def test_what_follows_a_fence_that_is_not_read_does_not_go_on_with_one_before_it() -> None:
    assert texts(fenced("import a\na", "import b\nb(<x>)", "b.c")) == ["import a\na", "b.c"]
    assert texts(fenced("import a\na", "b(<x>)", "a.c")) == ["import a\na\n# \u241e\na.c"]


def test_a_fence_that_does_not_parse_is_left_out_without_a_word(lint: Lint, write: Write) -> None:
    path = write("a.md", fenced("old(<x>)", "    old\nold", "print 'old'", "old"))
    done = lint("a.md", "--fix")
    assert done.status == 0
    assert "parse" not in done.out + done.err
    assert path.read_text() == fenced("old(<x>)", "    old\nold", "print 'old'", "new")


def test_a_fix_that_breaks_a_fence_is_left_out(lint: Lint, write: Write) -> None:
    path = write("a.md", fenced("old", "import a"))
    for broken in ("(", "x\n```\ny", "x\n# \u241e\n"):
        done = lint("a.md", "--fix", rules=(Replace(new=broken),))
        assert done.status == 2, broken
        assert path.read_text() == fenced("old", "import a")


def test_the_fences_stay_the_same_ones() -> None:
    document = markdown.read("a.md", b"```python\nx\n```\n")
    with pytest.raises(UnreadableError, match="the fences of the file would be others"):
        document.reread(b"```js\nx\n```\n")


def test_lines_that_are_no_python(lint: Lint, write: Write) -> None:
    path = write("a.md", fenced("!pip install old\n%env OLD=1\nold", "%%bash\nexport OLD=1"))
    lint("a.md", "--fix", rules=(Replace(), *SCRIPT_RULES))
    assert path.read_text() == fenced("!pip install old\n%env NEW=1\nnew", "%%bash\nexport NEW=1")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("```sh\nexport OLD=1\n```\n```bash\nls $OLD\n```\n", "```sh\nexport NEW=1\n```\n```bash\nls $NEW\n```\n"),
        ("```sh\necho 'it\n```\n```sh\nexport OLD=1\n```\n", "```sh\necho 'it\n```\n```sh\nexport NEW=1\n```\n"),
        ("```dockerfile\nENV OLD=1\n```\n", "```dockerfile\nENV NEW=1\n```\n"),
        ("- ```yaml\n  env:\n    OLD: 1\n  ```\n", "- ```yaml\n  env:\n    NEW: 1\n  ```\n"),
        ("```env\nOLD=1\n```\n", "```env\nNEW=1\n```\n"),
    ],
)
def test_scripts(lint: Lint, write: Write, before: str, after: str) -> None:
    path = write("a.md", f"It is OLD.\n\n{before}")
    lint("a.md", "--fix", rules=SCRIPT_RULES)
    assert path.read_text() == f"It is OLD.\n\n{after}"


@pytest.mark.parametrize("sign", ["transformers.js", "@huggingface/transformers", "@xenova/transformers"])
def test_scripts_for_node_are_left_alone(sign: str) -> None:
    assert texts(f"Install `{sign}`.\n\n```sh\nexport OLD=1\n```\n```py\nx\n```\n") == ["x"]


@pytest.mark.parametrize(
    "text",
    [
        "Before:\n\n{}",
        "### Before\n\n{}",
        "### Before (v4)\n\n{}",
        "## Migration\n\n### Models\n\n{}",
        "# Old\n{}",
        "The old API:\n{}",
        "This is deprecated since then:\n{}",
        "With transformers<5:\n{}",
        "In transformers 4.30 it was\n{}",
        "Never write this\n{}",
        "Replace\n\n{}",
        "{}\n\nbecomes\n\n```python\nnew\n```\n",
        "{}\n\nAfter:\n\n```python\nnew\n```\n",
        "```python\n# before\nold\n# after\nnew\n```\n",
        "```python\nold  # deprecated\n```\n",
        "```python\nold  # \u274c\n```\n",
        "```python\n# transformers < 5\nold\n```\n",
        "```python diff\nold\n```\n",
        "<!-- v5lint: ignore -->\n{}",
        "<!-- v5lint: ignore-file -->\n\n# A\n\n{}",
    ],
)
def test_old_code_that_is_old_on_purpose(text: str) -> None:
    assert "old" not in "".join(texts(text.format("```python\nold\n```")))


@pytest.mark.parametrize(
    "text",
    [
        "Before you run it, install it:\n\n{}",
        "## Before you begin\n\n{}",
        "With `transformers>=4.36.0`:\n{}",
        "With 4.5 GB of memory:\n{}",
        "## Old\n\n## Use\n\n{}",
        "# GLM-4.6\n{}",
        "To avoid an overflow:\n{}",
        "It was deprecated.\n\nUse it so:\n\n{}",
        "{}\n\nbecomes a habit\n",
        "```python\n# Don't train it\nold\n```\n",
        "```python\n# Transformers 4.36+\nold\n```\n",
        "```python\n# before the loop begins, all is read\nold\n```\n",
    ],
)
def test_code_that_only_looks_so(text: str) -> None:
    assert texts(text.format("```python\nold\n```"))[0].endswith("old")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("README.md", "markdown"),
        ("docs/a.mdx", "markdown"),
        ("a.markdown", "markdown"),
        ("CHANGELOG.md", None),
        ("CHANGES.md", None),
        ("HISTORY.md", None),
        ("MIGRATION_GUIDE_V5.md", None),
        ("docs/v5-migration.md", None),
        ("RELEASE_NOTES.md", None),
        ("Upgrading.md", None),
        ("a.rst", None),
    ],
)
def test_files_that_tell_what_was_are_left_out(name: str, form: str | None) -> None:
    assert format_of(name) == form


def test_suppressions(lint: Lint, write: Write) -> None:
    write("a.md", fenced("old  # noqa: T1001", "x = 1  # v5lint: ignore[T1001]"))
    done = lint("a.md")
    assert done.status == 0
    assert "a.md:10: unused suppression" in done.err


def test_tokens_are_looked_for_in_fences() -> None:
    assert searched(b"old `old`\n", "markdown") == b""
    assert searched(b"old\n~~~\nnew\n~~~\n```\n", "markdown") == b"~~~\nnew\n~~~\n```\n"
