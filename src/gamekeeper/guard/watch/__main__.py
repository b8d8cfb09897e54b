"""Entry of the linking process: `python -m gamekeeper.guard.watch FOLDER`, the policy's `watch` on
the command.
"""

import logging
import os
import signal
import sys
from pathlib import Path

from gamekeeper.guard.policy import Watch
from gamekeeper.guard.watch.worker import work

logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
for number in (signal.SIGINT, signal.SIGTERM):
    # signals to end reach the whole process group; here the end of input counts
    signal.signal(number, signal.SIG_IGN)
os.nice(5)  # requests come first
work(
    Path(sys.argv[1]),
    Watch.model_validate_json(sys.argv[2]),
    sys.stdin.fileno(),
    sys.stdout.fileno(),
)
os._exit(0)  # a pass in its thread would hold the process for its seconds
