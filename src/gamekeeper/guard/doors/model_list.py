"""The list of models, for a credential that may use only some of them."""

import re
from collections.abc import Collection
from typing import Any

from starlette.types import Message, Send

from gamekeeper.base.asgi import send_whole
from gamekeeper.guard.doors.answers import BrokenAnswerError
from gamekeeper.guard.identity.principal import is_in_scope
from gamekeeper.guard.routes import Json, UnreadableRequestError, parse, serialise

_MOST_BYTES = 4 << 20
_NAMED = re.compile(r"(?:/.*)?/models/([^/]+)(?:/.*)?")


def named_model(path: str) -> str | None:
    """Returns the model that a clean path describes; None if it describes none."""
    found = _NAMED.fullmatch(path)
    return found[1] if found else None


class ModelList:
    """An ASGI `send` that takes models out of a list that a credential may not use.

    Args:
        send: Where the answer goes.
        models: Those that it may use, see `Principal.models`.
    """

    def __init__(self, send: Send, models: Collection[str]) -> None:
        self._send = send
        self._models = models
        self._start: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        """Takes one ASGI message."""
        if message["type"] == "http.response.start" and 200 <= message["status"] < 300:
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            await self._collect(message)

    async def _collect(self, message: Message) -> None:
        assert self._start is not None
        self._body += message.get("body", b"")
        if len(self._body) > _MOST_BYTES:
            raise BrokenAnswerError(f"a list of models has more than {_MOST_BYTES:,} bytes")
        if not message.get("more_body"):
            await send_whole(self._send, self._start["status"], self._kept())

    def _kept(self) -> bytes:
        """The list without other models; what is no list of models passes as it is."""
        raw = bytes(self._body)
        try:
            document = parse(raw)
        except UnreadableRequestError:
            return raw
        kept: Json = {
            name: [each for each in listed if self._is_allowed(each)]
            if isinstance(listed, list)
            else listed
            for name, listed in document.items()
        }
        return serialise(kept)

    def _is_allowed(self, model: Any) -> bool:
        name = model.get("id", model.get("name")) if isinstance(model, dict) else model
        if not isinstance(name, str):
            return False
        return any(is_in_scope(name, pattern) for pattern in self._models)
