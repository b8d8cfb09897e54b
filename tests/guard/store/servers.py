"""Redis servers of a test's own: started, killed, stopped and woken up, on a socket in the test's
folder.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from time import monotonic

import pytest

BINARY = shutil.which("redis-server") or shutil.which("valkey-server")


class Server:
    """A server that writes down every change, and loses none when it is killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # a socket's path may have about 100 characters
        self._sockets = Path(tempfile.mkdtemp(prefix="gk-"))
        self.socket = self._sockets / "s"
        self.url = f"unix://{self.socket}?db=0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, again after `kill`, and waits until it answers."""
        assert BINARY is not None
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "dir": str(self._folder),
            "save": "",
        }
        options |= {"appendonly": "yes", "appendfsync": "always", "loglevel": "warning"}
        told = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen([BINARY, *told], stdout=subprocess.DEVNULL)
        self._await()

    def kill(self) -> None:
        """As by `kill -9`."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def hang(self) -> None:
        """It keeps its connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        """It goes on, with what came in meanwhile."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Ends it."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self._sockets)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _await(self) -> None:
        import redis

        until = monotonic() + 10
        with redis.Redis(unix_socket_path=str(self.socket)) as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.RedisError:
                    assert monotonic() < until, "the server does not start"


def require_server() -> None:
    pytest.importorskip("redis", reason='needs the extra "redis"')
    if BINARY is None:
        pytest.skip("needs a redis-server or valkey-server on the path; make test-all installs one")
