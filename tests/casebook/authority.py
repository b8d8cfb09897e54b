"""A time-stamping authority of one's own: OpenSSL's responder behind a web server on this
machine.
"""

import subprocess
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CONFIG = """
[tsa]
default_tsa = authority
[authority]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/signer.pem
signer_key = {folder}/signer.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = {digests}
accuracy = secs:1
ess_cert_id_alg = sha256
"""


class Authority:
    """Serves time stamps at `url` until it is closed.

    `mood` is how it answers: `honest`, `refusing` (the hash algorithm), `repeating` (its first
    answer to everybody), `babbling` (no time stamp) or `failing` (status 500).
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.mood = "honest"
        self.root = _certified(folder)
        self._folder = folder
        self._first = b""
        (folder / "serial").write_text("01\n")
        for name, digests in (("honest", "sha256"), ("refusing", "sha512")):
            (folder / name).write_text(_CONFIG.format(folder=folder, digests=digests))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Answers nobody any more."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, query: bytes) -> bytes:
        """Returns what the mood makes of a query."""
        if self.mood == "babbling":
            return b"<html>\x1b[2Jwelcome</html>"
        if self.mood == "repeating":
            return self._first
        (self._folder / "query").write_bytes(query)
        config = self._folder / self.mood
        subprocess.run(
            ["openssl", "ts", "-reply", "-config", config, "-queryfile", "query", "-out", "reply"],
            check=True,
            capture_output=True,
            cwd=self._folder,
        )
        reply = (self._folder / "reply").read_bytes()
        self._first = self._first or reply
        return reply

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                is_query = self.headers["Content-Type"] == "application/timestamp-query"
                content = authority.answer(query) if is_query else b""
                self.send_response(500 if authority.mood == "failing" or not is_query else 200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *words: object) -> None:
                """Says nothing."""

        return Handler


def _certified(folder: Path) -> bytes:
    """Writes the signer's key and certificate; returns the root's certificate, PEM."""
    root_key = ec.generate_private_key(ec.SECP256R1())
    signer_key = ec.generate_private_key(ec.SECP256R1())
    root = _certificate(
        "Root", root_key, "Root", root_key, x509.BasicConstraints(ca=True, path_length=1)
    )
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    signer = _certificate("Authority", signer_key, "Root", root_key, usage)
    secret = signer_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "signer.key").write_bytes(secret)
    (folder / "signer.pem").write_bytes(signer.public_bytes(Encoding.PEM))
    return root.public_bytes(Encoding.PEM)


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(extension, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
