"""The linking process: rows come in on standard input, findings go out on standard output, both
JSON lines.

Once a second what came in is written to the log, taken into the window, matched with known shapes,
and its new ground is counted. A pass over the window runs in a thread beside that. When the guard
goes away, standard input ends; what came in is written, and the process ends too.
"""

import os
import selectors
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import monotonic, time
from typing import Any

import orjson
import polars as pl

from gamekeeper.base.log import get_logger
from gamekeeper.exchange import LogReader
from gamekeeper.guard.policy import Watch
from gamekeeper.guard.takeover.asking import Asking
from gamekeeper.guard.watch.ground import Ground
from gamekeeper.guard.watch.names import Names
from gamekeeper.guard.watch.openings import Openings
from gamekeeper.guard.watch.passes import Passed, look, options_of
from gamekeeper.guard.watch.rows import COUNT_GROUND, frame_of, masked_lines, parse_rows
from gamekeeper.guard.watch.traffic import TrafficLog, mend
from gamekeeper.guard.watch.window import Window
from gamekeeper.report import require_replaceable, write_folder

log = get_logger("gamekeeper.watch")

_TICK_S = 1.0
_READ_BYTES = 1 << 20
_FEW = 100  # exchanges; with fewer there is nothing to compare


class Worker:
    """The linking process: reads answered exchanges, and writes findings.

    Args:
        folder: Of the guard's state.
        watch: How campaigns are looked for.
        tell: Takes each finding.

    `passing` is the pass that is under way, None between two.
    """

    def __init__(self, folder: Path, watch: Watch, tell: "Tell") -> None:
        self._folder = folder
        self._watch = watch
        self._tell = tell
        self._log = TrafficLog(folder / "traffic", watch.keep_days)
        self._window = Window(watch.days, watch.max_sample)
        self._ground = Ground(watch.encoder, folder / "ground.jsonl")
        self._openings = Openings()
        self._asking = Asking(watch.encoder)
        self._names = Names(folder / "campaign-names.json")
        self._found: dict[str, float] = {}
        self._thread = ThreadPoolExecutor(1)
        self.passing: Future[Passed] | None = None
        self._began = monotonic()
        self._searched = -1  # exchanges in the window when it was last searched
        self._now = time()  # by the guard's clock: the time of the last exchange

    def remember(self) -> None:
        """Takes in what an earlier run left on disk."""
        for path in self._log.files(self._now, self._watch.days):
            mend(path)
            if path.stat().st_size:
                for batch in LogReader(
                    [str(path)], format="gamekeeper", max_bad_rows=1.0
                ).batches():
                    self._window.take(batch)
        self._tell({"kind": "ready", "exchanges": self._window.exchanges})

    def take(self, lines: list[bytes]) -> None:
        """Takes in what came in a second, and tells what follows from it at once."""
        rows = parse_rows(lines)
        if not rows:
            return
        self._now = rows[-1]["time"]
        self._log.append(masked_lines(lines, rows), self._now)
        frame = frame_of(rows)
        self._window.take(frame)
        counted = pl.Series([bool(row.get(COUNT_GROUND)) for row in rows])
        if counted.any() and (new := self._ground.touch(frame.filter(counted))):
            self._tell({"kind": "ground", "cells": new})
        if joined := self._openings.match(frame):
            self._tell({"kind": "joined", "accounts": joined})

    def pass_if_due(self) -> None:
        """Begins a pass when one is due, and tells what the last one found."""
        if self.passing is not None and self.passing.done():
            passing = self.passing
            self.passing = None
            self._passed(passing)
        due = monotonic() - self._began >= self._watch.every_s
        new = self._window.exchanges != self._searched and self._window.exchanges >= _FEW
        if self.passing is None and due and new:
            self._began = monotonic()
            self._searched = self._window.exchanges
            self.passing = self._thread.submit(self._look)

    def close(self) -> None:
        """Ends it; a pass under way is let go."""
        self._log.close()
        self._ground.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> Passed:
        read = self._window.read_summary(map(str, self._log.files(self._now, self._watch.days)))
        passed = look(
            self._window.merged(),
            read,
            options_of(self._watch),
            self._names,
            self._found,
            self._now,
        )
        out = self._folder / "found"
        require_replaceable(out)
        write_folder(passed.result, out)
        return replace(passed, shifts=self._asking.shifts(passed.rows, self._now))

    def _passed(self, passing: "Future[Passed]") -> None:
        took = monotonic() - self._began
        if error := passing.exception():
            log.error(
                "a pass failed; the next one is due in %g s", self._watch.every_s, exc_info=error
            )
            self._tell({"kind": "pass-failed", "error": str(error)[:500]})
            return
        passed = passing.result()
        self._openings.learn(passed.result.campaigns, passed.rows)
        if passed.shifts:
            self._tell({"kind": "shift", "accounts": passed.shifts})
        told = [tracked.document() for tracked in passed.tracked]
        self._tell(
            {
                "kind": "pass",
                "campaigns": told,
                "seconds": took,
                "exchanges": passed.result.exchanges,
            }
        )


class Tell:
    """Writes findings, a JSON line each.

    Args:
        output: A file descriptor.
    """

    def __init__(self, output: int) -> None:
        self._output = output

    def __call__(self, finding: dict[str, Any]) -> None:
        """Writes one finding, whole."""
        view = memoryview(orjson.dumps(finding) + b"\n")
        while view:
            view = view[os.write(self._output, view) :]


def work(folder: Path, watch: Watch, source: int, output: int) -> None:
    """Works until `source`, a file descriptor, ends."""
    worker = Worker(folder, watch, Tell(output))
    worker.remember()
    try:
        for lines in _seconds(source):
            worker.take(lines)
            worker.pass_if_due()
    finally:
        worker.close()


def _seconds(source: int) -> Iterator[list[bytes]]:
    """Yields the whole lines that came in each second, until there are no more."""
    rest = b""
    open_ = True
    with selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ)
        while open_:
            parts = [rest]
            ends = monotonic() + _TICK_S
            while (left := ends - monotonic()) > 0 and open_:
                if selector.select(left):
                    parts.append(os.read(source, _READ_BYTES))
                    open_ = bool(parts[-1])
            whole, _, rest = b"".join(parts).rpartition(b"\n")
            yield whole.split(b"\n") if whole else []
