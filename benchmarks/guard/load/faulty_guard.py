"""`gamekeeper guard` whose loop that keeps the store in step fails at each SIGUSR2, for the soak.

python benchmarks/guard/load/faulty_guard.py --upstream URL ...
"""

import signal
import sys
from collections import Counter

from gamekeeper._cli import main
from gamekeeper.guard.store import Spent
from gamekeeper.guard.sync import Sync

_collected = Sync._collected
_asked: list[int] = []


def failing(self: Sync) -> tuple[dict[str, Spent], Counter[tuple[str, str]]]:
    """As the guard's own, but for failing once after each signal, before anything is taken."""
    if _asked:
        _asked.clear()
        raise RuntimeError("the store's loop is ended on purpose")
    return _collected(self)


if __name__ == "__main__":
    Sync._collected = failing  # type: ignore[method-assign]
    signal.signal(signal.SIGUSR2, lambda number, frame: _asked.append(number))
    sys.argv[1:1] = ["guard"]
    main()
