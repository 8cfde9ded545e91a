"""V5205: names that huggingface_hub no longer has."""

from __future__ import annotations

from v5lint.releases import parse_release
from v5lint.rule import Rule
from v5lint.rules.parts import (
    arguments,
    cached_downloads,
    hub,
    hub_folders,
    repository_clones,
    required_names,
    session_factories,
)
from v5lint.rules.parts.api_edits import Rewrites
from v5lint.rules.parts.removed_api import Lost
from v5lint.rules.parts.standing import Standing
from v5lint.view.module import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Applicability, Finding, Unseen
    from v5lint.view.module import ModuleView


class RemovedHubName(Rule):
    """A name that `huggingface_hub` no longer has.

    ## What it does

    Finds `HfFolder`, `Repository`, `cached_download`, `InferenceApi`, `ModelFilter`, `configure_http_backend` and
    every other name that the `huggingface_hub` lacks which is installed beside the target release of transformers:
    imported, read as an attribute, asked for with `getattr` or called as a method of an `HfApi`. That is the newest
    release that transformers takes (5.0 to 5.17: `<2.0`; from 5.18 on: `<3.0`). Where the project's own requirements
    hold `huggingface_hub` below it, the oldest one counts (5.0: 1.3; 5.4: 1.5; 5.18: 1.31). Imports in a `try` that
    have a fallback which works are left alone, and so is a repository that holds a package `transformers` of its own.

    ## Why it breaks

    transformers 5 requires `huggingface_hub` 1 or 2. Measured on 2.4.0:

        ImportError: cannot import name 'HfFolder' from 'huggingface_hub'

    ## Example

        from huggingface_hub import HfFolder
        token = HfFolder.get_token()

    becomes

        from huggingface_hub import get_token
        token = get_token()

    ## Fix safety

    Safe where the successor is the same thing (`HfFolder.get_token`, `HfFolder.delete_token`,
    `cached_download(hf_hub_url(repo_id, filename))`, which is `hf_hub_download(repo_id, filename)`) and where an import
    that nothing uses is taken out. Unsafe for exceptions that moved to `huggingface_hub.errors` and for
    `HfFolder.save_token`: `login`, which takes its place, asks the Hub whether the token is valid. Unsafe for a
    `Repository` that is cloned and only pushed from, as in the examples without a Trainer: `repo.push_to_hub()` becomes
    `repo.upload_folder(repo_id=..., folder_path=...)` of an `HfApi`, which makes commits without git, and
    `snapshot_download` fetches what is there. `.gitignore` counts as before. Unsafe for `configure_http_backend` with a
    factory whose sessions are only set up (`session.verify = False`): it returns a client of `httpx` with the same
    settings, `huggingface_hub.utils.httpx` being httpx2 in 2.0 and newer. Any other `Repository`, and
    `cached_download` of any other URL, have no successor of the same form: the message says what to use.

    ## References

    - https://huggingface.co/docs/huggingface_hub/concepts/migration
    """

    code = "V5205"
    name = "removed-hub-name"
    since = "5.0"
    tokens = (hub.PACKAGE,)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        if hub.is_of_another(module):
            return
        release = hub.release(module)
        rewrites = Rewrites(module)
        found = [*required_names.lost(module, hub.PACKAGE, release)]
        folder = [lost.reference for lost in found if lost.reference.name == hub_folders.NAME]
        of_folder = hub_folders.as_functions(module, folder) if folder else None
        for lost in found:
            fix = rewrites.without(lost)
            if fix is None and lost.reference in folder:
                fix = of_folder
            elif fix is None and lost.reference.name == cached_downloads.NAME:
                fix = cached_downloads.one_step(module, lost)
            elif fix is None and lost.reference.name == repository_clones.NAME:
                fix = repository_clones.as_uploads(module, lost)
            elif fix is None and lost.reference.name == session_factories.NAME:
                fix = session_factories.as_clients(module, lost)
            if fix is None and lost.new:
                unlike: Applicability = "display" if lost.removal.note else "unsafe"
                fix = rewrites.to_new(lost, "safe" if lost.is_drop_in else unlike)
            yield module.finding(lost.reference.node, _message(lost, hub.oldest(module)), fix=fix)
        for call, removal in hub.lost_methods(module, release):
            reference = Reference(f"{hub.PACKAGE}.HfApi.{call.name}", call.func, "attribute")
            if not required_names.is_prepared(module, reference, hub.PACKAGE, release):
                method = Lost(reference, removal, Standing("live"))
                yield module.finding(reference.node, _message(method, hub.oldest(module)))


def _message(lost: Lost, oldest: str) -> str:
    removal = lost.removal
    said = f"`{lost.reference.path}` was removed in huggingface_hub {removal.gone}"
    if parse_release(removal.gone) > parse_release(oldest):
        said += ", and beside transformers 5 a newer one is installed where the project asks for no older one"
    else:
        said += f", and transformers 5 takes {oldest} or newer"
    if removal.note:
        return f"{said}: {arguments.clause(removal.note)}"
    if lost.new and "." not in lost.new:
        return f"{said}: import `{lost.new}` itself"
    return f"{said}: write `{lost.new}`" if lost.new else said
