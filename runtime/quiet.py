"""Keep the libraries' own progress bars and reports off the terminal of a command.

What they report as a warning and what matters of it (tensors that are missing, adapters without effect) is an error
of the runtime.
"""

# transformers is typed in part: its classes and loaders are not.
# mypy: allow-untyped-calls

from __future__ import annotations

import logging
import warnings


def quiet_libraries() -> None:
    """Silence progress bars and log messages below errors; to be called before transformers and peft are imported."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    import datasets
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers|peft|torch")
    warnings.filterwarnings("once", category=UserWarning, module=r"v5lint\.runtime")
    warnings.formatwarning = _said


def _said(message: Warning | str, category: type[Warning], *_: object, **__: object) -> str:
    """A warning for who called a command: its words, and not the line of code."""
    return f"{message if issubclass(category, UserWarning) else f'{category.__name__}: {message}'}\n"
