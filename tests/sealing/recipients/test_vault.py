import socket
import traceback
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace

import pytest

from gamekeeper.base.errors import InputError
from gamekeeper.base.secret import Secret
from gamekeeper.sealing.recipients import Stanza
from gamekeeper.sealing.recipients.vault import VaultIdentity, identity_from_environment, parse
from sealing.recipients.transit import Key, Transit, served

pytestmark = pytest.mark.extra
pytest.importorskip("hvac")

TOKEN = "hvs.a-token-that-nobody-may-read"
DATA_KEY = Secret(bytes(range(32)))
CONTEXT = b"c" * 16
OTHER = b"d" * 16


@pytest.fixture
def transit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Transit]:
    """A server with the key `models`, and the environment that leads to it."""
    transit = Transit(token=TOKEN, keys={"models": Key(), "others": Key()})
    for name in ("VAULT_NAMESPACE", "VAULT_CACERT"):
        monkeypatch.delenv(name, raising=False)
    with served(transit) as address:
        monkeypatch.setenv("VAULT_ADDR", address)
        monkeypatch.setenv("VAULT_TOKEN", TOKEN)
        yield transit


def wrapped(text: str = "vault:transit/models") -> Stanza:
    return parse(text).wrap(DATA_KEY, CONTEXT)


def error_of(
    stanza: Stanza, context: bytes = CONTEXT, identity: VaultIdentity | None = None
) -> str:
    """What the error says; neither it nor its traceback holds the token or the key."""
    with pytest.raises(InputError) as caught:
        (identity or VaultIdentity()).unwrap(stanza, context)
    text = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert TOKEN not in text and b64encode(DATA_KEY.reveal()).decode()[:40] not in text
    return str(caught.value)


def changed(stanza: Stanza, **values: str) -> Stanza:
    return replace(stanza, values={**stanza.values, **values})


def test_wrapped_key_unwraps(transit: Transit) -> None:
    """With and without naming the key; the stanza tells the mount and the key and nothing of the
    address.
    """
    stanza = wrapped()
    assert stanza.name == "vault:transit/models" and set(stanza.values) == {"key", "wrapped"}
    assert identity_from_environment().unwrap(stanza, CONTEXT) == DATA_KEY
    assert identity_from_environment("vault:transit/models").unwrap(stanza, CONTEXT) == DATA_KEY


def test_another_context_is_refused(transit: Transit) -> None:
    """A wrapped key cannot be moved into another file."""
    assert "invalid ciphertext: unable to decrypt" in error_of(wrapped(), OTHER)


def test_another_context_is_refused_though_the_server_ignores_associated_data(
    transit: Transit,
) -> None:
    """As servers before 1.13 do, without a word."""
    transit.ignores_associated_data = True
    stanza = wrapped()
    assert VaultIdentity().unwrap(stanza, CONTEXT) == DATA_KEY
    assert "the digest of another file's id" in error_of(stanza, OTHER)


def test_another_key_is_refused(transit: Transit) -> None:
    """The stanza's word for the key is only a word."""
    assert "unable to decrypt" in error_of(changed(wrapped(), key="transit/others"))


def test_rotated_key_still_unwraps_until_it_is_retired(transit: Transit) -> None:
    """`min_decryption_version` ends old versions."""
    stanza = wrapped()
    transit.keys["models"].versions.append(bytes(32))
    assert VaultIdentity().unwrap(stanza, CONTEXT) == DATA_KEY
    assert wrapped().values["wrapped"].startswith("vault:v2:")
    transit.keys["models"].min_decryption_version = 2
    assert "disallowed by policy (too old)" in error_of(stanza)


def test_deleted_key_is_reported(transit: Transit) -> None:
    """With the server's words."""
    stanza = wrapped()
    del transit.keys["models"]
    assert "encryption key not found" in error_of(stanza)


def test_wrapping_for_an_unknown_key_does_not_create_it(transit: Transit) -> None:
    """A token that may create keys would else make one of a slip of the pen."""
    with pytest.raises(InputError, match="unknown key type"):
        parse("vault:transit/modles").wrap(DATA_KEY, CONTEXT)
    assert set(transit.keys) == {"models", "others"}


def test_missing_permission_is_reported(transit: Transit) -> None:
    """Who may only wrap cannot unwrap."""
    transit.may = {"encrypt"}
    assert "no permission for this key" in error_of(wrapped())


def test_token_that_is_sent_back_is_not_shown(transit: Transit) -> None:
    """A server or proxy may quote what it was sent."""
    stanza = wrapped()
    transit.namespace = "elsewhere"
    transit.echoes_token = True
    assert "permission denied" in error_of(stanza)


def test_sealed_server_is_reported(transit: Transit) -> None:
    """503, as real ones answer."""
    stanza = wrapped()
    transit.is_sealed = True
    assert "sealed or in maintenance" in error_of(stanza)


def test_namespace_is_sent(transit: Transit, monkeypatch: pytest.MonkeyPatch) -> None:
    """From VAULT_NAMESPACE."""
    transit.namespace = "team/a"
    monkeypatch.setenv("VAULT_NAMESPACE", "team/a")
    assert VaultIdentity().unwrap(wrapped(), CONTEXT) == DATA_KEY


def test_wrong_mount_is_reported(transit: Transit) -> None:
    """404, as real ones answer."""
    with pytest.raises(InputError, match="there is no transit engine"):
        wrapped("vault:elsewhere/models")


def test_server_that_is_down_is_reported(transit: Transit, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its address."""
    stanza = wrapped()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("VAULT_ADDR", f"http://127.0.0.1:{free.getsockname()[1]}")
        assert "it cannot be reached" in error_of(stanza)


def test_redirect_is_not_followed(transit: Transit) -> None:
    """The token would go along."""
    stanza = wrapped()
    elsewhere = Transit(token=TOKEN, keys=transit.keys)
    with served(elsewhere) as address:
        transit.redirects_to = address
        assert "not from a transit engine" in error_of(stanza)
    assert elsewhere.seen == []


@pytest.mark.parametrize(
    "address", ["", "vault.example:8200", "http://vault.example", "ftp://a", "https://me:pw@a"]
)
def test_unsafe_address_is_refused(
    transit: Transit, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Nothing goes in the clear over a network; no password of the address is shown."""
    stanza = wrapped()
    monkeypatch.setenv("VAULT_ADDR", address)
    text = error_of(stanza)
    assert text.startswith("error: VAULT_ADDR: ") and "pw" not in text


@pytest.mark.parametrize("token", ["", "two\nlines", "schlüssel"])
def test_token_that_cannot_be_sent_is_refused(
    transit: Transit, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    """Before anything is sent, and without showing it."""
    stanza = wrapped()
    before = len(transit.seen)
    monkeypatch.setenv("VAULT_TOKEN", token)
    assert "VAULT_TOKEN" in error_of(stanza) and (not token or token not in error_of(stanza))
    assert len(transit.seen) == before


@pytest.mark.parametrize("values", [
    {"key": "transit/../sys/seal"}, {"key": "models"}, {"key": ""}, {"key": "transit//models"}, {"key": "a/b?c=d"},
    {"key": "transit/models\n"}, {"key": "transit/" + "m" * 9_999}, {"wrapped": ""}, {"wrapped": "vault:v1:"},
    {"wrapped": "vault:v1:AA AA"}, {"wrapped": "vault:vx:AAAA"}, {"wrapped": "vault:v1:" + "A" * 9_999},
])  # fmt: skip
def test_mangled_stanza_never_leaves_the_machine(transit: Transit, values: dict[str, str]) -> None:
    """Each value has a form, held before anything is sent."""
    stanza = wrapped()
    before = len(transit.seen)
    assert "cannot be read" in error_of(changed(stanza, **values))
    assert len(transit.seen) == before


def test_stanza_without_values_is_reported() -> None:
    """Or with values of another type."""
    assert "nothing" in error_of(Stanza(kind="vault", name="x"))
    assert "cannot be read" in error_of(Stanza(kind="vault", name="x", values={"key": 5}))  # type: ignore[dict-item]


def test_file_chooses_neither_mount_nor_key(transit: Transit) -> None:
    """Without keys only mount `transit` is asked; with keys only these."""
    stanza = wrapped()
    before = len(transit.seen)
    assert VaultIdentity().unwrap(changed(stanza, key="secret/models"), CONTEXT) is None
    assert VaultIdentity(("transit/others",)).unwrap(stanza, CONTEXT) is None
    assert VaultIdentity().unwrap(replace(stanza, kind="awskms"), CONTEXT) is None
    assert len(transit.seen) == before


@pytest.mark.parametrize("answer", [{}, {"ciphertext": 5}, {"ciphertext": "vault:v1:"}, {"plaintext": "?"},
    {"plaintext": 5}, {"plaintext": ""}, {"plaintext": "AAAA"}])  # fmt: skip
def test_answer_of_another_form_is_reported(transit: Transit, answer: dict[str, object]) -> None:
    """Neither wraps nor unwraps."""
    stanza = wrapped()
    transit.answers = answer
    with pytest.raises(InputError):
        wrapped()
    error_of(stanza)


@pytest.mark.parametrize("text", ["vault:", "vault:models", "vault:/models", "vault:transit/", "awskms:a",
    "vault:a/../b", "vault:a/b c", "vault:" + "a/" * 20 + "b"])  # fmt: skip
def test_text_that_does_not_name_a_key_is_refused(text: str) -> None:
    """At the mount or at the name."""
    with pytest.raises(InputError, match="vault:transit/models"):
        parse(text)


def test_context_of_another_length_is_our_fault(transit: Transit) -> None:
    """Too short a context tells no files apart."""
    with pytest.raises(ValueError, match="16 to 256"):
        parse("vault:transit/models").wrap(DATA_KEY, b"short")
