"""Stand-ins for all key services at once: moto for AWS KMS, `transit` for Vault, SoftHSM for a
PKCS#11 token. Each has a key `models`.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

from sealing.recipients.transit import Key, Transit, served

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
_PIN = "1234-5678"
_AWS = {
    "AWS_ACCESS_KEY_ID": "AKIATEST",
    "AWS_SECRET_ACCESS_KEY": "of-a-stand-in",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
# In a process of its own: the library reads its settings once, and other tests have others.
_MAKE_KEY = """
import sys
import pkcs11
token = pkcs11.lib(sys.argv[1]).get_token(token_label="hsm")
with token.open(rw=True, user_pin=sys.argv[2]) as session:
    session.generate_key(pkcs11.KeyType.AES, 256, label="models", store=True)
"""


@contextmanager
def key_services(folder: Path) -> Iterator[dict[str, str]]:
    """Runs them; the environment that leads to them."""
    token = Transit(token="a-token", keys={"models": Key()})
    with _kms() as aws, served(token) as vault:
        yield aws | {"VAULT_ADDR": vault, "VAULT_TOKEN": token.token} | _pkcs11(folder)


@contextmanager
def _kms() -> Iterator[dict[str, str]]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        _forget(address)
        client = boto3.session.Session(
            aws_access_key_id=_AWS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=_AWS["AWS_SECRET_ACCESS_KEY"],
            region_name=_AWS["AWS_DEFAULT_REGION"],
        ).client("kms", endpoint_url=address)
        key = client.create_key()["KeyMetadata"]["KeyId"]
        client.create_alias(AliasName="alias/models", TargetKeyId=key)
        yield _AWS | {"AWS_ENDPOINT_URL_KMS": address}
        _forget(address)
    finally:
        server.stop()


def _forget(address: str) -> None:
    """Empties the service: all servers of a process share what they hold."""
    with urlopen(Request(f"{address}/moto-api/reset", method="POST")):
        pass


def _pkcs11(folder: Path) -> dict[str, str]:
    tokens = folder / "tokens"
    tokens.mkdir()
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
    module = next(path for path in MODULES if Path(path).is_file())
    environment = {
        "SOFTHSM2_CONF": str(settings),
        "GAMEKEEPER_PKCS11_MODULE": module,
        "GAMEKEEPER_PKCS11_PIN": _PIN,
    }
    pins = ["--so-pin", "so-pin", "--pin", _PIN]
    for command in (
        ["softhsm2-util", "--init-token", "--free", "--label", "hsm", *pins],
        [sys.executable, "-c", _MAKE_KEY, module, _PIN],
    ):
        subprocess.run(command, check=True, capture_output=True, env=os.environ | environment)
    return environment
