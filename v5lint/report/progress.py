"""The progress bar: on a terminal, for runs that take longer than a moment."""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress, TaskID

#: Seconds before a bar is shown; most runs are over by then.
_PATIENCE = 1.0


class ProgressBar:
    """A bar on standard error that comes when a run takes long, and goes when it ends."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _PATIENCE
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress:
            self._progress.stop()

    def __call__(self, work: str, done: int, total: int) -> None:
        """Show how far the run is.

        Args:
            work: what is done: "Reading", "Linting".
            done: of how many files.
            total: how many files there are.
        """
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + 0.1
        if self._progress is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            # No refreshing thread: processes are forked, which does not go well with threads.
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("files"),
                console=Console(file=sys.stderr),
                transient=True,
                auto_refresh=False,
            )
            self._progress.start()
            self._task = self._progress.add_task(work, total=total)
        assert self._task is not None
        self._progress.update(self._task, description=work, completed=done, total=total, refresh=True)
