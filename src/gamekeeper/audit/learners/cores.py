"""One core for each learner: where several learn side by side, threads within each only get in one another's way."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_core_each() -> Iterator[None]:
    """Keeps numerical libraries to one thread; to be entered before the threads that learn are started.

    torch looks its number up in each new thread, and OpenMP's own limit is of the calling thread alone: both are set.
    """
    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    if torch:
        torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        if torch:
            torch.set_num_threads(before)
