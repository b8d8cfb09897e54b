"""The formats of files that are sealed: parsed, and unable to run code when they are loaded.

One module for each. A file of any other format is sealed only if its owner names it. To add a
format, write a `Recogniser` that parses it, and list it here and in `BINARY_SUFFIXES`.
"""

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts.formats._format import (
    Recognised,
    Recogniser,
    is_binary_by_name,
    is_named_as_pickle,
    suffix_of,
)
from gamekeeper.sealing.artifacts.formats.flatbuffers import recognise_catboost, recognise_tflite
from gamekeeper.sealing.artifacts.formats.gguf import recognise_gguf
from gamekeeper.sealing.artifacts.formats.hdf5 import recognise_hdf5
from gamekeeper.sealing.artifacts.formats.images import recognise_image
from gamekeeper.sealing.artifacts.formats.keras import recognise_keras
from gamekeeper.sealing.artifacts.formats.npy import recognise_npy, recognise_npz
from gamekeeper.sealing.artifacts.formats.pickles import calls_something
from gamekeeper.sealing.artifacts.formats.refused import (
    require_downloaded,
    require_no_private_key,
    require_not_credentials,
)
from gamekeeper.sealing.artifacts.formats.sentencepiece import recognise_sentencepiece
from gamekeeper.sealing.artifacts.formats.skops import recognise_skops
from gamekeeper.sealing.artifacts.formats.tables import recognise_table
from gamekeeper.sealing.artifacts.formats.text import recognise_text, recognise_text_model
from gamekeeper.sealing.artifacts.formats.ubjson import recognise_ubjson
from gamekeeper.sealing.artifacts.formats.unknown import is_like_numbers, unknown_file
from gamekeeper.sealing.contents import ContentsError

_PICTURE = (recognise_image,)
_TABLE = (recognise_table,)
RECOGNISERS: dict[str, tuple[Recogniser, ...]] = {
    "": (recognise_gguf,),
    ".bin": (recognise_ubjson,),
    ".model": (recognise_sentencepiece, recognise_ubjson, recognise_text_model),
    ".spm": (recognise_sentencepiece,),
    ".gguf": (recognise_gguf,),
    ".tflite": (recognise_tflite,),
    ".lite": (recognise_tflite,),
    ".cbm": (recognise_catboost,),
    ".npy": (recognise_npy,),
    ".npz": (recognise_npz,),
    ".keras": (recognise_keras, recognise_hdf5),
    ".h5": (recognise_hdf5,),
    ".hdf5": (recognise_hdf5,),
    ".skops": (recognise_skops,),
    ".ubj": (recognise_ubjson,),
    ".parquet": _TABLE,
    ".pq": _TABLE,
    ".arrow": _TABLE,
    ".feather": _TABLE,
    ".png": _PICTURE,
    ".jpg": _PICTURE,
    ".jpeg": _PICTURE,
    ".gif": _PICTURE,
    ".webp": _PICTURE,
    ".wav": _PICTURE,
}
"""Formats beside safetensors, ONNX and text, by the suffix of the name. Bytes can be a file of
several formats at once, so that a format is looked for only where loaders look for it. Where
nothing but the content decides (`_BY_CONTENT`), a file that is a pickle too is none of them."""
_BY_CONTENT = {"", ".bin", ".model"}

__all__ = [
    "RECOGNISERS",
    "Recognised",
    "Recogniser",
    "is_like_numbers",
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
    if is_named_as_pickle(path):
        raise unknown_file(data, path)
    for recogniser in RECOGNISERS.get(suffix_of(path), ()):
        found = recogniser(data, path)
        if found and not (suffix_of(path) in _BY_CONTENT and calls_something(data)):
            return found
    text = None if is_binary_by_name(path) else recognise_text(data, path)
    if text is None:
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
