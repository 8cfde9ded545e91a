"""Scripts: what sets environment variables and starts programs beside Python. One module a kind of file.

To add one: a module here with `read(text)` that returns a Script, and a row in `kind_of`; of a kind whose lines stand
for themselves, a row in `lines.py`.
"""

from __future__ import annotations

import os.path

from v5lint.patterns import pattern

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.scripts.script import Script

#: Kinds by the ending of the file name.
_BY_SUFFIX = {
    **dict.fromkeys((".sh", ".bash", ".zsh", ".ksh", ".csh", ".tcsh", ".envrc"), "shell"),
    **dict.fromkeys((".slurm", ".sbatch", ".pbs", ".def"), "shell"),  # the last is how Apptainer builds an image
    **dict.fromkeys((".yml", ".yaml"), "yaml"),
    **dict.fromkeys((".dockerfile", ".containerfile"), "dockerfile"),
    **dict.fromkeys((".ps1", ".psm1"), "powershell"),
    **dict.fromkeys((".bat", ".cmd"), "batch"),
    ".env": "dotenv",
    ".fish": "fish",
    **dict.fromkeys((".service", ".sub"), "systemd"),  # the last is how HTCondor submits a job
    ".nix": "nix",
    ".mk": "makefile",
    ".just": "justfile",
    **dict.fromkeys((".tf", ".tfvars", ".hcl", ".nomad"), "hcl"),
    **dict.fromkeys((".nf", ".jenkinsfile"), "groovy"),
    ".r": "r",
    ".jl": "julia",
    ".smk": "snakefile",
    ".code-workspace": "json",
}

#: Kinds by the whole name.
_BY_NAME = {
    **dict.fromkeys(("Dockerfile", "Containerfile", "dockerfile"), "dockerfile"),
    **dict.fromkeys(("Makefile", "makefile", "GNUmakefile"), "makefile"),
    **dict.fromkeys(("justfile", "Justfile", ".justfile"), "justfile"),
    **dict.fromkeys((".bashrc", ".bash_profile", ".profile", ".zshrc", ".zshenv", ".envrc"), "shell"),
    **dict.fromkeys((".env", ".Renviron", "Renviron.site"), "dotenv"),
    **dict.fromkeys((".Rprofile", "Rprofile.site"), "r"),
    **dict.fromkeys(("Jenkinsfile", "nextflow.config"), "groovy"),
    "Procfile": "procfile",
    "Singularity": "shell",
    "Snakefile": "snakefile",
    **dict.fromkeys("pyproject.toml mise.toml .mise.toml pixi.toml fly.toml hatch.toml tox.toml".split(), "toml"),
    **dict.fromkeys("setup.cfg tox.ini pytest.ini supervisord.conf".split(), "ini"),
    **dict.fromkeys("devcontainer.json .devcontainer.json launch.json tasks.json settings.json".split(), "json"),
    "kernel.json": "json",
    **dict.fromkeys("task-definition.json task_definition.json taskdef.json".split(), "json"),  # of Amazon's ECS
    **dict.fromkeys(("preprocessor_config.json", "processor_config.json"), "json"),
}

#: Kinds by the beginning of the name.
_BY_START = (
    *(("Dockerfile.", "dockerfile"), ("Containerfile.", "dockerfile")),
    (".env.", "dotenv"),
    *(("Jenkinsfile.", "groovy"), ("Procfile.", "procfile"), ("Singularity.", "shell")),
)

_SHEBANG = pattern(rb"#!\s*\S*?(?:/|\benv\s+(?:-\S+\s+)?)(?:ba|z|k|c|tc|da|a)?sh\b")


def kind_of(path: str) -> str | None:
    """Which module reads a file, or None where it is no script, as far as its name says."""
    name = os.path.basename(path)
    if (known := _BY_NAME.get(name)) is not None:
        return known
    for start, kind in _BY_START:
        if name.startswith(start):
            return kind
    return _BY_SUFFIX.get(os.path.splitext(name)[1].lower())


def is_shell(raw: bytes) -> bool:
    """Whether a file begins with a `#!` line that names a shell."""
    return raw.startswith(b"#!") and _SHEBANG.match(raw) is not None


def read_script(kind: str, text: str) -> Script:
    """What a script sets, reads and starts.

    Args:
        kind: as `kind_of` gave it.
        text: the whole file.
    """
    from importlib import import_module

    from v5lint.scripts import lines

    if kind in lines.KINDS:
        return lines.read(text, kind)
    script: Script = import_module(f"v5lint.scripts.{kind}").read(text)
    return script
