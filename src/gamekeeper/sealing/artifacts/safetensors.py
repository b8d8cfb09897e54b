"""safetensors files: the byte ranges of their tensors.

    length of the header (8 bytes, little-endian), header (JSON), tensors one after another

The header maps names to {"dtype", "shape", "data_offsets": [begin, end]}, counted from its own end.
As the format requires, the tensors fill the rest of the file without gaps, and the header has at
most 100 MB.
Source: github.com/huggingface/safetensors, "Format" and "Benefits" of its README.
"""

from typing import Any

import orjson

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts.formats._format import suffix_of
from gamekeeper.sealing.artifacts.formats.pickles import calls_something
from gamekeeper.sealing.artifacts.formats.refused import require_downloaded
from gamekeeper.sealing.artifacts.formats.text import is_text
from gamekeeper.sealing.contents import (
    DTYPE_BITS,
    ContentsError,
    Member,
    Tensor,
    is_shape,
    require_valid_tensors,
)

_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 100_000_000
_METADATA = "__metadata__"
_SUFFIXES = {".safetensors", ".sft"}


def is_safetensors(data: ByteSource, path: str) -> bool:
    """Returns whether a file is called a safetensors file; or has a name without a suffix, begins
    like one, and is long enough for its header.

    A file with another suffix is not one: other loaders read it in another way.
    """
    suffix = suffix_of(path)
    if suffix:
        return suffix in _SUFFIXES
    start = data.read(0, _LENGTH_BYTES + 1)
    length = int.from_bytes(start[:_LENGTH_BYTES], "little")
    is_like_one = start[_LENGTH_BYTES:] == b"{" and length <= data.size - _LENGTH_BYTES
    return is_like_one and not calls_something(data)


def safetensors_member(data: ByteSource, path: str, begin: int) -> Member:
    """Returns a safetensors file with its tensors, as a member of a payload.

    Args:
        data: The file.
        path: Its path in the model.
        begin: Its offset in the payload.

    Raises:
        ContentsError: It is not a safetensors file, or its header is inconsistent.
    """
    require_downloaded(data, path)
    length = int.from_bytes(data.read(0, _LENGTH_BYTES), "little")
    if not 2 <= length <= min(_MAX_HEADER_BYTES, data.size - _LENGTH_BYTES):
        raise _no_header(data, length)
    start = _LENGTH_BYTES + length
    tensors = sorted(
        _tensors(data.read(_LENGTH_BYTES, length), begin + start),
        key=lambda one: (one.begin, one.length),
    )
    member = Member(
        path=path, kind="safetensors", begin=begin, length=data.size, tensors=tuple(tensors)
    )
    require_valid_tensors(member)
    if start + sum(one.length for one in tensors) != data.size:
        raise ContentsError("its tensors do not fill the file")
    return member


def _no_header(data: ByteSource, length: int) -> ContentsError:
    """Returns the error for a file whose beginning is not that of a safetensors file."""
    is_cut = 2 <= length <= _MAX_HEADER_BYTES and data.read(_LENGTH_BYTES, 1) in (b"{", b"")
    if is_cut:
        return ContentsError(f"a header of {length:,} bytes in a file of {data.size:,}")
    found = "text" if is_text(data) else "other data"
    return ContentsError(f"{found}, not a safetensors file as its name says", "unknown")


def _tensors(header: bytes, begin: int) -> list[Tensor]:
    try:
        entries = orjson.loads(header)
        return [_tensor(name, entry, begin) for name, entry in entries.items() if name != _METADATA]
    except ContentsError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ContentsError("its header is not a list of tensors") from None


def _tensor(name: str, entry: dict[str, Any], begin: int) -> Tensor:
    first, end = entry["data_offsets"]
    numbers = [first, end, *entry["shape"]]
    are_counts = all(type(number) is int and number >= 0 for number in numbers)
    if not are_counts or first > end:
        raise ContentsError(f"tensor {ascii(name)[:80]} has invalid offsets or an invalid shape")
    if entry["dtype"] not in DTYPE_BITS:
        dtype = ascii(entry["dtype"])[:40]
        found = f"tensor {ascii(name)[:80]} is of type {dtype}, which is not known"
        raise ContentsError(found, "unknown")
    if not is_shape(entry["shape"]):
        raise ContentsError(f"tensor {ascii(name)[:80]} has an impossible shape", "unknown")
    return Tensor(
        name=name,
        dtype=entry["dtype"],
        shape=tuple(entry["shape"]),
        begin=begin + first,
        length=end - first,
    )
