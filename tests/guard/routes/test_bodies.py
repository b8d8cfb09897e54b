"""What comes in is parsed once, and what goes out is that, written anew."""

import subprocess
import sys

import pytest

from gamekeeper.guard.routes import UnreadableRequestError, parse, serialise


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":1}{"a":2}',
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":1} /* */',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}",
        b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"a":' * 300 + b"1" + b"}" * 300,
    ],
    ids=lambda raw: repr(raw[:16]),
)
def test_what_is_no_json_object_or_could_not_be_written_again_is_refused(raw: bytes) -> None:
    """An upstream that reads more than we do would read what was not judged."""
    with pytest.raises(UnreadableRequestError):
        parse(raw)


def test_of_equal_keys_the_one_that_was_judged_is_the_one_that_is_forwarded() -> None:
    """A parser that takes the first key and one that takes the last then read the same."""
    body = parse(b'{"prompt":"harmless","prompt":"harvest","n":1,"\\u006e":9}')
    assert serialise(body) == b'{"prompt":"harvest","n":9}'


def test_what_cannot_be_written_is_refused() -> None:
    """As it might come out of a change to it."""
    with pytest.raises(UnreadableRequestError):
        serialise({"a": "\ud800"})


def test_routes_load_neither_frames_nor_arrays() -> None:
    """The live path starts without them, and a policy can be read in an instant."""
    program = (
        "import sys, gamekeeper.guard.routes, gamekeeper.guard.doors.server_sent_events;"
        "print(sorted({'polars', 'numpy', 'pyarrow'} & set(sys.modules)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    assert out.strip() == "[]"
