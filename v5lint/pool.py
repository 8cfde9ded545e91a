"""Linting in several processes."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from v5lint.results import FileResult, Notice
from v5lint.writing import interruptible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from concurrent.futures import Future

    from v5lint.runner import Runner

_runner: Runner | None = None


def lint_in_processes(runner: Runner, sizes: Mapping[str, int], jobs: int) -> Iterator[FileResult]:
    """Lint files, the largest first, each as soon as a process is free.

    A file that kills its process (a parser that overflows the stack) is named; the others are linted all the same.

    Args:
        runner: does the work; a copy of it goes to each process.
        sizes: the files with their lengths in bytes.
        jobs: how many processes.

    Yields:
        The results, in no order.
    """
    waiting = sorted(sizes, key=lambda path: (-sizes[path], path))
    done: set[str] = set()
    with interruptible():
        try:
            for result in _together(runner, waiting, jobs):
                done.add(result.path)
                yield result
        except BrokenProcessPool:
            # One of the files that were being linted did it: one process, one file at a time, tells which.
            yield from _one_at_a_time(runner, [path for path in waiting if path not in done])


def _together(runner: Runner, paths: Iterable[str], jobs: int) -> Iterator[FileResult]:
    with _Executor(runner, jobs) as executor:
        futures = {executor.submit(_lint, path): path for path in paths}
        for future in as_completed(futures):
            yield _result(future, futures[future])


def _one_at_a_time(runner: Runner, paths: list[str]) -> Iterator[FileResult]:
    while paths:
        with _Executor(runner, 1) as executor:
            while paths:
                path = paths.pop(0)
                try:
                    yield _result(executor.submit(_lint, path), path)
                except BrokenProcessPool:
                    result = FileResult(path)
                    result.problems.append(Notice(path, "internal error: linting it ended the process"))
                    yield result
                    break


def _result(future: Future[FileResult], path: str) -> FileResult:
    try:
        return future.result()
    except BrokenProcessPool:
        raise
    except Exception as error:  # the result could not be sent, say
        from v5lint.runner import broken

        return broken(path, error)


class _Executor(ProcessPoolExecutor):
    """A pool that ends its processes at once when its work is broken off."""

    def __init__(self, runner: Runner, jobs: int) -> None:
        # A forked process has all modules and settings at once. Elsewhere forking is not safe or not there.
        context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
        super().__init__(jobs, context, _start, (runner,))

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            for process in list((self._processes or {}).values()):
                process.terminate()
        self.shutdown(cancel_futures=True)


def _start(runner: Runner) -> None:
    global _runner
    _runner = runner
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its processes
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Without it, the processes of a run that was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _lint(path: str) -> FileResult:
    assert _runner is not None
    return _runner.lint(path)
