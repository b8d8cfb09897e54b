"""Key pairs and passphrases as recipients."""

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gamekeeper.base.errors import InputError, UsageError
from gamekeeper.base.secret import Secret
from gamekeeper.sealing.recipients import (
    PrivateKey,
    Recipient,
    Stanza,
    passphrase,
    read_private_key,
    read_public_key,
)
from gamekeeper.sealing.recipients.keypairs import write_key_pair
from gamekeeper.sealing.recipients.passphrase import PassphraseCost
from sealing.builders import CHEAP, cheap_passphrase

DATA_KEY = Secret(bytes(range(32)))
CONTEXT = b"a file of sixteen bytes or more"


def both_kinds() -> list[PrivateKey]:
    return [PrivateKey.generate(), PrivateKey.generate(is_hybrid=False)]


def test_wrapped_keys_unwrap_for_their_holder_and_file_only() -> None:
    """Not for another key of the kind, not for another file, and not twice the same bytes."""
    for private, stranger in zip(both_kinds(), both_kinds(), strict=True):
        stanza = private.public_key().wrap(DATA_KEY, CONTEXT)
        assert private.unwrap(stanza, CONTEXT) == DATA_KEY
        assert private.unwrap(stanza, CONTEXT + b"!") is None
        assert stranger.unwrap(stanza, CONTEXT) is None
        assert stranger.unwrap(replace(stanza, name=stranger.public_key().name), CONTEXT) is None
        assert stanza.values != private.public_key().wrap(DATA_KEY, CONTEXT).values


@pytest.mark.parametrize("value", ["", "AAAA", "?" * 108, "A" * 10_000, "ä", "AAAA\n"])
def test_mangled_stanzas_unwrap_to_nothing(value: str) -> None:
    """For any content of the file."""
    identities = [*both_kinds(), cheap_passphrase()]
    recipients: list[Recipient] = [*(one.public_key() for one in identities[:2]), identities[2]]  # type: ignore[union-attr,list-item]
    for identity, recipient in zip(identities, recipients, strict=True):
        stanza = recipient.wrap(DATA_KEY, CONTEXT)
        for name in ("wrapped", "salt", "memory_kib"):
            if name in stanza.values:
                assert (
                    identity.unwrap(replace(stanza, values={**stanza.values, name: value}), CONTEXT)
                    is None
                )
                rest = {one: text for one, text in stanza.values.items() if one != name}
                assert identity.unwrap(replace(stanza, values=rest), CONTEXT) is None


@pytest.mark.parametrize("is_hybrid", [True, False])
def test_key_files_are_read_as_they_were_written(tmp_path: Path, is_hybrid: bool) -> None:
    """The private half for its owner only, and never over another key."""
    key = PrivateKey.generate(is_hybrid=is_hybrid)
    public = write_key_pair(key, tmp_path / "k.pem")
    assert (tmp_path / "k.pem").stat().st_mode & 0o777 == 0o600
    assert read_public_key(str(public)).name == key.public_key().name
    stanza = read_public_key(str(public)).wrap(DATA_KEY, CONTEXT)
    assert read_private_key(tmp_path / "k.pem").unwrap(stanza, CONTEXT) == DATA_KEY
    with pytest.raises(InputError, match="keys are never replaced"):
        write_key_pair(key, tmp_path / "k.pem")


def test_public_key_in_one_line() -> None:
    """X25519 is short enough to be typed."""
    key = PrivateKey.generate(is_hybrid=False)
    text = f"x25519:{key.public_key().x25519.public_bytes_raw().hex()}"
    assert key.unwrap(read_public_key(text).wrap(DATA_KEY, CONTEXT), CONTEXT) == DATA_KEY


def test_private_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """As ssh does."""
    write_key_pair(PrivateKey.generate(), tmp_path / "k.pem")
    (tmp_path / "k.pem").chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        read_private_key(tmp_path / "k.pem")


def test_files_without_a_suitable_key_are_named(tmp_path: Path) -> None:
    """Text, a key that signs, a public key in place of a private one, twice the same half, four
    gigabytes.
    """
    signing = Ed25519PrivateKey.generate()
    private = signing.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    hybrid = PrivateKey.generate()
    contents = {
        "text": b"hello",
        "empty": b"",
        "signing": private,
        "public": hybrid.public_key().to_pem(),
        "twice": hybrid.to_pem().reveal() * 2,
        "damaged": hybrid.to_pem().reveal().replace(b"M", b"N", 3),
        "signer": signing.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        ),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
        with pytest.raises(InputError) as refused:
            read_private_key(tmp_path / name)
        assert b"PRIVATE KEY-----\n" not in str(refused.value).encode()
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(4 << 30)
    for name in ("huge", "none", "text", "signing"):
        with pytest.raises(InputError):
            read_public_key(str(tmp_path / name))


def test_short_passphrases_are_refused_when_they_are_new() -> None:
    """A guess costs half a second, and short ones are few; an old file opens with what it was
    sealed with.
    """
    with pytest.raises(UsageError, match="11 characters"):
        passphrase("elevenchars", is_new=True)
    assert passphrase("short", is_new=False).unwrap(Stanza(kind="x", name="x"), CONTEXT) is None


def test_one_passphrase_typed_in_two_ways_is_one() -> None:
    """An umlaut is one character on one keyboard and two on another."""
    one, other = (
        passphrase(text, is_new=True)
        for text in ("gr\u00fcne Heide im Mai", "gru\u0308ne Heide im Mai")
    )
    stanza = replace(one, cost=CHEAP).wrap(DATA_KEY, CONTEXT)
    assert other.unwrap(stanza, CONTEXT) == DATA_KEY


@pytest.mark.parametrize(
    "asked",
    [
        ("0", "1", "64"),
        ("99", "1", "64"),
        ("1", "99", "64"),
        ("1", "1", "9999999999"),
        ("1", "8", "8"),
        ("x",) * 3,
    ],
)
def test_a_file_cannot_request_all_memory(asked: tuple[str, str, str]) -> None:
    """What Argon2id costs is written in the file, which may be hostile."""
    assert (
        PassphraseCost.parse(dict(zip(("passes", "lanes", "memory_kib"), asked, strict=True)))
        is None
    )


def test_the_default_cost_is_what_the_docstring_says() -> None:
    """Above the second recommendation of RFC 9106, section 4: three passes, four lanes, 64 MiB."""
    assert (PassphraseCost().passes, PassphraseCost().lanes, PassphraseCost().memory_kib) == (
        3,
        4,
        262_144,
    )


def test_a_passphrase_that_is_not_text_is_refused() -> None:
    """Bytes of a terminal in another encoding, which Python carries as halves of characters."""
    with pytest.raises(UsageError, match="not UTF-8") as refused:
        passphrase("correct horse \udcff battery", is_new=False)
    assert "horse" not in str(refused.value)


def test_a_wrapped_passphrase_serves_one_file_only() -> None:
    """Its context is another in every file."""
    phrase = replace(passphrase("correct horse battery", is_new=True), cost=CHEAP)
    stanza = phrase.wrap(DATA_KEY, CONTEXT)
    assert phrase.unwrap(stanza, CONTEXT) == DATA_KEY
    assert phrase.unwrap(stanza, CONTEXT + b"?") is None
