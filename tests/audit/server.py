"""A real server on loopback, which is as bad as servers are."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Script = Callable[[dict[str, Any]], tuple[int, bytes, dict[str, str]]]


class Server:
    """Answers by its script; remembers what it was asked.

    Args:
        script: Status, body and headers for a request.
        pages: What is read at an address; others are 404.
    """

    def __init__(self, script: Script, pages: dict[str, Any] | None = None) -> None:
        self.script = script
        self.pages = pages or {}
        self.asked: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_known = self.path in server.pages
                body = json.dumps(server.pages.get(self.path, "no such page")).encode()
                self._send(200 if is_known else 404, body, {})

            def do_POST(self) -> None:
                document = json.loads(self.rfile.read(int(self.headers["content-length"])))
                server.asked.append((self.path, document, dict(self.headers)))
                self._send(*server.script(document))

            def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/score"
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def in_turn(then: Script, *answers: tuple[int, bytes, dict[str, str]]) -> Script:
    """Those answers, one after the other, and then as the script says."""
    left = list(answers)
    return lambda document: left.pop(0) if left else then(document)
