"""V5219: the session of huggingface_hub, used as one of requests."""

from __future__ import annotations

import ast

from v5lint.rule import Rule
from v5lint.rules.parts import arguments, hub, members
from v5lint.view.calls import CallSite
from v5lint.view.values import Result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding
    from v5lint.view.module import ModuleView

_GIVES = "get_session"

#: The methods that send something, and those of them that send no body.
_WITHOUT_BODY = frozenset({"get", "head", "options", "delete"})
_SENDING = _WITHOUT_BODY | {"post", "put", "patch", "request"}

#: What the client refuses -> what does it.
_STREAM = 'write `with session.stream("GET", url) as response:`'
_FACTORY = "give it to the client that `set_client_factory` is told to make"
_REFUSED = {
    "stream": _STREAM,
    "allow_redirects": "redirects are followed; `follow_redirects=False` keeps it from that",
    "verify": _FACTORY,
    "proxies": _FACTORY,
    "cert": _FACTORY,
    "hooks": _FACTORY,
}
_BODY = {name: f'write `session.request("DELETE", url, {name}=...)`' for name in ("data", "files", "json")}

#: What a session has and a client has not, and the same of a response.
_LOST_BY_SESSION = dict.fromkeys(("adapters", "cert", "hooks", "mount", "proxies", "verify"), _FACTORY)
_LOST_BY_RESPONSE = {
    "iter_content": "it is `iter_bytes`",
    "ok": "it is `is_success`",
    "reason": "it is `reason_phrase`",
    "raw": 'read it with `iter_raw` of `with session.stream("GET", url) as response:`',
    "apparent_encoding": "it is `encoding`",
    "is_permanent_redirect": "ask for its `status_code`",
    "next": "it is `next_request`",
}


class RequestsSession(Rule):
    """The session of `huggingface_hub`, used as one of `requests`.

    ## What it does

    Finds arguments of requests (`stream=True`, `allow_redirects=`, `verify=`, `proxies=`, `cert=`, a body for `get`)
    in calls of what `huggingface_hub.get_session()` gives, what only a session of requests has (`mount`, `proxies`,
    `verify`, ...), and what only its responses have (`iter_content`, `ok`, `reason`, `raw`).

    ## Why it breaks

    transformers 5 requires `huggingface_hub` 1.3 or newer, whose session is a client of httpx (of httpx2 since 2.0).
    Measured on 2.4.0, with each of them:

        TypeError: Client.get() got an unexpected keyword argument 'stream'
        AttributeError: 'Client' object has no attribute 'mount'
        AttributeError: 'Response' object has no attribute 'iter_content'

    ## Example

        response = get_session().get(url, stream=True)
        for chunk in response.iter_content(1024):
            file.write(chunk)

    write

        with get_session().stream("GET", url) as response:
            for chunk in response.iter_bytes(1024):
                file.write(chunk)

    ## Fix safety

    No fix: what reads the response has to move into the `with`.

    ## References

    - https://huggingface.co/docs/huggingface_hub/concepts/migration
    """

    code = "V5219"
    name = "requests-session"
    since = "5.0"
    tokens = (_GIVES,)
    beside = (hub.PACKAGE,)

    def check(self, module: ModuleView) -> Iterator[Finding]:
        """See Rule."""
        if hub.is_of_another(module):
            return
        for call in module.calls(_SENDING):
            func = call.func
            if not isinstance(func, ast.Attribute) or not _is_session(module, func.value):
                continue
            known = _REFUSED if call.name not in _WITHOUT_BODY else {**_REFUSED, **_BODY}
            for keyword in call.node.keywords:
                if (instead := known.get(str(keyword.arg))) and not _is_prepared(module, call.node):
                    said = f"`{call.name}` of huggingface_hub's session takes no `{keyword.arg}` since 1.0"
                    yield module.finding(keyword, f"{said}: {instead}")
        for node in module.attributes({*_LOST_BY_SESSION, *_LOST_BY_RESPONSE}):
            if (kind := _lacking(module, node)) and not members.is_prepared(module, node):
                lost, what = kind
                said = f"{what} has no `{node.attr}` since huggingface_hub 1.0"
                yield module.finding(node, f"{said}: {lost[node.attr]}")


def _is_session(view: ModuleView, node: ast.expr) -> bool:
    """Whether an expression is the session of huggingface_hub, and nothing else."""
    values = view.values(node)
    return all(
        isinstance(each, Result) and each.of.partition(".")[0] == hub.PACKAGE and each.of.rpartition(".")[2] == _GIVES
        for each in values
    )


def _is_prepared(view: ModuleView, node: ast.Call) -> bool:
    return view.guards.is_dead(node) or arguments.is_tried_otherwise(view, CallSite(view, node), node)


def _lacking(view: ModuleView, node: ast.Attribute) -> tuple[dict[str, str], str] | None:
    """What an attribute is read of, where it has none of that name: the table that it stands in, and its words."""
    if node.attr in _LOST_BY_SESSION and _is_session(view, node.value):
        return _LOST_BY_SESSION, "the client that `get_session()` gives"
    made = view.links.defining_call(node.value) if node.attr in _LOST_BY_RESPONSE else None
    if made is None or not isinstance(made.func, ast.Attribute) or made.func.attr not in _SENDING:
        return None
    return (_LOST_BY_RESPONSE, "a response of that client") if _is_session(view, made.func.value) else None
