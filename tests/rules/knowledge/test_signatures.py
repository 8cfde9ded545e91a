"""What constructors of parts of models and of outputs, and functions beside them, took and take."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

import pytest

from v5lint.rules.knowledge.collect import signatures
from v5lint.rules.knowledge.tables import table
from v5lint.rules.parts.forwards import Forward
from v5lint.toml import loads

OUTPUTS = '''@dataclass
class BaseOutput(ModelOutput):
    """Text."""

    last_hidden_state: Tensor | None = None
    past_key_values: Cache | None = None
'''

BEFORE = '''from ...modeling_outputs import BaseOutput


def helper(x, scale=1.0, gone=None):
    return x


def apply_rotary_pos_emb(q, k, cos, sin, position_ids=None):
    return q


class AStack(nn.Module):
    def __init__(self, config, embed_tokens=None):
        super().__init__()


class BStack(AStack):
    pass


class Open(nn.Module):
    def __init__(self, config, gone=None):
        pass


@dataclass
@auto_docstring(
    custom_intro="""
    Text.
    """
)
class AOutput(BaseOutput):
    image_hidden_states: Tensor | None = None
'''

NOW = """def helper(x, scale=1.0):
    return x


def apply_rotary_pos_emb(q, k, cos, sin):
    return q


class AStack(nn.Module):
    def __init__(self, config):
        super().__init__()


class BStack(AStack):
    pass


class Open(nn.Module):
    def __init__(self, config, **kwargs):
        pass


@auto_docstring
@dataclass
class AOutput(BaseOutput):
    pass
"""


def wheel(folder: Path, release: str, source: str) -> Path:
    path = folder / f"transformers-{release}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("transformers/modeling_outputs.py", OUTPUTS)
        archive.writestr("transformers/models/a/modeling_a.py", source)
        archive.writestr("transformers/models/a/configuration_a.py", source)
    return path


def test_what_is_refused(tmp_path: Path) -> None:
    before, now = wheel(tmp_path, "4.57.6", BEFORE), wheel(tmp_path, "5.3.0", NOW)
    read: dict[tuple[str, int], signatures.Read] = {}
    text = signatures.table(
        {(4, 57): signatures.signatures_of(before, read), (5, 3): signatures.signatures_of(now, read)}
    )
    at = "models.a.modeling_a"
    assert sorted(loads(text)["signatures"]) == [
        ["config embed_tokens@5.3", "config", f"{at}.AStack {at}.BStack"],
        ["last_hidden_state cache image_hidden_states@5.3", "last_hidden_state cache", f"{at}.AOutput"],
        ["x scale gone@5.3", "x scale", f"{at}.helper"],
    ]


def test_the_table_knows_stacks_and_outputs() -> None:
    known = {name.rpartition(".")[2] for *_, names in table("signatures")["signatures"] for name in names.split()}
    assert {"T5Stack", "BartEncoder", "LlamaRotaryEmbedding", "Gemma3CausalLMOutputWithPast"} <= known


@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="needs transformers")
def test_the_installed_release_takes_what_the_table_says() -> None:
    spec = importlib.util.find_spec("transformers")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent
    wanted = {name: now for _, now, names in table("signatures")["signatures"] for name in names.split()}
    checked = 0
    for module in sorted({name.rpartition(".")[0] for name in wanted}):
        source = folder.joinpath(*module.split(".")).with_suffix(".py")
        if not source.is_file():
            source = source.with_suffix("") / "__init__.py"
        path = f"transformers/{source.relative_to(folder).as_posix()}"
        found = signatures.signatures_in(source.read_text(encoding="utf-8"), path, module)
        for name, signature in found.items():
            if name in wanted:
                checked += 1
                assert Forward("", wanted[name]).now == signature.positional, name
    assert checked > 250
