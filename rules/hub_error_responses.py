"""V5218: errors of huggingface_hub that are made without the response that they are about."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.parts import arguments, hub
from v5lint.view.values import Constant, External

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.calls import CallSite
    from v5lint.view.module import ModuleView

#: The errors that are about a response.
_ERRORS = frozenset(
    {
        "BadRequestError",
        "DisabledRepoError",
        "GatedRepoError",
        "HfHubHTTPError",
        "RepositoryNotFoundError",
        "RevisionNotFoundError",
    }
)

_RESPONSE = "response"


class HubErrorWithoutResponse(Rule):
    """An error of `huggingface_hub` that is made without a response.

    ## What it does

    Finds code that makes a `RepositoryNotFoundError`, `GatedRepoError`, `RevisionNotFoundError`, `BadRequestError`,
    `DisabledRepoError` or `HfHubHTTPError` from a message alone, to raise it or to have a mock raise it, with None for
    its response, or with a response by position.

    ## Why it breaks

    transformers 5 requires `huggingface_hub` 1.3 or newer, whose errors need their response, by name. Measured on
    1.3.0 and 2.4.0:

        TypeError: HfHubHTTPError.__init__() missing 1 required keyword-only argument: 'response'

    The handlers that wait for the error do not catch this one. With `response=None`:

        AttributeError: 'NoneType' object has no attribute 'headers'

    ## Example

        raise RepositoryNotFoundError(f"{name} does not exist")

    write

        raise FileNotFoundError(f"{name} does not exist")

    or give a response of the Hub, or in a test an `httpx.Response(404, request=httpx.Request("GET", url))` (`httpx2`
    beside huggingface_hub 2).

    ## Fix safety

    No fix: which error is meant, and where it is caught, is a person's to say.

    ## References

    - https://huggingface.co/docs/huggingface_hub/concepts/migration
    """

    code = "V5218"
    name = "hub-error-without-response"
    since = "5.0"
    tokens = (hub.PACKAGE,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        if hub.is_of_another(module):
            return
        for call in module.calls(_ERRORS):
            if module.guards.is_dead(call.node) or arguments.is_tried_otherwise(module, call, call.node):
                continue
            if _is_theirs(call) and (wrong := _wrong(module, call.node)):
                message = f"`{call.name}` needs the {_RESPONSE} that it is about since huggingface_hub 1.0, {wrong}"
                yield module.finding(call.node.func, f"{message}: raise another error, or give `{_RESPONSE}=`")


def _is_theirs(call: CallSite) -> bool:
    callees = call.callees
    return bool(callees) and all(isinstance(each, External) and each.package == hub.PACKAGE for each in callees)


def _wrong(view: ModuleView, node: ast.Call) -> str:
    """What is wrong with how an error is made; "" where nothing is, or where it cannot be seen."""
    if any(each.arg is None for each in node.keywords) or any(isinstance(each, ast.Starred) for each in node.args):
        return ""
    if len(node.args) > 1:
        return "by name (TypeError)"
    given = next((each.value for each in node.keywords if each.arg == _RESPONSE), None)
    if given is None:
        return "and is a TypeError without it"
    return "and fails with None (AttributeError)" if view.values(given) == {Constant(None)} else ""
