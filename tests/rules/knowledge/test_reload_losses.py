"""How a release is added to the table of what reloading loses."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from v5lint.rules.knowledge.collect import reload_losses as collector

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path


def test_a_release_is_added(tmp_path: Path) -> None:
    table = {
        "vit": {"since": "5.9", "ViTModel": [192, 200], "ViTOld": [1, 2]},
        "mended": {"since": "5.0", "MendedModel": [3, 4]},
        "not_built": {"since": "5.1", "Model": [5, 6]},
    }
    counts = {
        "vit": {"ViTModel": [190, 200], "ViTForImageClassification": [190, 202]},
        "mended": {"MendedModel": [0, 4]},
        "new": {"NewModel": [7, 8], "NewHead": [0, 2]},
        "fine": {"FineModel": [0, 9]},
    }
    (tmp_path / "reload-5.24.0.json").write_text(json.dumps(counts))
    assert tomllib.loads(collector.joined(table, tmp_path)) == {
        "new": {"since": "5.24", "NewHead": [0, 2], "NewModel": [7, 8]},
        "not_built": {"since": "5.1", "Model": [5, 6]},
        "vit": {"since": "5.9", "ViTForImageClassification": [190, 202], "ViTModel": [190, 200], "ViTOld": [1, 2]},
    }


def test_releases_are_added_oldest_first(tmp_path: Path) -> None:
    (tmp_path / "reload-5.9.0.json").write_text('{"vit": {"ViTModel": [1, 2]}}')
    (tmp_path / "reload-5.10.1.json").write_text('{"vit": {"ViTModel": [2, 2]}, "bert": {"BertModel": [1, 3]}}')
    assert tomllib.loads(collector.joined({}, tmp_path)) == {
        "vit": {"since": "5.9", "ViTModel": [2, 2]},
        "bert": {"since": "5.10", "BertModel": [1, 3]},
    }
