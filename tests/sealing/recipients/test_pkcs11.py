import os
import shutil
import subprocess
import traceback
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gamekeeper.base.errors import InputError
from gamekeeper.base.secret import Secret
from gamekeeper.sealing.recipients import Stanza
from gamekeeper.sealing.recipients.pkcs11 import (
    Pkcs11Identity,
    Pkcs11Key,
    identity_from_environment,
    parse,
)

pytestmark = pytest.mark.extra
pkcs11 = pytest.importorskip("pkcs11")

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
PATH = next((path for path in MODULES if Path(path).is_file()), "")
PIN_TEXT = "a-pin-that-nobody-may-read"
DATA_KEY = Secret(bytes(range(32)))
CONTEXT = b"c" * 16
OTHER = b"d" * 16
URI = "pkcs11:token=vault%20one;object=models"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two tokens of SoftHSM; the first with keys."""
    if not PATH or not shutil.which("softhsm2-util"):
        pytest.skip("SoftHSM is not installed")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(
        f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n"
    )
    earlier = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    for label in ("vault one", "vault two"):
        command = [
            "softhsm2-util",
            "--init-token",
            "--free",
            "--label",
            label,
            "--so-pin",
            "so-pin",
            "--pin",
            PIN_TEXT,
        ]
        subprocess.run(command, check=True, capture_output=True)
    token = pkcs11.lib(PATH).get_token(token_label="vault one")
    with token.open(rw=True, user_pin=PIN_TEXT) as session:
        for label in ("models", "others", "twice", "twice"):
            session.generate_key(pkcs11.KeyType.AES, 256, label=label, store=True)
        session.generate_key(pkcs11.KeyType.AES, 128, label="short", store=True)
        only = pkcs11.MechanismFlag.ENCRYPT
        session.generate_key(
            pkcs11.KeyType.AES, 256, label="retired", store=True, capabilities=only
        )
    yield token
    pkcs11.unload(PATH)
    os.environ.pop("SOFTHSM2_CONF") if earlier is None else os.environ.update(SOFTHSM2_CONF=earlier)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAMEKEEPER_PKCS11_MODULE", PATH)
    monkeypatch.setenv("GAMEKEEPER_PKCS11_PIN", PIN_TEXT)
    monkeypatch.setenv("GAMEKEEPER_PKCS11_TOKEN", "vault one")


def error_of(
    stanza: Stanza, context: bytes = CONTEXT, identity: Pkcs11Identity | None = None
) -> str:
    """What the error says; neither it nor its traceback holds the PIN."""
    with pytest.raises(InputError) as caught:
        (identity or identity_from_environment()).unwrap(stanza, context)
    text = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert PIN_TEXT not in text
    return str(caught.value)


def changed(stanza: Stanza, **values: str) -> Stanza:
    return replace(stanza, values={**stanza.values, **values})


def wrapped(uri: str = URI) -> Stanza:
    return parse(uri).wrap(DATA_KEY, CONTEXT)


@pytest.fixture
def stanza() -> Stanza:
    """One that no token has made."""
    values = {"nonce": b64encode(bytes(12)).decode(), "wrapped": b64encode(bytes(48)).decode()}
    return Stanza(
        kind="pkcs11", name=URI, values={"token": "vault one", "object": "models", **values}
    )


def test_wrapped_key_unwraps(token: Any) -> None:
    """By the environment's token, and by the URI."""
    stanza = wrapped()
    assert stanza.name == URI and identity_from_environment().unwrap(stanza, CONTEXT) == DATA_KEY
    assert identity_from_environment(URI).unwrap(stanza, CONTEXT) == DATA_KEY


def test_nonce_is_fresh(token: Any) -> None:
    """Twice the same nonce under one key would give away the key of the tag."""
    assert wrapped().values["nonce"] != wrapped().values["nonce"]


def test_pin_and_module_of_the_uri_count(
    token: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pin-source` and `module-path`; they are in no stanza."""
    (tmp_path / "pin").write_text(f"{PIN_TEXT}\n")
    monkeypatch.delenv("GAMEKEEPER_PKCS11_MODULE")
    monkeypatch.delenv("GAMEKEEPER_PKCS11_PIN")
    uri = f"{URI}?module-path={PATH}&pin-source=file:{tmp_path}/pin"
    stanza = wrapped(uri)
    assert stanza.name == URI and identity_from_environment(uri).unwrap(stanza, CONTEXT) == DATA_KEY


def test_another_context_is_refused(token: Any) -> None:
    """A wrapped key cannot be moved into another file."""
    assert "does not unwrap" in error_of(wrapped(), OTHER)


def test_another_key_is_refused(token: Any) -> None:
    """The stanza's word for the key is only a word."""
    assert "does not unwrap" in error_of(changed(wrapped(), object="others"))


def test_changed_bytes_are_refused(token: Any) -> None:
    """Tag, text or nonce."""
    assert "does not unwrap" in error_of(changed(wrapped(), wrapped=b64encode(bytes(48)).decode()))
    assert "does not unwrap" in error_of(changed(wrapped(), nonce=b64encode(bytes(12)).decode()))


def test_key_that_may_not_decrypt_is_reported(token: Any) -> None:
    """As a key that its owner has retired."""
    with pytest.raises(InputError, match="may not decrypt"):
        identity_from_environment().unwrap(changed(wrapped(), object="retired"), CONTEXT)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("pkcs11:token=nowhere;object=models", "not denote exactly one token"),
        ("pkcs11:token=vault%20one;object=nothing", "not denote exactly one AES key"),
        ("pkcs11:token=vault%20one;object=twice", "found     2"),
        ("pkcs11:token=vault%20one;object=short", "another length"),
    ],
)
def test_key_that_cannot_be_used_is_reported(token: Any, uri: str, words: str) -> None:
    """At wrapping."""
    with pytest.raises(InputError, match=words):
        wrapped(uri)


def test_wrong_pin_is_reported(token: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is not in the error."""
    stanza = wrapped()
    monkeypatch.setenv("GAMEKEEPER_PKCS11_PIN", "another-pin")
    assert "refuses the PIN" in (text := error_of(stanza)) and "another-pin" not in text
    monkeypatch.setenv("GAMEKEEPER_PKCS11_PIN", PIN_TEXT)
    assert identity_from_environment().unwrap(stanza, CONTEXT) == DATA_KEY


def test_login_of_other_code_is_used(token: Any) -> None:
    """A login counts for the whole process, and is not ended here."""
    with token.open(user_pin=PIN_TEXT) as session:
        assert identity_from_environment().unwrap(wrapped(), CONTEXT) == DATA_KEY
        assert session.get_key(label="models", object_class=pkcs11.ObjectClass.SECRET_KEY)


def test_pin_is_not_sent_to_a_token_that_only_the_file_names(
    token: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attempts with the PIN of another token would lock it."""
    elsewhere = changed(wrapped(), token="vault two")
    monkeypatch.setenv("GAMEKEEPER_PKCS11_PIN", "wrong")
    assert identity_from_environment().unwrap(elsewhere, CONTEXT) is None
    assert identity_from_environment(URI).unwrap(elsewhere, CONTEXT) is None


def test_no_token_is_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither URI nor GAMEKEEPER_PKCS11_TOKEN: no identity."""
    monkeypatch.delenv("GAMEKEEPER_PKCS11_TOKEN")
    with pytest.raises(InputError, match="no token is named"):
        identity_from_environment()


@pytest.mark.parametrize("module", ["", "libsofthsm2.so", "/no/such/library.so", "/"])
def test_missing_module_is_reported(
    stanza: Stanza, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """The whole path of a file is wanted: a bare name would be searched for."""
    monkeypatch.setenv("GAMEKEEPER_PKCS11_MODULE", module)
    assert "not a PKCS#11 module" in error_of(stanza)


def test_file_that_is_not_a_module_is_reported(
    stanza: Stanza, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the words of the loader."""
    (tmp_path / "module.so").write_bytes(b"no library")
    monkeypatch.setenv("GAMEKEEPER_PKCS11_MODULE", str(tmp_path / "module.so"))
    assert "the token refuses" in error_of(stanza)


@pytest.mark.parametrize("pin", ["", "tw\no", "9" * 257, "a-pin\udcff"])
def test_unusable_pin_is_reported(
    stanza: Stanza, monkeypatch: pytest.MonkeyPatch, pin: str
) -> None:
    """And it is not in the error."""
    monkeypatch.setenv("GAMEKEEPER_PKCS11_PIN", pin)
    assert "no usable PIN" in (text := error_of(stanza)) and (not pin or pin not in text)


def test_missing_file_with_the_pin_is_reported(stanza: Stanza, tmp_path: Path) -> None:
    """With its name."""
    identity = identity_from_environment(f"{URI}?pin-source={tmp_path}/none")
    assert "the file with the PIN cannot be read" in error_of(stanza, identity=identity)


@pytest.mark.parametrize("values", [
    {"token": ""}, {"object": "a\x00b"}, {"object": "a" * 256}, {"nonce": b64encode(bytes(16)).decode()},
    {"nonce": ""}, {"nonce": "%%%%"}, {"wrapped": b64encode(bytes(47)).decode()}, {"wrapped": "A" * 9_000},
])  # fmt: skip
def test_mangled_stanza_does_not_reach_a_token(
    stanza: Stanza, monkeypatch: pytest.MonkeyPatch, values: dict[str, str]
) -> None:
    """There is no module: an access to a token would be reported as that."""
    monkeypatch.setenv("GAMEKEEPER_PKCS11_MODULE", "")
    assert "PKCS#11 module" not in error_of(changed(stanza, **values))


def test_stanza_of_another_kind_is_for_somebody_else(stanza: Stanza) -> None:
    """Nothing is asked."""
    assert identity_from_environment().unwrap(replace(stanza, kind="vault"), CONTEXT) is None


@pytest.mark.parametrize("text", [
    "pkcs11:", "pkcs11:token=a", "pkcs11:object=a", "pkcs11:token=a;object=b;type=private", "pkcs11:token=a;token=b",
    "pkcs11://token=a;object=b", "pkcs11:token=a;object=b#c", "pkcs11:token=a;object=b;serial=7", "vault:a/b",
    "pkcs11:token=a;object=%00", "pkcs11://[", "pkcs11:token=a;object=b?pin-value=a-pin-that-nobody-may-read",
])  # fmt: skip
def test_uri_that_does_not_name_a_key_is_refused(text: str) -> None:
    """A PIN in it is neither used nor repeated in the error."""
    with pytest.raises(InputError, match="pkcs11:token=NAME;object=LABEL") as caught:
        parse(text)
    assert PIN_TEXT not in str(caught.value)


def test_uri_of_a_key_reads_back() -> None:
    """Whatever characters its labels hold."""
    key = Pkcs11Key("a;b=c%", "ü/?&")
    assert parse(str(key)).key == key
