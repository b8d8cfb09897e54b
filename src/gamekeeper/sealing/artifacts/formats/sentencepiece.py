"""SentencePiece models (tokenizer.model, spiece.model): a message of pieces and their scores.

gensim unpickles files that are called `.model` too. The message is therefore parsed in full, and
has to begin as SentencePiece writes it, with a piece: no pickle begins with this byte.

Source: github.com/google/sentencepiece, src/sentencepiece_model.proto.
"""

from gamekeeper.sealing.artifacts._bytes import ByteSource
from gamekeeper.sealing.artifacts._protobuf import Field, ProtobufReader
from gamekeeper.sealing.artifacts.formats._format import Recognised
from gamekeeper.sealing.contents import ContentsError

_FIRST_KEY = b"\x0a"  # field 1, of bytes
_PIECES = 1
_FIELDS = {1, 2, 3, 4, 5}  # pieces, trainer, normalizer, self test, denormalizer
_PIECE_FIELDS = {1, 2, 3}  # text, score, type


def recognise_sentencepiece(data: ByteSource, path: str) -> Recognised | None:
    """Recognises a SentencePiece model by all of its fields."""
    if data.read(0, 1) != _FIRST_KEY:
        return None
    reader = ProtobufReader(data, is_canonical=True)
    try:
        fields = list(reader.fields(0, data.size))
        pieces = [one for one in fields if one.number == _PIECES]
        are_pieces = all(_is_piece(reader, one) for one in pieces)
    except ContentsError:
        return None
    has_only_its_fields = all(one.number in _FIELDS and one.is_bytes for one in fields)
    if not pieces or not are_pieces or not has_only_its_fields:
        return None
    return Recognised(name="SentencePiece")


def _is_piece(reader: ProtobufReader, piece: Field) -> bool:
    numbers = {one.number for one in reader.fields(piece.begin, piece.end)}
    return 1 in numbers and numbers <= _PIECE_FIELDS
