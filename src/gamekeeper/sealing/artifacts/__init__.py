"""Models as they are before sealing: one file a format, each of which says where its
tensors lie.
"""

from gamekeeper.sealing.artifacts._bytes import Bytes, FileBytes
from gamekeeper.sealing.artifacts.models import Model, contents_of, read_model

__all__ = ["Bytes", "FileBytes", "Model", "contents_of", "read_model"]
