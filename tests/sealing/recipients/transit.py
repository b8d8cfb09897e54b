"""A stand-in for the transit engine of Vault and OpenBao: its HTTP protocol, with AES-256-GCM
behind it.

POST /v1/MOUNT/encrypt/KEY and decrypt/KEY, `X-Vault-Token`, `X-Vault-Namespace`, `associated_data`,
key versions, `min_decryption_version`, creation of a key by encrypting for it, and error bodies
{"errors": [...]} with the status codes of the real servers.
"""

import json
import os
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TYPES = {"aes256-gcm96", "aes128-gcm96", "chacha20-poly1305"}


class RefusalError(Exception):
    """An answer with errors."""

    def __init__(self, status: int, *errors: str) -> None:
        self.status = status
        self.errors = errors
        super().__init__(*errors)


@dataclass
class Key:
    """A key ring; version n is the n-th of `versions`."""

    versions: list[bytes] = field(default_factory=lambda: [os.urandom(32)])
    min_decryption_version: int = 1


@dataclass
class Transit:
    """The server's state, which tests change."""

    token: str
    namespace: str | None = None
    mount: str = "transit"
    keys: dict[str, Key] = field(default_factory=dict)
    may: set[str] = field(default_factory=lambda: {"encrypt", "decrypt"})
    is_sealed: bool = False
    ignores_associated_data: bool = False  # as before 1.13
    echoes_token: bool = False
    redirects_to: str | None = None
    answers: dict[str, Any] | None = None
    seen: list[str] = field(default_factory=list)

    def answer(self, path: str, headers: Any, body: dict[str, Any]) -> dict[str, Any]:
        """What the field `data` of the answer holds."""
        self.seen.append(path)
        if self.is_sealed:
            raise RefusalError(503, "Vault is sealed")
        if (
            headers.get("X-Vault-Token") != self.token
            or headers.get("X-Vault-Namespace") != self.namespace
        ):
            raise RefusalError(
                403, "permission denied", *([str(headers)] if self.echoes_token else [])
            )
        mount, _, rest = path.removeprefix("/v1/").partition(f"{self.mount}/")
        operation, _, name = rest.partition("/")
        if mount or operation not in {"encrypt", "decrypt"}:
            raise RefusalError(
                404, f'no handler for route "{path.removeprefix("/v1/")}". route entry not found.'
            )
        if operation not in self.may:
            raise RefusalError(403, "1 error occurred:\n\t* permission denied\n\n")
        if self.answers is not None:
            return self.answers
        return getattr(self, operation)(name, body)

    def encrypt(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """A key that is not there is made, if its type is one."""
        if name not in self.keys and body.get("type", "aes256-gcm96") not in TYPES:
            raise RefusalError(400, f"unknown key type {body['type']}")
        key = self.keys.setdefault(name, Key())
        nonce = os.urandom(12)
        sealed = AESGCM(key.versions[-1]).encrypt(
            nonce, b64decode(body["plaintext"]), self.bound(body)
        )
        text = b64encode(nonce + sealed).decode()
        return {
            "ciphertext": f"vault:v{len(key.versions)}:{text}",
            "key_version": len(key.versions),
        }

    def decrypt(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """By the version that the ciphertext names."""
        if name not in self.keys:
            raise RefusalError(400, "encryption key not found")
        key = self.keys[name]
        version, _, text = body["ciphertext"].removeprefix("vault:v").partition(":")
        if int(version) < key.min_decryption_version:
            raise RefusalError(
                400, "ciphertext or signature version is disallowed by policy (too old)"
            )
        if not 1 <= int(version) <= len(key.versions):
            raise RefusalError(400, "invalid ciphertext: version is too new")
        sealed = b64decode(text)
        try:
            plaintext = AESGCM(key.versions[int(version) - 1]).decrypt(
                sealed[:12], sealed[12:], self.bound(body)
            )
        except (InvalidTag, ValueError):
            raise RefusalError(400, "invalid ciphertext: unable to decrypt") from None
        return {"plaintext": b64encode(plaintext).decode()}

    def bound(self, body: dict[str, Any]) -> bytes | None:
        """The associated data."""
        return (
            None
            if self.ignores_associated_data
            else b64decode(body.get("associated_data", "")) or None
        )


@contextmanager
def served(transit: Transit) -> Iterator[str]:
    """The address at which it answers, on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if transit.redirects_to:
                self.send_response(307)
                self.send_header("Location", transit.redirects_to + self.path)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            try:
                self.reply(200, {"data": transit.answer(self.path, self.headers, body)})
            except RefusalError as refusal:
                self.reply(refusal.status, {"errors": list(refusal.errors)})

        def reply(self, status: int, document: dict[str, Any]) -> None:
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
