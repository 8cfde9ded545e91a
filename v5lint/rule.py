"""The contract between the engine and its rules: Rule, Finding, Unseen, Fix, Edit, Option, Facts.

A rule is one class; its docstring is its documentation. It asks a view of a file (see `v5lint.view.module`) and
yields a Finding for each thing that breaks, or an Unseen for each thing that might and that it could not follow.
Nothing here imports anything: every start of v5lint pays for this module.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, Literal

    Applicability = Literal["safe", "unsafe", "display"]
    Level = Literal["breaks", "deprecated"]


class Edit:
    """One replacement of text: the characters from `start` up to `end` become `content`.

    Attributes:
        start: offset of the first replaced character in the text of the region that the finding is in.
        end: offset after the last replaced character; equal to `start` for an insertion.
        content: the new text.
    """

    __slots__ = ("content", "end", "start")

    def __init__(self, start: int, end: int, content: str) -> None:
        if not 0 <= start <= end:
            raise ValueError(f"an edit cannot span {start}..{end}")
        self.start = start
        self.end = end
        self.content = content

    def _key(self) -> tuple[int, int, str]:
        return (self.start, self.end, self.content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Edit) and self._key() == other._key()

    def __lt__(self, other: Edit) -> bool:
        return self._key() < other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Edit({self.start}, {self.end}, {self.content!r})"


class FixUnavailableError(Exception):
    """Raised while edits are built: this code cannot be rewritten, and the finding stands without a fix."""


class Fix:
    """A repair of one finding, or of several at once: findings that share a Fix are repaired together or not at all.

    Attributes:
        message: what applying it does, in the imperative: "Replace `a` with `b`".
        applicability: "safe" (the program does under v5 what it did under v4), "unsafe" (rests on something that the
            file does not show) or "display" (a suggestion, never applied).
        requires: the oldest transformers release that has the new spelling, as "4.27"; "" when every release has.
            The fix is held back where the project still supports an older one.
        is_unavailable: whether its edits were tried and could not be built.
    """

    __slots__ = ("_build", "_edits", "applicability", "is_unavailable", "message", "requires")

    def __init__(
        self,
        message: str,
        edits: Iterable[Edit] | Callable[[], Iterable[Edit]],
        *,
        applicability: Applicability = "safe",
        requires: str = "",
    ) -> None:
        """Make a fix.

        Args:
            message: what applying it does.
            edits: the edits, or a function that builds them when they are first wanted (parsing with LibCST, say).
            applicability: see the class.
            requires: see the class.
        """
        self.message = message
        self.applicability: Applicability = applicability
        self.requires = requires
        self._build = edits
        self._edits: tuple[Edit, ...] | None = None
        self.is_unavailable = False

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits in the order of their place, without overlaps and without repeats.

        Raises:
            FixUnavailableError: the code cannot be rewritten.
        """
        if self._edits is None:
            try:
                built = self._build() if callable(self._build) else self._build
            except FixUnavailableError:
                self.is_unavailable = True
                raise
            ordered = sorted(set(built))
            for before, after in zip(ordered, ordered[1:], strict=False):  # noqa: RUF007 (itertools costs an import)
                if after.start < before.end:
                    raise ValueError(f"a fix overlaps itself: {before} and {after}")
            self._edits = tuple(ordered)
        return self._edits


class Finding:
    """Something in a file that the target release of transformers breaks or deprecates.

    Attributes:
        message: one sentence: what is wrong and, where it is short, what to do.
        start: offset of the first character concerned, in the text of the region.
        end: offset after the last one.
        fix: the repair, if there is one.
        since: the first transformers release that breaks it, as "5.0"; "" stands for the rule's own `since`.
        level: "breaks" (raises, or silently does something else) or "deprecated" (only warns so far).
        rule: the rule that found it; filled in by the engine.
    """

    __slots__ = ("end", "fix", "level", "message", "rule", "since", "start")

    def __init__(
        self,
        message: str,
        start: int,
        end: int,
        *,
        fix: Fix | None = None,
        since: str = "",
        level: Level = "breaks",
    ) -> None:
        self.message = message
        self.start = start
        self.end = end
        self.fix = fix
        self.since = since
        self.level: Level = level
        self.rule: Rule = _NO_RULE

    def __repr__(self) -> str:
        return f"<Finding {self.rule.code} {self.start}..{self.end} {self.message!r}>"


class Unseen:
    """A place that could break and that no static tool could follow: counted and named, never a finding.

    Attributes:
        reason: what could not be followed: "the checkpoint is read from the environment".
        start: offset of the first character concerned.
        end: offset after the last one.
        rule: the rule that looked; filled in by the engine.
    """

    __slots__ = ("end", "reason", "rule", "start")

    def __init__(self, reason: str, start: int, end: int) -> None:
        self.reason = reason
        self.start = start
        self.end = end
        self.rule: Rule = _NO_RULE


class Option:
    """A setting of one rule, under `[tool.v5lint.<rule-name>]`.

    Attributes:
        default: the value without configuration.
        choices: the allowed values; empty when any value of the type of `default` is allowed.
        doc: one sentence for the documentation.
    """

    __slots__ = ("choices", "default", "doc")

    def __init__(self, default: Any, doc: str, *, choices: tuple[Any, ...] = ()) -> None:
        self.default = default
        self.choices = choices
        self.doc = doc


class Rule:
    """One thing that v5 breaks: how to find it and, where it is certain, how to repair it.

    A subclass fills the class attributes and `check`. Its docstring is shown by `--explain`, so its first line is one
    sentence and the sections are: What it does, Why it breaks (with the exact error of v5), Example, Fix safety,
    References.

    Attributes:
        code: "V5001": stable, never used again for another rule.
        name: "removed-feature-extractor": what users write in place of the code, and the table of its options.
        since: the first transformers release in which it breaks, as "5.0".
        tokens: strings without one of which, anywhere in the file, the rule cannot fire: `FeatureExtractor` is in
            `ViTFeatureExtractor`. A file that holds none of any selected rule is never decoded or parsed.
        words: as `tokens`, for a rule of many names: each must stand in the file as a whole identifier. Testing for
            a thousand words costs what testing for thirty tokens does.
        attributes: as `words`, for names that are read from something: `layer` is in `model.layer(x)` and not in
            `from pkg.layer import x`.
        beside: strings of which one must be in the file, too; empty where nothing else is needed.
        anywhere: whether it can fire in a project that names none of the packages of its catalogue, as one does that
            goes by a name alone.
        tokens_by_kind: `tokens` for a kind of region that has its own.
        kinds: the kinds of region it reads ("python", "toml", ...).
        default: whether it runs without being selected by name.
        options: its settings, by key.
    """

    code: str = ""
    name: str = ""
    since: str = "5.0"
    tokens: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    anywhere: bool = False
    tokens_by_kind: Mapping[str, tuple[str, ...]] = {}
    kinds: tuple[str, ...] = ("python",)
    default: bool = True
    options: Mapping[str, Option] = {}

    @property
    def documentation(self) -> str:
        """The docstring, without its indentation."""
        import inspect

        return inspect.cleandoc(type(self).__doc__ or "")

    def check(self, module: Any) -> Iterator[Finding | Unseen]:
        """Yield what is wrong in one region.

        Args:
            module: the view of the region; a `v5lint.view.ModuleView` for the kind "python".
        """
        raise NotImplementedError


_NO_RULE = Rule()


class DeferredRule(Rule):
    """A rule whose module is imported only when it looks at a file, or is asked for its documentation.

    What the engine needs of every rule at every start (code, name, tokens) is given; a catalogue of many rules that
    imports all of their modules costs more than linting a file.
    """

    def __init__(self, module: str, name: str, attributes: Mapping[str, Any], *, has_options: bool = False) -> None:
        """Stand for a rule.

        Args:
            module: where its class is.
            name: the name of the class.
            attributes: the class attributes from `code` to `default`, as far as they differ from those of Rule.
            has_options: whether it has settings of its own.
        """
        self._place = (module, name)
        self._has_options = has_options
        self._rule: Rule | None = None
        for key, value in attributes.items():
            setattr(self, key, value)

    @property
    def rule(self) -> Rule:
        """The rule itself."""
        if self._rule is None:
            from importlib import import_module

            module, name = self._place
            self._rule = getattr(import_module(module), name)()
            assert isinstance(self._rule, Rule)
        return self._rule

    @property
    def options(self) -> Mapping[str, Option]:  # type: ignore[override]
        """See Rule."""
        return self.rule.options if self._has_options else {}

    @property
    def documentation(self) -> str:
        """See Rule."""
        return self.rule.documentation

    def check(self, module: Any) -> Iterator[Finding | Unseen]:
        """See Rule."""
        return self.rule.check(module)


class Facts:
    """What a catalogue knows of releases of transformers: the answers to code that asks before it acts.

    Args:
        module: where the functions `has` and `takes` are; it is imported when something is asked.
    """

    __slots__ = ("_module",)

    def __init__(self, module: str) -> None:
        self._module = module

    def has(self, path: str, release: str) -> bool | None:
        """Whether a release, or what is installed beside it, has a dotted path; None where that is not known.

        Args:
            path: "transformers.AdamW", "transformers.Trainer.tokenizer", "transformers.deepspeed", "torch.optim.AdamW".
            release: the release of transformers.
        """
        found: bool | None = self._asked("has", path, release)
        return found

    def takes(self, function: str, argument: str, release: str) -> bool | None:
        """Whether the signature of a function or class names an argument; None where that is not known.

        Args:
            function: its dotted path.
            argument: the name of the argument.
            release: the release of transformers.
        """
        found: bool | None = self._asked("takes", function, argument, release)
        return found

    def _asked(self, name: str, *given: str) -> Any:
        from importlib import import_module

        return getattr(import_module(self._module), name)(*given)


class Catalogue:
    """What a distribution registers under the entry-point group `v5lint.rules`: a function that returns one of these.

    Attributes:
        rules: its rules, one instance each.
        newest: the newest transformers release that they were checked against, as "5.23": the default target.
        url: the page of a rule, with `{code}` and `{name}` in place of its own; "" where there are no pages.
        facts: what it knows of the releases; None where it leaves that to another catalogue.
        packages: strings, names of packages above all, of which one stands in every project that its rules may say
            something of (rules that say they fire `anywhere` aside); empty where there are none such.
    """

    __slots__ = ("facts", "newest", "packages", "rules", "url")

    def __init__(
        self,
        rules: Sequence[Rule],
        *,
        newest: str = "",
        url: str = "",
        facts: Facts | None = None,
        packages: Sequence[str] = (),
    ) -> None:
        self.rules = rules
        self.newest = newest
        self.url = url
        self.facts = facts
        self.packages = packages
