"""A question: a model or file, the command that a user gives it to, and what is right.

A question is asked by the command line, in a folder that has nothing but the model and what its
owner has beside it. `gamekeeper` and `python` are those of the interpreter that runs this.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TIME_S = 300.0
"""That a command may take."""
START_S = 60.0
"""That a server may take to start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """What a command printed.

    Args:
        code: Its exit code; -1 if it did not end in time.
        out: Standard output.
        err: Standard error.
        folder: In which it ran.
    """

    code: int
    out: str
    err: str
    folder: Path

    @property
    def text(self) -> str:
        """Both streams."""
        return f"{self.out}\n{self.err}"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that has to be true of what was printed.

    Args:
        what: In words, for those who run the script and see it fail.
        is_met: Whether it is.
    """

    what: str
    is_met: Callable[[Printed], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One row of the table.

    Args:
        model: What the model or file is.
        make: Writes it into an empty folder. Questions with the same `make` share the folder, and
            are asked in their order.
        command: As a user types it.
        right: What is right, known from how the model was made.
        checks: Whether what was printed is that; all have to be met.
        shown: Regular expression of the printed line that the table shows; else the first one.
        before: Commands whose output the table does not show.
        server: Command that keeps running beside `command`; `PORT` stands for a free port.
    """

    model: str
    make: Callable[[Path], None]
    command: str
    right: str
    checks: tuple[Check, ...]
    shown: str = ""
    before: tuple[str, ...] = ()
    server: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A question and what became of it.

    Args:
        question: That was asked.
        printed: What was printed.
        missed: Checks that are not met, in words.
        wall_s: What the command took.
    """

    question: Question
    printed: Printed
    missed: tuple[str, ...]
    wall_s: float

    @property
    def holds(self) -> bool:
        """Whether all checks are met."""
        return not self.missed


def missed(question: Question, printed: Printed) -> tuple[str, ...]:
    """Returns the checks that are not met; one that raises is not met."""
    return tuple(check.what for check in question.checks if not _is_met(check, printed))


def _is_met(check: Check, printed: Printed) -> bool:
    try:
        return bool(check.is_met(printed))
    except (OSError, KeyError, ValueError, IndexError, TypeError):
        return False


def ask(question: Question, folder: Path, programs: Path) -> Outcome:
    """Asks a question in a folder where its model was made."""
    environment = environment_of(folder, programs)
    for command in question.before:
        before = run(command, folder, environment)
        if before.code:
            return Outcome(
                question=question, printed=before, missed=(f"{command} failed",), wall_s=0.0
            )
    with _serving(question.server, folder, environment) as port:
        began = time.perf_counter()
        printed = run(question.command.replace("PORT", port), folder, environment)
        wall_s = time.perf_counter() - began
    return Outcome(
        question=question, printed=printed, missed=missed(question, printed), wall_s=wall_s
    )


def run(command: str, folder: Path, environment: dict[str, str]) -> Printed:
    """Runs one line of a shell."""
    try:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIME_S,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return Printed(code=-1, out="", err="did not end in time", folder=folder)
    return Printed(code=done.returncode, out=done.stdout, err=done.stderr, folder=folder)


def programs(folder: Path) -> Path:
    """Writes `gamekeeper` and `python` of this interpreter, to be found first."""
    folder.mkdir()
    for name, module in (("gamekeeper", "-m gamekeeper "), ("python", "")):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module}"$@"\n')
        program.chmod(0o755)
    return folder


def environment_of(folder: Path, programs: Path) -> dict[str, str]:
    """Returns the environment of a user whose home is the folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GAMEKEEPER_")}
    return kept | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / ".state"),
        "OMP_NUM_THREADS": "1",
    }


@contextmanager
def _serving(command: str, folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """A server that runs meanwhile; its port."""
    if not command:
        yield ""
        return
    port = _free_port()
    log = (folder / "server.log").open("w")
    server = subprocess.Popen(
        ["bash", "-c", "exec " + command.replace("PORT", port)],
        cwd=folder,
        env=environment,
        stdout=log,
        stderr=log,
    )
    try:
        _wait_for(port)
        yield port
    finally:
        server.terminate()
        server.wait(START_S)
        log.close()


def _free_port() -> str:
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return str(listening.getsockname()[1])


def _wait_for(port: str) -> None:
    import socket

    until = time.monotonic() + START_S
    while time.monotonic() < until:
        with socket.socket() as asking:
            if asking.connect_ex(("127.0.0.1", int(port))) == 0:
                return
        time.sleep(0.1)
