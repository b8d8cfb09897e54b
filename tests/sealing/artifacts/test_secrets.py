"""Private keys and passwords in a model's folder, and tags of YAML, as people write them."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gamekeeper.base.errors import InputError
from gamekeeper.sealing.artifacts import read_model
from gamekeeper.sealing.artifacts.formats.code import code_in_yaml
from sealing.builders import write_model

PLAIN = NoEncryption()


def private_keys() -> dict[str, bytes]:
    ed = ed25519.Ed25519PrivateKey.generate()
    curve = ec.generate_private_key(ec.SECP256R1())
    locked = curve.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"a password")
    )
    found = _disguised(ed.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, PLAIN), locked)
    others = (curve, rsa.generate_private_key(65537, 2048), x25519.X25519PrivateKey.generate())
    for key in (ed, *others):
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, PLAIN)
        found |= _without_label(der, type(key).__name__)
    return found


def _disguised(pkcs8: bytes, locked: bytes) -> dict[str, bytes]:
    """A key in PEM as it is found in configurations."""
    begin, *body, end = pkcs8.decode().splitlines()
    text = "".join(body)
    lines = [text[at : at + 24] for at in range(0, len(text), 24)]
    letters = [text[at : at + 4] for at in range(0, len(text), 4)]
    quoted = json.dumps(pkcs8.decode())
    encoded = base64.b64encode(pkcs8).decode()
    shifted = base64.b64encode(b"Bag Attributes\n" + pkcs8).decode()
    first, kind, info, *rest, last = locked.decode().splitlines()
    return {
        name: content.encode()
        for name, content in {
            "short.pem": "\n".join([begin, *lines, end]),
            "letters.txt": "\n".join([begin, *letters, end]),
            "indented.yaml": "key: |\n" + "".join(f"  {one}\n" for one in [begin, *lines, end]),
            "one-line.txt": " ".join([begin, *lines, end]),
            "list.json": json.dumps([begin, *letters, end]),
            "javascript.js": "+\n".join(f'"{one}\\n"' for one in [begin, *lines, end]),
            "dashes.json": quoted.replace("-", "\\u002d"),
            "letters.json": quoted.replace("PRIVATE", "P\\u0052IVATE"),
            "twice.json": json.dumps(quoted.replace("-", "\\u002d")),
            "python.py": f"key = {pkcs8!r}".replace("-", "\\x2d"),
            "form.txt": pkcs8.decode().replace("-", "%2D").replace(" ", "%20"),
            "secret.yaml": f"data:\n  tls.key: {encoded}\n",
            "wrapped.txt": "\n".join(encoded[at : at + 60] for at in range(0, len(encoded), 60)),
            "shifted.txt": shifted,
            "locked-short.pem": "\n".join([first, kind, info, "", *_cut("".join(rest)), last]),
            "jwk.json": json.dumps({"kty": "OKP", "crv": "Ed25519", "x": "x" * 43, "d": "d" * 43}),
            "jwk.yaml": f"kty: EC\nd: {'d' * 43}\n",
            "jwks.json": json.dumps({"keys": [{"kty": "oct", "k": "k" * 43}]}),
            "nested.json": json.dumps({"jwk": json.dumps({"d": "d" * 43, "kty": "RSA"})}),
        }.items()
    }


def _cut(text: str) -> list[str]:
    return [text[at : at + 8] for at in range(0, len(text), 8)]


def _without_label(der: bytes, name: str) -> dict[str, bytes]:
    """A key in DER as base64 writes it, alone and after other bytes."""
    return {f"{name}-{at}.txt": base64.b64encode(bytes(at) + der) for at in range(3)}


def test_a_private_key_is_found_however_it_is_written(tmp_path: Path) -> None:
    """Also where it is named with `--allow`."""
    write_model(tmp_path / "m.safetensors")
    keys = private_keys()
    for name, content in keys.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="a private key is never sealed") as refused:
        read_model(tmp_path, allow=list(keys))
    named = {fault.where.rpartition(": ")[2] for fault in refused.value.faults}
    assert named == set(keys)


def test_a_text_about_keys_is_sealed(tmp_path: Path) -> None:
    """Labels, public keys and certificates are not private keys."""
    write_model(tmp_path / "m.safetensors")
    form = PublicFormat.SubjectPublicKeyInfo
    texts = {
        "README.md": b"A key begins with -----BEGIN PRIVATE KEY----- and Many letters follow it.",
        "jwk.json": json.dumps({"kty": "OKP", "crv": "Ed25519", "x": "x" * 43}).encode(),
        "vocab.txt": b"-----BEGIN\nPRIVATE\nKEY-----\nkty\n",
    }
    for at, key in enumerate(
        (ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048))
    ):
        public = key.public_key()
        pem = public.public_bytes(Encoding.PEM, form)
        der = public.public_bytes(Encoding.DER, form)
        texts |= {f"{at}.pub.txt": pem, f"{at}.b64.txt": base64.b64encode(pem)}
        texts |= {f"{at}-{by}.der.txt": base64.b64encode(bytes(by) + der) for by in range(3)}
    for name, content in texts.items():
        (tmp_path / name).write_bytes(content)
    assert len(read_model(tmp_path).contents.members) == 1 + len(texts)


CREDENTIALS = [
    *(".env", ".env.local", ".env.production", "prod.env", ".netrc", ".npmrc", ".pypirc"),
    *("kaggle.json", "token", ".aws/credentials", ".docker/config.json", ".kube/config"),
    *("id_rsa", ".ssh/id_ed25519", ".cache/huggingface/token", "deep/.ENV.Local"),
]


@pytest.mark.parametrize("name", CREDENTIALS)
def test_files_of_passwords_are_sealed_only_by_name(tmp_path: Path, name: str) -> None:
    """What is in them cannot be recognised."""
    write_model(tmp_path / "m.safetensors")
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("{}")
    with pytest.raises(InputError, match="passwords are not sealed"):
        read_model(tmp_path)
    assert read_model(tmp_path, allow=[name]).contents.allowed == (name,)


@pytest.mark.parametrize(
    "name", [".env.example", "config.json", "docker/config.json", "id_rsa.txt"]
)
def test_names_that_are_like_those_of_passwords_are_sealed(tmp_path: Path, name: str) -> None:
    """Names of variables, and configurations of a model."""
    write_model(tmp_path / "m.safetensors")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("{}")
    assert len(read_model(tmp_path).contents.members) == 2


OWN_TAGS = [
    b"!<tag:yaml.org,2002:python/object/apply:os.system> [id]",
    b"a: !<tag:yaml.org,2002:pyth%6fn/object/apply:os.system> [id]",
    b"%TAG !p! tag:yaml.org,2002:python/\n---\n!p!object/apply:os.system [id]",
    b"%TAG ! tag:yaml.org,2002:python/\n---\na: b",
    b"a:\n  - !!pyth%6fn/object/apply:os.system [id]",
    b"{a: [1,!!python/name:os.system ]}",
    b'{"a":!!python/name:os.system }',
    b"--- &x !!python/name:os.system",
    b"&x\n  !!python/name:os.system",
    b"? !!python/name:os.system\n: 1",
    b"a: !Ours {}",
    "\ufeff!!python/name:os.system".encode(),
]


@pytest.mark.parametrize("text", OWN_TAGS)
def test_a_tag_outside_of_the_standard_types_is_said(text: bytes) -> None:
    """However it is written."""
    assert code_in_yaml(text) == ("YAML tags of objects of a program, such as Python's",)


@pytest.mark.parametrize(
    "text",
    [
        b"a: !!str 1\nb: !!st%72 2\nc: !<tag:yaml.org,2002:int> 3\nd: [!!int 1, !!float 2]",
        b"dependencies:\n  - numpy !=1.2\n  - pip:\n    - torch!=2",
        b"title: Hello, world! It is here!\nb: ! c",
    ],
)
def test_standard_tags_and_exclamation_marks_are_not(text: bytes) -> None:
    """As in the environments of MLflow."""
    assert code_in_yaml(text) == ()
