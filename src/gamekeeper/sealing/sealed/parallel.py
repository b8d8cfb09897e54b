"""Chunks on several threads: the ciphers and the digest let go of the interpreter's lock while they
work.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

MOST_WORKERS = 8  # beyond, memory is what they wait for
_LEAST_WORKERS = 2  # while one waits for the disk the other works
Work = Callable[[int], None]
Step = Callable[[int, int], None]


def ignore(done: int, total: int) -> None:
    """Takes a step that nobody watches."""


def usual_workers() -> int:
    """Returns how many threads are used unless said otherwise: the cores that this process may use,
    2 to 8.
    """
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(_LEAST_WORKERS, min(MOST_WORKERS, cores))


def each_chunk(
    chunks: range, make_work: Callable[[], Work], workers: int, progress: Step = ignore
) -> None:
    """Calls a function once for each chunk, in order where one thread does it.

    Args:
        chunks: Their numbers.
        make_work: Returns the function, with buffers of its own; called once a thread.
        workers: Number of threads, at least 1.
        progress: Called with the chunks that are done and all of them.

    Raises:
        Exception: What the first call that failed has raised; no further chunk is begun.
    """
    queue = _Queue(chunks, progress)
    workers = min(workers, len(chunks))
    if workers <= 1:
        queue.run(make_work())
        return
    works = [make_work() for _ in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        runs = [pool.submit(queue.run, work) for work in works]
        try:
            for run in runs:
                run.result()
        except BaseException:
            queue.stop()
            raise


class _Queue:
    """The chunks that are left."""

    def __init__(self, chunks: range, progress: Step) -> None:
        self._left: Iterator[int] = iter(chunks)
        self._lock = Lock()
        self._progress = progress
        self._done = 0
        self._total = len(chunks)

    def run(self, work: Work) -> None:
        """Works until none is left."""
        try:
            while (number := self._next()) is not None:
                work(number)
                self._count()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Leaves the rest."""
        with self._lock:
            self._left = iter(())

    def _next(self) -> int | None:
        with self._lock:
            return next(self._left, None)

    def _count(self) -> None:
        with self._lock:
            self._done += 1
            self._progress(self._done, self._total)
