"""Stores on this machine: moto for S3, a web server of our own, the emulator of Google's storage."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any
from urllib.request import Request, urlopen

import polars as pl
import pytest

from gamekeeper.exchange.faults import SourceLostError
from gamekeeper.exchange.sources import ByteSource, Sources, find_sources

pytestmark = pytest.mark.extra
pytest.importorskip("fsspec")

ROWS = [
    f'{{"time": "2026-11-02T09:14:{n:02}Z", "account": "acct{n % 3}", "prompt": "Is {n} odd?"}}\n'
    for n in range(60)
]
LOG = "".join(ROWS).encode()


def parquet() -> bytes:
    written = BytesIO()
    pl.DataFrame({"account": ["a", "b"], "prompt": ["x", "y"]}).write_parquet(written)
    return written.getvalue()


def read(source: Any) -> bytes:
    assert isinstance(source, ByteSource)
    with source.open() as stream:
        return stream.read()


def names_of(found: Sources) -> list[str]:
    assert not found.faults
    return [source.name for source in found.sources]


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    import boto3

    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": "of-a-stand-in",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        client = boto3.client("s3")
        where = {"LocationConstraint": "eu-central-1"}
        client.create_bucket(Bucket="logs", CreateBucketConfiguration=where)
        objects = {
            "llm/2026/11/02/a.jsonl": LOG,
            "llm/2026/11/02/_SUCCESS": b"",
            "llm/2026/11/02/data/r1_input.json": b"{}",
            "llm/2026/11/03/empty.jsonl": b"",
            "table/team=x/part-0.parquet": parquet(),
            "delta/a.parquet": parquet(),
            "delta/old.parquet": parquet(),
            "delta/_delta_log/00000000000000000000.json": (
                b'{"protocol": {"minReaderVersion": 1}}\n{"add": {"path": "a.parquet"}}\n'
            ),
        }
        for key, content in objects.items():
            client.put_object(Bucket="logs", Key=key, Body=content)
        yield client
        server.stop()


def test_a_folder_of_a_bucket_is_read_as_one_on_disk_is(s3: Any) -> None:
    """The same rules: bodies kept apart, empty hours and what systems leave are no log."""
    found = find_sources(["s3://logs/llm/", "s3://logs/llm"])
    assert names_of(found) == ["s3://logs/llm/2026/11/02/a.jsonl"]
    assert read(found.sources[0]) == LOG
    assert any("bodies" in sentence for sentence in found.remarks)


def test_objects_patterns_partitions_and_tables_of_a_bucket_are_read(s3: Any) -> None:
    found = find_sources(
        ["s3://logs/*/*/part-*", "s3://logs/delta", "s3://logs/llm/2026/11/02/a.jsonl"]
    )
    assert names_of(found) == [
        "s3://logs/table/team=x/part-0.parquet",
        "s3://logs/delta/a.parquet",
        "s3://logs/llm/2026/11/02/a.jsonl",
    ]
    assert found.sources[0].partition == {"team": "x"}
    with found.sources[1].open() as stream:  # type: ignore[union-attr]
        assert pl.read_parquet(stream)["account"].to_list() == ["a", "b"]


def test_a_log_in_a_bucket_is_read_to_its_rows(s3: Any) -> None:
    from gamekeeper.exchange import LogReader

    rows = pl.concat(LogReader(["s3://logs/llm"]).batches())
    assert rows.height == 60


@pytest.mark.parametrize("name", ["s3://logs/delta/*.parquet", "s3://logs/delta/old.parquet"])
def test_files_of_a_delta_table_in_a_store_are_read_by_the_table_alone(s3: Any, name: str) -> None:
    """A pattern would lead to rows that were deleted."""
    found = find_sources([name])
    assert not found.sources
    assert found.faults[0].try_ == "s3://logs/delta"


@pytest.mark.parametrize("name", ["s3://no-such-bucket/a", "s3://logs/none.jsonl", "s3://logs/x*"])
def test_what_is_not_in_a_store_is_a_fault(s3: Any, name: str) -> None:
    found = find_sources([name])
    assert not found.sources
    assert found.faults[0].where == name


def test_an_object_that_is_gone_when_it_is_opened_is_lost(s3: Any) -> None:
    """It was listed, so the log had it: it is not left out."""
    s3.put_object(Bucket="logs", Key="short/a.jsonl", Body=LOG)
    source = find_sources(["s3://logs/short/"]).sources[0]
    s3.delete_object(Bucket="logs", Key="short/a.jsonl")
    with pytest.raises(SourceLostError, match="not found"):
        read(source)


class Web(BaseHTTPRequestHandler):
    """Serves a log whole, by ranges, cut short, without its length, and behind a password."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        content = parquet() if path.endswith(".parquet") else LOG
        if path == "/denied.jsonl":
            self.reply(403, b"")
        elif path == "/gone.jsonl":
            self.reply(404, b"")
        elif path == "/cut.jsonl":
            self.reply(200, content[:1000], length=len(content))
            self.close_connection = True
        elif path == "/live.jsonl":
            self.reply(200, content, length=None)
            self.close_connection = True
        elif "Range" in self.headers:
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            part = content[int(first) : int(last) + 1]
            self.reply(206, part, range_=f"bytes {first}-{last}/{len(content)}")
        else:
            self.reply(200, content, length=len(content))

    def reply(self, status: int, content: bytes, length: int | None = -1, range_: str = "") -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(len(content) if length < 0 else length))
        if not self.path.startswith("/plain"):
            self.send_header("Accept-Ranges", "bytes")
        if range_:
            self.send_header("Content-Range", range_)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    pytest.importorskip("aiohttp")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["a.jsonl", "plain.jsonl", "live.jsonl"])
def test_a_log_on_a_web_server_is_read(web: str, name: str) -> None:
    """Whether or not the server knows ranges, or the length of what it sends."""
    assert read(find_sources([f"{web}/{name}"]).sources[0]) == LOG


def test_parquet_on_a_web_server_is_read_from_its_end(web: str) -> None:
    for name in ("a.parquet", "plain.parquet"):
        with find_sources([f"{web}/{name}"]).sources[0].open() as stream:  # type: ignore[union-attr]
            assert stream.seekable()
            assert pl.read_parquet(stream)["account"].to_list() == ["a", "b"]


def test_a_connection_that_breaks_is_never_a_shorter_log(web: str) -> None:
    source = find_sources([f"{web}/cut.jsonl"]).sources[0]
    with pytest.raises(SourceLostError, match="connection"):
        read(source)


@pytest.mark.parametrize(("name", "problem"), [("denied", "denied"), ("gone", "not found")])
def test_what_a_web_server_refuses_is_a_fault_without_the_signature(
    web: str, name: str, problem: str
) -> None:
    """A signed address opens the log to anyone who sees it."""
    address = f"{web}/{name}.jsonl?sig=abcdef0123456789abcdef&x=1".replace("://", "://ann:pw9@")
    found = find_sources([address])
    assert problem in found.faults[0].problem
    assert "abcdef" not in repr(found) and "pw9" not in repr(found)


def test_a_signed_address_is_shown_without_its_signature(web: str) -> None:
    source = find_sources([f"{web}/a.jsonl?sig=abcdef0123456789abcdef"]).sources[0]
    assert "abcdef" not in repr(source)
    assert source.name.endswith("/a.jsonl?sig=***")
    assert read(source) == LOG


def test_a_server_that_nobody_runs_is_a_fault() -> None:
    found = find_sources(["http://127.0.0.1:9/a.jsonl"])
    assert found.faults[0].problem == "the store cannot be read"


def test_an_object_of_googles_storage_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the emulator that the registry of Python has."""
    pytest.importorskip("gcsfs")
    server = pytest.importorskip("gcp_storage_emulator.server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    emulator = server.create_server("127.0.0.1", port, in_memory=True, default_bucket="logs")
    emulator.start()
    try:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        address = f"http://127.0.0.1:{port}/upload/storage/v1/b/logs/o"
        options = "uploadType=media&name=llm/a.jsonl"
        with urlopen(Request(f"{address}?{options}", LOG, method="POST")):
            pass
        found = find_sources(["gs://logs/llm"])
        assert names_of(found) == ["gs://logs/llm/a.jsonl"]
        assert read(found.sources[0]) == LOG
    finally:
        emulator.stop()
