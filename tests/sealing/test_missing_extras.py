import sys
from pathlib import Path

import pytest

from gamekeeper.base.errors import MissingExtraError
from gamekeeper.base.secret import Secret
from gamekeeper.sealing.provenance import sign_model
from gamekeeper.sealing.recipients import aws_kms, pkcs11, vault

KEY = Secret(bytes(32))
CONTEXT = bytes(16)


@pytest.mark.parametrize(
    ("library", "extra", "text"),
    [
        ("botocore.exceptions", "kms", "awskms:alias/models"),
        ("hvac", "vault", "vault:transit/models"),
        ("pkcs11", "pkcs11", "pkcs11:token=a;object=b"),
    ],
)
def test_recipient_without_its_library_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, library: str, extra: str, text: str
) -> None:
    """Before anything is asked of the environment."""
    monkeypatch.setitem(sys.modules, library, None)
    parse = {"kms": aws_kms.parse, "vault": vault.parse, "pkcs11": pkcs11.parse}[extra]
    with pytest.raises(MissingExtraError, match=rf"\.\[{extra}\]"):
        parse(text).wrap(KEY, CONTEXT)


@pytest.mark.parametrize("library", ["model_signing", "model_signing.signing"])
def test_signing_without_its_library_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    """Also where the library is there and pyOpenSSL, which it imports, is not."""
    monkeypatch.setitem(sys.modules, library, None)
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(MissingExtraError, match=r"\.\[provenance\]"):
        sign_model(tmp_path / "model.bin", tmp_path / "x.sig", tmp_path / "key.pem")
