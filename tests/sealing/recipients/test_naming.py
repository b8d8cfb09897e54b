"""Recipients and identities by their text."""

from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

from gamekeeper.base.errors import InputError
from gamekeeper.sealing.recipients import PrivateKey, naming, read_identity, read_recipient
from gamekeeper.sealing.recipients.aws_kms import AwsKmsIdentity, AwsKmsRecipient
from gamekeeper.sealing.recipients.keypairs import write_key_pair
from gamekeeper.sealing.recipients.vault import VaultIdentity, VaultRecipient


def test_text_before_the_colon_names_the_kind(tmp_path: Path) -> None:
    """Anything else is a file."""
    key = PrivateKey.generate()
    public = write_key_pair(key, tmp_path / "k.pem")
    assert read_recipient("awskms:alias/models") == AwsKmsRecipient("alias/models")
    assert read_identity("awskms:alias/models") == AwsKmsIdentity(("alias/models",))
    assert read_recipient("vault:transit/models") == VaultRecipient("transit/models")
    assert read_identity("vault:transit/models") == VaultIdentity(("transit/models",))
    assert read_recipient(str(public)).wrap(naming_key(), bytes(32)).name == key.public_key().name
    assert isinstance(read_identity(str(tmp_path / "k.pem")), PrivateKey)


def naming_key():  # type: ignore[no-untyped-def]
    from gamekeeper.base.secret import Secret

    return Secret(bytes(32))


def test_other_packages_add_kinds_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key released to an attested machine, say; loaded only when it is named."""
    loaded: list[str] = []
    module = SimpleNamespace(
        parse=lambda text: ("for", text), identity_from_environment=lambda text: ("by", text)
    )
    monkeypatch.setattr(EntryPoint, "load", lambda self: (loaded.append(self.name), module)[1])
    points = [EntryPoint("attested", "somewhere", naming.GROUP)]
    monkeypatch.setattr(
        naming, "entry_points", lambda group, name: [one for one in points if one.name == name]
    )
    with pytest.raises(InputError):
        read_recipient("other:thing")
    assert not loaded
    assert read_recipient("attested:tdx") == ("for", "attested:tdx")
    assert read_identity("attested:tdx") == ("by", "attested:tdx")
