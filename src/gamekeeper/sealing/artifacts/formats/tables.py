"""Tables beside a model, such as examples of its inputs: Parquet and Arrow files.

Neither runs code, but pyarrow before 14.0.1 unpickled the parameters of an extension type of one
name (CVE-2023-47248). The schema has this name in plain bytes, or in base64 in Parquet.
Source: parquet-format, README; arrow, docs/source/format/Columnar.rst.
"""

import base64
import re

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts.formats._format import Recognised
from gamekeeper.sealing.contents import ContentsError

_PARQUET = b"PAR1"
_ARROW = b"ARROW1"
_FOOTER_BYTES = 4
_MAX_FOOTER_BYTES = 1 << 26
_PICKLED_TYPE = b"arrow.py_extension_type"
_ARROW_SCHEMA = re.compile(rb"ARROW:schema[^A-Za-z0-9+/]{0,16}([A-Za-z0-9+/=]+)")


def recognise_table(data: ByteSource, path: str) -> Recognised | None:
    """Recognises a Parquet or Arrow file by its footer.

    Raises:
        ContentsError: It is damaged, or has a type that pyarrow once unpickled.
    """
    for magic, name in ((_ARROW, "Arrow"), (_PARQUET, "Parquet")):
        if data.read(0, len(magic)) == magic:
            _require_no_pickled_type(_footer(data, magic))
            return Recognised(name=name)
    return None


def _footer(data: ByteSource, magic: bytes) -> bytes:
    tail = data.read(max(0, data.size - _FOOTER_BYTES - len(magic)), _FOOTER_BYTES + len(magic))
    length = int.from_bytes(tail[:_FOOTER_BYTES], "little")
    if not tail.endswith(magic) or length > data.size - len(tail) - len(magic):
        raise ContentsError("it has no footer at its end")
    if length > _MAX_FOOTER_BYTES:
        raise ContentsError(f"a footer of {length:,} bytes", "unknown")
    return data.read(data.size - len(tail) - length, length)


def _require_no_pickled_type(footer: bytes) -> None:
    schemas = [footer]
    for match in _ARROW_SCHEMA.finditer(footer):
        schemas.append(base64.b64decode(match[1] + b"=="))
    if any(_PICKLED_TYPE in schema for schema in schemas):
        raise ContentsError("a type whose parameters pyarrow unpickles", "unpickled")
