"""An exchange on its way from the guard to the process that links: a JSON line in hunt's
columns.
"""

from collections.abc import Sequence
from typing import Any

import orjson
import polars as pl

from gamekeeper.base.text import has_secret, mask_secrets
from gamekeeper.exchange import SCHEMA, conform

COUNT_GROUND = "count_ground"
"""Key of a row whose account has a budget of new ground."""

_TEXTS = ("prompt", "system", "model", "conversation")

_WIRE = {
    name: pl.Float64() if kind == pl.Datetime("us", "UTC") else kind
    for name, kind in SCHEMA.items()
}


def frame_of(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Returns rows as a frame of `exchange.SCHEMA`; times are epoch seconds on the wire."""
    frame = pl.DataFrame(rows, schema=_WIRE, strict=False)
    times = [name for name, kind in SCHEMA.items() if kind == pl.Datetime("us", "UTC")]
    return conform(
        frame.with_columns(
            (pl.col(times) * 1e6).round().cast(pl.Int64).cast(pl.Datetime("us", "UTC"))
        )
    )


def masked_lines(lines: Sequence[bytes], rows: Sequence[dict[str, Any]]) -> list[bytes]:
    """Returns the lines that may be stored: secrets masked that users pasted into prompts.

    Done in this process, not in the guard: it takes time. A line without a secret stays as it is.
    """
    if len(lines) != len(rows):
        lines = [orjson.dumps(row) for row in rows]
    return [
        orjson.dumps(row | _masked_texts(row)) if _holds_secret(row) else line
        for line, row in zip(lines, rows, strict=True)
    ]


def _holds_secret(row: dict[str, Any]) -> bool:
    texts = [row[name] for name in _TEXTS if isinstance(row.get(name), str)]
    return has_secret("\n".join(texts))  # once for all: this is done for every exchange


def _masked_texts(row: dict[str, Any]) -> dict[str, str]:
    return {name: mask_secrets(row[name]) for name in _TEXTS if isinstance(row.get(name), str)}


def parse_rows(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """Parses lines; one that is no object is left out."""
    return [row for line in lines if isinstance(row := orjson.loads(line), dict)]
