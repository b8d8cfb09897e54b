"""What many tests of sealed files begin with."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gamekeeper.sealing import seal
from gamekeeper.sealing.recipients import PrivateKey
from sealing.builders import big_model, write_model


@pytest.fixture(scope="session")
def key() -> PrivateKey:
    return PrivateKey.generate()


@pytest.fixture(scope="session")
def signing_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="session")
def signer(signing_key: Ed25519PrivateKey) -> bytes:
    return signing_key.public_key().public_bytes_raw()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model.safetensors")


@pytest.fixture
def sealed(model: Path, key: PrivateKey) -> Path:
    """A small model, sealed and not signed."""
    out = model.with_name("model.sealed")
    seal(model, out, to=[key.public_key()])
    return out


@pytest.fixture
def signed(model: Path, key: PrivateKey, signing_key: Ed25519PrivateKey) -> Path:
    """The same, signed."""
    out = model.with_name("signed.sealed")
    seal(model, out, to=[key.public_key()], signing_key=signing_key)
    return out


@pytest.fixture(scope="session")
def four_chunks(tmp_path_factory: pytest.TempPathFactory, key: PrivateKey) -> Path:
    """A sealed model of four chunks; copy it before changing it."""
    folder = tmp_path_factory.mktemp("four")
    out = folder / "four.sealed"
    seal(big_model(folder / "four.safetensors", 3.5), out, to=[key.public_key()])
    return out
