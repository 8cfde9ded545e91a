"""Views: what rules ask about a region of a file. One package for Python modules; one module a further kind."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from v5lint.document import Region
    from v5lint.project import Project
    from v5lint.settings import Settings


def view_of(region: Region, path: str, settings: Settings, project: Project) -> Any:
    """The view that the rules for this kind of region read.

    Args:
        region: the text.
        path: the file it comes from.
        settings: those of the file.
        project: what can be known of the files around it.

    Raises:
        UnreadableError: the text is not what its kind says: a module that does not parse.
    """
    if region.kind == "python":
        from v5lint.view.module import ModuleView

        return ModuleView(region, path, settings, project)
    if region.kind == "requirements":
        from v5lint.view.requirements import RequirementsView

        return RequirementsView(region, path, settings, project)
    if region.kind == "script":
        from v5lint.view.script import ScriptView

        return ScriptView(region, path, settings, project)
    raise ValueError(f"no view for regions of the kind {region.kind!r}")


def check_syntax(region: Region) -> None:
    """See whether a region is what its kind says, without a view of it.

    Raises:
        UnreadableError: it is not.
    """
    if region.kind == "python":
        from v5lint.view.parsing import parse

        parse(region)
