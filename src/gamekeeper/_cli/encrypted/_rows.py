"""Rows of numbers in files: the inputs and their labels, and the scores that come back."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gamekeeper._cli._printing import say
from gamekeeper._cli.encrypted._shared import SCHEMA
from gamekeeper.base.errors import input_error
from gamekeeper.base.files import write_private
from gamekeeper.base.text import clean

if TYPE_CHECKING:
    from gamekeeper.base.tables import Header, Table
    from gamekeeper.encrypted.square_network import Array


def read_inputs(path: Path, header: "Header", features: Sequence[str], quiet: bool) -> "Table":
    """Returns a table of inputs, its columns in the order of the features that a model names.

    What was recognised is said on standard error.

    Raises:
        InputError: It cannot be read, or its columns are not those of the model.
    """
    from gamekeeper.base.tables import read_table

    table = read_table(path, header=header)
    if features:
        table = table.ordered(features, "the model")
    _say_remarks(table, quiet)
    if table.names and not features:
        say(f"{path}: the model names no columns: they are taken in their order", quiet)
    return table


def read_labels(path: Path, rows: int, quiet: bool) -> Any:
    """Returns labels as an array, shape (rows,) or (rows, outputs): numbers or texts.

    Raises:
        InputError: It cannot be read, some are missing, or there are more or fewer.
    """
    from gamekeeper.base.tables import read_table

    table = read_table(path, rows=rows)
    _say_remarks(table, quiet)
    if not table.has_text:
        numbers = table.numbers()
        return numbers[:, 0] if numbers.shape[1] == 1 else numbers
    if table.frame.width > 1:
        found = f"{table.frame.width} columns"
        raise input_error(path, "not one column of labels", found, "one column, or only numbers")
    texts = table.frame.to_series()
    if texts.null_count():
        at = int(texts.is_null().arg_max() or 0) + table.first_line
        raise input_error(f"{path}:{at}", "a label is missing", "nothing", "a label for each input")
    return texts.to_numpy().astype(str)


def _say_remarks(table: "Table", quiet: bool) -> None:
    for remark in table.remarks:
        say(clean(f"{table.path}: {remark}"), quiet)


def write_scores(path: Path, scores: "Array", labels: list[str]) -> None:
    """Writes scores, in the format that the name says: whole or not at all, for their owner only.

    Unrounded scores reveal something about the secret key.
    """

    write_private(path, _as_file(path.suffix, scores, labels))


def _as_file(suffix: str, scores: "Array", labels: list[str]) -> bytes:
    import io

    import numpy as np
    import orjson

    if suffix == ".npy":
        file = io.BytesIO()
        np.save(file, scores)
        return file.getvalue()
    if suffix == ".json":
        return orjson.dumps({"schema": SCHEMA, "scores": scores.tolist(), "labels": labels})
    lines = [
        ",".join([*([label] if labels else []), *map(repr, row)])
        for label, row in _lines(labels, scores)
    ]
    return ("\n".join(lines) + "\n").encode()


def _lines(labels: list[str], scores: "Array") -> "Iterator[tuple[str, list[float]]]":
    yield from zip(labels or [""] * len(scores), scores.tolist(), strict=True)
