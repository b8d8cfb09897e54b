"""Recent days of traffic, as hunt takes it in: an intake a day, so that a day can be forgotten."""

from collections.abc import Iterable

import polars as pl

from gamekeeper.campaigns import Intake, new_intake
from gamekeeper.exchange import MAX_PROMPT_CHARS, OPTIONAL, ReadSummary

_COMPACT_AFTER = 256  # batches; each is a small frame
_INPUTS = ("prompt", "features")


class Window:
    """The last days of traffic, each of which can be dropped by itself.

    Args:
        days: Days that are looked at.
        max_sample: Exchanges that are compared, in all.
    """

    def __init__(self, days: int, max_sample: int) -> None:
        self._days = days
        self._max_sample = max_sample
        self._intakes: dict[str, Intake] = {}
        self._batches: dict[str, int] = {}
        self._seen: set[str] = set()
        self._cut_prompts = 0
        self.exchanges = 0

    def take(self, exchanges: pl.DataFrame) -> None:
        """Adds exchanges, a frame of `exchange.SCHEMA`, and forgets days that are too old by their
        times.
        """
        self.exchanges += len(exchanges)
        # the guard cuts longer ones before it sends them
        is_cut = exchanges["prompt"].str.len_chars() >= MAX_PROMPT_CHARS
        self._cut_prompts += int(is_cut.sum())
        self._seen |= {
            n for n in (*OPTIONAL, *_INPUTS) if exchanges[n].null_count() < len(exchanges)
        }
        for (day,), part in exchanges.group_by(pl.col("time").dt.date().cast(pl.String)):
            name = str(day)
            intake = self._intakes.setdefault(name, new_intake(self._max_sample))
            intake.take(part)
            self._batches[name] = self._batches.get(name, 0) + 1
            if self._batches[name] % _COMPACT_AFTER == 0:
                intake.compact()
        self._forget()

    def merged(self) -> Intake:
        """Returns all days as one intake; what is taken in later does not change it."""
        merged = new_intake(self._max_sample)
        for intake in self._intakes.values():
            merged.absorb(intake)
        return merged

    def read_summary(self, files: Iterable[str]) -> ReadSummary:
        """Returns where the exchanges came from, as a report states it."""
        return ReadSummary(
            files=tuple(files),
            formats={},
            rows=self.exchanges,
            bad_rows=0,
            duplicate_rows=0,
            cut_prompts=self._cut_prompts,
            columns_seen=frozenset(self._seen | {"time", "account"}),
            faults=(),
        )

    def _forget(self) -> None:
        for day in sorted(self._intakes)[: -self._days]:
            del self._intakes[day], self._batches[day]
