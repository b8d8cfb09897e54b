"""`gamekeeper encrypted query`: query a model with encrypted rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from gamekeeper._cli._printing import print_json, say
from gamekeeper._cli.encrypted._asking import description_at, exchanged
from gamekeeper._cli.encrypted._rows import read_inputs, write_scores
from gamekeeper._cli.encrypted._shared import SCHEMA, unreadable
from gamekeeper._cli.options import Header, Json, Quiet
from gamekeeper.base.errors import InputError, UsageError, input_error
from gamekeeper.base.files import require_another_file

if TYPE_CHECKING:
    from gamekeeper.encrypted.compiled_model import ModelDescription
    from gamekeeper.encrypted.inference_client import EncryptingClient
    from gamekeeper.encrypted.square_network import Array

KEY = "GAMEKEEPER_KEY"


def run(
    url: Annotated[
        str, typer.Argument(help="URL of the model: http://HOST:PORT/v2/encrypted/NAME")
    ],
    inputs: Annotated[
        Path,
        typer.Option(
            help="Rows: CSV, .npy, .parquet or .json; named columns are put into the model's order."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="File for the scores: .csv, .npy or .json. Default: print.")
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(help="Folder of `encrypted keys`. Default: new keys for this call."),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(help=f"File with the API key. Default: environment variable {KEY}."),
    ] = None,
    header: Header = "auto",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Query a model with encrypted rows; print labels, or scores where the model has no labels.

    Needs a running `gamekeeper encrypted serve` and an API key with a budget of rows; extra
    `encrypted`. Columns are matched by name where the model names its features, and a file with
    other columns is refused. Inputs outside the model's range are clipped to it, and counted. Do
    not show unrounded scores to others: the noise in them reveals something about your secret key
    (Li and Micciancio 2021).

    Examples:

      GAMEKEEPER_KEY=$(cat api.key) gamekeeper encrypted query http://127.0.0.1:8330/v2/encrypted/scoring
      --inputs rows.csv

      gamekeeper encrypted query http://127.0.0.1:8330/v2/encrypted/scoring --inputs rows.npy
      --keys he-keys --key-file api.key --out scores.csv
    """
    from gamekeeper.encrypted.inference_client import EncryptingClient
    from gamekeeper.report.formatting import counted

    if out is not None:
        require_another_file(out, inputs, key_file, *_files_of(keys))
    description = description_at(url)
    rows = read_inputs(inputs, header, description.features, quiet).numbers()
    client = (
        EncryptingClient(description) if keys is None else EncryptingClient.load(description, keys)
    )
    got = _asked(url, client, rows, _api_key(key_file))
    scores = got.scores
    labels = _labels(description, scores)
    if out is not None:
        write_scores(out, scores, labels)
    if json:
        print_json(
            SCHEMA,
            {
                "scores": scores.tolist(),
                "labels": labels,
                "rows_charged": got.charged,
                "clipped": got.clipped,
                "first_clipped": [{"row": row, "column": name} for row, name in got.first_clipped],
            },
        )
    elif out is None:
        print("\n".join(labels or [",".join(f"{score:.4f}" for score in row) for row in scores]))
    answered = f"{len(scores)} of {counted(len(rows), 'row')} answered, {got.charged:,} charged"
    say(f"{answered}, {_clipped_text(got)} clipped to the range", quiet)
    if got.fault is not None:
        raise got.fault  # only after the output: the rows answered before it were charged


def _files_of(keys: Path | None) -> tuple[Path, ...]:
    from gamekeeper.encrypted.inference_client import key_files

    return () if keys is None else key_files(keys)


class _Got(NamedTuple):
    """Scores of the rows that were answered, and the fault that ended it."""

    scores: "Array"
    charged: int
    clipped: int
    first_clipped: list[tuple[int, str]]
    fault: "InputError | None"


def _clipped_text(got: _Got) -> str:
    """Says how many numbers were clipped, and where the first ones are; rows count from 1."""
    from gamekeeper.report.formatting import counted
    from gamekeeper.sealing.shown import shown

    if not got.clipped:
        return "0 numbers"
    where = [f"row {row:,}, {shown(column)}" for row, column in got.first_clipped]
    more = f"; and {got.clipped - len(where):,} more" if got.clipped > len(where) else ""
    return f"{counted(got.clipped, 'number')} ({'; '.join(where)}{more})"


def _asked(url: str, client: "EncryptingClient", rows: "Array", key: str) -> _Got:
    import numpy as np

    from gamekeeper.encrypted.inference_client import MOST_NAMED, charged_rows

    headers = {"authorization": f"Bearer {key}"}
    layout = client.description.layout
    scores = [np.zeros((0, layout.classes))]
    charged = 0
    clipped = 0
    first_clipped: list[tuple[int, str]] = []
    asked_rows = 0
    fault = None
    left = exchanged("PUT", f"{url}/keys", client.keys(), headers).rows_left
    chunks = list(_chunks(rows, layout.rows, padded=layout.is_batched))
    _require_budget(url, left, sum(charged_rows(len(chunk)) for chunk in chunks))
    for chunk in chunks:
        asked = client.encrypt(chunk)
        try:
            answer = _answer(url, client, asked.message, headers)
        except InputError as error:
            fault = error
            break
        scores.append(client.decrypt(answer, asked))
        charged = charged + asked.rows
        clipped = clipped + asked.clipped
        first_clipped += [
            (asked_rows + row + 1, _column(client.description, at))
            for row, at in asked.first_clipped[: MOST_NAMED - len(first_clipped)]
        ]
        asked_rows += len(chunk)
    return _Got(np.concatenate(scores), charged, clipped, first_clipped, fault)


def _column(description: "ModelDescription", at: int) -> str:
    return description.features[at] if description.features else f"column {at + 1}"


def _require_budget(url: str, left: int | None, needed: int) -> None:
    """Checks, before anything is charged, that the key's budget suffices; an earlier server does
    not say what is left.

    Raises:
        InputError: It does not.
    """
    if left is not None and needed > left:
        from gamekeeper.report.formatting import counted

        raise input_error(
            url,
            "the key's budget does not suffice, and nothing was charged",
            f"{counted(left, 'row')} left, where {needed:,} would be charged",
            "a budget for all rows of --inputs",
            "ask for fewer rows, or ask the server's owner for a key with more",
        )


def _answer(url: str, client: "EncryptingClient", message: bytes, headers: dict[str, str]) -> bytes:
    """The answer; if the server has dropped the keys meanwhile, they are sent again."""

    try:
        return exchanged("POST", f"{url}/infer", message, headers).body
    except InputError as error:
        if not error.faults[0].found.startswith("409:"):
            raise
    exchanged("PUT", f"{url}/keys", client.keys(), headers)
    return exchanged("POST", f"{url}/infer", message, headers).body


def _chunks(rows: "Array", capacity: int, *, padded: bool) -> "Iterator[Array]":
    """Rows by requests. Powers of two are charged as they are; a batch is expensive to compute,
    and is filled up instead.
    """
    begin = 0
    while begin < len(rows):
        left = len(rows) - begin
        size = min(capacity, left if padded else 1 << (left.bit_length() - 1))
        yield rows[begin : begin + size]
        begin += size


def _api_key(path: Path | None) -> str:
    import os

    try:
        key = path.read_text(encoding="ascii") if path else os.environ.get(KEY, "")
    except (OSError, ValueError) as error:
        raise unreadable(path, str(error), "a file with an API key") from error
    if not key.strip():
        raise UsageError(
            f"no API key: put it into the environment variable {KEY}, or name its file with"
            " --key-file"
        )
    return key.strip()


def _labels(description: "ModelDescription", scores: "Array") -> list[str]:
    return [description.labels[at] for at in scores.argmax(axis=1)] if description.labels else []
