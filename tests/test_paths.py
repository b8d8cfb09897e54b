"""Public functions take paths as text too, as the snippets that people write have them."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import gamekeeper
from gamekeeper.casebook import Casebook, verify_casebook
from gamekeeper.guard.policy import read_policy
from gamekeeper.guard.store import SqliteStore
from gamekeeper.sealing import load_sealed, open_sealed, rewrap, seal, verify_sealed
from gamekeeper.sealing.recipients import (
    PrivateKey,
    read_identity,
    read_private_key,
    read_public_key,
    read_recipient,
)
from gamekeeper.sealing.recipients.keypairs import write_key_pair
from gamekeeper.sealing.sealed import read_signer, read_signing_key
from gamekeeper.sealing.sealed.signatures import write_signing_pair
from sealing.builders import write_model

WITHIN = {
    "gamekeeper.base",
    "gamekeeper.sealing.artifacts",
}
"""Packages for the rest of gamekeeper only."""

HELPERS = {"Casebook.__init__", "require_new_name", "seal_files"}
"""What is called from within only: by the command line, or by `Casebook.open`."""


def packages() -> Iterator[str]:
    for found in pkgutil.walk_packages(gamekeeper.__path__, "gamekeeper."):
        is_private = any(part.startswith("_") for part in found.name.split("."))
        if found.ispkg and not is_private and found.name not in WITHIN:
            yield found.name


def functions(package: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Public functions of a package, and public methods of its classes."""
    module = importlib.import_module(package)
    for name in getattr(module, "__all__", ()):
        made = getattr(module, name)
        if inspect.isfunction(made):
            yield name, made
        elif inspect.isclass(made):
            for method, held in vars(made).items():
                function = getattr(held, "__func__", held)
                is_public = not method.startswith("_") or method == "__init__"
                if is_public and inspect.isfunction(function):
                    yield f"{name}.{method}", function


@pytest.mark.parametrize("package", list(packages()))
def test_whatever_takes_a_path_takes_text(package: str) -> None:
    """By its annotations."""
    wanting = []
    called = [(name, function) for name, function in functions(package) if name not in HELPERS]
    for name, function in called:
        for parameter, of in function.__annotations__.items():
            text = of if isinstance(of, str) else str(of)
            takes_paths = re.search(r"\bPath\b", text) and parameter != "return"
            if takes_paths and not re.search(r"\bstr\b", text):
                wanting.append(f"{name}({parameter}: {text})")
    assert wanting == []


def test_keys_and_sealed_files_are_named_by_text(tmp_path: Path) -> None:
    """From the key to the opened model."""
    model = str(write_model(tmp_path / "model.safetensors"))
    sealed, opened = str(tmp_path / "model.sealed"), str(tmp_path / "opened")
    key, owner = str(tmp_path / "key.pem"), str(tmp_path / "owner.pem")
    public = write_key_pair(PrivateKey.generate(), key)
    signer, _ = write_signing_pair(owner)
    assert read_recipient(public).name == read_public_key(public).name
    identity = read_identity(Path(key))
    to = [read_recipient(str(public))]
    seal(model, sealed, to=to, signing_key=read_signing_key(owner))
    verify_sealed(sealed, signer=read_signer(str(signer)))
    rewrap(sealed, identities=[read_private_key(key)], add=to)
    open_sealed(sealed, opened, identities=[identity])
    assert Path(opened).read_bytes() == Path(model).read_bytes()
    with load_sealed(sealed, keys=[read_private_key(key)]) as loaded:
        assert loaded.numpy()


def test_casebooks_policies_and_stores_are_named_by_text(tmp_path: Path) -> None:
    """Each by the path of its file or folder."""
    with Casebook.open(str(tmp_path / "book")):
        pass
    assert verify_casebook(str(tmp_path / "book")).entries == 0
    (tmp_path / "policy.toml").write_text('format = "gamekeeper/policy@1"\n')
    assert read_policy(str(tmp_path / "policy.toml"))
    SqliteStore(str(tmp_path / "guard.db")).close()
