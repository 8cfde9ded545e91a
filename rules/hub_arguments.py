"""V5206: arguments that functions of huggingface_hub no longer take."""

from __future__ import annotations

from v5lint.rule import Rule
from v5lint.rules.knowledge import lookup
from v5lint.rules.knowledge.lookup import Removal
from v5lint.rules.parts import arguments, hub, loading
from v5lint.rules.parts.arguments import Given

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from v5lint.rule import Finding, Fix, Unseen
    from v5lint.view.module import ModuleView

#: Every argument that some release dropped; what the release in question lacks is asked of the knowledge.
NAMES = (
    "use_auth_token", "resume_download", "local_dir_use_symlinks", "force_filename", "legacy_cache_layout", "proxies",
    "new_session", "write_permission", "multi_commits", "multi_commits_verbose", "direction", "library", "language",
    "model_name", "task", "tags", "api_endpoint", "space_storage", "name", "organization", "identical_ok",
    "allow_regex", "ignore_regex",
)  # fmt: skip

#: What every function of huggingface_hub still takes, with a warning, and does not look at (measured on 1.31 and 2.4).
_TAKEN = frozenset({"resume_download", "local_dir_use_symlinks", "force_filename", "proxies"})

#: What changed nothing any more before it went: downloads always resume, and are never linked into a folder.
_WITHOUT_EFFECT = frozenset({"resume_download", "local_dir_use_symlinks"})

_TOKEN = "use_auth_token"

#: What went before the releases that the knowledge compares, read in the wheels of 0.4.0 to 0.12.0: (method, argument)
#: -> release, new argument, note.
_OLDER = {
    ("create_repo", "name"): ("0.11", "repo_id", 'With an organization: repo_id="organization/name".'),
    ("create_repo", "organization"): ("0.11", "", 'Write repo_id="organization/name".'),
    ("delete_repo", "name"): ("0.8", "repo_id", 'With an organization: repo_id="organization/name".'),
    ("delete_repo", "organization"): ("0.8", "", 'Write repo_id="organization/name".'),
    ("upload_file", "identical_ok"): ("0.11", "", "Drop it: a file that is there already is no error."),
    ("snapshot_download", "allow_regex"): ("0.12", "allow_patterns", ""),
    ("snapshot_download", "ignore_regex"): ("0.12", "ignore_patterns", ""),
}


class RemovedHubArgument(Rule):
    """An argument that a function of `huggingface_hub` no longer takes.

    ## What it does

    Finds `use_auth_token`, `resume_download`, `local_dir_use_symlinks`, `force_filename`, `proxies` and others on the
    functions of `huggingface_hub` that lost them, on `HfApi` and in dicts that are splatted into the call. Judged by
    the newest release of `huggingface_hub` that the target release of transformers takes; where the project's own
    requirements hold it below that one, by the oldest (5.0: 1.3; 5.4: 1.5; 5.18: 1.31). A repository that holds a
    package `transformers` of its own is left alone.

    ## Why it breaks

    transformers 5 requires `huggingface_hub` 1 or 2, which dropped what 0.x only warned of. Measured on 2.4.0:

        TypeError: hf_hub_download() got an unexpected keyword argument 'use_auth_token'
        TypeError: HfApi.list_models() got an unexpected keyword argument 'task'

    `resume_download` and `local_dir_use_symlinks` are still taken, with a warning, and do nothing (a finding that only
    warns); so are `proxies` and `force_filename`, which did something.

    ## Example

        path = hf_hub_download(repo, name, use_auth_token=True, resume_download=True, local_dir_use_symlinks=False)

    becomes

        path = hf_hub_download(repo, name, token=True)

    ## Fix safety

    `use_auth_token` becomes `token`, `allow_regex` becomes `allow_patterns`, and `name` of a repository without an
    organization `repo_id`; what changes nothing (`resume_download`, `local_dir_use_symlinks`) is taken out. All are
    safe. The rest is left to a person: `proxies` are set with the environment variables `HTTP_PROXY` and `HTTPS_PROXY`,
    or a client factory (`set_client_factory`).

    ## References

    - https://huggingface.co/docs/huggingface_hub/concepts/migration
    """

    code = "V5206"
    name = "removed-hub-argument"
    since = "5.0"
    tokens = (hub.PACKAGE,)

    def check(self, module: ModuleView) -> Iterator[Finding | Unseen]:
        """See Rule."""
        if hub.is_of_another(module):
            return
        found = [
            each for each in arguments.given(module, NAMES, hub.functions, None, _judge) if isinstance(each, Given)
        ]
        for group in arguments.together(found):
            yield from _results(group)


def _results(group: list[Given]) -> Iterator[Finding]:
    dropped = [each for each in group if each.name in _WITHOUT_EFFECT]
    unsafe = any(arguments.safety(each)[0] == "unsafe" for each in dropped)
    removal = arguments.removal_fix(dropped, "unsafe" if unsafe else "safe")
    for given in group:
        level, remark = arguments.safety(given)
        fix: Fix | None = None
        if given in dropped:
            fix = removal
        elif given.name == "name" and given.other("organization") is not None:
            fix = None
        elif given.removal.replacement is not None and given.removal.replacement.drop_in:
            fix = arguments.rename_fix(given, given.removal.replacement.new, "", level)
        found = loading.finding(given, fix, remark)
        if given.name in _TAKEN:
            found.level = "deprecated"
        yield found


def _judge(function: str, name: str, target: str) -> Removal | None:
    removal = arguments.removal_of(function, name, target)
    if removal is None and name == _TOKEN:
        return _token_removal(function)
    if removal is None:
        return _older_removal(function, name)
    if removal is not None and name in _TAKEN:
        removal.effect = "ignored"
    return removal


def _older_removal(function: str, name: str) -> Removal | None:
    path = function.partition(":")[2]
    found = _OLDER.get((path.rpartition(".")[2], name))
    if found is None or path.rpartition(".")[0] not in ("", "HfApi"):
        return None
    gone, new, note = found
    return Removal(f"{path}:{name}", "parameter", hub.PACKAGE, f"..{gone}", gone, [new, "1", "", "", note])


def _token_removal(function: str) -> Removal | None:
    """The removal of `use_auth_token`, which a decorator translated for every function until 1.0."""
    release, _, path = function.partition("@")[2].partition(":")
    holder, _, method = path.rpartition(".")
    known = lookup.parameters(path, release)
    if holder not in ("", "HfApi") or (known is not None and (known.open or "token" not in known)):
        return None
    if known is None and (method[:1].isupper() or not lookup.resolves(f"{hub.PACKAGE}.{method}", release)):
        return None
    return Removal(f"{path}:{_TOKEN}", "parameter", hub.PACKAGE, "..1.0", "1.0", ["token", "1", "", "", ""])
