"""v5lint moves Hugging Face fine-tune scripts from transformers v4 to v5."""

import os.path as _path

__version__ = "0.1.0"

if not _path.isdir(_path.join(__path__[0], "rules")):
    # Run from a checkout, the folder v5lint/ shadows the installed package, which holds rules and runtime.
    import pkgutil as _pkgutil

    __path__ = _pkgutil.extend_path(__path__, __name__)
