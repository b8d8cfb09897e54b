"""A model server that fails now and then: hangs, resets, lies about its length, answers 500, breaks
a stream off.

python faulty_model.py PORT
"""

import asyncio
import random
import sys

import uvloop
from model import Model

SHARE = 0.02
"""Of requests that each fault befalls."""


class FaultyModel(Model):
    """One connection."""

    def on_message_complete(self) -> None:
        """Answers, or fails."""
        faults = [self._hang, self._reset, self._lie, self._refuse, self._break_off]
        draw = random.random()
        if draw < SHARE * len(faults):
            self._body = b""
            faults[int(draw / SHARE)]()
        else:
            super().on_message_complete()

    def _hang(self) -> None:
        asyncio.get_running_loop().call_later(8, self._transport.close)

    def _reset(self) -> None:
        self._transport.abort()

    def _lie(self) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{}"
        )
        self._transport.close()

    def _refuse(self) -> None:
        self._transport.write(b"HTTP/1.1 500 Oops\r\ncontent-length: 2\r\n\r\n{}")

    def _break_off(self) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        self._transport.write(head + b'f\r\ndata: {"choices\r\n')
        self._transport.close()


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(
        FaultyModel, "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    random.seed(1)
    uvloop.run(_serve(int(sys.argv[1])))
