"""V5811: jobs of SageMaker whose container holds a transformers before v5."""

from __future__ import annotations

import os.path

from v5lint.patterns import pattern
from v5lint.rule import Rule
from v5lint.rules.parts import install_places
from v5lint.view.values import External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

#: Classes of `sagemaker.huggingface` whose argument chooses a container.
_CLASSES = frozenset({"HuggingFace", "HuggingFaceModel"})
_ARGUMENT = "transformers_version"

_OF_4 = pattern(r"[0-4](?:\.\d+)*\Z")


class ContainerVersion(Rule):
    """A job of SageMaker is given a container with a transformers before v5.

    ## What it does

    Finds `HuggingFace(transformers_version="4.36")` and `HuggingFaceModel(...)` of `sagemaker.huggingface`. A job that
    is given another image (`image_uri=`), or whose `source_dir` has a `requirements.txt` with transformers in it,
    which the container installs first, is left alone.

    ## Why it breaks

    The argument is no requirement: it chooses the image in which the job runs, and what is installed in that. Migrated
    code meets transformers 4 there. The newest that `sagemaker` 2.257.7 knows is 4.56.2 for training and 4.51.3 for
    inference, and another number is refused:

        ValueError: Unsupported huggingface version: 5.3.0. You may need to upgrade your SDK version (pip install -U
        sagemaker) for newer huggingface versions. Supported huggingface version(s): ...

    Images with 5.3.0 (training) and 5.5.3 (inference) are in the tables of `sagemaker-core` 2.27.

    ## Example

        HuggingFace(entry_point="train.py", transformers_version="4.36", pytorch_version="2.1", py_version="py310")

    ## Fix safety

    No fix: the version of PyTorch and of Python belong to that of the image.

    ## References

    - https://github.com/aws/sagemaker-python-sdk (`image_uri_config/huggingface.json` of the wheels)
    """

    code = "V5811"
    name = "container-version"
    since = "5.0"
    tokens = (_ARGUMENT,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        for call in module.calls(_CLASSES):
            given = call.keyword(_ARGUMENT)
            if given is None or call.keyword("image_uri") is not None or not _is_of_sagemaker(call):
                continue
            versions = module.constants(given.value)
            if not versions or not all(_OF_4.match(str(each)) for each in versions) or _installs_its_own(module, call):
                continue
            message = (
                f"the container that `{_ARGUMENT}` chooses holds transformers {versions[0]}: what runs in it is no v5, "
                "unless a `requirements.txt` in `source_dir` installs it"
            )
            yield module.finding(given.value, message, level="deprecated")


def _is_of_sagemaker(call: CallSite) -> bool:
    return any(isinstance(each, External) and each.package == "sagemaker" for each in call.callees)


def _installs_its_own(view: ModuleView, call: CallSite) -> bool:
    """Whether the folder that goes into the container has a list of requirements with transformers in it."""
    folder = call.keyword("source_dir")
    here = os.path.dirname(view.path)
    names = view.constants(folder.value) if folder is not None else ()
    return any(install_places.names_transformers(os.path.join(here, str(name), "requirements.txt")) for name in names)
