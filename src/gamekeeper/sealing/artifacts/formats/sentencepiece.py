"""SentencePiece models (tokenizer.model, spiece.model): a message of pieces and their scores.

Source: github.com/google/sentencepiece, src/sentencepiece_model.proto.
"""

from itertools import islice

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts._protobuf import Field, ProtobufReader
from gamekeeper.sealing.artifacts.formats._format import Recognised, suffix_of
from gamekeeper.sealing.contents import ContentsError

_SUFFIXES = {".model", ".spm", ".vocab"}
_PIECES = 1
_FIELDS = {1, 2, 3, 4, 5}  # pieces, trainer, normalizer, self test, denormalizer
_PIECE_FIELDS = {1, 2, 3}  # text, score, type
_EXAMINED_PIECES = 1000


def recognise_sentencepiece(data: ByteSource, path: str) -> Recognised | None:
    """Recognises a SentencePiece model by all of its fields."""
    if suffix_of(path) not in _SUFFIXES or not data.size:
        return None
    reader = ProtobufReader(data)
    try:
        fields = list(reader.fields(0, data.size))
        pieces = [one for one in fields if one.number == _PIECES]
        are_pieces = all(_is_piece(reader, one) for one in islice(pieces, _EXAMINED_PIECES))
    except ContentsError:
        return None
    has_only_its_fields = all(one.number in _FIELDS and one.is_bytes for one in fields)
    if not pieces or not are_pieces or not has_only_its_fields:
        return None
    return Recognised(name="SentencePiece")


def _is_piece(reader: ProtobufReader, piece: Field) -> bool:
    numbers = {one.number for one in reader.fields(piece.begin, piece.end)}
    return 1 in numbers and numbers <= _PIECE_FIELDS
