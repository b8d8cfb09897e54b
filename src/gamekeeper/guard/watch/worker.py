"""The linking process: rows come in on standard input, findings go out on standard output, both
JSON lines.

Once a second what came in is written to the log, taken into the window, matched with the templates
of known campaigns, and its new ground is counted. A pass over the window runs in a thread beside
that. When the guard ends, standard input ends; what came in is written, and the process ends too.

What cannot be used does not end the process: a row is set aside by itself, a file of the log that
cannot be read is passed over, a pass that fails is reported, and each is counted.
"""

import os
import selectors
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import monotonic, time
from typing import Any

import orjson
import polars as pl

from gamekeeper.base.errors import GamekeeperError
from gamekeeper.base.log import get_logger
from gamekeeper.exchange import LogReader, ReadOptions
from gamekeeper.guard.policy import Watch
from gamekeeper.guard.takeover.asking import Asking
from gamekeeper.guard.watch.ground import Ground
from gamekeeper.guard.watch.names import Names
from gamekeeper.guard.watch.openings import Openings
from gamekeeper.guard.watch.passes import Passed, look, options_of
from gamekeeper.guard.watch.rows import COUNT_GROUND, RowParser, masked_lines
from gamekeeper.guard.watch.traffic import TrafficLog, mend
from gamekeeper.guard.watch.window import Window
from gamekeeper.report import require_replaceable, write_folder

log = get_logger("gamekeeper.watch")

_TICK_S = 1.0
_READ_BYTES = 1 << 20
_FEW = 100  # exchanges; with fewer there is nothing to compare

OnFinding = Callable[[dict[str, Any]], object]
"""Takes a finding; its `kind` says what it is."""


class Worker:
    """The linking process: reads answered exchanges, and writes findings.

    Args:
        folder: Of the guard's state.
        watch: How campaigns are looked for.
        on_finding: Called with each finding.
        clock: Epoch seconds.

    `passing` is the pass that is under way, None between two.
    """

    def __init__(
        self,
        folder: Path,
        watch: Watch,
        on_finding: OnFinding,
        clock: Callable[[], float] = time,
    ) -> None:
        self._folder = folder
        self._watch = watch
        self._on_finding = on_finding
        self._log = TrafficLog(folder / "traffic", watch.keep_days, watch.keep_bytes)
        self._parser = RowParser(clock)
        self._window = Window(watch.days, watch.max_sample)
        self._ground = Ground(watch.encoder, folder / "ground.jsonl")
        self._openings = Openings(folder / "campaign-openings.json", watch.days)
        self._asking = Asking(watch.encoder)
        self._names = Names(folder / "campaign-names.json")
        self._found: dict[str, float] = {}
        self._thread = ThreadPoolExecutor(1)
        self.passing: Future[Passed] | None = None
        self._began = monotonic()
        self._searched = -1  # exchanges in the window when it was last searched
        self._now = clock()  # by the guard's clock: the time of the last exchange

    def remember(self) -> None:
        """Takes in what an earlier run left on disk.

        What accounts sent since the templates were learned is counted again. All that joined are
        reported: the guard knows by itself which are new.
        """
        for path in self._log.files(self._now, self._watch.days):
            try:
                self._remember_file(path)
            except (GamekeeperError, OSError) as error:
                log.error("%s cannot be read, so the window misses it: %s", path, error)
                self._on_finding({"kind": "set-aside", "what": "log-file", "count": 1})
        self._on_finding({"kind": "ready", "exchanges": self._window.exchanges})
        if joined := self._openings.joined:
            self._on_finding({"kind": "joined", "accounts": joined})

    def take(self, lines: list[bytes]) -> None:
        """Takes in what came in a second, and reports what follows from it at once."""
        batch = self._parser.parse(lines)
        if batch.set_aside:
            self._set_aside(batch.set_aside)
        if not batch.rows:
            return
        self._now = batch.rows[-1]["time"]
        masked = masked_lines(batch.lines, batch.rows)
        accounts = [str(row.get("account")) for row in batch.rows]
        if missed := self._log.append(masked, self._now, accounts):
            self._on_finding({"kind": "set-aside", "what": "log-line", "count": missed})
        self._window.take(batch.frame)
        counted = pl.Series([bool(row.get(COUNT_GROUND)) for row in batch.rows])
        if counted.any() and (new := self._ground.touch(batch.frame.filter(counted))):
            self._on_finding({"kind": "ground", "cells": new})
        if joined := self._openings.match(batch.frame):
            self._on_finding({"kind": "joined", "accounts": joined})

    def pass_if_due(self) -> None:
        """Begins a pass when one is due, and reports what the last one found."""
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
        """Ends it; a pass under way is given up."""
        self._log.close()
        self._ground.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _remember_file(self, path: Path) -> None:
        mend(path)
        if path.stat().st_size:
            reader = LogReader([str(path)], ReadOptions(format="gamekeeper", max_bad_rows=1.0))
            for batch in reader.batches():
                self._window.take(batch)
                self._openings.match(batch)

    def _set_aside(self, reasons: tuple[str, ...]) -> None:
        log.error("%d exchanges are not linked and not kept: %s", len(reasons), reasons[0])
        self._on_finding({"kind": "set-aside", "what": "exchange", "count": len(reasons)})

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
            self._on_finding({"kind": "pass-failed", "error": str(error)[:500]})
            return
        passed = passing.result()
        self._openings.learn(passed.result.campaigns, passed.rows, self._now)
        if passed.shifts:
            self._on_finding({"kind": "shift", "accounts": passed.shifts})
        campaigns = [tracked.document() for tracked in passed.tracked]
        self._on_finding(
            {
                "kind": "pass",
                "campaigns": campaigns,
                "seconds": took,
                "exchanges": passed.result.exchanges,
            }
        )
        # again: the guard may have missed it, and knows by itself what is new
        if self._openings.joined:
            self._on_finding({"kind": "joined", "accounts": self._openings.joined})


class FindingWriter:
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
    worker = Worker(folder, watch, FindingWriter(output))
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
