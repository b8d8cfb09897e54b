"""The files and tensors of a model, as byte ranges of one payload.

The payload is the concatenation of the files. The index of a sealed file is this, as JSON:

    {"format": "gamekeeper/contents@1",
     "folder": whether the model was a folder rather than one file,
     "members": [[path, kind, bytes], ...],                      in the order of the payload
     "tensors": [[member, name, dtype, [shape], begin, bytes], ...]    begin counts from the start
     of the member
     "allowed": [member, ...],           only if there are some: named by the owner, not examined
     "code": [[member, text], ...]}      only if there is some: what a loader may run

Readers ignore fields that they do not know, so that older ones read newer files.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Literal, get_args

import orjson

from gamekeeper.base.errors import GamekeeperError

Kind = Literal["safetensors", "onnx", "file"]
Reason = Literal[
    "damaged", "incomplete", "unknown", "unpickled", "missing", "secret", "credentials"
]
FORMAT = "gamekeeper/contents@1"
DTYPE_BITS = {
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
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
_MAX_NOTE_CHARS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor and its byte range in the payload.

    Args:
        name: Its name in its file; unique in this file.
        dtype: Type of its elements, as named by safetensors: `F32`, `BF16`.
        shape: Lengths of its axes; empty for a scalar.
        begin: Offset of its first byte from the start of the payload.
        length: Length in bytes.
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
        path: Path relative to the model's folder, with slashes; the file name for a model of one
            file.
        kind: Format of the file: `safetensors` or `onnx`, which contain tensors, or `file` for any
            other file of the model, such as its configuration.
        begin: Offset of its first byte from the start of the payload.
        length: Length in bytes.
        tensors: Its tensors in the order of their offsets.
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
        members: The files in the order of the payload.
        is_folder: Whether the model was a folder rather than one file.
        allowed: Paths of the files that were not examined, because their owner named them; in the
            order of the members.
        code: Path and description of everything that a loader may run although the format of the
            file cannot: Python beside a configuration, a chat template.
    """

    members: tuple[Member, ...]
    is_folder: bool = False
    allowed: tuple[str, ...] = ()
    code: tuple[tuple[str, str], ...] = ()

    @property
    def length(self) -> int:
        """Length of the payload in bytes."""
        return sum(member.length for member in self.members)

    def pieces(self, at: int, length: int) -> Iterator[tuple[int, int, slice]]:
        """Splits a range of the payload at the boundaries of its files.

        Args:
            at: Offset of the range in the payload.
            length: Length of the range in bytes.

        Yields:
            Index of the member, offset in this member, and the part of the range that belongs
            there.
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
        """Returns all tensors by name.

        A name that occurs in two files is written `path:name`. So is a name that could be mistaken
        for this form.
        """
        counts = Counter([tensor.name for member in self.members for tensor in member.tensors])
        paths = {member.path for member in self.members}  # without a colon: see is_safe_path

        def label(member: Member, name: str) -> str:
            looks_qualified = ":" in name and name.partition(":")[0] in paths
            if counts[name] > 1 or looks_qualified:
                return f"{member.path}:{name}"
            return name

        return {
            label(member, tensor.name): tensor
            for member in self.members
            for tensor in member.tensors
        }

    def to_json(self) -> bytes:
        """Returns the index as JSON, the input of `read_contents`."""
        tensors = [
            [number, one.name, one.dtype, one.shape, one.begin - member.begin, one.length]
            for number, member in enumerate(self.members)
            for one in member.tensors
        ]
        members = [[member.path, member.kind, member.length] for member in self.members]
        numbers = {member.path: number for number, member in enumerate(self.members)}
        allowed = [numbers[path] for path in self.allowed]
        code = [[numbers[path], text] for path, text in self.code]
        fields = {
            "format": FORMAT,
            "folder": self.is_folder,
            "members": members,
            "tensors": tensors,
            **({"allowed": allowed} if allowed else {}),
            **({"code": code} if code else {}),
        }
        return orjson.dumps(fields)


def has_known_tensors(contents: Contents) -> bool:
    """Returns whether a model has a file of a format whose tensors are read, even if it has none.

    Nothing is known of the tensors in other files, such as GGUF.
    """
    return any(member.kind != "file" for member in contents.members)


class ContentsError(GamekeeperError, ValueError):
    """An index, or a file that an index is made of, is invalid; the message says why.

    Args:
        message: What was found.
        reason: Why a file is not sealed: `damaged`; `incomplete`, what a download left; `unknown`,
            of no format that is parsed; `unpickled`, runs code when it is loaded; `missing`, needs
            a file that is not there; `secret`, a private key; `credentials`, passwords by its
            name.
    """

    def __init__(self, message: str, reason: Reason = "damaged") -> None:
        super().__init__(message)
        self.reason = reason


def read_contents(text: bytes, payload_bytes: int) -> Contents:
    """Reads an index and checks it.

    Args:
        text: JSON, as `Contents.to_json` writes it.
        payload_bytes: Length of the payload that it describes.

    Raises:
        ContentsError: It is not an index or is inconsistent: the files do not fill the payload,
            tensors are outside of their file or overlap, lengths do not match shapes, or a path
            leads out of the model's folder.
    """
    try:
        fields = orjson.loads(text)
        _require(isinstance(fields, dict) and fields.get("format") == FORMAT, f"not a {FORMAT}")
        members = list(_members(fields["members"]))
        filled = _with_tensors(members, fields["tensors"])
        is_folder = fields["folder"]
        allowed = tuple(_path_of(filled, number) for number in fields.get("allowed", []))
        code = tuple((_path_of(filled, one), _text(said)) for one, said in fields.get("code", []))
    except ContentsError:
        raise
    except (KeyError, TypeError, ValueError):
        raise ContentsError("not an index that gamekeeper wrote") from None
    total = sum(member.length for member in filled)
    paths = {member.path for member in filled}
    _require(bool(filled) and total == payload_bytes, "its files do not fill the payload")
    _require(len(paths) == len(filled), "two files have the same name")
    _require(type(is_folder) is bool, "the field folder is neither true nor false")
    _require(is_folder or len(filled) == 1, "several files that are not in a folder")
    return Contents(members=tuple(filled), is_folder=is_folder, allowed=allowed, code=code)


def require_valid_tensors(member: Member) -> None:
    """Checks the tensors of one file.

    Raises:
        ContentsError: Two have the same name, one is outside of its file or overlaps another, or a
            length does not match its shape.
    """
    end = member.begin
    names = set()
    for tensor in member.tensors:
        if tensor.name in names:
            raise ContentsError(f"tensor {_quoted(tensor.name)} occurs twice")
        if tensor.begin < end:
            raise ContentsError(
                f"tensor {_quoted(tensor.name)} begins before the previous one ends"
            )
        if not is_shape(tensor.shape):
            raise ContentsError(f"tensor {_quoted(tensor.name)} has an impossible shape")
        if tensor.length != tensor_bytes(tensor.dtype, tensor.shape):
            raise ContentsError(f"the length of tensor {_quoted(tensor.name)} is not its shape's")
        end = tensor.begin + tensor.length
        names.add(tensor.name)
    _require(
        end <= member.begin + member.length,
        f"the tensors of {_quoted(member.path)} reach beyond its end",
    )


def is_shape(shape: Sequence[int]) -> bool:
    """Returns whether a tensor can have this shape.

    It has at most `MAX_DIMS` axes, and the product of their lengths does not overflow in any
    library. Axes of length 0 count as 1: others beside them could still overflow.
    """
    return len(shape) <= MAX_DIMS and math.prod([length or 1 for length in shape]) <= _MAX_NUMBERS


def tensor_bytes(dtype: str, shape: Sequence[int]) -> int:
    """Returns the length of a tensor in bytes; types of less than a byte are packed."""
    return -(-math.prod(shape) * DTYPE_BITS[dtype] // 8)


def is_safe_path(path: str) -> bool:
    """Returns whether a path stays inside the folder that it is unpacked to, on every system."""
    parts = path.split("/")
    is_plain = all(part not in ("", ".", "..") and part == part.rstrip(". ") for part in parts)
    has_forbidden = any(not c.isprintable() or c in '\\:*?"<>|' for c in path)
    return (
        is_plain
        and not has_forbidden
        and len(path) <= _MAX_PATH_CHARS
        and str(PurePosixPath(path)) == path
    )


def _members(listed: Sequence[Any]) -> Iterator[Member]:
    begin = 0
    for path, kind, length in listed:
        _require(isinstance(path, str) and is_safe_path(path), f"a file named {_quoted(path)}")
        _require(kind in get_args(Kind), f"a file of kind {_quoted(kind)}")
        _require(type(length) is int and length >= 0, f"a file of {_quoted(length)} bytes")
        yield Member(path=path, kind=kind, begin=begin, length=length)
        begin += length


def _path_of(members: Sequence[Member], number: object) -> str:
    if type(number) is not int or not 0 <= number < len(members):
        raise ContentsError(f"a note on file {_quoted(number)}, which does not exist")
    return members[number].path


def _text(value: object) -> str:
    if type(value) is not str or len(value) > _MAX_NOTE_CHARS:
        raise ContentsError("a note that is not a short text")
    return value


def _with_tensors(members: Sequence[Member], listed: Sequence[Any]) -> list[Member]:
    by_member: list[list[Tensor]] = [[] for _ in members]
    for number, *entry in listed:
        if type(number) is not int or not 0 <= number < len(members):
            raise ContentsError(f"a tensor of file {_quoted(number)}, which does not exist")
        by_member[number].append(_tensor(entry, members[number].begin))
    filled = [
        replace(member, tensors=tuple(tensors))
        for member, tensors in zip(members, by_member, strict=True)
    ]
    for member in filled:
        require_valid_tensors(member)
    return filled


def _tensor(entry: Sequence[Any], start: int) -> Tensor:
    name, dtype, shape, begin, length = entry
    if type(name) is not str or dtype not in DTYPE_BITS:
        raise ContentsError(f"a tensor of type {_quoted(dtype)}, which is not known")
    # type() rather than isinstance(): true and false are integers in Python
    types = {type(begin), type(length), *map(type, shape)}
    if len(shape) > MAX_DIMS or types != {int} or min(begin, length, *shape) < 0:
        raise ContentsError("a tensor whose offset, length or shape is invalid")
    return Tensor(name=name, dtype=dtype, shape=tuple(shape), begin=start + begin, length=length)


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise ContentsError(problem)


def _quoted(value: object) -> str:
    return ascii(value)[:80]
