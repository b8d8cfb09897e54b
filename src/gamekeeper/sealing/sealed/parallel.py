"""Processes chunks on several threads.

The ciphers and the digest release the interpreter's lock while they work.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from gamekeeper.base.progress import OnProgress, ignore_progress

MAX_WORKERS = 8  # more threads only wait for memory
_MIN_WORKERS = 2  # one works while the other waits for the disk
Work = Callable[[int], None]
"""Called with the number of a chunk."""


def default_workers() -> int:
    """Returns the default number of threads: the cores that this process may use, from 2 to 8."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(_MIN_WORKERS, min(MAX_WORKERS, cores))


def each_chunk(
    chunks: range,
    make_work: Callable[[], Work],
    workers: int,
    on_progress: OnProgress = ignore_progress,
) -> None:
    """Calls a function once for each chunk; with one thread, in order.

    Args:
        chunks: Numbers of the chunks.
        make_work: Returns the function, with buffers of its own; called once in each thread.
        workers: Number of threads, at least 1.
        on_progress: Called with the number of chunks done and of all chunks.

    Raises:
        Exception: The exception of the first call that failed; no further chunk is begun.
    """
    queue = _ChunkQueue(chunks, on_progress)
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


class _ChunkQueue:
    """The chunks that are not begun yet, shared by the threads.

    Args:
        chunks: Numbers of the chunks.
        on_progress: Called with the number of chunks done and of all chunks.
    """

    def __init__(self, chunks: range, on_progress: OnProgress) -> None:
        self._left: Iterator[int] = iter(chunks)
        self._lock = Lock()
        self._on_progress = on_progress
        self._done = 0
        self._total = len(chunks)

    def run(self, work: Work) -> None:
        """Takes chunks until the queue is empty."""
        try:
            while (number := self._next()) is not None:
                work(number)
                self._count()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Empties the queue."""
        with self._lock:
            self._left = iter(())

    def _next(self) -> int | None:
        with self._lock:
            return next(self._left, None)

    def _count(self) -> None:
        with self._lock:
            self._done += 1
            self._on_progress(self._done, self._total)
