"""What a recogniser of a format returns and raises."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from gamekeeper.sealing.artifacts._bytes import ByteSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """A file of a format that was parsed.

    Args:
        name: The format, for people: `GGUF`.
        is_model: Whether it is a model by itself, rather than a file beside one.
        code: What a loader may run although the format itself cannot: `chat template (Jinja)`.
    """

    name: str
    is_model: bool = False
    code: tuple[str, ...] = ()


Recogniser = Callable[[ByteSource, str], Recognised | None]
"""Called with a file and its path in the model. Returns None for a file of another format.

Raises `ContentsError` for a file that begins like this format and is not a whole file of it.
"""


_PICKLE_SUFFIXES = {
    *(".pkl", ".pickle", ".pck", ".pckl", ".pk", ".p", ".dill", ".cloudpickle", ".joblib", ".jbl"),
    *(".pt", ".pth", ".pt2", ".ptl", ".th", ".torch", ".pytorch", ".ckpt", ".distcp", ".nemo"),
    *(".sav", ".mdl", ".pdparams", ".pdopt", ".pdmodel"),
}
# Loaders unpack these, or ignore what follows the name of a pickle: model.pkl.gz, best.pth.tar.
_WRAPPERS = {
    *(".gz", ".bz2", ".xz", ".lzma", ".z", ".lz4", ".zst", ".zip", ".tar", ".tgz"),
    *(".bak", ".old", ".orig", ".tmp", ".part"),
}
# What torch's trainers call their pickles; weights of ONNX are often called .bin too.
_PICKLE_NAME = re.compile(
    r"(?:(?:diffusion_)?pytorch_model|adapter_model|training_args|optimizer|scheduler).*\.bin"
)
BINARY_SUFFIXES = frozenset(
    {
        *(".safetensors", ".sft", ".onnx", ".gguf", ".tflite", ".lite", ".cbm", ".ubj", ".skops"),
        *(".h5", ".hdf5", ".keras", ".npy", ".npz", ".spm", ".model"),
        *(".parquet", ".pq", ".arrow", ".feather"),
        *(".png", ".jpg", ".jpeg", ".gif", ".webp", ".wav"),
    }
)
"""Suffixes of formats that are not text. A file with one of them is of its format, or refused:
loaders choose by the name, and some unpickle what is not what they expect (numpy, `.npy`)."""


def is_named_as_pickle(path: str) -> bool:
    """Returns whether loaders unpickle a file of this name, whatever is in it."""
    name = PurePosixPath(path).name.lower()
    while PurePosixPath(name).suffix in _WRAPPERS:
        name = PurePosixPath(name).stem
    return suffix_of(name) in _PICKLE_SUFFIXES or bool(_PICKLE_NAME.fullmatch(name))


def is_binary_by_name(path: str) -> bool:
    """Returns whether a file of this name is never text."""
    return suffix_of(path) in BINARY_SUFFIXES


def suffix_of(path: str) -> str:
    """Returns the last suffix of a path, in lower case: `.onnx`."""
    return PurePosixPath(path).suffix.lower()


def stem_of(path: str) -> str:
    """Returns the file name without its last suffix, in lower case."""
    return PurePosixPath(path).stem.lower()
