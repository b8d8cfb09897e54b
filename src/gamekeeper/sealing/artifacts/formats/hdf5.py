"""HDF5: weights of Keras (.weights.h5) and whole models of it (.h5).

The format cannot run code, but Keras makes a model of the attribute `model_config` of the root
group, in which a Lambda layer is Python. The root group is therefore parsed: its attributes have to
be listed in its own header, where small groups have them, so that none is missed.

PyTables, and pandas with it, unpickle attributes of any object. Their files are refused by the
names that they give to attributes, and any file by a string in a header that an unpickler could
call something with. Headers that only an index of many links leads to are not found.
Source: HDF5 File Format Specification 3.0, sections II.A, III.C, III.E, IV.A; keras,
legacy/saving/legacy_h5_format.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gamekeeper.sealing.artifacts._bytes import ByteSource, HeldBytes
from gamekeeper.sealing.artifacts.formats._cursor import Cursor
from gamekeeper.sealing.artifacts.formats._format import Recognised, suffix_of
from gamekeeper.sealing.artifacts.formats.code import code_in_json
from gamekeeper.sealing.artifacts.formats.pickles import calls_something
from gamekeeper.sealing.artifacts.formats.text import parsed_json
from gamekeeper.sealing.contents import ContentsError

_MAGIC = b"\x89HDF\r\n\x1a\n"
_OFFSET = 8  # bytes of an offset and of a length; others are not written on any usual machine
_UNDEFINED = (1 << 64) - 1
_ATTRIBUTE = 0x000C
_CONTINUATION = 0x0010
_ATTRIBUTE_INFO = 0x0015
_SHARED = 0x02
_MODEL_SUFFIXES = {".h5", ".hdf5", ".keras"}
_MAX_BLOCKS = 10_000
_MAX_OBJECTS = 200_000
_CURSOR_BYTES = 1 << 10
_LINK = 0x0006
_SYMBOL_TABLE = 0x0011
_MAX_CONFIGURATION_BYTES = 1 << 28
_CONFIGURATION = b"model_config"
_VARIABLE_LENGTH = 9
_STRING = 3
_PYTABLES = (b"PYTABLES_FORMAT_VERSION\0", b"pandas_type\0", b"PSEUDOATOM\0")
_WINDOW_BYTES = 1 << 20
_OVERLAP_BYTES = 32


@dataclass(frozen=True, slots=True)
class _Message:
    """A message of an object header.

    Args:
        kind: Its type.
        flags: Its flags.
        begin: Offset of its content.
        length: Length of its content.
    """

    kind: int
    flags: int
    begin: int
    length: int


def recognise_hdf5(data: ByteSource, path: str) -> Recognised | None:
    """Recognises weights, or a model of Keras, by the attributes of the root group.

    Raises:
        ContentsError: It is damaged, its root group cannot be examined, or PyTables wrote it.
    """
    if not is_hdf5(data):
        return None
    code = code_in_hdf5(data)
    _require_no_names_of_pytables(data)
    for header in _headers(data):
        for message in _messages(data, header):
            if message.kind == _ATTRIBUTE:
                _require_no_pickle(data, message)
    return Recognised(name="HDF5", is_model=suffix_of(path) in _MODEL_SUFFIXES, code=code)


def is_hdf5(data: ByteSource) -> bool:
    """Returns whether a file begins as HDF5 does."""
    return data.read(0, len(_MAGIC)) == _MAGIC


def code_in_hdf5(data: ByteSource) -> tuple[str, ...]:
    """Returns the code in the configuration of a model.

    Raises:
        ContentsError: It is damaged, or its root group cannot be examined.
    """
    code: tuple[str, ...] = ()
    for message in _messages(data, _root_header(data)):
        if message.kind == _ATTRIBUTE_INFO:
            _require_listed(data, message)
        if message.kind == _ATTRIBUTE:
            code += _code_in_attribute(data, message)
    return code


def _require_no_names_of_pytables(data: ByteSource) -> None:
    """Checks that PyTables did not write a file. Names of attributes are never compressed."""
    for at in range(0, data.size, _WINDOW_BYTES):
        window = data.read(at, _WINDOW_BYTES + _OVERLAP_BYTES)
        if any(name in window for name in _PYTABLES):
            raise ContentsError("attributes that PyTables and pandas unpickle", "unpickled")


def _headers(data: ByteSource) -> Iterator[int]:
    """Yields the offsets of the headers of all objects that headers and symbol tables lead to."""
    waiting = [_root_header(data)]
    seen = set(waiting)
    while waiting:
        header = waiting.pop()
        yield header
        for message in _messages(data, header):
            found = {one for one in _linked(data, message) if one not in seen}
            seen |= found
            waiting += found
        if len(seen) > _MAX_OBJECTS:
            raise ContentsError(f"HDF5 of more than {_MAX_OBJECTS:,} objects", "unknown")


def _linked(data: ByteSource, message: _Message) -> Iterator[int]:
    """Yields the headers that a message of a group leads to."""
    cursor = _cursor(data, message.begin)
    if message.kind == _SYMBOL_TABLE:
        yield from _in_tree(data, cursor.unsigned(_OFFSET))
    elif message.kind == _LINK:
        cursor.skip(1)
        flags = cursor.unsigned(1)
        is_hard = cursor.unsigned(1) == 0 if flags & 0x08 else True
        cursor.skip(8 * bool(flags & 0x04) + 1 * bool(flags & 0x10))
        cursor.skip(cursor.unsigned(1 << (flags & 0x03)))
        if is_hard:
            yield cursor.unsigned(_OFFSET)


def _in_tree(data: ByteSource, root: int) -> Iterator[int]:
    """Yields the headers in a group's tree of symbol tables."""
    blocks = [(root, 0)]
    for at, _ in _visited(blocks):
        cursor = _cursor(data, at)
        magic = cursor.take(4)
        if magic == b"TREE":
            cursor.skip(2)
            count = cursor.unsigned(2)
            cursor.skip(2 * _OFFSET)
            for _ in range(count):
                cursor.skip(_OFFSET)  # the key
                blocks.append((cursor.unsigned(_OFFSET), 0))
        elif magic == b"SNOD":
            cursor.skip(2)
            for _ in range(cursor.unsigned(2)):
                cursor.skip(_OFFSET)  # of the name
                yield cursor.unsigned(_OFFSET)
                cursor.skip(24)
        else:
            raise ContentsError("HDF5 with a group that cannot be read")


def _root_header(data: ByteSource) -> int:
    """Returns the offset of the root group's header."""
    cursor = _cursor(data, len(_MAGIC))
    version = cursor.unsigned(1)
    if version in (0, 1):
        cursor.skip(4)
        sizes = cursor.take(2)
        cursor.skip(1 + 2 + 2 + 4 + 4 * (version == 1))
    elif version in (2, 3):
        sizes = cursor.take(2)
        cursor.skip(1)
    else:
        raise ContentsError(f"HDF5 with a superblock of version {version}", "unknown")
    if sizes != bytes([_OFFSET, _OFFSET]):
        raise ContentsError("HDF5 with offsets that are not of 8 bytes", "unknown")
    base = cursor.unsigned(_OFFSET)
    cursor.skip(_OFFSET)
    end = cursor.unsigned(_OFFSET)
    if base != 0:
        raise ContentsError("HDF5 with a block of the user's before it", "unknown")
    if end > data.size:
        raise ContentsError(f"it ends at byte {end:,}, the file at {data.size:,}")
    if version in (0, 1):
        cursor.skip(_OFFSET)  # of the driver's information
        cursor.skip(_OFFSET)  # of the root group's name
    return cursor.unsigned(_OFFSET)


def _messages(data: ByteSource, at: int) -> Iterator[_Message]:
    """Yields the messages of an object header, also those in its continuations."""
    if data.read(at, 4) == b"OHDR":
        yield from _messages_2(data, at)
    else:
        yield from _messages_1(data, at)


def _messages_1(data: ByteSource, at: int) -> Iterator[_Message]:
    cursor = _cursor(data, at)
    if cursor.unsigned(1) != 1:
        raise ContentsError("HDF5 with a root group that is not known", "unknown")
    cursor.skip(7)
    length = cursor.unsigned(4)
    blocks = [(cursor.at + 4, length)]  # after the padding
    for begin, block_length in _visited(blocks):
        cursor = _cursor(data, begin)
        while cursor.at + 8 <= begin + block_length:
            kind = cursor.unsigned(2)
            size = cursor.unsigned(2)
            flags = cursor.unsigned(1)
            cursor.skip(3)
            yield from _message(data, _Message(kind, flags, cursor.at, size), blocks)
            cursor.skip(size)


def _messages_2(data: ByteSource, at: int) -> Iterator[_Message]:
    cursor = _cursor(data, at + 4)
    cursor.skip(1)
    flags = cursor.unsigned(1)
    cursor.skip(16 * bool(flags & 0x20) + 4 * bool(flags & 0x10))
    length = cursor.unsigned(1 << (flags & 0x03))
    has_order = bool(flags & 0x04)
    blocks = [(cursor.at, length)]
    for number, (begin, block_length) in enumerate(_visited(blocks)):
        # a continuation begins with a signature and ends, as a header does, with a checksum
        start = begin if number == 0 else begin + 4
        end = begin + block_length if number == 0 else begin + block_length - 4
        cursor = _cursor(data, start)
        header_bytes = 4 + 2 * has_order
        while cursor.at + header_bytes <= end:
            kind = cursor.unsigned(1)
            size = cursor.unsigned(2)
            message_flags = cursor.unsigned(1)
            cursor.skip(2 * has_order)
            yield from _message(data, _Message(kind, message_flags, cursor.at, size), blocks)
            cursor.skip(size)


def _visited(blocks: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yields blocks of a header, also those that are added meanwhile."""
    for number, block in enumerate(blocks):
        if number == _MAX_BLOCKS:
            raise ContentsError(f"a header of more than {_MAX_BLOCKS:,} parts", "unknown")
        yield block


def _message(
    data: ByteSource, message: _Message, blocks: list[tuple[int, int]]
) -> Iterator[_Message]:
    if message.kind == _CONTINUATION:
        cursor = _cursor(data, message.begin)
        blocks.append((cursor.unsigned(_OFFSET), cursor.unsigned(_OFFSET)))
    yield message


def _require_listed(data: ByteSource, message: _Message) -> None:
    """Checks that no attributes are stored elsewhere than in the header."""
    cursor = _cursor(data, message.begin + 1)
    flags = cursor.unsigned(1)
    cursor.skip(2 * (flags & 0x01))
    if cursor.unsigned(_OFFSET) != _UNDEFINED:
        raise ContentsError("HDF5 with more attributes than are examined", "unknown")


def _code_in_attribute(data: ByteSource, message: _Message) -> tuple[str, ...]:
    name, type_at, cursor = _attribute(data, message)
    if name != _CONFIGURATION:
        return ()
    content = message.begin + message.length - cursor.at
    text = _string_value(data, type_at, cursor, content)
    try:
        return code_in_json(parsed_json(text))
    except ContentsError:
        raise ContentsError("a model_config that is not JSON", "unknown") from None


def _require_no_pickle(data: ByteSource, message: _Message) -> None:
    """Checks an attribute that is a string of fixed length, the kind that PyTables unpickles."""
    _, type_at, cursor = _attribute(data, message)
    if data.read(type_at, 1)[0] & 0x0F != _STRING:
        return
    content = cursor.take(max(0, message.begin + message.length - cursor.at))
    if calls_something(HeldBytes(content)):
        raise ContentsError("an attribute that is a pickle", "unpickled")


def _attribute(data: ByteSource, message: _Message) -> tuple[bytes, int, Cursor]:
    """Returns the name of an attribute, the offset of its type, and a place at its value."""
    if message.flags & _SHARED:
        raise ContentsError("HDF5 with shared attributes, which are not examined", "unknown")
    cursor = _cursor(data, message.begin)
    version = cursor.unsigned(1)
    cursor.skip(1)
    lengths = [cursor.unsigned(2) for _ in range(3)]  # of name, type and shape
    cursor.skip(1 * (version == 3))
    padded = [-(-one // 8) * 8 if version == 1 else one for one in lengths]
    name = cursor.take(padded[0])[: lengths[0]].rstrip(b"\0")
    type_at = cursor.at
    cursor.skip(padded[1] + padded[2])
    return name, type_at, cursor


def _cursor(data: ByteSource, at: int) -> Cursor:
    """Returns a place in a file of which little is read, in many places."""
    return Cursor(data, at, window_bytes=_CURSOR_BYTES)


def _string_value(data: ByteSource, type_at: int, cursor: Cursor, length: int) -> bytes:
    """Returns the value of an attribute that is one string."""
    kind = data.read(type_at, 1)[0] & 0x0F
    if kind == _STRING:
        return cursor.take(length).rstrip(b"\0 ")
    if kind != _VARIABLE_LENGTH:
        raise ContentsError("a model_config that is not a text", "unknown")
    characters = cursor.unsigned(4)
    heap = cursor.unsigned(_OFFSET)
    return _from_heap(data, heap, cursor.unsigned(4))[:characters]


def _from_heap(data: ByteSource, at: int, wanted: int) -> bytes:
    """Returns an object of a global heap collection."""
    cursor = _cursor(data, at)
    if cursor.take(4) != b"GCOL":
        raise ContentsError("a model_config that is not in the file")
    cursor.skip(4)
    end = at + cursor.unsigned(_OFFSET)
    while cursor.at + 16 <= end:
        number = cursor.unsigned(2)
        cursor.skip(6)
        length = cursor.unsigned(_OFFSET)
        if number == 0 or length > _MAX_CONFIGURATION_BYTES:
            break
        if number == wanted:
            return cursor.take(length)
        cursor.skip(-(-length // 8) * 8)
    raise ContentsError("a model_config that is not in the file")
