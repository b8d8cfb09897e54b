"""How to read a log."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Calls: TypeAlias = Literal["questions", "embeddings"]

MAX_BAD_ROWS = 0.001
"""Share of rows that may be bad unless another is asked for: an odd row in a thousand never refuses
a log, and what is wrong with a tenth of it is not an odd row."""


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How to read a log.

    Args:
        format: A name of `FORMATS`, or `auto`: recognise each file by its first rows.
        fields: Our column name to the log's field, which may be deeper, inside JSON text and in a
            list: `{"account": "auth.key_id", "prompt": "messages.0.content"}`.
        timezone: Zone of times without one; they are faults without it, unless the format defines
            it.
        time_format: How times are written, in the directives of `strftime`; None: recognise it.
        max_bad_rows: Share of rows, 0 to 1, that may be faulty; more, and the log is refused.
        calls: Which calls are exchanges: questions, or calls of an embedding model.
        sql: A query whose rows are the log, in place of files.
        database: Where the query runs: `postgres://...`.
    """

    format: str = "auto"
    fields: Mapping[str, str] = field(default_factory=dict)
    timezone: str | None = None
    time_format: str | None = None
    max_bad_rows: float = MAX_BAD_ROWS
    calls: Calls = "questions"
    sql: str | None = None
    database: str | None = None
