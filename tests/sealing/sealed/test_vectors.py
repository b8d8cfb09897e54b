"""Known answers: the format as its page describes it, read and written by a second hand.

The reader below uses nothing of gamekeeper but its test builders. It was written from
docs/reference/sealed-format.md and reads files that are kept in tests/sealing/compat, which are
never written anew: what was sealed once must open in every later version.
"""

import hashlib
import hmac
import json
from base64 import b64decode
from pathlib import Path

import pytest
from blake3 import blake3
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gamekeeper.base.secret import Secret
from gamekeeper.sealing import open_sealed, seal, verify_sealed
from gamekeeper.sealing.recipients import Passphrase, read_private_key
from gamekeeper.sealing.sealed.subkeys import derive_subkeys
from sealing.builders import cheap_passphrase, safetensors_bytes, some_tensors, write_model

COMPAT = Path(__file__).parents[1] / "compat" / "v1"
PHRASE = b"correct horse battery staple"
CHUNK = 1 << 20


def derive(key: bytes, file_id: bytes, use: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, file_id, b"gamekeeper/sealed@1 " + use).derive(key)


def unwrap(stanza: dict[str, object], file_id: bytes) -> bytes:
    context = b"gamekeeper/sealed@1 data key " + file_id
    values = stanza["values"]
    assert isinstance(values, dict)
    wrapped = b64decode(values["wrapped"])
    if stanza["kind"] == "passphrase":
        cost = [int(values[name]) for name in ("passes", "lanes", "memory_kib")]
        key = Argon2id(
            salt=b64decode(values["salt"]),
            length=32,
            iterations=cost[0],
            lanes=cost[1],
            memory_cost=cost[2],
        ).derive(PHRASE)
        return AESGCM(key).decrypt(bytes(12), wrapped, context)
    blocks = (COMPAT / "key.pem").read_bytes().split(b"-----END PRIVATE KEY-----\n")[:2]
    x25519, mlkem = (
        load_pem_private_key(block + b"-----END PRIVATE KEY-----\n", None) for block in blocks
    )
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    return suite.decrypt(wrapped, MLKEM768X25519PrivateKey(mlkem, x25519), context)  # type: ignore[arg-type]


def read_by_hand(content: bytes, kind: str) -> tuple[dict[str, object], bytes]:
    """Index and payload of a sealed file; every check that the format asks for."""
    assert content[:16] == b"gamekeeper-seal\n"
    text = content[20 : 20 + int.from_bytes(content[16:20])]
    header = json.loads(text)
    file_id = bytes.fromhex(header["file_id"])
    associated = hashlib.sha256(text).digest()
    slot = content[4096 : 4096 + header["slot_bytes"]]
    length = int.from_bytes(slot[32:36])
    stanzas = slot[36 : 36 + length]
    mac = slot[36 + length : 68 + length]
    assert hashlib.sha256(slot[32 : 68 + length]).digest() == slot[:32]
    key = unwrap(
        next(one for one in json.loads(stanzas)["stanzas"] if one["kind"] == kind), file_id
    )
    assert derive(key, file_id, b"commitment").hex() == header["commitment"]
    assert hmac.digest(derive(key, file_id, b"slots"), associated + stanzas, "sha256") == mac
    at = 4096 + 2 * header["slot_bytes"]
    sealed_index = content[at : at + header["index_bytes"] + 16]
    index = AESGCM(derive(key, file_id, b"index")).decrypt(bytes(12), sealed_index, associated)
    payload = b""
    digests = b""
    at = at + len(sealed_index)
    cipher = AESGCM(derive(key, file_id, b"payload"))
    count = -(-header["payload_bytes"] // CHUNK)
    for number in range(count):
        length = min(CHUNK, header["payload_bytes"] - number * CHUNK) + 16
        chunk = content[at : at + length]
        at = at + length
        payload += cipher.decrypt(
            number.to_bytes(11) + bytes([number == count - 1]), chunk, associated
        )
        digests += blake3(chunk).digest()
    if header["signer"]:
        assert content[at : at + len(digests)] == digests
        digested = (associated, blake3(sealed_index).digest(), blake3(digests).digest())
        signed = "gamekeeper/sealed-signature@1\n" + "".join(f"{one.hex()}\n" for one in digested)
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(header["signer"])).verify(
            content[at + len(digests) :], signed.encode()
        )
    return json.loads(index), payload


@pytest.mark.parametrize("name", ["one-file.sealed", "folder.sealed"])
@pytest.mark.parametrize("kind", ["passphrase", "mlkem768-x25519"])
def test_a_second_reader_reads_what_was_sealed_by_version_1(name: str, kind: str) -> None:
    """The page of the format is enough to read a file, without gamekeeper."""
    index, payload = read_by_hand((COMPAT / name).read_bytes(), kind)
    assert hashlib.sha256(payload).hexdigest() == (COMPAT / f"{name}.sha256").read_text().strip()
    assert index["format"] == "gamekeeper/contents@1"


@pytest.mark.parametrize("name", ["one-file.sealed", "folder.sealed"])
def test_files_of_version_1_open(tmp_path: Path, name: str) -> None:
    """By passphrase and by key, and their signature holds; what comes out is what went in."""
    (tmp_path / "key.pem").write_bytes((COMPAT / "key.pem").read_bytes())
    (tmp_path / "key.pem").chmod(0o600)
    signer = bytes.fromhex((COMPAT / "signer.hex").read_text().strip())
    for number, identity in enumerate((cheap_passphrase(), read_private_key(tmp_path / "key.pem"))):
        out = tmp_path / str(number)
        contents = open_sealed(COMPAT / name, out, identities=[identity], signer=signer)
        found = b"".join(
            ((out / one.path) if contents.is_folder else out).read_bytes()
            for one in contents.members
        )
        assert hashlib.sha256(found).hexdigest() == (COMPAT / f"{name}.sha256").read_text().strip()
    assert verify_sealed(COMPAT / name, identities=[cheap_passphrase()], signer=signer)


def drawn(seed: bytes):  # type: ignore[no-untyped-def]
    """Bytes that follow from a seed, in place of random ones."""
    state = [0]

    def draw(length: int) -> bytes:
        state[0] += 1
        return hashlib.shake_256(seed + bytes([state[0]])).digest(length)

    return draw


def test_the_same_randomness_gives_the_same_file(tmp_path: Path) -> None:
    """Every byte of a small sealed file, as of the first version."""
    cheap = cheap_passphrase()
    phrase = Passphrase(Secret(PHRASE), cost=cheap.cost, entropy=drawn(b"salt"))
    seal(
        write_model(tmp_path / "model.safetensors"),
        tmp_path / "s",
        to=[phrase],
        entropy=drawn(b"file"),
    )
    assert hashlib.sha256((tmp_path / "s").read_bytes()).hexdigest() == (
        "ac1f326d83d3d3f3bcfe3d071c8b97a8c9802d0c85502cf8c674e9101f4c4501"
    )
    index, payload = read_by_hand((tmp_path / "s").read_bytes(), "passphrase")
    assert payload == safetensors_bytes(some_tensors())
    assert index["members"] == [["model.safetensors", "safetensors", len(payload)]]


def test_subkeys_are_those_of_hkdf() -> None:
    """HKDF-SHA256 (RFC 5869) done by hand from HMAC."""
    key = bytes(range(32))
    file_id = bytes(range(32, 64))
    extracted = hmac.digest(file_id, key, "sha256")
    found = derive_subkeys(Secret(key), file_id)
    for use, value in (("payload", found.payload.reveal()), ("commitment", found.commitment)):
        info = f"gamekeeper/sealed@1 {use}".encode()
        assert hmac.digest(extracted, info + b"\x01", "sha256") == value
    assert (
        found.commitment.hex() == "840251fafd4ca8a1d2c96a81439d80692d7d140f2c231e504c4a4f63dd199f17"
    )
