"""Faults that were seen in other rewriters: each with code like that on which it was seen, and what is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from v5lint.cli import main

if TYPE_CHECKING:
    from pathlib import Path

FAULTS = {
    "a compatibility import is imported again and again, without end": (
        "from transformers import ViTFeatureExtractor\n"
        "try:\n"
        "    from transformers import ViTImageProcessor\n"
        "except ImportError:\n"
        "    from transformers import ViTFeatureExtractor as ViTImageProcessor\n"
        "one, two = ViTFeatureExtractor(), ViTImageProcessor()\n",
        "from transformers import ViTImageProcessor as ViTFeatureExtractor\n"
        "try:\n"
        "    from transformers import ViTImageProcessor\n"
        "except ImportError:\n"
        "    from transformers import ViTFeatureExtractor as ViTImageProcessor\n"
        "one, two = ViTFeatureExtractor(), ViTImageProcessor()\n",
    ),
    "the uses are rewritten and the dead import stays": (
        "from transformers import ViTFeatureExtractor, ViTModel\none, two = ViTFeatureExtractor(), ViTModel\n",
        "from transformers import ViTImageProcessor, ViTModel\none, two = ViTImageProcessor(), ViTModel\n",
    ),
    "an alias becomes the module": (
        "from transformers import ViTFeatureExtractor as G\none = G(size=a)\n",
        "from transformers import ViTImageProcessor as G\none = G(size=a)\n",
    ),
    "an alias is dropped, a comment lost, a layout changed": (
        "from transformers import (  # head\n"
        "    ViTFeatureExtractor as VFE,  # the extractor\n"
        "    ViTModel as VM,\n"
        ")\n"
        "one, two = VFE(), VM\n",
        "from transformers import (  # head\n"
        "    ViTImageProcessor as VFE,  # the extractor\n"
        "    ViTModel as VM,\n"
        ")\n"
        "one, two = VFE(), VM\n",
    ),
    "CR LF becomes LF": (
        "from transformers import ViTFeatureExtractor\r\none = ViTFeatureExtractor()\r\n",
        "from transformers import ViTImageProcessor\r\none = ViTImageProcessor()\r\n",
    ),
    "a module under an alias loses its import": (
        "import transformers as tf\none = tf.ViTFeatureExtractor()\n",
        "import transformers as tf\none = tf.ViTImageProcessor()\n",
    ),
    "an import inside a function is hoisted": (
        "def load():\n    from transformers import ViTFeatureExtractor\n\n    return ViTFeatureExtractor()\n",
        "def load():\n    from transformers import ViTImageProcessor\n\n    return ViTImageProcessor()\n",
    ),
    "the body of a try is emptied": (
        "try:\n    from transformers import ViTFeatureExtractor\n"
        "except ImportError:\n    raise\n"
        "one = ViTFeatureExtractor()\n",
        "try:\n    from transformers import ViTImageProcessor\n"
        "except ImportError:\n    raise\n"
        "one = ViTImageProcessor()\n",
    ),
    "a parameter of the same name is taken for the class": (
        "def load(ViTFeatureExtractor):\n    return ViTFeatureExtractor(1)\n",
        "def load(ViTFeatureExtractor):\n    return ViTFeatureExtractor(1)\n",
    ),
    "one of several bindings is taken for all": (
        "from transformers import ViTFeatureExtractor as T\n\nif flag:\n    from other import T\none = T()\n",
        "from transformers import ViTImageProcessor as T\n\nif flag:\n    from other import T\none = T()\n",
    ),
    "the end of a file is lost": (
        "from transformers import ViTFeatureExtractor\none = ViTFeatureExtractor()\n\n\n   \n",
        "from transformers import ViTImageProcessor\none = ViTImageProcessor()\n\n\n   \n",
    ),
    "a form feed and a last CR are lost": (
        "\fimport os\nfrom transformers import ViTFeatureExtractor\none = ViTFeatureExtractor()\r",
        "\fimport os\nfrom transformers import ViTImageProcessor\none = ViTImageProcessor()\r",
    ),
    "a long sum or text elsewhere stops the parser": (
        "from transformers import ViTFeatureExtractor\n"
        "one = ViTFeatureExtractor()\n"
        f"total = ({' + '.join(['a'] * 900)})\n"
        f"text = ({' '.join([repr('a')] * 1000)})\n",
        "from transformers import ViTImageProcessor\n"
        "one = ViTImageProcessor()\n"
        f"total = ({' + '.join(['a'] * 900)})\n"
        f"text = ({' '.join([repr('a')] * 1000)})\n",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_a_peer(tmp_path: Path, name: str) -> None:
    before, after = FAULTS[name]
    file = tmp_path / "case.py"
    file.write_bytes(before.encode())
    options = [str(file), "--isolated", "--fix", "--unsafe-fixes", "-q"]
    main(options)
    assert file.read_bytes().decode() == after
    main(options)
    assert file.read_bytes().decode() == after


def test_code_is_no_markup(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    line = "x: Optional[ViTFeatureExtractor] = None  # TODO[team]: [bold]keep[/bold] [/]\n"
    file = tmp_path / "case.py"
    file.write_text("from transformers import ViTFeatureExtractor\n" + line)
    for options in (["--diff"], [], ["--fix", "--diff"]):
        main([str(file), "--isolated", *options])
    out, _ = capfd.readouterr()
    assert f"\n-{line}" in out
    assert f"\n+{line.replace('FeatureExtractor', 'ImageProcessor')}" in out


def test_a_bad_file_does_not_end_the_run_and_nothing_is_left_behind(tmp_path: Path) -> None:
    old = "from transformers import ViTFeatureExtractor\none = ViTFeatureExtractor()\n"
    (tmp_path / "a_latin.py").write_bytes(old.encode() + b"# \xe9\n")
    (tmp_path / "b_syntax.py").write_text(old + "def (\n")
    (tmp_path / "c_good.py").write_text(old)
    assert main([str(tmp_path), "--isolated", "--fix", "-q"]) == 2
    assert (tmp_path / "c_good.py").read_text() == old.replace("FeatureExtractor", "ImageProcessor")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a_latin.py", "b_syntax.py", "c_good.py"]


def test_imports_of_one_file_do_not_leak_into_another(tmp_path: Path) -> None:
    loads = "from transformers import AutoModel\nmodel = AutoModel.from_pretrained('a/b', load_in_8bit=True)\n"
    other = "from transformers import AutoModel\nmodel = AutoModel.from_pretrained('a/b')  # load_in_8bit\n"
    (tmp_path / "a.py").write_text(loads)
    (tmp_path / "b.py").write_text(other)
    main([str(tmp_path), "--isolated", "--fix", "--unsafe-fixes", "-q"])
    assert "BitsAndBytesConfig" in (tmp_path / "a.py").read_text()
    assert (tmp_path / "b.py").read_text() == other
