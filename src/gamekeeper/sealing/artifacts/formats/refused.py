"""What is refused before any format is asked: private keys, and what failed downloads leave."""

import re
from pathlib import PurePosixPath

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts.formats._format import (
    is_binary_by_name,
    is_named_as_pickle,
    suffix_of,
)
from gamekeeper.sealing.artifacts.formats.credentials import is_named_as_credentials
from gamekeeper.sealing.artifacts.formats.private_keys import has_private_key
from gamekeeper.sealing.contents import ContentsError

_MAX_KEY_FILE_BYTES = 1 << 24  # keys are in small files; weights are not searched for them
_LFS = b"version https://git-lfs.github.com/spec/"
_PAGE = re.compile(rb"\s*(?:<!doctype html|<html[\s>])", re.IGNORECASE)
_PAGE_SUFFIXES = {".html", ".htm", ".md", ".txt", ".jinja"}


def require_no_private_key(data: ByteSource, path: str) -> None:
    """Checks that a file is not a private key, whatever its name.

    Raises:
        ContentsError: It has one.
    """
    if data.size > _MAX_KEY_FILE_BYTES:
        return
    if has_private_key(data.read(0, data.size)):
        raise ContentsError("a private key", "secret")


def require_downloaded(data: ByteSource, path: str) -> None:
    """Checks that a file is not what a download left in its place.

    Raises:
        ContentsError: It is a pointer of Git LFS, a page of an error, or empty.
    """
    start = data.read(0, 512)
    suffix = suffix_of(path)
    if start.startswith(_LFS):
        raise ContentsError("a Git LFS pointer: run git lfs pull", "incomplete")
    if not data.size and (is_binary_by_name(path) or is_named_as_pickle(path)):
        raise ContentsError("an empty file", "incomplete")
    if suffix not in _PAGE_SUFFIXES and _PAGE.match(start):
        raise ContentsError("a web page, such as the error page of a download", "incomplete")


def require_not_credentials(path: str) -> None:
    """Checks that a file is not one in which programs keep passwords, by its name.

    Raises:
        ContentsError: It is one.
    """
    if is_named_as_credentials(path):
        name = PurePosixPath(path).name
        raise ContentsError(f"{name}, in which programs keep passwords", "credentials")
