"""New ground: cells of the space of inputs that an account had not touched before.

An account's cells are one large integer, a bit each, so that 100,000 accounts take 60 MB. Rows of a
tabular API wait until enough have come to scale them by; the scale then stays, or old cells would
mean other places. What is new is appended to a file, which a restart reads: what an account knew
before is not new ground again.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl

from gamekeeper.encoding import FeatureScale, cells, load_encoder
from gamekeeper.guard.watch.traffic import mend

_SCALED_BY = 200  # rows


class Ground:
    """Counts new ground.

    Args:
        encoder: Name of the content encoder.
        path: Where what is touched is kept, JSON lines.
    """

    def __init__(self, encoder: str, path: Path) -> None:
        self._encoder = encoder
        self._encode: Callable[[list[str]], np.ndarray] | None = None
        self._touched: dict[str, int] = {}
        self._waiting: list[pl.DataFrame] = []
        self._scale: FeatureScale | None = None
        self._remember(path)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def touch(self, exchanges: pl.DataFrame) -> dict[str, int]:
        """Returns how many new cells each account touched with these exchanges; those with none are
        left out.
        """
        new: dict[str, list[int]] = {}
        texts = exchanges.filter(pl.col("features").is_null())
        for account, cell in [
            *self._in_text(texts),
            *self._in_rows(exchanges.drop_nulls("features")),
        ]:
            known = self._touched.get(account, 0)
            if not known >> cell & 1:
                self._touched[account] = known | 1 << cell
                new.setdefault(account, []).append(cell)
        if new:
            self._write({"cells": new})
        return {account: len(touched) for account, touched in new.items()}

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def _remember(self, path: Path) -> None:
        mend(path)
        for line in path.read_bytes().splitlines() if path.exists() else ():
            read = orjson.loads(line)
            if "middle" in read:
                self._scale = FeatureScale(np.array(read["middle"]), np.array(read["spread"]))
            for account, touched in read.get("cells", {}).items():
                for cell in touched:
                    self._touched[account] = self._touched.get(account, 0) | 1 << cell

    def _write(self, line: dict[str, Any]) -> None:
        os.write(self._file, orjson.dumps(line) + b"\n")

    def _in_text(self, exchanges: pl.DataFrame) -> Iterator[tuple[str, int]]:
        if not len(exchanges):
            return iter(())
        if self._encode is None:
            self._encode = load_encoder(self._encoder).encode
        vectors = self._encode(exchanges["prompt"].fill_null("").to_list())
        return zip(exchanges["account"], cells(vectors).tolist(), strict=True)

    def _in_rows(self, exchanges: pl.DataFrame) -> Iterator[tuple[str, int]]:
        if len(exchanges):
            self._waiting.append(exchanges)
        if (self._scale is None and sum(map(len, self._waiting)) < _SCALED_BY) or not self._waiting:
            return iter(())
        rows = pl.concat(self._waiting)
        self._waiting = []
        if self._scale is None:
            self._scale = FeatureScale.of(rows["features"])
            self._write(
                {"middle": self._scale.middle.tolist(), "spread": self._scale.spread.tolist()}
            )
        return zip(
            rows["account"], cells(self._scale.scaled(rows["features"])).tolist(), strict=True
        )
