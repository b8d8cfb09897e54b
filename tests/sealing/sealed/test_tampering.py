"""Whatever is done to a sealed file is noticed before anything of it is used."""

import hashlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gamekeeper.base.errors import InputError
from gamekeeper.base.secret import Secret
from gamekeeper.sealing import (
    NotForYouError,
    SealError,
    load_sealed,
    open_sealed,
    rewrap,
    seal,
    verify_sealed,
)
from gamekeeper.sealing.artifacts import read_model
from gamekeeper.sealing.contents import Contents
from gamekeeper.sealing.recipients import PrivateKey, Stanza
from gamekeeper.sealing.sealed import SealedFile
from gamekeeper.sealing.sealed.layout import (
    CHUNK_BYTES,
    HEADER_BLOCK_BYTES,
    TAG_BYTES,
    SealedHeader,
)
from gamekeeper.sealing.sealed.slots import make_slot, read_slots
from gamekeeper.sealing.sealed.stream import ChunkCipher, open_index, seal_index
from sealing.builders import big_model, cheap_passphrase, write_model

STORED = CHUNK_BYTES + TAG_BYTES


def header_of(path: Path) -> SealedHeader:
    with SealedFile(path) as sealed:
        return sealed.header


def require_refused(path: Path, key: PrivateKey, signer: bytes | None = None) -> SealError:
    """The file does not open, and opening leaves nothing behind."""
    before = sorted(path.parent.iterdir())
    with pytest.raises(SealError) as refused:
        open_sealed(path, path.with_name("opened"), identities=[key], signer=signer)
    assert sorted(path.parent.iterdir()) == before
    return refused.value


def flip(path: Path, at: int, bit: int = 0) -> Callable[[], None]:
    """Flips a bit in place; returns what flips it back."""
    with path.open("r+b") as file:
        file.seek(at)
        was = file.read(1)
        file.seek(at)
        file.write(bytes([was[0] ^ 1 << bit]))
    return lambda: flip(path, at, bit) and None


def test_one_flipped_bit_is_noticed_wherever_it_is(signed: Path, key: PrivateKey) -> None:
    """Every place of the header and of the slots' beginnings, and every seventh of all others."""
    header = header_of(signed)
    idle = range(header.slot_at(1), header.index_at)
    dense = {*range(HEADER_BLOCK_BYTES), *range(header.slot_at(0), header.slot_at(0) + 64)}
    for at in sorted({*dense, *range(0, header.file_bytes, 7), header.file_bytes - 1}):
        restore = flip(signed, at, bit=at % 8)
        with pytest.raises(SealError):
            # The idle slot is of no use to opening, which goes on; verification names it.
            verify_sealed(signed, identities=[key]) if at in idle else load_sealed(
                signed, keys=[key]
            ).numpy()
        restore()
    verify_sealed(signed, identities=[key])


def test_unsigned_files_are_no_weaker(sealed: Path, key: PrivateKey) -> None:
    """Tags alone detect each flipped bit after the slots."""
    header = header_of(sealed)
    for at in range(header.index_at, header.file_bytes, 3):
        restore = flip(sealed, at, bit=at % 8)
        require_refused(sealed, key)
        restore()


@pytest.mark.parametrize("at_chunk", range(4))
def test_flipped_chunk_is_named(
    four_chunks: Path, tmp_path: Path, key: PrivateKey, at_chunk: int
) -> None:
    """The message says which chunk, and no tensor in it is returned."""
    path = tmp_path / "f"
    path.write_bytes(four_chunks.read_bytes())
    flip(path, header_of(path).chunk_at(at_chunk) + 1000)
    assert f"chunk {at_chunk + 1} of 4: not authentic" in str(require_refused(path, key))
    with load_sealed(path, keys=[key]) as loaded:
        bad, good = ("first", "second") if at_chunk < 1 else ("second", "first")
        if at_chunk in (0, 3):
            assert len(loaded.numpy([good])[good])
        with pytest.raises(SealError):
            loaded.numpy([bad])


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("swapped", [0, 2, 1, 3]),
        ("repeated", [0, 1, 1, 3]),
        ("dropped", [0, 1, 3]),
        ("first dropped", [1, 2, 3]),
        ("last dropped", [0, 1, 2]),
        ("one too many", [0, 1, 2, 3, 3]),
        ("reversed", [3, 2, 1, 0]),
    ],
)
def test_chunks_in_another_order_are_refused(
    four_chunks: Path, tmp_path: Path, key: PrivateKey, name: str, order: list[int]
) -> None:
    """Also where the length is as it was."""
    content = four_chunks.read_bytes()
    header = header_of(four_chunks)
    chunks = [
        content[header.chunk_at(n) : header.chunk_at(n) + header.chunk_length(n) + TAG_BYTES]
        for n in range(4)
    ]
    path = tmp_path / "f"
    path.write_bytes(content[: header.chunks_at] + b"".join(chunks[n] for n in order))
    require_refused(path, key)


def test_a_shorter_file_of_whole_chunks_does_not_pass_for_one(
    four_chunks: Path, tmp_path: Path, key: PrivateKey
) -> None:
    """Its header can be rewritten to match; then it is another header, and no chunk
    belongs to it.
    """
    content = four_chunks.read_bytes()
    header = header_of(four_chunks)
    shorter = SealedHeader(
        file_id=header.file_id,
        commitment=header.commitment,
        payload_bytes=2 * CHUNK_BYTES,
        index_bytes=header.index_bytes,
        slot_bytes=header.slot_bytes,
        signer=None,
    )
    path = tmp_path / "f"
    path.write_bytes(shorter.block() + content[HEADER_BLOCK_BYTES : shorter.file_bytes])
    assert "list of recipients was tampered with" in str(require_refused(path, key))


def test_chunk_of_another_file_is_refused(tmp_path: Path, key: PrivateKey) -> None:
    """Of the same model, sealed for the same recipient, at the same place."""
    model = big_model(tmp_path / "m", 1.5)
    for name in ("a", "b"):
        seal(model, tmp_path / name, to=[key.public_key()])
    one = (tmp_path / "a").read_bytes()
    other = (tmp_path / "b").read_bytes()
    header = header_of(tmp_path / "a")
    at = header.chunks_at
    (tmp_path / "a").write_bytes(one[:at] + other[at : at + STORED] + one[at + STORED :])
    assert "chunk 1 of 2" in str(require_refused(tmp_path / "a", key))


def test_index_and_slots_of_another_file_are_refused(tmp_path: Path, key: PrivateKey) -> None:
    """Each belongs to its header."""
    model = write_model(tmp_path / "m")
    for name in ("a", "b"):
        seal(model, tmp_path / name, to=[key.public_key()])
    one = (tmp_path / "a").read_bytes()
    other = (tmp_path / "b").read_bytes()
    header = header_of(tmp_path / "a")
    for first, last in ((header.index_at, header.chunks_at), (HEADER_BLOCK_BYTES, header.index_at)):
        (tmp_path / "a").write_bytes(one[:first] + other[first:last] + one[last:])
        require_refused(tmp_path / "a", key)


def test_a_file_cut_anywhere_is_refused(signed: Path, key: PrivateKey) -> None:
    """From nothing at all to all but a byte."""
    content = signed.read_bytes()
    for length in [
        *range(0, 200, 9),
        *range(200, len(content), 1999),
        len(content) - 64,
        len(content) - 1,
    ]:
        signed.write_bytes(content[:length])
        require_refused(signed, key)
    signed.write_bytes(content + b"\0")
    assert "something was added to the file" in str(require_refused(signed, key))


def test_header_of_four_gigabytes_is_not_read(sealed: Path, key: PrivateKey) -> None:
    """An untrusted length must not allocate memory."""
    content = sealed.read_bytes()
    sealed.write_bytes(content[:16] + (0xFFFFFFF0).to_bytes(4) + content[20:])
    assert "the header is damaged" in str(require_refused(sealed, key))


@pytest.mark.parametrize(
    "change",
    [
        {"payload_bytes": 1 << 60},
        {"payload_bytes": 0},
        {"payload_bytes": -5},
        {"payload_bytes": True},
        {"payload_bytes": 3.0},
        {"index_bytes": 1 << 32},
        {"slot_bytes": 5},
        {"slot_bytes": 1 << 30},
        {"file_id": "00"},
        {"file_id": 7},
        {"commitment": "zz" * 32},
        {"signer": ""},
        {"signer": "AB" * 32},
        {"format": "gamekeeper/sealed@2"},
        {"format": None},
        {"more": 1},
    ],
)
def test_headers_that_cannot_be_are_refused(
    sealed: Path, key: PrivateKey, change: dict[str, object]
) -> None:
    """Sizes out of bounds, other types, fields that nobody knows."""
    content = sealed.read_bytes()
    length = int.from_bytes(content[16:20])
    fields = json.loads(content[20 : 20 + length]) | change
    text = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    block = (content[:16] + len(text).to_bytes(4) + text).ljust(HEADER_BLOCK_BYTES, b"\0")
    sealed.write_bytes(block + content[HEADER_BLOCK_BYTES:])
    refused = str(require_refused(sealed, key))
    assert ("another version" in refused) == (change.get("format") == "gamekeeper/sealed@2")


def test_header_written_in_another_way_is_refused(sealed: Path, key: PrivateKey) -> None:
    """The same fields with a space between them would be a second reading of what was signed."""
    content = sealed.read_bytes()
    length = int.from_bytes(content[16:20])
    text = json.dumps(json.loads(content[20 : 20 + length]), sort_keys=True).encode()
    block = (content[:16] + len(text).to_bytes(4) + text).ljust(HEADER_BLOCK_BYTES, b"\0")
    sealed.write_bytes(block + content[HEADER_BLOCK_BYTES:])
    assert "the header is damaged" in str(require_refused(sealed, key))


def test_recipients_added_without_a_key_are_detected(sealed: Path, key: PrivateKey) -> None:
    """The digest of a slot can be made by anybody, its authentication only by who can open the
    file.
    """
    content = bytearray(sealed.read_bytes())
    header = header_of(sealed)
    at = header.slot_at(0)
    length = int.from_bytes(content[at + 32 : at + 36])
    fields = json.loads(content[at + 36 : at + 36 + length])
    fields["stanzas"].append({"kind": "passphrase", "name": "mallory", "values": {}})
    text = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    rest = len(text).to_bytes(4) + text + content[at + 36 + length : at + 68 + length]
    slot = (hashlib.sha256(rest).digest() + rest).ljust(header.slot_bytes, b"\0")
    content[at : at + header.slot_bytes] = slot
    sealed.write_bytes(content)
    assert "list of recipients was tampered with" in str(require_refused(sealed, key))


def test_a_key_that_the_file_does_not_commit_to_is_refused(sealed: Path, key: PrivateKey) -> None:
    """One file must not open to two models for two recipients: a wrapped key counts only if it fits
    the header.
    """
    from gamekeeper.base.secret import Secret
    from gamekeeper.sealing.sealed.subkeys import context_of, derive_subkeys

    header = header_of(sealed)
    other = Secret(b"k" * 32)
    stanza = key.public_key().wrap(other, context_of(header.file_id))
    with SealedFile(sealed) as file:
        slot = make_slot(
            2,
            [stanza],
            derive_subkeys(other, header.file_id).slots,
            file.associated,
            header.slot_bytes,
        )
    content = bytearray(sealed.read_bytes())
    content[header.slot_at(1) : header.index_at] = slot
    sealed.write_bytes(content)
    assert isinstance(require_refused(sealed, key), NotForYouError)


def test_what_a_recipient_forges_is_not_signed(
    tmp_path: Path, key: PrivateKey, signing_key: Ed25519PrivateKey, signer: bytes
) -> None:
    """A recipient can make other chunks with valid tags; the signer's digests tell
    them apart.
    """
    out = tmp_path / "s"
    seal(big_model(tmp_path / "m", 1.5), out, to=[key.public_key()], signing_key=signing_key)
    with SealedFile(out) as file:
        header = file.header
        keys = file.authenticated_subkeys(file.unwrap_data_key([key]))
        forger = ChunkCipher(keys.payload, file.associated, header.chunks)
    poisoned = memoryview(bytearray(b"poison" * CHUNK_BYTES)[:CHUNK_BYTES])
    chunk = memoryview(bytearray(STORED))
    forger.seal(0, poisoned, chunk)
    content = out.read_bytes()
    out.write_bytes(
        content[: header.chunks_at] + bytes(chunk) + content[header.chunks_at + STORED :]
    )
    assert "a digest that was not signed" in str(require_refused(out, key, signer))
    with pytest.raises(SealError, match="a digest that was not signed"):
        verify_sealed(out)
    with pytest.raises(SealError), load_sealed(out, keys=[key], signer=signer) as loaded:
        loaded.numpy()


def test_signatures_of_others_do_not_count(
    signed: Path, sealed: Path, key: PrivateKey, signer: bytes
) -> None:
    """Another signer, no signer, and a signer who is named but did not sign."""
    stranger = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    assert "the file was signed with another key" in str(require_refused(signed, key, stranger))
    assert "the file is not signed" in str(require_refused(sealed, key, signer))
    for identities in ((), (key,)):
        with pytest.raises(SealError, match="the file was signed with another key"):
            verify_sealed(signed, signer=stranger, identities=identities)
    content = signed.read_bytes()
    header = header_of(signed)
    named = SealedHeader(
        **{name: getattr(header, name) for name in header.__slots__} | {"signer": stranger}
    )
    signed.write_bytes(named.block() + content[HEADER_BLOCK_BYTES:])
    assert "the signature is invalid" in str(require_refused(signed, key))


def test_signature_is_checked_without_a_key(signed: Path, sealed: Path, signer: bytes) -> None:
    """Anyone who stores a sealed file can verify it; an unsigned one cannot be verified."""
    verified = verify_sealed(signed, signer=signer)
    assert verified.signer == signer and verified.is_signer_given and verified.contents is None
    with pytest.raises(SealError, match="it cannot be verified"):
        verify_sealed(sealed)


def test_a_false_index_is_detected(
    model: Path, key: PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is authentic, but its author can write anything; verification reads the files
    themselves.
    """
    truth = Contents.to_json
    lie = b'"body.bias"', b'"body.weight"'

    def swapped(self: Contents) -> bytes:
        return truth(self).replace(lie[0], b'"?"').replace(lie[1], lie[0]).replace(b'"?"', lie[1])

    monkeypatch.setattr(Contents, "to_json", swapped)
    out = model.with_name("s")
    seal(model, out, to=[key.public_key()])
    with pytest.raises(SealError, match="the index does not describe the sealed files"):
        verify_sealed(out, identities=[key])


def test_files_that_are_not_sealed_are_reported(tmp_path: Path, key: PrivateKey) -> None:
    """An empty file, a model, a folder, nothing at all."""
    (tmp_path / "empty").write_bytes(b"")
    write_model(tmp_path / "model")
    for name in ("empty", "model"):
        with pytest.raises(SealError, match="not a sealed file"):
            load_sealed(tmp_path / name, keys=[key])
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises((InputError, SealError)):
            load_sealed(path, keys=[key])


def test_a_wrong_passphrase_and_a_damaged_stanza_give_the_same_error(model: Path) -> None:
    """Both are no key that opens."""
    out = model.with_name("s")
    seal(model, out, to=[cheap_passphrase()])
    with pytest.raises(NotForYouError):
        load_sealed(out, keys=[cheap_passphrase("not the one at all")])


def test_last_chunk_is_distinguished_from_the_others() -> None:
    """Also under the same associated data: the flag alone ends the stream."""
    key = Secret(bytes(32))
    plain = memoryview(bytes(100))
    sealed = memoryview(bytearray(116))
    opened = memoryview(bytearray(100))
    ChunkCipher(key, b"header", 3).seal(1, plain, sealed)
    assert ChunkCipher(key, b"header", 3).open(1, sealed, opened)
    assert not ChunkCipher(key, b"header", 2).open(1, sealed, opened)


def test_chunks_and_index_belong_to_their_header() -> None:
    """Under the same key too: the header is associated data of each."""
    key = Secret(bytes(32))
    sealed = memoryview(bytearray(116))
    opened = memoryview(bytearray(100))
    ChunkCipher(key, b"header", 3).seal(1, memoryview(bytes(100)), sealed)
    assert not ChunkCipher(key, b"another", 3).open(1, sealed, opened)
    assert open_index(key, seal_index(key, b"index", b"header"), b"another") is None


def test_what_is_not_authentic_is_not_in_the_buffer() -> None:
    """The cipher decrypts before it compares the tag; nobody may see what it made."""
    stream = ChunkCipher(Secret(bytes(32)), b"header", 1)
    sealed = memoryview(bytearray(116))
    opened = memoryview(bytearray(b"\xff" * 100))
    stream.seal(0, memoryview(b"plain" * 20), sealed)
    sealed[50] ^= 1
    assert not stream.open(0, sealed, opened)
    assert bytes(opened) == bytes(100)


def test_an_empty_signer_does_not_skip_the_check(
    signed: Path, sealed: Path, key: PrivateKey
) -> None:
    """Bytes of an empty file in place of a key: nobody has signed by that."""
    for path in (signed, sealed):
        require_refused(path, key, b"")
        for read in (
            lambda path=path: load_sealed(path, keys=[key], signer=b""),
            lambda p=path: verify_sealed(p, signer=b""),
        ):
            with pytest.raises(SealError, match=r"signed with|not signed"):
                read()


def test_an_index_that_a_recipient_forges_is_not_signed(
    signed: Path, key: PrivateKey, signer: bytes
) -> None:
    """Other names for the same numbers would be another model."""
    with SealedFile(signed) as file:
        keys = file.authenticated_subkeys(file.unwrap_data_key([key]))
        header = file.header
        text = file.unlock([key]).contents.to_json()
        forged = seal_index(keys.index, text.replace(b"body.bias", b"body.evil"), file.associated)
    content = signed.read_bytes()
    signed.write_bytes(content[: header.index_at] + forged + content[header.chunks_at :])
    for asked in (signer, None):
        assert "the signature is invalid" in str(require_refused(signed, key, asked))


def test_index_is_the_one_whose_signature_was_checked(
    signed: Path, key: PrivateKey, signer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recipient can make another that decrypts, and change the file between check and use."""
    with SealedFile(signed) as file:
        keys = file.authenticated_subkeys(file.unwrap_data_key([key]))
        header = file.header
        text = file.unlock([key]).contents.to_json()
        forged = seal_index(keys.index, text.replace(b"body.bias", b"body.evil"), file.associated)
    read = SealedFile.read
    indexes = [0]

    def changed(self: SealedFile, at: int, length: int) -> bytes:
        indexes[0] += at == header.index_at
        return forged if at == header.index_at and indexes[0] > 1 else read(self, at, length)

    monkeypatch.setattr(SealedFile, "read", changed)
    with load_sealed(signed, keys=[key], signer=signer) as loaded:
        assert "body.bias" in loaded.tensors and "body.evil" not in loaded.tensors


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, key: PrivateKey) -> None:
    """Nobody may ever write to it."""
    os.mkfifo(tmp_path / "pipe")
    end = os.open(tmp_path / "pipe", os.O_RDWR)  # so that this test fails rather than waits
    for read in (
        lambda: load_sealed(tmp_path / "pipe", keys=[key]),
        lambda: read_model(tmp_path / "pipe"),
    ):
        with pytest.raises(InputError, match="no plain file"):
            read()
    os.close(end)


class FixedStanza:
    """A recipient with a stanza of any content."""

    def __init__(self, **fields: object) -> None:
        self.fields: dict[str, object] = {"kind": "odd", "name": "odd", "values": {}} | fields

    def wrap(self, data_key: Secret[bytes], context: bytes) -> Stanza:
        return Stanza(**self.fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields", [{"name": "a\tb"}, {"name": "\x1b[2J"}, {"values": {"wrapped": "a\nb"}}, {"kind": 5}]
)
def test_no_slot_is_written_that_could_not_be_read(
    sealed: Path, key: PrivateKey, fields: dict[str, object]
) -> None:
    """A rewrap would wipe the good one, and the model would be lost."""
    before = sealed.read_bytes()
    with pytest.raises(SealError, match="nobody could read it again"):
        rewrap(sealed, identities=[key], add=[FixedStanza(**fields)])
    assert sealed.read_bytes() == before
    with pytest.raises(SealError, match="nobody could read it again"):
        seal(
            sealed.with_name("model.safetensors"),
            sealed.with_name("new"),
            to=[key.public_key(), FixedStanza(**fields)],
        )
    assert not sealed.with_name("new").exists()


@pytest.mark.parametrize(
    "text",
    [
        b'{"generation":1%s,"stanzas":[{"kind":"a","name":"b","values":{}}]}' % (b"0" * 30),
        b'{"generation":0,"stanzas":[{"kind":"a","name":"b","values":{}}]}',
        b'{"generation":-1,"stanzas":[{"kind":"a","name":"b","values":{}}]}',
        b'{"generation":true,"stanzas":[{"kind":"a","name":"b","values":{}}]}',
        b'{"generation":9,"stanzas":[]}',
        b'{"generation":9,"stanzas":[{"kind":"a","name":"b\\u001b[2J","values":{}}]}',
        b'{"generation":9,"stanzas":[{"kind":"a","name":"b","values":{"c":"\\u009b2J"}}]}',
        b'{"generation":9, "stanzas":[{"kind":"a","name":"b","values":{}}]}',
        b'{"generation":9,"generation":9,"stanzas":[{"kind":"a","name":"b","values":{}}]}',
    ],
)
def test_a_slot_of_unusual_form_is_ignored(sealed: Path, text: bytes) -> None:
    """Anybody can write its digest; numbers without end, what steers a terminal, a second way to
    write it.
    """
    header = header_of(sealed)
    content = bytearray(sealed.read_bytes())
    rest = len(text).to_bytes(4) + text + bytes(32)
    content[header.slot_at(1) : header.index_at] = (hashlib.sha256(rest).digest() + rest).ljust(
        header.slot_bytes, b"\0"
    )
    sealed.write_bytes(content)
    with SealedFile(sealed) as file:
        assert (file.slot_number, file.slot.generation) == (0, 1)


def test_passphrases_that_would_take_hours_are_not_tried(sealed: Path) -> None:
    """One slot has room for a thousand of the dearest; each would cost half a minute before the
    next is tried.
    """
    dear = {"lanes": "1", "memory_kib": str(2 << 20), "passes": "16", "salt": "", "wrapped": ""}
    with SealedFile(sealed) as file:
        for count, name in ((1, "odd"), (2, None)):
            stanzas = [
                Stanza(kind="passphrase", name=f"odd {n}", values=dear) for n in range(count)
            ]
            make = partial(make_slot, 2, stanzas, Secret(bytes(32)), file.associated, 16_384)
            if name:
                assert read_slots([make()], sealed)[1].stanzas == tuple(stanzas)
            else:
                with pytest.raises(SealError, match="affordable together"):
                    make()


def test_repeated_names_of_a_recipient_can_be_removed(sealed: Path, key: PrivateKey) -> None:
    """Both are removed; otherwise a recipient added twice could never be removed by name."""
    with SealedFile(sealed) as file:
        keys = file.authenticated_subkeys(file.unwrap_data_key([key]))
        stanzas = [*file.slot.stanzas, FixedStanza().wrap(Secret(b""), b"")]
        slot = make_slot(
            2, [*stanzas, stanzas[-1]], keys.slots, file.associated, file.header.slot_bytes
        )
    content = bytearray(sealed.read_bytes())
    header = header_of(sealed)
    content[header.slot_at(1) : header.index_at] = slot
    sealed.write_bytes(content)
    assert [one.name for one in rewrap(sealed, identities=[key], remove=["odd"])] == [
        key.public_key().name
    ]
