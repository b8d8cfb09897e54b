"""One core for each learner: where several learn side by side, threads within each only get in one
another's way.
"""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def one_core_each() -> Iterator[ThreadPoolExecutor]:
    """Gives as many workers as there are cores, and keeps numerical libraries to one thread in each
    of them.

    torch looks its number up in each new thread; OpenMP's is of the thread that sets it, so that
    workers set it too.
    """
    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    if torch:
        torch.set_num_threads(1)
    try:
        with (
            threadpool_limits(1),
            ThreadPoolExecutor(os.cpu_count(), initializer=_keep_to_one) as workers,
        ):
            yield workers
    finally:
        if torch:
            torch.set_num_threads(before)


def _keep_to_one() -> None:
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
