"""Tables in files: one reader for every verb.

    .csv, .tsv, other text     lines with commas, semicolons, tabs or bars; maybe names
    .npy                       one or two dimensions; no names, no objects
    .parquet                   names; the index that pandas stored is left out
    .json                      a list of lists, of objects with names, or of values

What was recognised is said in `Table.remarks`: whether the first line was read as names, which
column was taken for an index, which numbers are codes with leading zeros, such as 01001, and stay
text. What cannot be recognised is refused, and names the option to state
it.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
import polars as pl

from gamekeeper.base._headers import (
    Column,
    Verdict,
    as_numbers,
    has_leading_zeros,
    is_index,
    judge_first_line,
    values_of,
)
from gamekeeper.base._text_tables import EXPECTED, read_cells
from gamekeeper.base.errors import InputError, input_error

Header = Literal["auto", "yes", "no"]

_UNNAMED = "Unnamed: 0"  # what pandas calls the index of a file when it reads and writes it again
_ASK = "--header yes if line 1 has names, --header no if it has data"
_FEW = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that was read from a file.

    Args:
        frame: Numbers and truth values (0 or 1) as Float64, null where one is missing; text as
            String. Columns without names are called `column 1`, ...
        names: Names of the columns; empty if the file has none.
        path: The file.
        remarks: What was recognised, each a sentence for people.
        first_line: Line of the file, or row, with the first row of the frame; for messages.
    """

    frame: pl.DataFrame
    names: tuple[str, ...]
    path: Path
    remarks: tuple[str, ...] = ()
    first_line: int = field(default=1, repr=False)

    @property
    def has_text(self) -> bool:
        """Whether a column is text."""
        return pl.String in self.frame.dtypes

    def numbers(self, *, missing: bool = False) -> np.ndarray:
        """Returns the rows, float64, shape (n, width).

        Args:
            missing: Whether numbers may be missing; they are NaN.

        Raises:
            InputError: A column is text; a number is infinite, or missing.
        """
        texts = [name for name, kind in self.frame.schema.items() if kind == pl.String]
        if texts:
            raise self._has_texts(texts)
        rows = np.ascontiguousarray(self.frame.fill_null(float("nan")).to_numpy(), np.float64)
        refused = np.isinf(rows) if missing else ~np.isfinite(rows)
        if refused.any():
            at = int(refused.any(axis=1).argmax())
            column = self.frame.columns[int(refused[at].argmax())]
            raise input_error(
                f"{self.path}:{at + self.first_line}",
                "a number is infinite" if missing else "a number is missing or infinite",
                f"{rows[at][refused[at]][0]} in {column}",
                "finite numbers",
                "leave such rows out, or fill them in as for the training of the model",
            )
        return rows

    def ordered(self, names: Sequence[str], owner: str) -> "Table":
        """Returns the columns in the order of some names.

        Where the file names no columns, they are taken as they are if their number fits.

        Args:
            names: Names of columns, as the owner has them.
            owner: Whose names they are, for messages: "the model".

        Raises:
            InputError: Columns are missing, or there are others.
        """
        if not self.names:
            return self._unnamed(names, owner)
        order = column_order(self.names, names, str(self.path), owner)
        if order == list(range(len(order))):
            return self
        remark = f"columns are put into the order of {owner} by their names"
        return replace(
            self,
            frame=self.frame[:, order],
            names=tuple(self.names[at] for at in order),
            remarks=(*self.remarks, remark),
        )

    def _unnamed(self, names: Sequence[str], owner: str) -> "Table":
        if self.frame.width != len(names):
            raise input_error(
                self.path,
                f"columns do not fit {owner}",
                f"{self.frame.width} columns without names",
                f"{len(names)} columns: {_listed(names)}",
            )
        remark = (
            f"columns have no names here: they are taken in the order of {owner}: {_listed(names)}"
        )
        return replace(self, remarks=(*self.remarks, remark))

    def _has_texts(self, texts: Sequence[str]) -> InputError:
        cells = self.frame[texts[0]].drop_nulls()
        is_code = cells.str.contains(r"^0\d")
        others = cells.filter(cells.cast(pl.Float64, strict=False).is_null() | is_code)
        example = others if len(others) else cells
        return input_error(
            self.path,
            "columns are not numeric",
            f"{_listed(texts)}; such as {example[0]!r} in {texts[0]}"[:300],
            "numbers in every column",
            "leave these columns out, or encode them as for the training of the model",
        )


def column_order(found: Sequence[str], wanted: Sequence[str], where: str, owner: str) -> list[int]:
    """Returns, for each wanted name, its position among the names that were found.

    Blanks around names do not count where the names as they are do not fit.

    Raises:
        InputError: Names are missing, or there are others; it lists both.
    """
    key = str if set(wanted) <= set(found) else str.strip
    places = {key(name): at for at, name in enumerate(found)}
    known = {key(name) for name in wanted}
    missing = [name for name in wanted if key(name) not in places]
    unknown = [name for name in found if key(name) not in known]
    if missing or unknown:
        parts = [f"missing: {_listed(missing)}"] if missing else []
        parts += [f"unknown: {_listed(unknown)}"] if unknown else []
        raise input_error(
            where,
            f"the names of columns differ from those of {owner}",
            "; ".join(parts),
            f"{len(wanted)} columns: {_listed(wanted)}",
            "rename columns, and leave out those that are not inputs",
        )
    return [places[key(name)] for name in wanted]


def read_table(path: Path, *, header: Header = "auto", rows: int | None = None) -> Table:
    """Reads a table.

    Args:
        path: The file; its name says the format.
        header: Whether the first line has names; `auto` to recognise it.
        rows: Rows that are expected, if that is known; it decides where the first line does not.

    Raises:
        InputError: It cannot be read, is empty or ragged, has another number of rows, or does not
            tell whether its first line has names.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        table = _read_npy(path)
    elif suffix == ".parquet":
        table = _read_parquet(path)
    elif suffix == ".json":
        table = _read_json(path, header, rows)
    else:
        cells, remarks = read_cells(path)
        table = _headed(path, cells, remarks, header, rows)
    if not table.frame.width or not table.frame.height:
        raise input_error(path, "the table is empty", f"{table.frame.shape}", "rows and columns")
    if rows is not None and table.frame.height != rows:
        said = f" ({table.remarks[0]})" if table.remarks else ""
        found = f"{table.frame.height:,} rows{said}"
        raise input_error(path, "the number of rows differs", found, f"{rows:,} rows", _ASK)
    return table


def _read_npy(path: Path) -> Table:
    try:
        values = np.load(path, allow_pickle=False)
    except Exception as error:  # numpy evaluates the header, and raises what Python's parser does
        found = str(error)[:200] or type(error).__name__
        raise input_error(path, "the file cannot be read", found, EXPECTED) from error
    is_text = values.dtype.kind == "U"
    if values.dtype.kind not in "fiubU":
        raise input_error(path, "not numbers", f"an array of {values.dtype}"[:200], "numbers")
    shaped = values[:, None] if values.ndim == 1 else values
    if shaped.ndim != 2 or not shaped.size:
        problem = "the array is not a table"
        try_ = "values.reshape(len(values), -1)" if values.ndim > 2 else ""
        raise input_error(path, problem, f"shape {values.shape}", "shape (rows, columns)", try_)
    kind = pl.String if is_text else pl.Float64
    columns = [pl.Series(_place(at), column, kind) for at, column in enumerate(_columns(shaped))]
    return Table(frame=_filled(pl.DataFrame(columns)), names=(), path=path)


def _columns(values: np.ndarray) -> "Sequence[Any]":
    if values.dtype.kind == "U":
        return values.T.tolist()  # type: ignore[no-any-return]
    return np.ascontiguousarray(values.T.astype(np.float64))  # type: ignore[return-value]


def _read_parquet(path: Path) -> Table:
    try:
        raw = path.read_bytes()
        frame = pl.read_parquet(raw)
        stored = pl.read_parquet_metadata(io.BytesIO(raw)).get("pandas")
    except (Exception, pl.exceptions.PanicException) as error:  # damage makes its reader panic
        raise input_error(path, "the file cannot be read", str(error)[:200], EXPECTED) from error
    index = [name for name in _stored_index(stored) if name in frame.columns]
    remarks = [f"the index that pandas stored is left out: {_listed(index)}"] if index else []
    kept = _typed(path, frame.drop(index))
    if are_counted(kept.columns):
        kept = kept.rename({name: _place(at) for at, name in enumerate(kept.columns)})
        return Table(frame=kept, names=(), path=path, remarks=tuple(remarks))
    return Table(frame=kept, names=tuple(kept.columns), path=path, remarks=tuple(remarks))


def _stored_index(metadata: str | None) -> list[str]:
    """Names of the columns that pandas says are its index; a range is not stored as a column."""
    try:
        columns = orjson.loads(metadata or "{}").get("index_columns", [])
    except (orjson.JSONDecodeError, AttributeError):
        columns = []
    return [name for name in columns if isinstance(name, str)] or ["__index_level_0__"]


def _typed(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    columns = []
    for series in frame:
        kind = series.dtype
        if kind.is_numeric() or kind in (pl.Boolean, pl.Null):
            columns.append(series.cast(pl.Float64))
        elif kind.is_nested() or kind in (pl.Binary, pl.Object):
            found = f"{series.name}: {kind}"[:200]
            raise input_error(path, "a column is not a number or a text", found, EXPECTED)
        else:
            columns.append(series.cast(pl.String))
    return _filled(pl.DataFrame(columns))


def _read_json(path: Path, header: Header, rows: int | None) -> Table:
    try:
        values = orjson.loads(path.read_bytes())
    except OSError as error:
        found = error.strerror or str(error)
        raise input_error(path, "the file cannot be read", found, EXPECTED) from error
    except orjson.JSONDecodeError as error:
        raise input_error(path, "not JSON", str(error)[:200], EXPECTED) from error
    if not isinstance(values, list) or not values:
        found = f"{type(values).__name__} {str(values)[:80]}"
        expected = "a list of rows, each a list or an object"
        raise input_error(path, "not a table", found, expected, "pandas: orient='records'")
    if isinstance(values[0], dict):
        return _of_objects(path, values)
    listed = values if isinstance(values[0], list) else [[value] for value in values]
    _require_rows(path, listed)
    if any(isinstance(value, str) for row in listed for value in row):
        return _headed(path, _as_cells(listed), [], header, rows)
    try:
        numbers = np.asarray(listed, np.float64)
    except (ValueError, TypeError):
        return _headed(path, _as_cells(listed), [], header, rows)
    columns = [pl.Series(_place(at), column) for at, column in enumerate(numbers.T)]
    return Table(frame=_filled(pl.DataFrame(columns)), names=(), path=path)


def _of_objects(path: Path, values: list[Any]) -> Table:
    """Returns a table of objects, which all have the same names, in any order."""
    names = list(values[0])
    for at, value in enumerate(values):
        if not isinstance(value, dict) or value.keys() != values[0].keys():
            found = _listed(list(value)) if isinstance(value, dict) else str(value)[:80]
            raise input_error(f"{path}:{at + 1}", "rows differ", found, _listed(names))
    listed = [[value[name] for name in names] for value in values]
    _require_rows(path, listed)
    places = [_place(at) for at in range(len(names))]
    frame = _parsed(_as_cells(listed)).rename(dict(zip(places, names, strict=True)))
    return Table(frame=frame, names=tuple(names), path=path, remarks=tuple(_codes(frame)))


def _require_rows(path: Path, listed: list[Any]) -> None:
    width = len(listed[0])
    for at, row in enumerate(listed):
        if not isinstance(row, list) or len(row) != width:
            found = f"{len(row)} values" if isinstance(row, list) else str(row)[:80]
            raise input_error(f"{path}:{at + 1}", "rows differ", found, f"{width} values")
        if any(isinstance(value, list | dict) for value in row):
            raise input_error(f"{path}:{at + 1}", "a value is nested", str(row)[:80], "numbers")


def _as_cells(listed: list[list[Any]]) -> pl.DataFrame:
    columns = zip(*listed, strict=True)
    return pl.DataFrame(
        [
            pl.Series(_place(at), [_as_cell(value) for value in column], pl.String)
            for at, column in enumerate(columns)
        ]
    )


def _as_cell(value: Any) -> str | None:
    if value is None:
        return None
    return str(int(value)) if isinstance(value, bool) else str(value)


def _headed(
    path: Path, cells: pl.DataFrame, remarks: list[str], header: Header, rows: int | None
) -> Table:
    """Returns the table of cells whose first line may have names."""
    cells = cells.rename({name: _place(at) for at, name in enumerate(cells.columns)})
    columns = _split(cells)
    if _has_names(path, cells, columns, header, rows):
        return _named(path, columns, remarks)
    remark = "there is no header: line 1 is read as data"
    frame = _parsed(cells)
    return Table(frame=frame, names=(), path=path, remarks=(remark, *remarks, *_codes(frame)))


def _has_names(
    path: Path, cells: pl.DataFrame, columns: Sequence[Column], header: Header, rows: int | None
) -> bool:
    if header != "auto":
        return header == "yes"
    lines = cells.height
    verdict = judge_first_line(columns) if lines > 1 else _verdict_alone(cells, rows)
    if verdict in (Verdict.NAMES, Verdict.DATA):
        return verdict is Verdict.NAMES
    if rows in (lines, lines - 1):
        return rows == lines - 1
    if rows is not None:
        found = f"{lines:,} lines"
        expected = f"{rows:,} lines, or {rows + 1:,} with a header"
        raise input_error(path, "the number of rows differs", found, expected)
    if verdict is Verdict.PROBABLY_NAMES:
        return True
    first = [column.first or "" for column in columns]
    raise input_error(
        f"{path}:1", "line 1 may have names or data", _listed(first), "either, stated", _ASK
    )


def _verdict_alone(cells: pl.DataFrame, rows: int | None) -> Verdict:
    """Returns what the only line is."""
    is_data = rows == 1 or not any(column is None for column in as_numbers(cells))
    return Verdict.DATA if is_data else Verdict.NAMES


def _split(cells: pl.DataFrame) -> list[Column]:
    below = cells.slice(1)
    return [Column(*column) for column in zip(cells.row(0), below, as_numbers(below), strict=True)]


def _named(path: Path, columns: Sequence[Column], remarks: list[str]) -> Table:
    if not len(columns[0].below):
        raise input_error(
            path, "the table is empty", "names and no rows", "rows below line 1", _ASK
        )
    left_out = []
    if _is_left_out(columns):
        left_out = ["the first column has no name and counts rows: it is an index, and left out"]
        columns = columns[1:]
    names = [column.first or "" for column in columns]
    names[0] = names[0].removeprefix("# ")  # numpy.savetxt writes its header as a comment
    if are_counted(names):
        said = f"line 1 counts {_columns_of(len(names))} from 0: it is a header without names"
        places = [_place(at) for at in range(len(names))]
        return _below(path, columns, (), places, [said, *left_out, *remarks])
    _require_names(path, names)
    said = f"line 1 is read as the names of {_columns_of(len(names))}"
    return _below(path, columns, tuple(names), names, [said, *left_out, *remarks])


def _below(
    path: Path,
    columns: Sequence[Column],
    names: tuple[str, ...],
    called: Sequence[str],
    remarks: Sequence[str],
) -> Table:
    """Returns the table below line 1."""
    cells = [column.cells.alias(name) for column, name in zip(columns, called, strict=True)]
    frame = pl.DataFrame(cells)
    said = (*remarks, *_codes(frame))
    return Table(frame=frame, names=names, path=path, remarks=said, first_line=2)


def _codes(frame: pl.DataFrame) -> list[str]:
    """Returns what is said of columns whose numbers begin with 0: as numbers they would lose it."""
    texts = frame.select([name for name in frame.columns if frame[name].dtype == pl.String])
    found = [cells for cells in texts if has_leading_zeros(cells)]
    numbers = as_numbers(pl.DataFrame(found)) if found else []
    pairs = zip(found, numbers, strict=True)
    names = [cells.name for cells, number in pairs if number is not None]
    return [f"numbers with leading zeros are read as text: {_listed(names)}"] if names else []


def are_counted(names: Sequence[str]) -> bool:
    """Whether names are 0, 1, 2, ..., which pandas writes for columns without names."""
    return list(names) == [str(at) for at in range(len(names))]


def _is_left_out(columns: Sequence[Column]) -> bool:
    """Whether the first column is an index that was written without a name."""
    first = columns[0]
    if len(columns) < 2 or first.first not in (None, _UNNAMED) or not is_index(first):
        return False
    return first.first is None or first.is_numeric


def _require_names(path: Path, names: Sequence[str]) -> None:
    if "" in names:
        found = f"column {names.index('') + 1} of {len(names)} is empty"
        raise input_error(f"{path}:1", "a column has no name", found, "a name for each", _ASK)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        found = _listed(repeated)
        raise input_error(f"{path}:1", "columns have the same name", found, "other names", _ASK)


def _parsed(cells: pl.DataFrame) -> pl.DataFrame:
    """Returns cells as numbers, column by column, where all of them are."""
    parsed = zip(cells, as_numbers(cells), strict=True)
    return pl.DataFrame([values_of(text, number) for text, number in parsed])


def _filled(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None))


def _place(at: int) -> str:
    return f"column {at + 1}"


def _columns_of(count: int) -> str:
    return f"{count} column{'s' if count > 1 else ''}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return f"{', '.join(names[:_FEW])}{more}"
