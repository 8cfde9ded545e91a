"""JSON whose name says nothing, and whose keys say that programs run by it: ECS, Kubernetes, Heroku, RunPod, ..."""

from __future__ import annotations

import re

from v5lint.formats import script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.document import Document

#: Larger files are data.
MAX_BYTES = 250_000

#: Keys of which one stands in every such file, and that of the variables.
_KEYS = (
    "containerDefinitions containerProperties containerOverrides containers containerSpec workerPoolSpecs imageName "
    "imageUri dockerArgs containerEnv remoteEnv buildpacks formation PrimaryContainer AlgorithmSpecification "
    "AWSTemplateFormatVersion IsEncrypted taskDefinition jobDefinition run_command"
)
_IS_RUN = re.compile(rf"\"(?:{'|'.join(_KEYS.split())})\"\s*:".encode())
_HAS_VARIABLES = re.compile(rb"\"(?:[A-Za-z_]*[eE]nv(?:s|ironment)?(?:_?[vV]ar(?:iable)?s)?|Variables|Values)\"\s*:")


#: Of which one stands in every key of variables: most files are data, and hold none.
_HINTS = (b"env", b"Env", b"Variables", b"Values")


def searched(raw: bytes) -> bytes:
    """The file; nothing where it does not say that a program runs by it."""
    if not any(hint in raw for hint in _HINTS):
        return b""
    return raw if _HAS_VARIABLES.search(raw) is not None and _IS_RUN.search(raw) is not None else b""


def read(path: str, raw: bytes) -> Document:
    """See `v5lint.formats.script`."""
    return script.read(path, raw, "json")
