"""The ASGI app alone: routes, sizes, errors."""

import asyncio
from typing import Any

import numpy as np
import orjson
import pytest

from encrypted.builders import make_model, make_rows

pytestmark = pytest.mark.extra
pytest.importorskip("tenseal")

from gamekeeper.encrypted.app import EncryptedApp  # noqa: E402
from gamekeeper.encrypted.compiled_model import read_description  # noqa: E402
from gamekeeper.encrypted.inference_client import EncryptingClient  # noqa: E402
from gamekeeper.encrypted.inference_server import InferenceServer  # noqa: E402

PATH = "/v2/encrypted/m"


def asked(app: EncryptedApp, method: str, path: str, *parts: bytes) -> tuple[int, bytes, bytes]:
    """Status, content type and body."""
    messages: list[Any] = [
        {"type": "http.request", "body": part, "more_body": at < len(parts) - 1}
        for at, part in enumerate(parts)
    ] or [{"type": "http.request"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app({"type": "http", "method": method, "path": path}, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"])[b"content-type"], sent[1]["body"]


def test_description_keys_and_an_answer() -> None:
    """The three routes, as a client goes through them."""
    model = make_model(6, 3)
    app = EncryptedApp({"m": InferenceServer(model)})
    status, kind, body = asked(app, "GET", PATH)
    assert (status, kind) == (200, b"application/json")
    client = EncryptingClient(read_description(orjson.loads(body)))
    request = client.encrypt(make_rows(2, 6))
    assert asked(app, "POST", f"{PATH}/infer", request.message)[0] == 409
    keys = client.keys()
    status, _, body = asked(app, "PUT", f"{PATH}/keys", keys[:1000], keys[1000:])
    assert status == 200 and orjson.loads(body)["keys"] == request.message[40:72].hex()
    status, kind, body = asked(app, "POST", f"{PATH}/infer", request.message)
    assert (status, kind) == (200, b"application/octet-stream")
    assert np.abs(client.decrypt(body, request) - model.scores(make_rows(2, 6))).max() < 1e-3


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/v2/encrypted/other", b"", 404, "unknown_route"),
        ("POST", PATH, b"", 404, "unknown_route"),
        ("GET", f"{PATH}/infer", b"", 404, "unknown_route"),
        ("POST", f"{PATH}/infer", b"x", 400, "unreadable"),
        ("PUT", f"{PATH}/keys", b"x", 400, "unreadable"),
        ("PUT", f"{PATH}/keys", bytes(1 << 20), 413, "too_large"),
        ("POST", f"{PATH}/infer", bytes(1 << 20), 413, "too_large"),
    ],
)
def test_errors_are_json_with_a_code(
    method: str, path: str, body: bytes, status: int, code: str
) -> None:
    """Bodies are read no further than the length that the model fixes."""
    app = EncryptedApp({"m": InferenceServer(make_model(6, 3))})
    found, kind, answer = asked(app, method, path, body)
    assert (found, kind, orjson.loads(answer)["error"]["code"]) == (
        status,
        b"application/json",
        code,
    )
