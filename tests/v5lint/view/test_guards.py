"""Which code runs under the target release, and who catches what fails in it."""

from __future__ import annotations

import pytest

from tests.v5lint.view.viewed import asked, view_of
from v5lint.rule import Facts


@pytest.mark.parametrize(
    ("test", "dead"),
    [
        ('version.parse(transformers.__version__) < version.parse("5.0")', True),
        ('version.parse(transformers.__version__) >= version.parse("5.0")', False),
        ("Version(transformers.__version__).major < 5", True),
        ('int(transformers.__version__.split(".")[0]) <= 4', True),
        ('transformers.__version__.startswith("4.")', True),
        ('transformers.__version__.startswith("5.")', False),
        ('not transformers.__version__.startswith("4.")', False),
        ('tuple(map(int, transformers.__version__.split(".")[:2])) < (4, 40)', True),
        ('hasattr(transformers, "ViTFeatureExtractor")', True),
        ("is_transformers_available()", False),
        ("torch.cuda.is_available()", False),
        ("len(transformers.__version__) > odd()", True),
    ],
)
def test_code_under_a_test(test: str, dead: bool) -> None:
    view = view_of(
        "import torch, transformers\nfrom packaging import version\nfrom packaging.version import Version\n"
        f"if {test}:\n    ask(1)\n"
    )
    assert view.guards.is_dead(asked(view)) is dead


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        ("except ImportError:\n    x = other()", "fallback"),
        ("except ImportError:\n    x = None", "swallowed"),
        ("except ImportError:\n    pass", "swallowed"),
        ("except Exception:\n    x = other()", "fallback"),
        ("except ImportError:\n    raise", ""),
        ("except ImportError as error:\n    raise SystemExit(1) from error", ""),
        ("except ImportError:\n    print('install it')\n    sys.exit(1)", ""),
        ("except ImportError:\n    logger.warning('not there')", ""),
        ("except KeyError:\n    x = other()", ""),
    ],
)
def test_who_handles_an_import(handler: str, kind: str) -> None:
    view = view_of(f"import sys\ntry:\n    x = ask(1)\n{handler}\n")
    handled = view.guards.handled(asked(view))
    assert (handled.kind if handled else "") == kind


def test_a_failure_passes_out_of_a_function() -> None:
    view = view_of("try:\n    def f():\n        ask(1)\nexcept ImportError:\n    f = None\n")
    assert view.guards.handled(asked(view)) is None


@pytest.mark.parametrize(("release", "truth"), [("5.8.0", False), ("5.9.0", True), ("5.10.0", True)])
def test_a_test_under_a_given_release(release: str, truth: bool) -> None:
    view = view_of(
        "import transformers\nfrom packaging import version\n"
        'ask(version.parse(transformers.__version__) >= version.parse("5.9"))\n'
    )
    assert view.guards.version_truth(asked(view), release) is truth


def test_the_version_as_text() -> None:
    assert (view := view_of("import transformers as tf\nask(tf.__version__)\n")).guards.is_version_text(asked(view))
    assert not (view := view_of("import torch\nask(torch.__version__)\n")).guards.is_version_text(asked(view))


def test_names_that_are_made_of_each_other_are_not_followed_without_end() -> None:
    """Each line doubles and triples the ways back; one after the other they would be 3 ** 14."""
    chain = "".join(f"x = step(x, x, x, {number})\n" for number in range(14))
    view = view_of(f"import transformers\nx = len(transformers.__file__)\n{chain}if x > 3:\n    ask(1)\n")
    assert not view.guards.is_dead(asked(view))


class _Known(Facts):
    """Knows two names and the arguments of one class."""

    def __init__(self) -> None:
        super().__init__("nowhere")

    def has(self, path: str, release: str) -> bool | None:
        return {"transformers.New": True, "transformers.Old": False, "torch.optim.AdamW": True}.get(path)

    def takes(self, function: str, argument: str, release: str) -> bool | None:
        return argument == "new" if function.startswith("transformers.Trainer") else None


@pytest.mark.parametrize(
    ("test", "dead", "dead_otherwise"),
    [
        ('hasattr(transformers, "New")', False, True),
        ('hasattr(transformers, "Old")', True, False),
        ('hasattr(transformers, "Unknown")', True, True),
        ('"Old" in dir(transformers)', True, False),
        ('"New" not in transformers.__all__', True, False),
        ('hasattr(torch.optim, "AdamW")', False, True),
        ('hasattr(torch, "compile")', False, False),
        ('find_spec("transformers.New") is not None', False, True),
        ('find_spec("transformers.Old") is not None', True, False),
        ('find_spec("transformers")', False, False),
        ('"new" in inspect.signature(transformers.Trainer.__init__).parameters', False, True),
        ('"old" in inspect.signature(transformers.Trainer).parameters', True, False),
        ('"elsewhere" in inspect.signature(function).parameters', True, True),
        ('"nowhere" in inspect.signature(function).parameters', False, False),
        ('"new" in inspect.signature(torch.load).parameters', False, False),
        ("name in transformers.CONFIG_MAPPING", False, False),
    ],
)
def test_code_under_a_question_for_a_name(test: str, dead: bool, dead_otherwise: bool) -> None:
    for wanted, way in ((dead, test), (dead_otherwise, f"not ({test})")):
        view = view_of(
            "import inspect\nimport torch, transformers\nfrom importlib.util import find_spec\n"
            f"def f(function, name):\n    if {way}:\n        ask(1)\n    print('elsewhere')\n"
        )
        view.settings.facts = (_Known(),)
        assert view.guards.is_dead(asked(view)) is wanted
