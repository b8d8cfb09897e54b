"""What a model is made of: its files and their tensors, as places in one payload.

The payload is the files one behind another. The index of a sealed file is this, as JSON:

    {"format": "gamekeeper/contents@1",
     "folder": whether it was a folder rather than one file,
     "members": [[path, kind, bytes], ...],                      in the order of the payload
     "tensors": [[member, name, dtype, [shape], begin, bytes], ...]}   begin counts from the start
     of the member
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal, get_args

import orjson

Kind = Literal["safetensors", "onnx", "file"]
FORMAT = "gamekeeper/contents@1"
DTYPE_BITS = {
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "F8_E8M0": 8,
    "U16": 16,
    "I16": 16,
    "F16": 16,
    "BF16": 16,
    "U32": 32,
    "I32": 32,
    "F32": 32,
    "U64": 64,
    "I64": 64,
    "F64": 64,
    "C64": 64,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
}
MAX_DIMS = 64
_MAX_NUMBERS = 1 << 53  # above what a payload can hold, below where numpy and torch overflow
_MAX_PATH_CHARS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor, by its place in the payload.

    Args:
        name: As its file calls it; unique in its file.
        dtype: As safetensors names types: `F32`, `BF16`.
        shape: Lengths of its axes; empty for a scalar.
        begin: First byte, from the start of the payload.
        length: In bytes.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of a model.

    Args:
        path: Relative to the model's folder, with slashes; a model of one file has its name here.
        kind: `safetensors` and `onnx` have tensors; `file` is anything that goes with them.
        begin: Its first byte, from the start of the payload.
        length: In bytes.
        tensors: In the order of their places.
    """

    path: str
    kind: Kind
    begin: int
    length: int
    tensors: tuple[Tensor, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All files of a model.

    Args:
        members: In the order of the payload.
        is_folder: Whether they were a folder rather than one file.
    """

    members: tuple[Member, ...]
    is_folder: bool = False

    @property
    def length(self) -> int:
        """Length of the payload."""
        return sum(member.length for member in self.members)

    def pieces(self, at: int, length: int) -> Iterator[tuple[int, int, slice]]:
        """Which files a piece of the payload belongs to.

        Args:
            at: Its first byte.
            length: In bytes.

        Yields:
            Number of the member, place in it, and what of the piece goes there.
        """
        start = bisect_right(self.members, at, key=lambda member: member.begin) - 1
        for number in range(start, len(self.members)):
            member = self.members[number]
            if member.begin >= at + length:
                return
            first = max(at, member.begin)
            last = min(at + length, member.begin + member.length)
            if first < last:
                yield number, first - member.begin, slice(first - at, last - at)

    def tensors(self) -> dict[str, Tensor]:
        """Returns all tensors by name; a name that two files have, or that looks like this, is
        `path:name`.
        """
        times = Counter([tensor.name for member in self.members for tensor in member.tensors])
        # in which no colon can be: see is_safe_path
        paths = {member.path for member in self.members}

        def label(member: Member, name: str) -> str:
            is_odd = times[name] > 1 or (":" in name and name.partition(":")[0] in paths)
            return f"{member.path}:{name}" if is_odd else name

        return {
            label(member, tensor.name): tensor
            for member in self.members
            for tensor in member.tensors
        }

    def text(self) -> bytes:
        """Returns it as JSON."""
        tensors = [
            [number, one.name, one.dtype, one.shape, one.begin - member.begin, one.length]
            for number, member in enumerate(self.members)
            for one in member.tensors
        ]
        members = [[member.path, member.kind, member.length] for member in self.members]
        fields = {
            "format": FORMAT,
            "folder": self.is_folder,
            "members": members,
            "tensors": tensors,
        }
        return orjson.dumps(fields)


class ContentsError(ValueError):
    """An index that cannot be true; says what is wrong."""


def read_contents(text: bytes, payload_bytes: int) -> Contents:
    """Reads an index.

    Args:
        text: JSON, as `Contents.text` writes it.
        payload_bytes: Length of the payload that it describes.

    Raises:
        ContentsError: It is none, or says what cannot be: files that do not fill the payload,
            tensors outside of their file or in each other's place, shapes that do not fit, paths
            that lead elsewhere.
    """
    try:
        fields = orjson.loads(text)
        _require(isinstance(fields, dict) and fields.get("format") == FORMAT, f"no {FORMAT}")
        members = list(_members(fields["members"]))
        filled = _with_tensors(members, fields["tensors"])
        is_folder = fields["folder"]
    except (KeyError, TypeError, ValueError) as fault:
        raise (
            fault
            if isinstance(fault, ContentsError)
            else ContentsError("no index that gamekeeper wrote")
        ) from None
    _require(
        bool(filled) and sum(one.length for one in filled) == payload_bytes,
        "its files do not fill the payload",
    )
    _require(len({one.path for one in filled}) == len(filled), "two files of one name")
    _require(
        is_folder is True or (is_folder is False and len(filled) == 1),
        "a folder that is one file, or several",
    )
    return Contents(members=tuple(filled), is_folder=is_folder)


def require_sound(member: Member) -> None:
    """Checks the tensors of one file.

    Raises:
        ContentsError: Two have one name, one lies outside of its file or over another, or has a
            length that does not fit its shape.
    """
    end = member.begin
    names = set()
    for tensor in member.tensors:
        if tensor.name in names:
            raise ContentsError(f"tensor {_shown(tensor.name)} stands there twice")
        if tensor.begin < end:
            raise ContentsError(
                f"tensor {_shown(tensor.name)} begins before the one before it ends"
            )
        if not is_shape(tensor.shape):
            raise ContentsError(f"tensor {_shown(tensor.name)}: a shape that cannot be")
        if tensor.length != _size(tensor.dtype, tensor.shape):
            raise ContentsError(f"tensor {_shown(tensor.name)}: length and shape")
        end = tensor.begin + tensor.length
        names.add(tensor.name)
    _require(
        end <= member.begin + member.length,
        f"the tensors of {_shown(member.path)} reach beyond its end",
    )


def is_shape(shape: Sequence[int]) -> bool:
    """Whether a tensor can have this shape: few axes, which every library can multiply, also beside
    one of 0.
    """
    return len(shape) <= MAX_DIMS and math.prod([length or 1 for length in shape]) <= _MAX_NUMBERS


def is_safe_path(path: str) -> bool:
    """Whether a path stays inside the folder that it is unpacked to, on every system."""
    parts = path.split("/")
    is_plain = all(part not in ("", ".", "..") and part == part.rstrip(". ") for part in parts)
    has_odd = any(not c.isprintable() or c in '\\:*?"<>|' for c in path)
    return (
        is_plain
        and not has_odd
        and len(path) <= _MAX_PATH_CHARS
        and str(PurePosixPath(path)) == path
    )


def _members(listed: Sequence[Any]) -> Iterator[Member]:
    begin = 0
    for path, kind, length in listed:
        _require(isinstance(path, str) and is_safe_path(path), f"a file named {_shown(path)}")
        _require(kind in get_args(Kind), f"a file of kind {_shown(kind)}")
        _require(type(length) is int and length >= 0, f"a file of {_shown(length)} bytes")
        yield Member(path=path, kind=kind, begin=begin, length=length)
        begin += length


def _with_tensors(members: Sequence[Member], listed: Sequence[Any]) -> list[Member]:
    of: list[list[Tensor]] = [[] for _ in members]
    for number, *entry in listed:
        if type(number) is not int or not 0 <= number < len(members):
            raise ContentsError(f"a tensor of file {_shown(number)}")
        of[number].append(_tensor(entry, members[number].begin))
    filled = [
        Member(
            path=one.path, kind=one.kind, begin=one.begin, length=one.length, tensors=tuple(tensors)
        )
        for one, tensors in zip(members, of, strict=True)
    ]
    for member in filled:
        require_sound(member)
    return filled


def _tensor(entry: Sequence[Any], start: int) -> Tensor:
    name, dtype, shape, begin, length = entry
    if type(name) is not str or dtype not in DTYPE_BITS:
        raise ContentsError(f"a tensor of type {_shown(dtype)}")
    if (
        len(shape) > MAX_DIMS
        or {type(begin), type(length), *map(type, shape)} != {int}
        or min(begin, length, *shape) < 0
    ):
        raise ContentsError("a tensor's numbers")
    return Tensor(name=name, dtype=dtype, shape=tuple(shape), begin=start + begin, length=length)


def _size(dtype: str, shape: tuple[int, ...]) -> int:
    return -(-math.prod(shape) * DTYPE_BITS[dtype] // 8)


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise ContentsError(problem)


def _shown(value: object) -> str:
    return ascii(value)[:80]
