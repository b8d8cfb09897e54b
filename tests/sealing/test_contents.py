"""An index is untrusted input."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamekeeper.sealing.contents import (
    Contents,
    ContentsError,
    Member,
    Tensor,
    is_safe_path,
    read_contents,
)

GOOD = {
    "format": "gamekeeper/contents@1",
    "folder": True,
    "members": [["a.safetensors", "safetensors", 100], ["b/c.json", "file", 7]],
    "tensors": [[0, "w", "F32", [2, 5], 10, 40], [0, "v", "I64", [], 50, 8]],
}


def read(fields: object, length: int = 107) -> Contents:
    return read_contents(orjson.dumps(fields), length)


def test_an_index_is_read_as_it_was_written() -> None:
    """Places become places in the payload."""
    contents = read(GOOD)
    assert contents.members[1] == Member(path="b/c.json", kind="file", begin=100, length=7)
    assert contents.tensors()["w"] == Tensor(
        name="w", dtype="F32", shape=(2, 5), begin=10, length=40
    )
    assert read_contents(contents.to_json(), 107) == contents


def test_files_that_were_not_examined_and_code_are_kept() -> None:
    """By number in the index, by path for readers; without any the index is as it always was."""
    contents = read(GOOD | {"allowed": [1], "code": [[0, "Python"], [1, "Lua"]]})
    assert contents.allowed == ("b/c.json",)
    assert contents.code == (("a.safetensors", "Python"), ("b/c.json", "Lua"))
    assert read_contents(contents.to_json(), 107) == contents
    assert set(orjson.loads(read(GOOD).to_json())) == set(GOOD)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": "other"}, "not a gamekeeper/contents@1"),
        ({"members": [], "tensors": []}, "do not fill"),
        ({"members": [["a", "safetensors", 106]]}, "beyond its end|do not fill"),
        (
            {"members": [["a", "safetensors", 100], ["a", "file", 7]]},
            "two files have the same name",
        ),
        ({"members": [["/etc/passwd", "file", 107]], "tensors": []}, "a file named"),
        ({"members": [["../x", "file", 107]], "tensors": []}, "a file named"),
        ({"members": [["a", "program", 107]], "tensors": []}, "a file of kind"),
        ({"members": [["a", "file", -1], ["b", "file", 108]], "tensors": []}, "a file of -1"),
        ({"members": [["a", "file", 107.0]], "tensors": []}, "a file of"),
        ({"members": [["a", "file"]]}, "not an index"),
        ({"members": 5}, "not an index"),
        ({"tensors": [[0, "w", "F32", [2, 5], 10, 41]]}, "is not its shape"),
        ({"tensors": [[0, "w", "F32", [2, 5], 61, 40]]}, "beyond its end"),
        ({"tensors": [[0, "w", "F32", [2, 5], -1, 40]]}, "offset, length or shape"),
        ({"tensors": [[0, "w", "F32", [2, -5], 10, 40]]}, "offset, length or shape"),
        ({"tensors": [[0, "w", "F32", [1 << 62, 1 << 62], 10, 40]]}, "an impossible shape"),
        ({"tensors": [[0, "w", "F32", [True, 10], 10, 40]]}, "offset, length or shape"),
        ({"tensors": [[0, "w", "F32", [1] * 65, 10, 4]]}, "offset, length or shape"),
        ({"tensors": [[0, "w", "F9", [2], 10, 8]]}, "of type"),
        ({"tensors": [[2, "w", "F32", [2], 10, 8]]}, "of file 2"),
        ({"tensors": [[-1, "w", "F32", [2], 10, 8]]}, "of file -1"),
        ({"tensors": [[0, 5, "F32", [2], 10, 8]]}, "of type"),
        ({"tensors": [[0, "w", "F32", [2], 10, 8], [0, "w", "F32", [2], 18, 8]]}, "twice"),
        ({"tensors": [[0, "w", "F32", [2], 10, 8], [0, "v", "F32", [2], 12, 8]]}, "begins before"),
        ({"tensors": None}, "not an index"),
        ({"folder": False}, "several files that are not in a folder"),
        ({"folder": 1}, "neither true nor false"),
        ({"allowed": [2]}, "a note on file 2"),
        ({"allowed": ["a.safetensors"]}, "a note on file 'a.safe"),
        ({"allowed": [True]}, "a note on file True"),
        ({"allowed": 5}, "not an index"),
        ({"code": [[0]]}, "not an index"),
        ({"code": [[0, 5]]}, "a note that is not a short text"),
        ({"code": [[-1, "x"]]}, "a note on file -1"),
        ({"code": [[0, "x" * 2000]]}, "a note that is not a short text"),
    ],
)
def test_an_inconsistent_index_is_refused(change: dict[str, object], says: str) -> None:
    """Files that leave their folder or do not fill the payload; tensors out of place, over each
    other, out of shape.
    """
    with pytest.raises(ContentsError, match=says):
        read(GOOD | change)


@given(st.binary(max_size=60) | st.recursive(st.none() | st.text(), st.lists).map(orjson.dumps))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    """Never another error."""
    with pytest.raises(ContentsError):
        read_contents(text, 107)


def test_pieces_of_the_payload_go_to_their_files() -> None:
    """Also over several files, and past empty ones."""
    lengths = [5, 0, 3, 0, 4]
    begin = 0
    members = []
    for number, length in enumerate(lengths):
        members.append(Member(path=str(number), kind="file", begin=begin, length=length))
        begin += length
    contents = Contents(members=tuple(members), is_folder=True)
    for at in range(begin):
        for length in range(1, begin - at + 1):
            payload = [
                (number, place) for number, one in enumerate(lengths) for place in range(one)
            ][at : at + length]
            found = [
                (number, place + step)
                for number, place, part in contents.pieces(at, length)
                for step in range(part.stop - part.start)
            ]
            assert found == payload


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "..",
        "/a",
        "a/",
        "a//b",
        "a/../b",
        "a/./b",
        "a\\b",
        "C:a",
        "a\0b",
        "a\nb",
        "a\x1bb",
        "b.",
        "b ",
        "x" * 2000,
        "a*",
    ],
)
def test_paths_that_lead_elsewhere_are_not_safe(path: str) -> None:
    """On this system or on another, or on somebody's terminal."""
    assert not is_safe_path(path)


@pytest.mark.parametrize(
    "path", ["a", "model-00001-of-00002.safetensors", "onnx/model.onnx", ".hidden", "ä b.json"]
)
def test_plain_paths_are_safe(path: str) -> None:
    """Also hidden ones, with spaces, in any script."""
    assert is_safe_path(path)


def sharing(*tensors: tuple[str, str]) -> Contents:
    """Contents of a file a tensor, by path and name."""
    return Contents(
        members=tuple(
            Member(
                path=path,
                kind="onnx",
                begin=0,
                length=0,
                tensors=(Tensor(name=name, dtype="U8", shape=(0,), begin=0, length=0),),
            )
            for path, name in tensors
        )
    )


def test_no_tensor_hides_another() -> None:
    """A name can look like the path and name of another; all are there, each under its own."""
    found = sharing(("a", "w"), ("b", "w"), ("c", "a:w"), ("d", "x:y")).tensors()
    assert list(found) == ["a:w", "b:w", "c:a:w", "x:y"]


def test_shared_names_are_found_in_linear_time() -> None:
    """An untrusted index can have millions of names; finding equal ones must not take quadratic time."""
    from time import process_time

    many = [("a", str(number)) for number in range(20_000)]
    contents = sharing(*many, ("b", "0"))
    start = process_time()
    assert len(contents.tensors()) == 20_001
    assert process_time() - start < 1


def test_shapes_that_overflow_are_refused() -> None:
    """An axis of 0 makes room for any other, which numpy cannot count."""
    with pytest.raises(ContentsError, match="an impossible shape"):
        read(GOOD | {"tensors": [[0, "w", "F32", [0, 1 << 62, 1 << 62], 10, 0]]})
