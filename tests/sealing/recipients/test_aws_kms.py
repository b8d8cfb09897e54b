import json
import logging
import socket
import threading
import traceback
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from gamekeeper.base.errors import InputError
from gamekeeper.base.secret import Secret
from gamekeeper.sealing.recipients import Stanza
from gamekeeper.sealing.recipients.aws_kms import AwsKmsIdentity, identity_from_environment, parse

pytestmark = pytest.mark.extra
pytest.importorskip("boto3")
pytest.importorskip("moto")

SECRET = "an-access-key-that-nobody-may-read"
DATA_KEY = Secret(bytes(range(32)))
CONTEXT = b"c" * 16
OTHER = b"d" * 16
ARN = "arn:aws:kms:eu-central-1:123456789012:key/6a1f0b1e-8d0b-4b4e-9d5c-0b9f6d5f0a11"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Moto's server on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    nothing = tmp_path_factory.mktemp("aws") / "none"
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_CONFIG_FILE": str(nothing),
        "AWS_SHARED_CREDENTIALS_FILE": str(nothing),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def kms(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the server to which the environment leads."""
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", server)
    return boto3.session.Session().client("kms")


def make_key(kms: Any, **options: str) -> str:
    return str(kms.create_key(**options)["KeyMetadata"]["Arn"])


@contextmanager
def answering(status: int, document: dict[str, Any]) -> Iterator[str]:
    """A server that always answers the same: moto does not refuse keys that are disabled."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            """Silent."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def error_of(
    stanza: Stanza, context: bytes = CONTEXT, identity: AwsKmsIdentity | None = None
) -> str:
    """What the error says; neither it nor its traceback holds credentials or the key."""
    with pytest.raises(InputError) as caught:
        (identity or AwsKmsIdentity()).unwrap(stanza, context)
    text = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert SECRET not in text and b64encode(DATA_KEY.reveal()).decode()[:40] not in text
    return str(caught.value)


def stanza_for(arn: str = ARN) -> Stanza:
    return Stanza(
        kind="awskms",
        name=f"awskms:{arn}",
        values={"key": arn, "wrapped": b64encode(b"w" * 99).decode()},
    )


def changed(stanza: Stanza, **values: str) -> Stanza:
    return replace(stanza, values={**stanza.values, **values})


def test_wrapped_key_unwraps(kms: Any) -> None:
    """Named by ARN, id or alias, and by an identity without keys."""
    arn = make_key(kms)
    kms.create_alias(AliasName="alias/models", TargetKeyId=arn)
    for name in (arn, arn.rpartition("/")[2], "alias/models"):
        stanza = parse(f"awskms:{name}").wrap(DATA_KEY, CONTEXT)
        assert stanza.name == f"awskms:{name}" and stanza.values["key"] == arn
        assert identity_from_environment().unwrap(stanza, CONTEXT) == DATA_KEY
        assert identity_from_environment(f"awskms:{name}").unwrap(stanza, CONTEXT) == DATA_KEY
        assert identity_from_environment(f"awskms:{arn}").unwrap(stanza, CONTEXT) == DATA_KEY


def test_another_context_is_refused(kms: Any) -> None:
    """A wrapped key cannot be moved into another file."""
    stanza = parse(f"awskms:{make_key(kms)}").wrap(DATA_KEY, CONTEXT)
    assert "the data key does not unwrap" in error_of(stanza, OTHER)


def test_another_key_is_refused(kms: Any) -> None:
    """`KeyId` is sent: KMS would else take the key that the wrapped bytes name."""
    stanza = parse(f"awskms:{make_key(kms)}").wrap(DATA_KEY, CONTEXT)
    assert "no permission for this key" in error_of(changed(stanza, key=make_key(kms)))


def test_file_does_not_choose_the_key(kms: Any) -> None:
    """An identity with keys sends its own name for the key, whatever the stanza calls itself."""
    mine = make_key(kms)
    theirs = make_key(kms)
    stanza = parse(f"awskms:{theirs}").wrap(DATA_KEY, CONTEXT)
    assert AwsKmsIdentity((mine,)).unwrap(stanza, CONTEXT) is None
    lying = replace(stanza, name=f"awskms:{mine}")
    assert "no permission for this key" in error_of(lying, identity=AwsKmsIdentity((mine,)))


def test_a_moved_alias_names_the_key_that_wrapped(kms: Any) -> None:
    """AWS's way of rotating by hand: the file opens with the old key's id, which the error names."""
    old, new = make_key(kms), make_key(kms)
    kms.create_alias(AliasName="alias/rotated", TargetKeyId=old)
    stanza = parse("awskms:alias/rotated").wrap(DATA_KEY, CONTEXT)
    kms.update_alias(AliasName="alias/rotated", TargetKeyId=new)
    said = error_of(stanza, identity=AwsKmsIdentity(("alias/rotated",)))
    key_id = old.rpartition("/")[2]
    assert f"the file names the key {old}" in said and f"--key awskms:{key_id}" in said
    assert identity_from_environment(f"awskms:{key_id}").unwrap(stanza, CONTEXT) == DATA_KEY
    kms.delete_alias(AliasName="alias/rotated")
    assert key_id in error_of(stanza, identity=AwsKmsIdentity(("alias/rotated",)))


def test_a_file_sealed_for_an_id_opens_by_an_alias_of_it(kms: Any) -> None:
    """And by one of several aliases; an alias of another key is refused by KMS."""
    arn, other = make_key(kms), make_key(kms)
    kms.create_alias(AliasName="alias/mine", TargetKeyId=arn)
    kms.create_alias(AliasName="alias/other", TargetKeyId=other)
    for name in (arn, arn.rpartition("/")[2]):
        stanza = parse(f"awskms:{name}").wrap(DATA_KEY, CONTEXT)
        assert AwsKmsIdentity(("alias/mine",)).unwrap(stanza, CONTEXT) == DATA_KEY
        both = AwsKmsIdentity(("alias/other", "alias/mine"))
        assert both.unwrap(stanza, CONTEXT) == DATA_KEY
        assert arn in error_of(stanza, identity=AwsKmsIdentity(("alias/other",)))


def test_stanza_of_another_kind_is_for_somebody_else() -> None:
    """Nothing is asked."""
    assert AwsKmsIdentity().unwrap(replace(stanza_for(), kind="vault"), CONTEXT) is None


def test_unknown_key_is_reported(kms: Any) -> None:
    """At wrapping."""
    with pytest.raises(InputError, match="the key is unknown"):
        parse("awskms:alias/nothing").wrap(DATA_KEY, CONTEXT)


def test_data_of_another_length_is_refused(kms: Any) -> None:
    """Somebody may have encrypted something else with the same context."""
    stanza = parse(f"awskms:{make_key(kms)}").wrap(Secret(b"short"), CONTEXT)
    assert "not a data key" in error_of(stanza)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("DisabledException", "the key is disabled"),
        ("KMSInvalidStateException", "cannot be used in its state"),
        ("AccessDeniedException", "no permission for this key"),
        ("IncorrectKeyException", "does not unwrap"),
        ("UnrecognizedClientException", "the request is refused"),
    ],
)
def test_refusal_is_reported(monkeypatch: pytest.MonkeyPatch, code: str, words: str) -> None:
    """With the words of KMS."""
    with answering(400, {"__type": code, "message": "because of \x1b[31mthat"}) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", address)
        text = error_of(stanza_for())
    assert words in text and "because of" in text and code in text and "\x1b" not in text


def test_service_that_is_down_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the address that was tried."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", f"http://127.0.0.1:{free.getsockname()[1]}")
        assert "it cannot be reached" in error_of(stanza_for())


def test_unsafe_endpoint_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over http the data key would go in the clear."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://kms.example.org")
    assert "cannot be sent there safely" in error_of(stanza_for())


def test_missing_credentials_and_region_are_reported(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent without them."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", server)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "credentials" in error_of(stanza_for())
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert "region" in error_of(stanza_for())


@pytest.mark.parametrize("values", [
    {"key": "alias/models"}, {"key": "http://127.0.0.1:1/"}, {"key": ""}, {"key": ARN + "\n"}, {"key": ARN + "/x"},
    {"key": "arn:aws:s3:::bucket"}, {"wrapped": ""}, {"wrapped": "%%%%"}, {"wrapped": "AAA"},
    {"wrapped": "A" * 9_000}, {"wrapped": b64encode(bytes(6_145)).decode()},
])  # fmt: skip
def test_mangled_stanza_never_leaves_the_machine(values: dict[str, str]) -> None:
    """No address is in the environment: a request would be reported as unreachable."""
    assert '"key"' in (text := error_of(changed(stanza_for(), **values))) or '"wrapped"' in text


@pytest.mark.parametrize("text", ["awskms:", "kms:a", "awskms:a/b", "awskms:alias/", "awskms:a b", "vault:a/b",
    "awskms:https://x"])  # fmt: skip
def test_text_that_does_not_name_a_key_is_refused(text: str) -> None:
    """And the error shows what one looks like."""
    with pytest.raises(InputError, match="awskms:alias/models"):
        parse(text)


def test_data_key_is_not_in_logs(kms: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Botocore logs bodies at level DEBUG, which a program may have set for all."""
    caplog.set_level(logging.DEBUG)
    stanza = parse(f"awskms:{make_key(kms)}").wrap(DATA_KEY, CONTEXT)
    caplog.clear()
    parse(f"awskms:{stanza.values['key']}").wrap(DATA_KEY, CONTEXT)
    AwsKmsIdentity().unwrap(stanza, CONTEXT)
    assert b64encode(DATA_KEY.reveal()).decode() not in caplog.text and SECRET not in caplog.text
    assert str(DATA_KEY.reveal()) not in caplog.text
