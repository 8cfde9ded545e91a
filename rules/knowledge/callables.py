"""Members of classes and parameters of callables, over the releases."""

from __future__ import annotations

from v5lint.releases import parse_release
from v5lint.rules.knowledge import history
from v5lint.rules.knowledge.classes import ancestors, class_facts, kind_of
from v5lint.rules.knowledge.data import as_release, groups, label_of, packages, short_name, store
from v5lint.rules.knowledge.removals import Removal, as_replacement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from v5lint.releases import Release
    from v5lint.rules.knowledge.data import AnyRelease
    from v5lint.rules.knowledge.removals import Replacement

_BEFORE = "4.57"
"""The release whose line of bases counts beside that of the release asked about."""

_ONLY_REPLACED = frozenset({("PreTrainedModel", "decoder")})
"""What a method of a base class gives another value where a class has it already: no class had it from the base."""

_LOADED_BY = {
    "auto_model": "PreTrainedModel",
    "auto_config": "PretrainedConfig",
    "auto_tokenizer": "PreTrainedTokenizerBase",
    "auto_processor": "ProcessorMixin",
    "auto_image_processor": "ImageProcessingMixin",
    "auto_video_processor": "BaseVideoProcessor",
    "auto_feature_extractor": "FeatureExtractionMixin",
}
"""Whose `from_pretrained` gets the arguments of an Auto class in the end."""


class Parameters:
    """The parameters of a callable in one release, `self` and `cls` left out.

    Attributes:
        positional: those that can be passed by position, in order.
        keyword_only: those that cannot.
        hidden: keyword arguments that the signature does not name but the callable takes: it looks them up in its
            `**kwargs`, or a decorator translates them.
        variadic: it takes further positional arguments (`*args`).
        open: it takes further keyword arguments (`**kwargs`), which need not mean that it uses them.
    """

    __slots__ = ("hidden", "keyword_only", "open", "positional", "variadic")

    def __init__(self, text: str) -> None:
        """Read the parameters as the data file spells them: "self model args * seed **kwargs ~old>new"."""
        positional: list[str] = []
        keyword_only: list[str] = []
        hidden: list[str] = []
        self.variadic = self.open = False
        into = positional
        for word in text.split():
            if word.startswith("~"):
                hidden.append(word[1:].partition(">")[0])
            elif word.startswith("**"):
                self.open = True
            elif word.startswith("*"):
                self.variadic = len(word) > 1
                into = keyword_only
            elif word != "/":
                into.append(word)
        if positional[:1] in (["self"], ["cls"]):
            del positional[0]
        self.positional, self.keyword_only, self.hidden = tuple(positional), tuple(keyword_only), tuple(hidden)

    def __contains__(self, name: object) -> bool:
        return name in self.positional or name in self.keyword_only or name in self.hidden

    def __repr__(self) -> str:
        return f"<Parameters {' '.join((*self.positional, *self.keyword_only))}>"


def parameters(function: str, release: AnyRelease = None) -> Parameters | None:
    """Give the parameters of a callable in a release.

    Args:
        function: a class ("Trainer", for its constructor), a method ("Trainer.train", "ViTModel.from_pretrained": a
            method of a base class is found through its subclasses), or a top-level function ("pipeline"); also as a
            dotted path, "transformers.Trainer.train".
        release: the release asked about.

    Returns:
        None when the data does not hold the callable, or the release lacks it. Held are all methods of the base
        classes, all top-level functions, and the methods of other classes whose parameters changed.
    """
    wanted = as_release(release)
    for _label, changes in _signatures(function, wanted):
        text = history.value_at(changes, wanted)
        if text:
            return _read(text)
    return None


_read_before: dict[str, Parameters] = {}


def _read(text: str) -> Parameters:
    """Give the parameters that a text of the data file spells: the few long ones are asked for most often."""
    if text not in _read_before:
        _read_before[text] = Parameters(text)
    return _read_before[text]


def removed_parameter(function: str, name: str, release: AnyRelease = None) -> Removal | None:
    """Tell whether a callable took an argument once that it no longer takes in a release.

    Args:
        function: see `parameters`; `from_pretrained` of an Auto class counts as that of what it loads.
        name: the keyword.
        release: the release asked about.

    Returns:
        None when it still takes it, or never did. A removal whose `effect` is "ignored" raises nothing.
    """
    wanted = as_release(release)
    line = _signatures(function, wanted)
    if not line:
        return None
    releases = sorted({start for _label, changes in line for start in _starts(changes)}, key=_key)
    appeared, gone, taken = "", "", False
    for start in releases:
        if wanted is not None and _key(start) > wanted:
            break
        takes = _takes(line, _key(start), name)
        if takes and not taken:
            appeared, gone = start, ""
        elif taken and not takes:
            gone = start
        taken = takes
    advice = _advice(line, name)
    if advice and advice[5] and (wanted is None or parse_release(advice[5]) <= wanted):
        gone = advice[5]
    if not gone:
        return None
    label = line[0][0]
    return Removal(f"{label}:{name}", "parameter", _package_of(label), f"{appeared}..{gone}", gone, advice)


class Advice:
    """What is written down about an argument.

    Attributes:
        replacement: what to write instead, if there is something.
        effect: what the newest release does with it: "" (TypeError), "ignored", "warning" or "ValueError".
        note: what to do, or to look after.
    """

    __slots__ = ("effect", "note", "replacement")

    def __init__(self, fields: list[str]) -> None:
        self.replacement: Replacement | None = as_replacement(fields)
        self.effect, self.note = fields[3], fields[4]


def argument_advice(function: str, name: str) -> Advice | None:
    """Give what is written down about an argument, whether it is gone, ignored or only deprecated.

    Args:
        function: see `parameters`.
        name: the keyword.

    Returns:
        None when nothing is written down.
    """
    fields = _advice(_signatures(function, None), name)
    return Advice(fields) if fields else None


def members(name: str, release: AnyRelease = None) -> frozenset[str] | None:
    """Give all methods and attributes of a base class in a release, private and inherited ones included.

    Args:
        name: short name or dotted path of a base class: Trainer, PreTrainedModel, PreTrainedTokenizerBase, HfApi, ...
        release: the release asked about.

    Returns:
        None when the whole set of the class is not held.
    """
    short = short_name(name)
    if store().record("members", short) is None:
        return None
    wanted = as_release(release)
    return frozenset(
        member
        for holder in (short, *_base_line(short))
        for member, spans in groups(store().record("members", holder) or []).items()
        if history.is_present(spans, wanted)
    )


def removed_member(name: str, member: str, release: AnyRelease = None) -> Removal | None:
    """Tell whether a class had a method or attribute once that it no longer has in a release.

    Args:
        name: short name or dotted path of a class of a kind that `classes.ClassFacts` lists, or of a base class.
        member: the attribute, private ones included.
        release: the release asked about.

    Returns:
        None when it is there, or never was.
    """
    wanted = as_release(release)
    short = short_name(name)
    now = [short, *ancestors(short, release), *_base_line(short)]
    line = list(dict.fromkeys([*now, *ancestors(short, _BEFORE)]))
    for holder in now:
        spans = _spans("members", holder, member)
        if spans is not None and history.is_present(spans, wanted):
            return None
    for holder in line:
        if (holder, member) in _ONLY_REPLACED:
            continue
        spans = _spans("lost_members", holder, member) or _spans("members", holder, member)
        if spans == "kept":
            return None
        gone = history.gone_in(spans, wanted) if spans else ""
        if spans and gone:
            advices = (store().record("replaced_members", f"{each}:{member}") for each in line)
            advice = next((found for found in advices if found), None)
            return Removal(f"{short}.{member}", "member", _package_of(short), spans, gone, advice)
    return None


def _base_line(name: str) -> list[str]:
    """Give the base classes that a base class derives from, in any of the packages."""
    fields = store().record("bases", name)
    return fields[0].split() if fields else []


def _spans(section: str, holder: str, member: str) -> str | None:
    fields = store().record(section, holder)
    return label_of(fields, member) if fields else None


def _signatures(function: str, wanted: Release | None) -> list[tuple[str, str]]:
    """Find the records of a callable, that of the class itself first, then those of its bases.

    Returns:
        Label without `.__init__`, and the changes of the parameters, for each; empty when there is none.
    """
    parts = function.split(".")
    if parts[0] in packages() and len(parts) > 1:
        parts = parts[1:]
    method = parts[-1] if len(parts) > 1 and not _is_class(parts[-1]) else ""
    holder = parts[-2] if method else parts[-1]
    if not method:
        fields = store().record("signatures", holder)
        if fields:
            return [(holder, fields[0])]
        method = "__init__"
    if method == "from_pretrained":
        holder = _LOADED_BY.get(kind_of(holder), holder)
    found = {}
    for owner in (holder, *ancestors(holder, wanted), *ancestors(holder, _BEFORE), *_base_line(holder)):
        fields = store().record("signatures", f"{owner}.{method}")
        if fields:
            found[owner if method == "__init__" else f"{owner}.{method}"] = fields[0]
    return list(found.items())


def _starts(changes: str) -> list[str]:
    return [change.partition("=")[0] for change in changes.split("|")]


def _key(start: str) -> Release:
    return parse_release(start) if start else (0,)


def _takes(line: list[tuple[str, str]], release: Release, name: str) -> bool:
    """Tell whether a method takes an argument in a release: it, or the bases to which it hands its `**kwargs` on."""
    for _label, changes in line:
        text = history.value_at(changes, release)
        if text:
            own = _read(text)
            if name in own:
                return True
            if not own.open:
                return False
    return False


def _advice(line: list[tuple[str, str]], name: str) -> list[str] | None:
    for label, _changes in line:
        fields = store().record("replaced_arguments", f"{label}:{name}")
        if fields:
            return fields
    return None


def _is_class(name: str) -> bool:
    return name.lstrip("_")[:1].isupper()


def _package_of(label: str) -> str:
    holder = label.partition(".")[0]
    if class_facts(holder) is None:
        for package in packages():
            if store().holder("top", holder, package):
                return package
    return "transformers"
