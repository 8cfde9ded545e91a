"""What a release of transformers answers to a program that asks for a name or an argument before it uses it.

`hasattr(transformers, "AdamW")`, `"eval_strategy" in inspect.signature(TrainingArguments).parameters`. True and False
are said only where the data holds the answer: a name that no release had may be one of a release to come.
"""

from __future__ import annotations

from v5lint.releases import parse_release
from v5lint.rules.knowledge import callables, classes, history, removals
from v5lint.rules.knowledge.requires import bounds

#: What takes the place of names of transformers in other packages, and is there beside every release of v5: looked up
#: beside 5.24 with huggingface_hub 2.4 and torch 2.
ELSEWHERE = frozenset({
    "huggingface_hub.constants.HF_HUB_CACHE", "huggingface_hub.constants.HUGGINGFACE_HUB_CACHE",
    "huggingface_hub.constants.HF_HOME", "huggingface_hub.constants.default_cache_path", "torch.optim.AdamW",
})  # fmt: skip

_HUB = "huggingface_hub"


def has(path: str, release: str) -> bool | None:
    """Tell whether a release has what a dotted path leads to; None where that is not known.

    Args:
        path: a name, a module, or a member of a class, of transformers or of a package beside it.
        release: the release of transformers.
    """
    if path in ELSEWHERE:
        return True
    package = path.partition(".")[0]
    if package == "transformers":
        return _in_package(path, release)
    if package == _HUB:
        wanted = bounds("huggingface-hub", parse_release(release))
        answers = {_in_package(path, each) for each in (wanted[">="], None)}
        return answers.pop() if len(answers) == 1 else None
    return None


def takes(function: str, argument: str, release: str) -> bool | None:
    """Tell whether the signature of a callable names an argument in a release; None where that is not known.

    Args:
        function: its dotted path.
        argument: the name.
        release: the release of transformers.
    """
    holder, _, method = function.rpartition(".")
    if function.partition(".")[0] != "transformers":
        return None
    if method == "from_pretrained" and classes.kind_of(holder.rpartition(".")[2]).startswith("auto_"):
        return None  # it hands all on
    found = callables.parameters(function, release)
    if found is None:
        return None
    return argument in found.positional or argument in found.keyword_only


def _in_package(path: str, release: str | None) -> bool | None:
    module, rest = removals.split(path)
    if not module:
        return None
    if removals.removed_in(path, release) is not None:
        return False
    if not rest:
        return removals.module_status(module, release) == "there" or None
    if len(rest) > 1:
        return _has_member(rest[0], rest[1], release)
    spans = removals.name_spans(module, rest[0])
    return history.is_present(spans, parse_release(release) if release else None) if spans else None


def _has_member(name: str, member: str, release: str | None) -> bool | None:
    if classes.class_facts(name) is None or member.startswith("__"):
        return None
    if callables.removed_member(name, member, release) is not None:
        return False
    return member in (callables.members(name, release) or ()) or None
