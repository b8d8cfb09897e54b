"""The gateways that are timed, each a process of its own on the first core; model and callers share
the second.
"""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
GATEWAY = {0}
BESIDE = {1}
"""Cores: of the gateway that is timed; of model, callers and the process that links."""
_WAIT_S = 90
_RSS = re.compile(r"VmRSS:\s+(\d+) kB")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Gateway:
    """Something that listens.

    Args:
        name: In the table.
        port: On loopback.
        pid: Of its process; None for the model itself.
        key: The one key that it takes; empty if it takes any.
    """

    name: str
    port: int
    pid: int | None
    key: str = ""

    def cpu_s(self) -> float:
        """CPU seconds of its process so far, its children's left out."""
        if self.pid is None:
            return 0.0
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory_mb(self) -> float:
        """Resident memory of its process, MB."""
        found = _RSS.search(Path(f"/proc/{self.pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0


@contextmanager
def model() -> Iterator[Gateway]:
    """The model server, asked directly."""
    with started([sys.executable, str(HERE / "model.py")], BESIDE) as (port, _):
        yield Gateway("direct", port, None)


@contextmanager
def bare(upstream: Gateway) -> Iterator[Gateway]:
    """A proxy of the guard's own parts that judges nothing: what guarding costs is the difference
    to it.
    """
    with started([sys.executable, str(HERE / "bare.py"), str(upstream.port)], GATEWAY) as (
        port,
        process,
    ):
        yield Gateway("bare proxy", port, process)


@contextmanager
def guard(
    upstream: Gateway, state: Path, name: str = "guard", linking: set[int] = BESIDE
) -> Iterator[Gateway]:
    """The guard as `gamekeeper guard` starts it, enforcing, with its linking process on the cores
    named.
    """
    policy = state / "guard.toml"
    state.mkdir(parents=True, exist_ok=True)
    policy.write_text(f'enforce = true\n[state]\nfolder = "{state / "state"}"\n[admin]\nport = 0\n')
    command = [sys.executable, "-m", "gamekeeper", "guard", "--quiet", "--policy", str(policy)]
    command += ["--upstream", f"http://127.0.0.1:{upstream.port}", "--port"]
    with started(command, GATEWAY) as (port, process):
        for child in _children(process):
            pin(child, linking)
        yield Gateway(name, port, process)


@contextmanager
def started(command: list[str], cores: set[int]) -> Iterator[tuple[int, int]]:
    """Starts a process that takes its port as last argument, on those cores; gives port and pid
    once it listens.
    """
    port = free_port()
    process = subprocess.Popen(
        [*command, str(port)], preexec_fn=lambda: os.sched_setaffinity(0, cores)
    )
    try:
        await_port(port, process)
        yield port, process.pid
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """Returns a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Waits until somebody listens.

    Raises:
        RuntimeError: The process ended, or nobody listens in time.
    """
    ends = time.monotonic() + _WAIT_S
    while time.monotonic() < ends and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} does not listen on {port}")


def pin(pid: int, cores: set[int]) -> None:
    """Keeps a process, all its threads, to those cores."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), cores)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
