"""Builders for tests of provenance: keys, certificates, models, and the library's own
command line.
"""

import base64
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def make_key(
    folder: Path, name: str = "key", curve: ec.EllipticCurve | None = None
) -> ec.EllipticCurvePrivateKey:
    """Writes NAME.pem and NAME.pub.pem."""
    key = ec.generate_private_key(curve or ec.SECP256R1())
    (folder / f"{name}.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (folder / f"{name}.pem").chmod(0o600)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pub.pem").write_bytes(public)
    return key


def make_certificate(
    path: Path,
    key: ec.EllipticCurvePrivateKey,
    issuer: tuple[str, ec.EllipticCurvePrivateKey],
    name: str,
    *,
    is_ca: bool,
) -> None:
    """Writes a certificate of a CA, or of a signer."""
    named = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, issuer[0])]
    builder = (
        x509.CertificateBuilder(named[1], named[0], key.public_key(), x509.random_serial_number())
        .not_valid_before(BEGAN)
        .not_valid_after(BEGAN + timedelta(days=3_650))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(not is_ca, False, False, False, False, is_ca, is_ca, False, False),
            critical=True,
        )
    )
    path.write_bytes(builder.sign(issuer[1], SHA256()).public_bytes(Encoding.PEM))


def make_model(folder: Path) -> Path:
    """A model of a few files, one of them in a folder and one that git would have made."""
    model = folder / "model"
    (model / "layers").mkdir(parents=True)
    (model / "config.json").write_text('{"layers": 2}')
    (model / "weights.bin").write_bytes(bytes(range(256)) * 40)
    (model / "layers" / "head.bin").write_bytes(b"head")
    return model


def library(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the command line of `model-signing`."""
    command = [sys.executable, "-m", "model_signing", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def payload_of(signature: Path) -> dict[str, Any]:
    """The statement in a signature."""
    bundle = json.loads(signature.read_text())
    return dict(json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"])))


def write_bundle(
    path: Path, key: ec.EllipticCurvePrivateKey, statement: dict[str, Any], *, is_old: bool
) -> None:
    """Signs a statement as model-signing 1.0 does, or as 0.2 did, with its slip in what is
    signed.
    """
    payload = json.dumps(statement).encode()
    kind = "application/vnd.in-toto+json"
    signed = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    if is_old:
        signed = f"DSSEV1 {len(kind)} {kind} {len(payload)} {payload}".encode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    named = {"rawBytes": base64.b64encode(public).decode(), "keyDetails": "PKIX_ECDSA_P256_SHA_256"}
    material = {
        "publicKey": named if is_old else {"hint": sha256(public).hexdigest()},
        "tlogEntries": [],
    }
    signature = base64.b64encode(key.sign(signed, ec.ECDSA(SHA256()))).decode()
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": kind,
        "signatures": [{"sig": signature, "keyid": ""}],
    }
    bundle = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": material,
        "dsseEnvelope": envelope,
    }
    path.write_text(json.dumps(bundle))


def old_statement(model: Path) -> dict[str, Any]:
    """A statement as model-signing 0.2 made it."""
    files = sorted(path for path in model.rglob("*") if path.is_file())
    subjects = [
        {
            "name": path.relative_to(model).as_posix(),
            "digest": {"sha256": sha256(path.read_bytes()).hexdigest()},
        }
        for path in files
    ]
    kind = "https://model_signing/Digests/v0.1"
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": kind,
        "predicate": {},
    }
