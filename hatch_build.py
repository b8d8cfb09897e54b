"""Copies into the package what it ships of others: plotly's script, wordllama's vectors.

The packages that they come from take 64 and 130 MB with all they require, and only these files of
theirs are used: 2 and 17 MB. They are requirements of the build alone, each of one version, since
the version names the vectors. Nothing is copied where the files are there already, as they are in
an archive of the sources.
"""

import gzip
import json
import shutil
import struct
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLOTLY = "plotly==7.1.0"
WORDLLAMA = "wordllama==0.4.0.post1"
_SOURCES = f"""Copied by hatch_build.py, each with its licence beside it:

plotly.min.js.gz   as it is in {PLOTLY}, compressed
wordllama.npy      the matrix of weights/l2_supercat_256.safetensors in {WORDLLAMA}, float16
wordllama.model    the vocabulary of tokenizers/l2_supercat_tokenizer_config.json in the same,
                   written as a model of sentencepiece
"""

# sentencepiece_model.proto: types of pieces, and the fields that are set
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6
_BPE = 2


class ThirdParty(BuildHookInterface):  # type: ignore[type-arg]
    """Fills `gamekeeper/thirdparty` before a wheel, an archive or an editable install is made."""

    @property
    def _folder(self) -> Path:
        return Path(self.root, "src", "gamekeeper", "thirdparty")

    def dependencies(self) -> list[str]:
        """Returns what the build needs: nothing where the files are there."""
        return [] if self._is_filled() else [PLOTLY, WORDLLAMA]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Copies the files where they are missing."""
        if self._is_filled():
            return
        shutil.rmtree(self._folder, ignore_errors=True)  # of another version
        self._folder.mkdir()
        copy_plotly(self._folder)
        copy_wordllama(self._folder)
        (self._folder / "SOURCES.txt").write_text(_SOURCES, encoding="utf-8")  # last: all is there

    def _is_filled(self) -> bool:
        sources = self._folder / "SOURCES.txt"
        return sources.exists() and sources.read_text(encoding="utf-8") == _SOURCES


def copy_plotly(folder: Path) -> None:
    """Copies plotly's script and licence."""
    script = _find("plotly", "plotly.min.js").read_bytes()
    (folder / "plotly.min.js.gz").write_bytes(gzip.compress(script, mtime=0))
    _copy("plotly", "LICENSE.txt", folder / "plotly.LICENSE.txt")


def copy_wordllama(folder: Path) -> None:
    """Copies wordllama's token vectors, vocabulary and licence, the former two as numpy and
    sentencepiece read them.
    """
    _copy("wordllama", "LICENSE", folder / "wordllama.LICENSE.txt")
    vectors = _one_tensor(_find("wordllama", "l2_supercat_256.safetensors").read_bytes())
    (folder / "wordllama.npy").write_bytes(vectors)
    tokenizer = json.loads(_find("wordllama", "l2_supercat_tokenizer_config.json").read_bytes())
    (folder / "wordllama.model").write_bytes(_sentencepiece(tokenizer["model"]))


def _copy(package: str, name: str, target: Path) -> None:
    target.write_bytes(_find(package, name).read_bytes())


def _find(package: str, name: str) -> Path:
    """Returns the one file of an installed package that has this name."""
    (found,) = [file for file in distribution(package).files or () if file.name == name]
    return Path(str(found.locate()))


def _one_tensor(safetensors: bytes) -> bytes:
    """Returns the tensor of a file of safetensors that holds one, float16, as numpy writes it."""
    (length,) = struct.unpack_from("<Q", safetensors)
    (tensor,) = json.loads(safetensors[8 : 8 + length]).values()
    if tensor["dtype"] != "F16":
        raise ValueError(f"expected float16, found {tensor['dtype']}")
    rows, columns = tensor["shape"]
    head = f"{{'descr': '<f2', 'fortran_order': False, 'shape': ({rows}, {columns}), }}"
    padded = head.ljust(-(10 + len(head) + 1) % 64 + len(head)) + "\n"
    start, end = tensor["data_offsets"]
    return (
        b"\x93NUMPY\x01\x00"
        + struct.pack("<H", len(padded))
        + padded.encode()
        + safetensors[8 + length + start : 8 + length + end]
    )


def _sentencepiece(bpe: dict[str, Any]) -> bytes:
    """Returns a byte-pair vocabulary of tokenizers as a model of sentencepiece.

    tokenizers merges the pair of the lowest rank first, sentencepiece the one whose piece has the
    highest score. All pairs that make the same piece have ranks next to each other, so that the
    order of the pieces is the order of the pairs.
    """
    ranks: dict[str, int] = {}
    for rank, pair in enumerate(bpe["merges"]):
        left, right = pair.split(" ") if isinstance(pair, str) else pair
        ranks.setdefault(left + right, rank)
    pieces = sorted(bpe["vocab"], key=bpe["vocab"].get)
    unmerged = len(bpe["merges"])
    body = b"".join(
        _bytes_field(1, _piece(piece, -float(ranks.get(piece, unmerged)))) for piece in pieces
    )
    trainer = _number_field(3, _BPE) + _number_field(35, 1)  # model_type, byte_fallback
    spaces = _number_field(3, 1) + _number_field(4, 0) + _number_field(5, 1)
    # add_dummy_prefix, not remove_extra_whitespaces, escape_whitespaces
    normalizer = _bytes_field(1, b"identity") + spaces
    return body + _bytes_field(2, trainer) + _bytes_field(3, normalizer)


def _piece(piece: str, score: float) -> bytes:
    kind = {"<unk>": _UNKNOWN, "<s>": _CONTROL, "</s>": _CONTROL}.get(piece, _NORMAL)
    if len(piece) == 6 and piece.startswith("<0x"):
        kind = _BYTE
    number = _varint(2 << 3 | 5) + struct.pack("<f", score)
    return _bytes_field(1, piece.encode()) + number + _number_field(3, kind)


def _bytes_field(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _number_field(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    return bytes(_sevens(value))


def _sevens(value: int) -> Iterator[int]:
    while value > 0x7F:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value
