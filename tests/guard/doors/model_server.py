"""A model server for tests: answers by the samples, counts what reaches it, and holds back its last
event.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from guard.doors.apis import BY_PATH, Api


class ModelServer:
    """An ASGI app.

    Args:
        apis: By method and path.
    """

    def __init__(self, apis: dict[tuple[str, str], Api] = BY_PATH) -> None:
        self._apis = apis
        self.bodies: list[dict[str, Any]] = []
        self.go_on = asyncio.Event()
        self.is_done = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Takes one ASGI scope."""
        if scope["type"] == "lifespan":
            raise NotImplementedError
        body = json.loads(await self._body(receive) or b"{}")
        self.bodies.append(body)
        api = self._apis[scope["method"], scope["path"]]
        if body.get("stream"):
            await self._stream(api, send)
        else:
            await self._whole(api, send)

    async def _body(self, receive: Any) -> bytes:
        read = b""
        more = True
        while more:
            message = await receive()
            read = read + message.get("body", b"")
            more = message.get("more_body", False)
        return read

    async def _whole(self, api: Api, send: Any) -> None:
        await _start(send, b"application/json")
        await send({"type": "http.response.body", "body": json.dumps(api.answer).encode()})
        self.is_done = True

    async def _stream(self, api: Api, send: Any) -> None:
        *events, last = api.sse
        await _start(send, b"text/event-stream")
        for event in events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await self.go_on.wait()
        self.is_done = True
        await send({"type": "http.response.body", "body": last})


async def _start(send: Any, content_type: bytes) -> None:
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", content_type)]}
    )


@asynccontextmanager
async def served(app: Any, lifespan: str = "auto") -> AsyncIterator[str]:
    """Serves an app on loopback; gives its URL."""
    config = uvicorn.Config(app, port=0, log_level="warning", lifespan=lifespan, ws="none")  # type: ignore[arg-type]
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()  # `serve` and `shutdown` look ten times a second whether they are to end
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        for listener in server.servers:
            listener.close()
        for connection in list(server.server_state.connections):
            connection.transport.close()  # type: ignore[union-attr]
        await asyncio.sleep(0)
        await server.lifespan.shutdown()
