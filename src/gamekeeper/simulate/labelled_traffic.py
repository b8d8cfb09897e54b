"""Labelled traffic as frames: turns accounts into the rows of a log and of its labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl

from gamekeeper.base.files import replace_file
from gamekeeper.exchange.columns import conform
from gamekeeper.simulate.account_kinds import SimulatedAccount
from gamekeeper.simulate.scene import START

LABELS = {"account": pl.String(), "kind": pl.String(), "campaign": pl.String()}
"""Column name to Polars type of the labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledTraffic:
    """A simulated log and its labels.

    Args:
        exchanges: The log in time order, columns of `exchange.columns.SCHEMA`.
        labels: One row an account: `account`, `kind`, and `campaign`, which is null for benign
            accounts.
    """

    exchanges: pl.DataFrame
    labels: pl.DataFrame


def book(accounts: Sequence[SimulatedAccount], rng: np.random.Generator) -> LabelledTraffic:
    """Returns all accounts' calls as one log, under names that say nothing about the account."""
    names = [f"acct_{i:06d}" for i in rng.permutation(len(accounts))]
    frames = [_calls(account, name, rng) for account, name in zip(accounts, names, strict=True)]
    rows = [_account_row(account, name) for account, name in zip(accounts, names, strict=True)]
    attributes = pl.DataFrame(rows, infer_schema_length=None)
    exchanges = pl.concat(frames).join(attributes, on="account", how="left", maintain_order="left")
    exchanges = exchanges.with_columns(
        _moment("time"),
        _moment("account_created"),
        conversation=pl.concat_str("account", "conversation", separator="-"),
        input_tokens=_tokens("prompt") + _tokens("system"),
    )
    labels = attributes.select(pl.col(name).cast(kind) for name, kind in LABELS.items()).sort(
        "account"
    )
    return LabelledTraffic(
        exchanges=conform(exchanges.sort("time", "account", "turn")),
        labels=labels.sort("account"),
    )


def _calls(account: SimulatedAccount, name: str, rng: np.random.Generator) -> pl.DataFrame:
    count = len(account.times)
    conversation = np.repeat(np.arange(len(account.turns)), account.turns)
    first = np.repeat(np.cumsum(account.turns) - account.turns, account.turns)
    is_text = account.features is None
    return pl.DataFrame(
        {
            "time": account.times,
            "account": [name] * count,
            "prompt": pl.Series(account.prompts if is_text else [None] * count, dtype=pl.String()),
            "features": pl.Series(_rows(account, count), dtype=pl.List(pl.Float64())),
            "model": account.models,
            "system": pl.Series(account.systems or [None] * count, dtype=pl.String()),
            "conversation": conversation,
            "turn": np.arange(count) - first,
            "output_tokens": np.maximum(rng.lognormal(np.log(account.output_tokens), 0.7, count), 1)
            // 1,
        }
    )


def _rows(account: SimulatedAccount, count: int) -> list[list[float] | None]:
    return [None] * count if account.features is None else account.features.tolist()


def _account_row(account: SimulatedAccount, name: str) -> dict[str, str | int | float | None]:
    network = account.network
    return {
        "account": name,
        "kind": account.kind,
        "campaign": account.campaign,
        "temperature": account.temperature,
        "tools": account.tools,
        "n": 1,
        "logprobs": False,
        "ip": network.ip,
        "asn": network.asn,
        "client": network.client,
        "payment": network.payment,
        "account_created": network.created_s,
        "owner": account.owner,
    }


def _moment(column: str) -> pl.Expr:
    since = pl.col(column) * 1e6
    return (pl.lit(START, dtype=pl.Datetime("us", "UTC")) + since.cast(pl.Duration("us"))).alias(
        column
    )


def _tokens(column: str) -> pl.Expr:
    # four bytes a token is close enough for English and, at three bytes a character, for Chinese
    return (pl.col(column).str.len_bytes().fill_null(0) / 4).ceil()


def write(traffic: LabelledTraffic, out: str | Path) -> None:
    """Writes `out/exchanges.parquet` and `out/labels.parquet`, each completely or not at all.

    The labels are written last: where they exist, the log is complete.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    _write_whole(traffic.exchanges, out / "exchanges.parquet")
    _write_whole(traffic.labels, out / "labels.parquet")


def _write_whole(frame: pl.DataFrame, path: Path) -> None:
    content = BytesIO()
    frame.write_parquet(content, compression="zstd")
    replace_file(path, content.getvalue())
