"""The view of project metadata: its requirements, and edits to them."""

from __future__ import annotations

from v5lint.metadata import kind_of, requirements_in
from v5lint.rule import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from v5lint.document import Region
    from v5lint.metadata.requirement import Requirement
    from v5lint.project import Project
    from v5lint.rule import Fix, Level
    from v5lint.settings import Settings


class RequirementsView:
    """One file of metadata, with the settings that hold for it.

    Attributes:
        region: the text and its place in the file.
        text: the text.
        path: the file.
        settings: those of the file.
        project: what can be known of the files around it.
        requirements: what it requires, in the order of the places.
    """

    def __init__(self, region: Region, path: str, settings: Settings, project: Project) -> None:
        """Read the requirements.

        Raises:
            UnreadableError: the text is not what the name of the file says: TOML that does not parse.
        """
        self.region = region
        self.text = region.text
        self.path = path
        self.settings = settings
        self.project = project
        kind = kind_of(path)
        assert kind is not None
        self.requirements: Sequence[Requirement] = requirements_in(kind, region.text)

    def finding(
        self,
        requirement: Requirement,
        message: str,
        *,
        fix: Fix | None = None,
        since: str = "",
        level: Level = "breaks",
    ) -> Finding:
        """A finding about a requirement."""
        return Finding(message, requirement.start, requirement.end, fix=fix, since=since, level=level)
