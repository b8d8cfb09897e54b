"""What a file is, and that its values are the same whatever it is."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gamekeeper.base.zstd import compress
from gamekeeper.exchange.containers import Block, csvs, jsons, lines, read_blocks
from gamekeeper.exchange.faults import Tally, UnreadableFileError
from gamekeeper.exchange.sources import ByteSource, TableSource

ROWS = [
    {"time": f"2026-11-02T12:00:0{i}Z", "who": f"a{i}", "asked": f"Größe {i}, bitte?"}
    for i in range(3)
]
JSONL = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()
CSV = "time,who,asked\r\n" + "".join(f'{r["time"]},{r["who"]},"{r["asked"]}"\r\n' for r in ROWS)


def blocks(
    content: bytes, name: str = "x", tally: Tally | None = None, **fields: Any
) -> list[Block]:
    source = ByteSource(name=name, open=lambda: io.BytesIO(content), size=len(content), **fields)
    return list(read_blocks(source, tally or Tally(), lambda done: None))


def records(content: bytes, name: str = "x", tally: Tally | None = None) -> list[dict[str, Any]]:
    return [row for block in blocks(content, name, tally) for row in block.records()]


def refusal(content: bytes, name: str = "x") -> str:
    with pytest.raises(UnreadableFileError) as raised:
        blocks(content, name)
    return str(raised.value.fault)


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(4) + message


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def frame_of(frame: pl.DataFrame, write: str) -> bytes:
    out = io.BytesIO()
    getattr(frame, write)(out)
    return out.getvalue()


TEXT = JSONL.decode()
FILES: dict[str, bytes] = {
    "JSON Lines": JSONL,
    "no last line end": JSONL.rstrip(),
    "byte order mark and CRLF": b"\xef\xbb\xbf" + JSONL.replace(b"\n", b"\r\n"),
    "CR alone": JSONL.replace(b"\n", b"\r"),
    "UTF-16 with a mark": TEXT.encode("utf-16"),
    "UTF-16 BE without a mark": TEXT.encode("utf-16-be"),
    "UTF-16 LE without a mark": TEXT.encode("utf-16-le"),
    "UTF-32": TEXT.encode("utf-32"),
    "gzip": gzip.compress(JSONL),
    "gzip of several members": gzip.compress(JSONL[:50]) + gzip.compress(JSONL[50:]),
    "gzip inside gzip": gzip.compress(gzip.compress(JSONL)),
    "zstd inside xz inside gzip": gzip.compress(lzma.compress(compress(JSONL))),
    "bzip2": bz2.compress(JSONL),
    "xz": lzma.compress(JSONL),
    "zstd": compress(JSONL),
    "zip": zipped({"x.jsonl": JSONL}),
    "zip inside gzip": gzip.compress(zipped({"logs/": b"", "x.jsonl.gz": gzip.compress(JSONL)})),
    "tar": tarred({"logs/x.jsonl": JSONL, "README.md": b"# Logs"}),
    "tar.gz in a zip": zipped({"a.tar.gz": gzip.compress(tarred({"x.json": JSONL}))}),
    "framed zstd": b"".join(framed(compress(line)) for line in JSONL.splitlines()),
    "framed JSON": b"".join(framed(line) for line in JSONL.splitlines()),
    "an array on a line": json.dumps(ROWS).encode(),
    "an array over many lines": json.dumps(ROWS, indent=2).encode(),
    "indented objects": "\n".join(json.dumps(row, indent=4) for row in ROWS).encode(),
    "no line ends": "".join(map(json.dumps, ROWS)).encode(),
    "some line ends": b'{"time": "2026-11-02T12:00:00Z", "who": "a0", "asked": "Gr\\u00f6\\u00dfe 0, bitte?"}\n'
    + "".join(map(json.dumps, ROWS[1:])).encode(),
    "commas at line ends": b"[\n" + JSONL.replace(b"\n", b",\n") + b"]\n",
    "record separators": b"".join(b"\x1e" + line + b"\n" for line in JSONL.splitlines()),
    "an array on each line": b"".join(b"[" + line + b"]\n" for line in JSONL.splitlines()),
    "names, then arrays": b"".join(
        json.dumps(row).encode() + b"\n"
        for row in ([list(ROWS[0])] + [list(row.values()) for row in ROWS])
    ),
    "events of fluentd": b"".join(
        json.dumps([f"app.{i}", 1_793_620_800 + i, row]).encode() + b"\n"
        for i, row in enumerate(ROWS)
    ),
    "one event of fluentd": json.dumps(
        ["app", [[1_793_620_800, ROWS[0]], [1_793_620_801, ROWS[1]], [1_793_620_802, ROWS[2]]]]
    ).encode(),
    "events of Fluent Bit": b"".join(
        json.dumps([[1_793_620_800.5, {}], row]).encode() + b"\n" for row in ROWS
    ),
    "an array of events": json.dumps([[1_793_620_800, row] for row in ROWS], indent=1).encode(),
    "single quotes": "".join(
        ",".join("'" + cell.replace("'", "''") + "'" for cell in cells) + "\n"
        for cells in (list(ROWS[0]), *(list(row.values()) for row in ROWS))
    ).encode(),
    "single quotes with backslashes": b"time;who;asked\r\n"
    + "".join(f"'{r['time']}';'{r['who']}';'{r['asked']}'\r\n" for r in ROWS).encode(),
    "Markdown": b"| time | who | asked |\n|:--|---|:-:|\n"
    + "".join(f"| {r['time']} | {r['who']} | {r['asked']} |\n" for r in ROWS).encode(),
    "psql": b"  time  | who | asked \n--------+-----+-------\n"
    + "".join(f" {r['time']} | {r['who']} | {r['asked']}\n" for r in ROWS).encode()
    + b"(3 rows)\n\n",
    "mysql": b"+----+--+---+\n| time | who | asked |\n+----+--+---+\n"
    + "".join(f"| {r['time']} | {r['who']:9} | {r['asked']} |\n" for r in ROWS).encode()
    + b"+----+--+---+\n",
    "bytes of nginx": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    .replace("ö", "\\xC3\\xB6")
    .replace("ß", "\\xC3\\x9F")
    .encode(),
    "JSON text on each line": b"".join(
        json.dumps(line.decode()).encode() + b"\n" for line in JSONL.splitlines()
    ),
    "a prefix of syslog": b"".join(
        b"<134>1 - gateway app - - - " + line + b"\n" for line in JSONL.splitlines()
    ),
    "parts of a container's lines": b"".join(
        b"2026-11-02T12:00:00.000000001Z stdout P " + line[:30] + b"\n"
        b"2026-11-02T12:00:00.000000002Z stderr F starting\n"
        b"2026-11-02T12:00:00.000000002Z stdout F " + line[30:] + b"\n"
        for line in JSONL.splitlines()
    ),
    "CSV": CSV.encode(),
    "CSV with semicolons": CSV.replace(",", ";").replace("; bitte", ", bitte").encode(),
    "CSV with a line sep=": b"sep=,\r\n" + CSV.encode(),
    "CSV in UTF-16": CSV.encode("utf-16"),
    "CSV with CR alone": CSV.replace("\r\n", "\r").encode(),
    "CSV with comments and blank lines": b"# made today\n\n" + CSV.encode(),
    "CSV whose header is a comment": b"#" + CSV.encode(),
    "TSV": "".join(
        "\t".join(map(str, r)) + "\n" for r in [ROWS[0], *[r.values() for r in ROWS]]
    ).encode(),
    "W3C": b"#Version: 1.0\n#fields\ttime\twho\tasked\n"
    + "".join("\t".join(row.values()) + "\n" for row in ROWS).encode()
    + b"#close\n",
    "Parquet": frame_of(pl.DataFrame(ROWS), "write_parquet"),
    "Parquet inside gzip": gzip.compress(frame_of(pl.DataFrame(ROWS), "write_parquet")),
    "Arrow": frame_of(pl.DataFrame(ROWS), "write_ipc"),
    "a stream of Arrow": frame_of(pl.DataFrame(ROWS), "write_ipc_stream"),
    "Avro": frame_of(pl.DataFrame(ROWS), "write_avro"),
}


def require_library(kind: str) -> None:
    """Arrow needs an extra."""
    if "Arrow" in kind:
        pytest.importorskip("pyarrow")


@pytest.mark.parametrize("kind", FILES)
def test_rows_are_the_same_in_every_kind_of_file(kind: str) -> None:
    """Its content says what it is: no file has a suffix here."""
    require_library(kind)
    assert records(FILES[kind]) == ROWS


@pytest.mark.parametrize("kind", ["Parquet", "zip", "gzip", "JSON Lines", "CSV", "Arrow"])
def test_streams_that_cannot_go_back_are_read(kind: str) -> None:
    """A pipe gives some bytes at a time, and has no size."""
    require_library(kind)

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise io.UnsupportedOperation

        def read1(self, size: int | None = -1) -> bytes:
            return super().read1(min(size or 0, 7))

    source = ByteSource(name="-", open=lambda: Pipe(FILES[kind]))
    found = [
        row for block in read_blocks(source, Tally(), lambda _: None) for row in block.records()
    ]
    assert found == ROWS


REFUSED: dict[str, tuple[bytes, str]] = {
    "SQLite": (b"SQLite format 3\x00" + bytes(80), "SQLite"),
    "Excel": (zipped({"[Content_Types].xml": b"", "xl/workbook.xml": b""}), "Excel"),
    "a zip of pictures": (zipped({"a.png": b"", "b.jpg": b""}), "contains no log"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(80), "HDF5"),
    "PDF": (b"%PDF-1.7\n1 0 obj", "PDF"),
    "protobuf": (framed(b"\n\x92\x02\x12\x8f\x02\x12\x8c\x02\n\x10" + bytes(300)), "protobuf"),
    "protobuf without frames": (
        b"\n\x92\x02\x12\x8f\x02\x12\x8c\x02\n\x10" + bytes(300),
        "protobuf",
    ),
    "a web page": (b"\n<!DOCTYPE html><html>Sign in</html>", "sign-in"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "snappy": (b"\xff\x06\x00\x00sNaPpY\x00", "Snappy"),
    "lz4": (b"\x04\x22\x4d\x18\x00\x00\x00\x00", "lz4"),
    "zlib": (b"\x78\x9c\x01\x02\x00", "zlib"),
    "a pickle": (b"\x80\x04\x95\x00\x00", "pickle"),
    "other bytes": (bytes(range(256)), "not known"),
    "text": (b"Server started\nListening\n", "neither JSON objects nor a table"),
    "too many layers": (
        gzip.compress(gzip.compress(gzip.compress(gzip.compress(JSONL)))),
        "3 times",
    ),
    "half a gzip": (gzip.compress(JSONL)[:20], "truncated"),
    "half a frame": (framed(compress(JSONL))[:-9], "damaged or truncated"),
    "half a zip": (zipped({"a.jsonl": JSONL})[:60], "zip"),
    "half a tar": (tarred({"a.jsonl": JSONL})[:600], "tar"),
    "half of UTF-16": (TEXT.encode("utf-16")[:-1], "UTF-16"),
    "half a Parquet": (FILES["Parquet"][:200], "Parquet file is truncated or damaged"),
    "half an Arrow": (FILES["Arrow"][:200], "Arrow file is truncated or damaged"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_files_are_refused_by_their_name(kind: str) -> None:
    """The message says what the file is, and what to do."""
    require_library(kind)
    content, word = REFUSED[kind]
    assert word in refusal(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \n\n",
        b"\xef\xbb\xbf",
        b"[]",
        b"[\n]\n",
        gzip.compress(b""),
        b"a,b\n",
        zipped({"a.csv": b""}),
    ],
    # archives hold the time, which would make names of tests that differ between processes
    ids=["nothing", "blanks", "mark", "list", "list of lines", "gzip", "header", "zip"],
)
def test_file_without_rows_yields_no_row(content: bytes) -> None:
    """An hour in which nothing came is not a fault of the file."""
    assert records(content) == []


def test_parquet_without_rows_yields_no_row() -> None:
    """A table may be empty."""
    assert records(frame_of(pl.DataFrame(ROWS).clear(), "write_parquet")) == []


# --- values

NESTED = pl.DataFrame(
    {
        "messages": [[{"role": "user", "content": "Hi", "name": None}], None],
        "body": [
            {
                "at": datetime(2026, 1, 1, tzinfo=UTC),
                "raw": b"text",
                "cost": Decimal("1.5"),
                "on": date(2026, 1, 2),
            },
            None,
        ],
        "account": [Decimal(10**15), Decimal(10**15 + 1)],
        "share": [Decimal("0.25"), Decimal("2")],
        "text": [b"gr\xc3\xb6\xc3\x9fer", b"b"],
        "mixed": [b"t", b"\xff\x00"],
        "took": [timedelta(seconds=1.5), None],
        "hour": [time(1, 2), None],
        "numbers": [[1.0, 2.0], None],
    },
    schema_overrides={"account": pl.Decimal(38, 0), "share": pl.Decimal(10, 2)},
).with_columns(
    kind=pl.Series(["a", "b"], dtype=pl.Categorical),
    pair=pl.Series([[1, 2], None], dtype=pl.Array(pl.Int64, 2)),
)
PLAIN = {
    "messages": [{"role": "user", "content": "Hi", "name": None}],
    "body": {
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "raw": "text",
        "cost": 1.5,
        "on": "2026-01-02",
    },
    "account": 10**15,
    "share": 0.25,
    "text": "größer",
    "mixed": "t",
    "took": 1.5,
    "hour": "01:02:00",
    "numbers": [1.0, 2.0],
    "kind": "a",
    "pair": [1, 2],
}


@pytest.mark.parametrize("write", ["write_parquet", "write_ipc", "write_ipc_stream"])
def test_values_are_plain_whatever_the_columns_are(write: str) -> None:
    """Records and columns say the same: lists, dicts, numbers, text and times of Python."""
    require_library("Arrow" if "ipc" in write else "Parquet")
    (block,) = blocks(frame_of(NESTED, write))
    second = {"account": 10**15 + 1, "share": 2.0, "text": "b", "mixed": b"\xff\x00", "kind": "b"}
    assert block.records() == [PLAIN, second]
    assert [block.record(0), block.record(1)] == [PLAIN, second]
    assert {name: next(iter(block.column(name))) for name in PLAIN if name != "numbers"} == {
        name: value for name, value in PLAIN.items() if name != "numbers"
    }
    assert block.column("body.raw") == ["text", None]


def test_queries_give_the_same_values_as_files() -> None:
    """The rows of a database come as frames."""
    source = TableSource(name="query", frames=lambda: iter([NESTED, NESTED[:1]]))
    first, second = read_blocks(source, Tally(), lambda done: None)
    assert first.record(0) == second.record(0) == PLAIN
    assert [*first.places, *second.places] == [1, 2, 3]


def test_maps_are_dicts_and_attributes_are_lists() -> None:
    """A map of Parquet is an object of JSON."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    entries = pa.array([[("team", "a")]], type=pa.map_(pa.string(), pa.string()))
    attribute = [[{"key": "k", "value": {"stringValue": "v"}}]]
    parquet.write_table(pa.table({"tags": entries, "attributes": attribute}), out := io.BytesIO())
    assert records(out.getvalue()) == [
        {"tags": {"team": "a"}, "attributes": [{"key": "k", "value": {"stringValue": "v"}}]}
    ]


def test_times_beyond_the_calendar_are_absent_at_any_depth() -> None:
    """Polars panics when it has to show one."""
    times = pl.Series([2**62, 0]).cast(pl.Datetime("ms"))
    frame = pl.DataFrame({"t": times}).with_columns(s=pl.struct("t"))
    assert records(frame_of(frame, "write_parquet")) == [
        {"s": {"t": None}},
        {"t": datetime(1970, 1, 1), "s": {"t": datetime(1970, 1, 1)}},  # noqa: DTZ001
    ]


def test_columns_of_folder_names_are_added_where_a_row_lacks_them() -> None:
    """Hive keeps a column in the names of folders."""
    both = [
        blocks(content, partition={"day": "1", "who": "x"})[0] for content in (JSONL, CSV.encode())
    ]
    assert [block.record(0) for block in both] == [ROWS[0] | {"day": "1"}] * 2


# --- JSON


def test_lines_that_are_not_json_are_other_records_and_not_faults() -> None:
    """A program writes other things into its log too."""
    tally = Tally()
    content = b"Starting up\n" + JSONL + b'"text"\n7\n[1, 2]\ntime=1 level=info {x}\n\xff\xfe\xfd\n'
    assert records(content, "app.log", tally) == ROWS
    assert (tally.unknown, tally.bad_rows, tally.files["app.log"].bad_rows) == (6, 0, 0)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (JSONL + b'{"time": "2026', 4),
        (b'{"time": 1,, "a"}\n' + JSONL, 1),
        ("".join(map(json.dumps, ROWS)).encode() + b'{"time": "2026', 4),
        (json.dumps(ROWS, indent=1).encode()[:-2], 3),
        (b'{\n "a": nothing\n}\n' + FILES["indented objects"], 1),
        (FILES["no line ends"] + b"{'a': 1}" + FILES["no line ends"], 4),
    ],
)
def test_object_that_is_cut_or_broken_is_a_fault_of_that_row(content: bytes, place: int) -> None:
    """All others are read."""
    tally = Tally()
    found = records(content, "x", tally)
    assert [row for row in ROWS if row in found] == ROWS
    (fault,) = tally.row_faults
    assert (fault.where, tally.bad_rows) == (f"x:{place}", 1)


def test_json_of_python_and_of_cut_texts_is_read() -> None:
    """NaN is absent as a field and a number in a list; half a pair of surrogates is replaced."""
    (row,) = records(
        b'{"cost": NaN, "most": -Infinity, "list": [NaN], "text": "a\\ud83d", "\\ud83d": "\tb"}\n'
    )
    assert "nan" in str(row.pop("list"))
    assert row == {"cost": None, "most": float("-inf"), "text": "a\ufffd", "\ufffd": "\tb"}


def test_texts_with_braces_do_not_end_an_object() -> None:
    """LaTeX is full of }{, and so are questions about it."""
    rows = [{"asked": r'\frac{a}{b} "}{" \"}\n{' * 50}] * 4
    assert records("".join(map(json.dumps, rows)).encode()) == rows


def test_time_before_a_record_is_its_time_unless_it_has_one() -> None:
    """As an export task of CloudWatch, kubectl and loggers write it."""
    content = b'2026-11-02T12:00:00.123Z {"who": "a", "asked": "x"}\n2026-11-02 12:00:00,123 INFO app: {"ts": 5, "who": "a"}\n'
    assert records(content) == [
        {"who": "a", "asked": "x", "time": "2026-11-02T12:00:00.123Z"},
        {"ts": 5, "who": "a"},
    ]


def test_lines_that_docker_cut_are_joined() -> None:
    """The first part has no line end; of whole lines a collector may have taken it off."""
    text = json.dumps(ROWS[0])
    parts = [
        (text[:20], "stdout"),
        ("oh\n", "stderr"),
        (text[20:] + "\n", "stdout"),
        (text, "stdout"),
    ]
    content = b"".join(
        json.dumps({"log": log, "stream": stream, "time": "t"}).encode() + b"\n"
        for log, stream in parts
    )
    logs = [row["log"] for row in records(content)]
    assert logs == ["oh\n", text + "\n", text]


def test_list_among_objects_is_one_other_record() -> None:
    """Events of a stream in place of a record are not records."""
    tally = Tally()
    events = b'[{"chunk": 1}, {"chunk": 2}]\n'
    assert records(events + JSONL, "x", tally) == ROWS
    assert tally.unknown == 1


# --- archives


def test_members_that_are_no_logs_are_left_out_and_places_are_of_a_member() -> None:
    """macOS and build tools add files of their own."""
    names = ["a/1.jsonl", "__MACOSX/a/._1.jsonl", "a/.hidden.jsonl", "README.md", "2"]
    content = zipped({name: b"{}\nx\n" if name.startswith("_") else JSONL for name in names})
    found = blocks(content, "logs.zip")
    assert [(b.member, list(b.places)) for b in found if b.places] == [
        ("a/1.jsonl", [1, 2, 3]),
        ("2", [1, 2, 3]),
    ]


# --- CSV


def test_header_with_a_name_twice_keeps_the_first() -> None:
    """A join of two tables has an id twice."""
    assert records(b"id,a,id,id\n1,2,3,4\n") == [{"id": "1", "a": "2", "id_2": "3", "id_3": "4"}]


def test_backslashes_before_quotes_are_read_where_rows_need_them() -> None:
    """Also where the first rows had none; JSON in doubled quotes has backslashes of its own."""
    body = json.dumps([{"content": 'a "b" \\ c'}])
    escaped = body.replace("\\", "\\\\").replace('"', '\\"')
    rows = [f'"{i}","{escaped}"\n' for i in range(3)]
    for content in ("i,body\n" + "".join(rows), "i,body\n" + '"9","x"\n' * 400_000 + "".join(rows)):
        assert records(content.encode())[-1] == {"i": "2", "body": body}
    doubled = body.replace('"', '""')
    assert records(f'i,body\n1,"{doubled}"\n'.encode()) == [{"i": "1", "body": body}]


def test_lists_of_python_in_cells_are_lists() -> None:
    """Pandas writes them; a user's own Python stays text."""
    listed = "[{'role': 'user', 'content': \"it's\"}]"
    numpy = "[{'role': 'user', 'content': 'a'}\n {'role': 'user', 'content': 'b'}]"
    own = "[{'a': 1}] is a list"
    content = pl.DataFrame(
        {"m": [listed, numpy, own, "{'a': 1}"], "prompt": ["{'a': 1}"] * 4}
    ).write_csv()
    rows = records(content.encode())
    assert [row["m"] for row in rows] == [
        [{"role": "user", "content": "it's"}],
        [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
        own,
        {"a": 1},
    ]
    assert {row["prompt"] for row in rows} == {"{'a': 1}"}


def test_tsv_whose_last_column_is_json_is_a_table() -> None:
    """Its lines end with an object, as prefixed lines do."""
    assert records(b'time\tbody\n1\t{"a": 1}\n2\t{"a": 2}\n') == [
        {"time": "1", "body": '{"a": 1}'},
        {"time": "2", "body": '{"a": 2}'},
    ]


def test_table_of_thousands_of_columns_is_read() -> None:
    """One row as good as many."""
    names = [f"c{i}" for i in range(3_000)]
    assert records(f"{','.join(names)}\n{','.join(names)}\n".encode()) == [
        dict(zip(names, names, strict=True))
    ]


def exact(text: bytes) -> tuple[list[Any], tuple[Any, ...]]:
    """Reads by `csv` alone."""
    return outcome(text, fast=False)


def outcome(text: bytes, fast: bool) -> tuple[list[Any], tuple[Any, ...]]:
    tally = Tally()
    with pytest.MonkeyPatch.context() as patch:
        if not fast:
            patch.setattr(csvs, "_parsed", lambda *_: None)
        found = [
            (place, row)
            for block in csvs.read_csv("x", lines.line_blocks(iter([text])), tally, lambda: None)
            for place, row in zip(block.places, block.records(), strict=True)
        ]
    return found, tally.row_faults


cell = st.text(st.sampled_from("a\",\n\r\\ ;é\x00{'"), max_size=5)
quoted = cell.map(lambda text: '"' + text.replace('"', '""') + '"')
row = st.lists(cell | quoted | st.sampled_from(["x", ""]), max_size=4).map(",".join)
table = st.lists(row, max_size=6).flatmap(
    lambda rows: st.sampled_from(["\n", "\r\n"]).map(lambda end: end.join([*rows, ""]))
)


@settings(max_examples=400, deadline=None)
@given(header=st.sampled_from(["a", "a,b", "a,b,c"]), text=table, cut=st.integers(0, 1))
@example("a,b", "1,2\n3\n4,5\n", 0)
@example("a,b", 'x"y,2\n', 0)
@example("a,b", '"a"b,2\n1,2\n', 0)
@example("a", '\n""\n\nx\n', 0)
@example("a,b", '"x\r\ny",2\r\n3,4', 0)
@example("a,b", "1,2,3\n4\n", 0)
@example("a,b", ',",,"\n\n\n', 0)
def test_fast_path_of_csv_reads_what_csv_reads(header: str, text: str, cut: int) -> None:
    """Rows, lines and faults, for anything that may be in a table."""
    content = (header + "\n" + text).encode()
    content = content[: len(content) - cut]
    assert outcome(content, fast=True) == outcome(content, fast=False)


def test_fast_path_of_csv_is_taken_again_after_a_faulty_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A ragged row costs its own block alone."""
    monkeypatch.setattr(lines, "BLOCK_BYTES", 1_000)
    slow = []
    strict = csvs._Reader._exact
    monkeypatch.setattr(csvs._Reader, "_exact", lambda *a: slow.append(1) or strict(*a))
    text = b"a,b\n" + b"1,2\n" * 2_000 + b"3\n" + b"4,5\n" * 2_000
    chunks = iter([text[at : at + 500] for at in range(0, len(text), 500)])
    tally = Tally()
    found = list(csvs.read_csv("x", lines.line_blocks(chunks), tally, lambda: None))
    assert sum(len(block.places) for block in found) == 4_000
    assert [fault.where for fault in tally.row_faults] == ["x:2002"]
    assert len(slow) == 1


# --- memory


class Endless(io.RawIOBase):
    """A file of `size` bytes that is not there."""

    def __init__(self, piece: bytes, size: int, head: bytes = b"") -> None:
        self._twice = piece * 2 * max(1, (1 << 20) // len(piece))
        self._left = size // len(piece) * len(piece)
        self._at = 0
        self._head = head

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            return head
        if self._left <= 0:
            return b""
        taken = self._twice[self._at : self._at + min(size, 1 << 20)]
        self._at = (self._at + len(taken)) % (len(self._twice) // 2)
        self._left -= len(taken)
        return taken


def weights(piece: bytes, head: bytes = b"") -> Iterator[int]:
    source = ByteSource(name="x", open=lambda: Endless(piece, 64 << 20, head))  # type: ignore[arg-type,return-value]
    for block in read_blocks(source, Tally(), lambda done: None):
        yield len(block.places)


LINE = b'{"who": "a", "asked": "' + b"x" * 500 + b'"}'


@pytest.mark.parametrize(
    ("piece", "head"),
    [
        (LINE + b"\n", b""),
        (LINE, b""),
        (LINE + b",\n", b"["),
        (b"a," + b"b" * 500 + b"\n", b"who,asked\n"),
        (framed(compress(LINE * 200)), b""),
    ],
    ids=["lines", "no line ends", "array", "CSV", "framed zstd"],
)
def test_memory_is_bounded_whatever_the_size(piece: bytes, head: bytes) -> None:
    """Blocks are a few megabytes of rows, in the hundredth as in the first."""
    sizes = list(islice(weights(piece, head), 12))
    assert len(sizes) >= 7 and sum(sizes) > 1_000
    assert max(sizes) <= 2 * jsons.BLOCK_BYTES // len(LINE)


def test_value_above_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document that is one object has to be held at once."""
    monkeypatch.setattr(jsons, "MAX_VALUE_BYTES", 3 << 20)
    assert "one JSON value above 3 MB" in refusal(b'{\n"a": "' + b"x" * (8 << 20))


OPENERS: dict[str, Callable[[], Any]] = {"fails": lambda: 1 / 0}


def test_source_that_cannot_be_opened_or_read_is_a_fault() -> None:
    """Stores raise errors of many kinds; what was read before one counts."""

    class Gone(io.BytesIO):
        def read1(self, size: int | None = -1) -> bytes:
            return super().read1(size) or self.fail()

        def fail(self) -> bytes:
            raise RuntimeError("connection reset")

    for open_source, rows in ((OPENERS["fails"], 0), (lambda: Gone(JSONL), 3)):
        found: list[Any] = []
        with pytest.raises(UnreadableFileError, match="cannot be read"):
            for block in read_blocks(
                ByteSource(name="x", open=open_source), Tally(), lambda _: None
            ):
                found += block.records()
        assert len(found) == rows


def test_time_of_a_tuple_is_its_records_where_that_has_none() -> None:
    """Fluentd keeps it beside the record; tuples among objects are records as well."""
    lines = [{"who": "a"}, ["app", 1_793_620_800, {"who": "b"}], ["app", {"who": "c"}], [1, 2]]
    tally = Tally()
    found = records("".join(json.dumps(line) + "\n" for line in lines).encode(), tally=tally)
    assert found == [{"who": "a"}, {"who": "b", "time": 1_793_620_800}]
    assert tally.unknown == 2


def test_body_that_nginx_escaped_is_the_text_it_was() -> None:
    """Quotes, backslashes and what is not ASCII are bytes in hexadecimal; JSON's own escapes stay."""
    body = json.dumps({"prompt": 'a "b"\n\\ Größe'}, ensure_ascii=False)
    kept = set(range(32, 127)) - {34, 92}
    escaped = "".join(chr(b) if b in kept else f"\\x{b:02X}" for b in body.encode())
    for prefix in ("", "<190>Nov  2 09:14:03 web nginx: "):
        (found,) = records(f'{prefix}{{"body": "{escaped}", "path": "\\\\x41"}}\n'.encode())
        assert found == {"body": body, "path": "\\x41"}


def test_single_quote_in_some_cells_is_part_of_them() -> None:
    """Quotes count where all cells of text are within them."""
    (found,) = records(b"who,asked\na,'Hi'\n")
    assert found == {"who": "a", "asked": "'Hi'"}
    rows = b"who,n,asked\n'a',1,'Hi, it''s\nme'\n'b',,'It\\'s'\n"
    assert [row["asked"] for row in records(rows.replace(b"''", b"\\'"))] == [
        "Hi, it's\nme",
        "It's",
    ]


def test_drawn_row_with_a_bar_too_many_is_a_fault() -> None:
    """Nothing says which bar is part of a cell."""
    tally = Tally()
    text = b"| who | asked |\n|---|---|\n| a | x \\| y |\n| b | x | y |\n|  | z |\n"
    assert records(text, tally=tally) == [{"who": "a", "asked": "x | y"}, {"asked": "z"}]
    assert tally.bad_rows == 1
    assert records(b" who | n \n-----+---\n     | 1\n b   | \n") == [{"n": "1"}, {"who": "b"}]


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_member_that_is_left_out_is_remarked_upon(
    pack: Callable[[dict[str, bytes]], bytes],
) -> None:
    """A log may be named as a document is; what a system adds is of no interest."""
    tally = Tally()
    members = {"a.jsonl": JSONL, "b.txt": JSONL, "c.md": b"#", "__MACOSX/._a.jsonl": b"x"}
    assert len(records(pack(members), tally=tally)) == len(ROWS)
    (remark,) = tally.remarks
    assert "left out: x: 2 files" in remark and "b.txt, c.md" in remark
