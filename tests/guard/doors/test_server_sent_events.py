"""Server-sent events: the same whatever the chunks, byte for byte, and bounded."""

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamekeeper.guard.doors.server_sent_events import Event, EventReader, plain, relay, serialise
from gamekeeper.guard.routes import UnreadableRequestError, Withheld, known_routes
from gamekeeper.guard.routes.query import Query

CHAT = known_routes()[0]


def events_of(*chunks: bytes, max_bytes: int = 1000) -> list[Event]:
    reader = EventReader(max_bytes)
    return [event for chunk in chunks for event in reader.feed(chunk)] + reader.finish()


def raws(*chunks: bytes) -> list[bytes]:
    return [event.raw for event in events_of(*chunks)]


def datas(*chunks: bytes) -> list[bytes | None]:
    return [event.data for event in events_of(*chunks)]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data: a\r\n\r\n", [b"a"]),
        (b"data: a\r\r", [b"a"]),
        (b"data: a\r\n\n", [b"a"]),
        (b"data: a\n\r\n", [b"a"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data\n\n", [b""]),
        (b"data:\n\n", [b""]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data: a\r\ndata:\r\ndata: b\r\n\r\n", [b"a\n\nb"]),
        (b"data: a\rdata: b\n\n", [b"a\nb"]),
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"event: x\nid: 7\nretry: 10\n: note\ndata: a\n\n", [b"a"]),
        (b": note\n\n", [None]),
        (b"event: x\n\n", [None]),
        (b"\n\n", [None, None]),
        (b"\r\n\r\n", [None, None]),
        (b"data: a\n\n\ndata: b\n\n", [b"a", None, b"b"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"\xef\xbb\xbf\n\xef\xbb\xbfdata: a\n\n", [None, None]),
        (b"database: a\n\n", [None]),
        (b" data: a\n\n", [None]),
        (b"Data: a\n\n", [None]),
        (b"data : a\n\n", [None]),
        (b"data: a\x0bdata: b\x85\xe2\x80\xa8\n\n", [b"a\x0bdata: b\x85\xe2\x80\xa8"]),
        (b"data: a", [b"a"]),
        (b"data: a\n", [b"a"]),
        (b"data: a\r\n\r", [b"a"]),
        (b"data: a\nx", [b"a"]),
        (b"", []),
        (b"\xef\xbb", [None]),
    ],
)
def test_events_are_read_as_the_standard_says_and_their_bytes_are_kept(
    stream: bytes, expected: list[bytes | None]
) -> None:
    """In one chunk and byte by byte; also what the end of the stream cuts off, which some client
    might read.
    """
    assert datas(stream) == expected
    assert b"".join(raws(stream)) == stream
    assert raws(*(stream[at : at + 1] for at in range(len(stream)))) == raws(stream)


pieces = st.sampled_from(
    [
        *(
            b"data: ",
            b"data:",
            b"data",
            b"event: x",
            b"id",
            b":",
            b"\n",
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"{}",
            b" ",
        ),
        *(b"\xef\xbb\xbf", "ü€🎉".encode(), b"\xff", b"\x00", b"[DONE]"),
    ]
)
streams = st.lists(pieces | st.binary(max_size=3), max_size=25).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(stream=streams, cuts=st.lists(st.integers(0, 60), max_size=8))
def test_events_are_the_same_whatever_the_chunks(stream: bytes, cuts: list[int]) -> None:
    """And together they are the stream."""
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    cut = [stream[a:b] for a, b in pairwise(edges)]
    assert raws(*cut) == raws(stream) and datas(*cut) == datas(stream)
    assert b"".join(raws(stream)) == stream


@settings(max_examples=200, deadline=None)
@given(stream=streams)
def test_no_event_goes_on_behind_an_empty_line(stream: bytes) -> None:
    """Otherwise a client would see two events where one was judged."""
    for raw in raws(stream):
        lines = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        assert b"" not in lines[:-2] or lines[:-2] == [b""]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_event_is_given_out_with_the_chunk_that_ends_it(ending: bytes) -> None:
    """The first token leaves before the second is made."""
    reader = EventReader()
    first = b"data: a" + ending + ending
    assert [event.raw for event in reader.feed(first)] == [first]
    assert reader.feed(b"data: b") == []
    assert [event.data for event in reader.feed(ending + ending + b"data: c")] == [b"b"]
    assert [event.data for event in reader.finish()] == [b"c"]
    assert reader.finish() == []


def test_event_that_ends_with_cr_waits_for_the_lf_that_belongs_to_it() -> None:
    """Else the LF would be a second empty line in front of the next event."""
    reader = EventReader()
    assert reader.feed(b"data: a\r\n\r") == []
    assert [event.raw for event in reader.feed(b"\ndata: b\r\n\r\n")] == [
        b"data: a\r\n\r\n",
        b"data: b\r\n\r\n",
    ]


def test_chunk_that_looks_like_one_event_and_holds_two_is_cut() -> None:
    """The usual chunk is taken whole; one with a CR in it is not that."""
    assert datas(b": x\n\n", b"data: a\r\rdata: b\n\n")[1:] == [b"a", b"b"]
    assert datas(b": x\n\n", b"\ndata: a\n\n")[1:] == [None, b"a"]


def test_character_cut_in_two_arrives_whole() -> None:
    """UTF-8 is cut anywhere."""
    whole = "data: 🎉\n\n".encode()
    for at in range(len(whole)):
        assert datas(b": x\n\n", whole[:at], whole[at:])[1:] == ["🎉".encode()]


@pytest.mark.parametrize(
    "chunks",
    [
        [b"data: " + b"x" * 200 + b"\n\n"],
        [b"data: " + b"x" * 200],
        [b"data: a\n\n", b"data: " + b"x" * 200 + b"\n\n"],
        [b"data: a\n\n", b"data: b\n\ndata: " + b"x" * 200 + b"\n\n"],
        [b"x"] * 200,
        [b"data: x\n"] * 30,
    ],
)
def test_event_larger_than_the_bound_is_refused(chunks: list[bytes]) -> None:
    """However it comes in; what is kept never grows past the bound and a chunk."""
    with pytest.raises(UnreadableRequestError, match="more than 100 bytes"):
        events_of(*chunks, max_bytes=100)


def test_many_events_together_may_be_larger_than_the_bound() -> None:
    """The bound is on one event."""
    assert len(events_of(b"data: a\n\n" * 100, max_bytes=20)) == 100
    exact = b"data: " + b"x" * 12 + b"\n\n"
    assert len(events_of(exact, exact, max_bytes=len(exact))) == 2


def test_large_event_in_small_chunks_is_read_in_linear_time() -> None:
    """A search from the start at each chunk would take minutes here."""
    reader = EventReader(1 << 20)
    began = time.process_time()
    for _ in range(60_000):
        assert reader.feed(b"data: xxxxx\n") == []
    assert len(reader.feed(b"\n")) == 1
    assert time.process_time() - began < 5


def test_name_is_the_last_event_field() -> None:
    """None if there is none."""
    assert events_of(b"event: a\nevent: b\ndata: x\n\n")[0].name == "b"
    assert events_of(b"data: x\n\n")[0].name is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"data: old\n\n", b"data: new\n\n"),
        (b"data:old\r\n\r\n", b"data: new\n\n"),
        (b"event: x\ndata: old\n\n", b"event: x\ndata: new\n\n"),
        (b"data: old\ndata: older\nid: 7\n: note\n\n", b"id: 7\n: note\ndata: new\n\n"),
        (b"data: old", b"data: new\n\n"),
        (b"\xef\xbb\xbfevent: x\ndata: old\n\n", b"event: x\ndata: new\n\n"),
    ],
)
def test_changed_event_keeps_all_but_its_data(raw: bytes, expected: bytes) -> None:
    """Its name and id are how clients tell events apart."""
    event = events_of(raw)[0]
    assert serialise(event, b"new") == expected
    assert events_of(expected)[0].name == event.name


@pytest.mark.parametrize(
    "raw", [b"data: [DONE]\n\n", b"data:[DONE]\r\n\r\n", b": note\n\n", b"data: \n\n", b"id: 3\n\n"]
)
def test_what_has_no_document_is_forwarded_as_it_came(raw: bytes) -> None:
    """Ends, comments and empty events hold nothing to withhold."""
    strip = CHAT.stripper(Withheld(reasoning=True), Query())
    assert relay(events_of(raw)[0], strip) == raw


def test_untouched_event_is_forwarded_byte_for_byte_and_a_stripped_one_is_not() -> None:
    """Spaces, escapes and the order of keys included."""
    strip = CHAT.stripper(Withheld(reasoning=True), Query())
    plain = b'data:  { "choices": [ {"delta":{"content":"\\u0041"}} ] }\r\nid: 1\r\n\r\n'
    trace = b'data: {"choices":[{"index":0,"delta":{"reasoning":"hm"}}]}\n\n'
    both = b'id: 2\ndata: {"choices":[{"delta":{"content":"A","reasoning":\ndata: "hm"}}]}\n\n'
    assert relay(Event(plain), strip) == plain
    assert relay(Event(trace), strip) == b""
    assert relay(Event(both), strip) == b'id: 2\ndata: {"choices":[{"delta":{"content":"A"}}]}\n\n'


@pytest.mark.parametrize(
    "data",
    [b"hm", b"[1]", b'"hm"', b"null", b"{", b"[DONE] hm", b"[DONE]\ndata: hm", b'{"a":"\xff"}'],
)
def test_data_that_is_no_object_is_not_passed_while_something_is_withheld(data: bytes) -> None:
    """A trace might be in it."""
    with pytest.raises(UnreadableRequestError):
        relay(Event(b"data: " + data + b"\n\n"), CHAT.stripper(Withheld(reasoning=True), Query()))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"data: {}\n\n", b"data: {}\n\n"),
        (b"\xef\xbb\xbfdata: {}\r\n\r\n", b"\xef\xbb\xbfdata: {}\r\n\r\n"),
        (b": ping\n\n", b": ping\n\n"),
        (b": " + b"x" * 65 + b"\n\n", b""),
        (b": \xc3\xa9\n\n", b""),
        (b'id: {"a"}\r\ndata: {}\r\n\r\n', b"data: {}\n\n"),
        (b"event: a.b\nid: 7\nretry: 10\ndata: {}\n\n", None),
        (b"\n", None),
    ],
)
def test_only_what_is_plain_stays_beside_the_data(raw: bytes, expected: bytes | None) -> None:
    """An event of which nothing is dropped stays as it came."""
    event = events_of(raw)[0]
    assert plain(event).raw == (raw if expected is None else expected)


@pytest.mark.parametrize("line", [b"Data: x", b" data: x", b"data : x", b"{}", b"event: {}", b"x"])
def test_line_that_is_not_of_the_standard_is_refused(line: bytes) -> None:
    """Some client might read it."""
    with pytest.raises(UnreadableRequestError, match="not of the standard"):
        plain(Event(b"data: {}\n" + line + b"\n\n"))
