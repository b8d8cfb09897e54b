"""Model files before sealing: which files are sealed, and where their tensors are."""

from gamekeeper.sealing.artifacts._bytes import ByteSource, FileBytes, HeldBytes
from gamekeeper.sealing.artifacts.models import ModelFiles, Source, contents_of, read_model

__all__ = [
    "ByteSource",
    "FileBytes",
    "HeldBytes",
    "ModelFiles",
    "Source",
    "contents_of",
    "read_model",
]
