"""Model files before sealing: one module for each format, which locates the tensors."""

from gamekeeper.sealing.artifacts._bytes import ByteSource, FileBytes
from gamekeeper.sealing.artifacts.models import ModelFiles, contents_of, read_model

__all__ = ["ByteSource", "FileBytes", "ModelFiles", "contents_of", "read_model"]
