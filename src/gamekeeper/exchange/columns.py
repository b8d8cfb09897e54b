"""The exchange as columns: one row is one query and its answer.

Every package receives frames with exactly these columns, in this order and of these types; a column
that a log does not have is null throughout. Required are `time` and `account`, and one of `prompt`
(text) or `features` (tabular).
"""

import polars as pl

SCHEMA: dict[str, pl.DataType] = {
    "time": pl.Datetime("us", "UTC"),
    "account": pl.String(),  # who is charged, as authenticated; never a name that the client sends
    "prompt": pl.String(),  # the latest user message
    "model": pl.String(),
    "system": pl.String(),
    "conversation": pl.String(),
    "answer": pl.String(),
    "turn": pl.Int64(),  # earlier user turns in the conversation
    "input_tokens": pl.Int64(),
    "output_tokens": pl.Int64(),
    "temperature": pl.Float64(),
    "n": pl.Int64(),
    "logprobs": pl.Boolean(),
    "tools": pl.String(),  # a hash of the tool schemas
    "ip": pl.String(),
    "asn": pl.Int64(),
    "client": pl.String(),  # SDK or TLS fingerprint
    "payment": pl.String(),  # a token, never a card number
    "account_created": pl.Datetime("us", "UTC"),
    "owner": pl.String(),  # who answers for the account: organisation, team, customer
    "alias": pl.String(),  # what people call the account; shown beside it, never used
    "features": pl.List(pl.Float64()),  # for a classifier or tabular API, in place of `prompt`
}
"""Column name to Polars type."""

REQUIRED = ("time", "account")
OPTIONAL = tuple(name for name in SCHEMA if name not in (*REQUIRED, "prompt", "features"))


def conform(frame: pl.DataFrame) -> pl.DataFrame:
    """Returns `frame` with all columns of `SCHEMA`, in its order and types; missing ones are null.

    Raises:
        polars.exceptions.InvalidOperationError: A column cannot be cast.
    """
    columns = [
        pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, dtype=kind).alias(name)
        for name, kind in SCHEMA.items()
    ]
    return frame.select(columns)
