"""The formats of files that are sealed: parsed, and unable to run code when they are loaded.

One module for each. A file of any other format is sealed only if its owner names it. To add a
format, write a `Recogniser` that parses it and list it here.
"""

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts.formats._format import (
    Recognised,
    Recogniser,
    is_named_as_pickle,
    suffix_of,
)
from gamekeeper.sealing.artifacts.formats.flatbuffers import recognise_catboost, recognise_tflite
from gamekeeper.sealing.artifacts.formats.gguf import recognise_gguf
from gamekeeper.sealing.artifacts.formats.hdf5 import recognise_hdf5
from gamekeeper.sealing.artifacts.formats.images import recognise_image
from gamekeeper.sealing.artifacts.formats.keras import recognise_keras
from gamekeeper.sealing.artifacts.formats.npy import recognise_npy, recognise_npz
from gamekeeper.sealing.artifacts.formats.refused import (
    is_binary_by_name,
    require_downloaded,
    require_no_private_key,
    require_not_credentials,
)
from gamekeeper.sealing.artifacts.formats.sentencepiece import recognise_sentencepiece
from gamekeeper.sealing.artifacts.formats.skops import recognise_skops
from gamekeeper.sealing.artifacts.formats.tables import recognise_table
from gamekeeper.sealing.artifacts.formats.text import recognise_text
from gamekeeper.sealing.artifacts.formats.ubjson import recognise_ubjson
from gamekeeper.sealing.artifacts.formats.unknown import unknown_file
from gamekeeper.sealing.contents import ContentsError

BINARY: tuple[Recogniser, ...] = (
    recognise_gguf,
    recognise_tflite,
    recognise_catboost,
    recognise_npy,
    recognise_npz,
    recognise_keras,
    recognise_skops,
    recognise_hdf5,
    recognise_ubjson,
    recognise_table,
    recognise_image,
    recognise_sentencepiece,
)
"""Formats beside safetensors and ONNX, whose tensors are located too."""
_AMBIGUOUS = {".bin"}  # weights of torch (a pickle), of ONNX, or anything else

__all__ = [
    "BINARY",
    "Recognised",
    "Recogniser",
    "recognise",
    "require_known_name",
    "require_no_private_key",
]


def recognise(data: ByteSource, path: str) -> Recognised:
    """Returns the format of a file beside safetensors and ONNX files.

    Raises:
        ContentsError: It is of no format that is known, is damaged, or was not downloaded.
    """
    require_not_credentials(path)
    require_downloaded(data, path)
    # Bytes can be a file of two formats. Where a loader could unpickle it, only a text is left.
    if suffix_of(path) not in _AMBIGUOUS and not is_named_as_pickle(path):
        for recogniser in BINARY:
            found = recogniser(data, path)
            if found:
                return found
    text = recognise_text(data, path)
    if text is None or is_binary_by_name(path):
        raise unknown_file(data, path)
    return text


def require_known_name(path: str) -> None:
    """Checks that no loader unpickles files of this name, and that no program keeps passwords in
    them.

    Raises:
        ContentsError: Some do.
    """
    require_not_credentials(path)
    if is_named_as_pickle(path):
        raise ContentsError("a file whose name says that it is a pickle", "unpickled")
