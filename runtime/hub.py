"""Read a small file of a checkpoint, from a local folder or from the Hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from v5lint.runtime.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping

_HUB_OPTIONS = ("revision", "token", "cache_dir", "local_files_only", "subfolder")


def read_json(checkpoint: str | Path, filename: str, **options: Any) -> dict[str, Any] | None:
    """The content of a JSON file of a checkpoint; `None` where the checkpoint has no such file.

    Args:
        checkpoint: A local folder, or the name of a repository on the Hub.
        filename: The file within it.
        **options: Options of `from_pretrained`; those that choose the file (`revision`, `token`, ...) are used.

    Raises:
        CheckpointError: The checkpoint cannot be reached, or the file is no JSON object.
    """
    path = _local_or_downloaded(checkpoint, filename, options)
    if path is None:
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds {type(content).__name__}, not a JSON object.")
    return content


def hub_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Of the options of `from_pretrained`, those that choose a file on the Hub."""
    return {name: options[name] for name in _HUB_OPTIONS if options.get(name) is not None}


def _local_or_downloaded(checkpoint: str | Path, filename: str, options: Mapping[str, Any]) -> Path | None:
    folder = Path(checkpoint)
    if folder.is_dir():
        path = folder / str(options.get("subfolder") or "") / filename
        return path if path.is_file() else None
    if folder.is_absolute() or str(checkpoint).startswith((".", "~")):
        raise CheckpointError(
            f"{checkpoint} is no folder. Pass a local folder, or the name of a repository on the Hub."
        )
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(str(checkpoint), filename, **hub_options(options)))
    except LocalEntryNotFoundError as error:  # a subclass of EntryNotFoundError: the file was never looked for
        raise CheckpointError(
            f"{checkpoint} is neither a local folder nor in the cache, and the Hub cannot be reached: {error}"
        ) from error
    except EntryNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{checkpoint}: {filename} cannot be read ({type(error).__name__}). {str(error).strip().splitlines()[0]} "
            "For a gated or private repository, accept its licence on its page and log in with `hf auth login`."
        ) from error
