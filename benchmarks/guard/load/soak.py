"""The guard under load for half an hour while things fail: nothing may be lost, nothing may leak.

    python benchmarks/guard/load/soak.py [--minutes 30] [--rate 200]

Faults, one every 45 s in turn: the guard is killed (-9) and started again, its linking process is
killed, its linking process is stopped for 15 s, the loop that keeps its store in step is ended
(faulty_guard.py), the model server is killed and started again, a decision is made from outside or
lifted. The model server itself fails in a tenth of requests
(faulty_model.py), and callers go away in the middle of streams. The guard is not killed in the
second half, so that what leaks has time to show.

At the end, every answer that a caller had whole is looked for in the log, in the counters and every
decision in the store; the casebook is verified. A kill may lose a second of log and counters, a
decision never.
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import aiohttp
import orjson
from gateways import HERE, Gateway, await_port, free_port

from gamekeeper.base.clock import day_of
from gamekeeper.casebook import verify_casebook
from gamekeeper.guard.decisions.decision import Decision
from gamekeeper.guard.decisions.register import Decisions
from gamekeeper.guard.policy import Ladder
from gamekeeper.guard.store import open_store
from gamekeeper.verdict import Verdict

_ACCOUNTS = 200
_PAUSE_S = 45.0
_POLICY = """\
[state]
folder = "{state}"
[admin]
port = 0
[limits]
answer_s = 3
[watch]
every_s = 120
"""


@dataclass(kw_only=True)
class Seen:
    """What the soak saw.

    Args:
        answered: When each answer was had whole, by the text that was asked.
        outcomes: How requests ended.
        kills: When the guard was killed, and when the linking process was.
        held: Ids of decisions that must hold.
        lifted: Ids of decisions that must not.
        samples: Seconds since the start, MB, open files and threads of the guard, MB of its linking
            process.
    """

    answered: dict[str, float] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    kills: list[float] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    lifted: set[str] = field(default_factory=set)
    samples: list[tuple[float, float, int, int, float]] = field(default_factory=list)


class Soak:
    """The processes, and what is done to them.

    Args:
        folder: Of policy and state.
        minutes: How long.
        rate: Requests a second.
    """

    def __init__(self, folder: Path, minutes: float, rate: float) -> None:
        self._state = folder / "state"
        self._policy = folder / "guard.toml"
        self._policy.write_text(_POLICY.format(state=self._state))
        self._seconds = minutes * 60
        self._rate = rate
        self.seen = Seen()
        self._model_port = free_port()
        self._port = free_port()
        self._decisions_made = 0

    async def run(self) -> None:
        """Plays it."""
        self._model, self._guard = self._started_model(), self._started_guard()
        self._began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(self._sample()), group.create_task(self._fail())]
            await self._load()
            for task in beside:
                task.cancel()
        await asyncio.sleep(2)
        self._guard.terminate()
        self._guard.wait(60)
        self._model.kill()

    def _started_model(self) -> "subprocess.Popen[bytes]":
        return _start(
            [sys.executable, str(HERE / "faulty_model.py"), str(self._model_port)], self._model_port
        )

    def _started_guard(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, str(HERE / "faulty_guard.py"), "--quiet"]
        command += ["--policy", str(self._policy)]
        command += ["--upstream", f"http://127.0.0.1:{self._model_port}", "--port", str(self._port)]
        return _start(command, self._port)

    async def _load(self) -> None:
        timeout = aiohttp.ClientTimeout(total=20)
        asked = 0
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as group:
            while (now := time.monotonic() - self._began) < self._seconds:
                while asked < now * self._rate:
                    group.create_task(self._ask(session, asked))
                    asked += 1
                await asyncio.sleep(0.01)

    async def _ask(self, session: aiohttp.ClientSession, number: int) -> None:
        question = f"question {number}"
        stream = number % 4 == 0
        body = {
            "model": "bench-0",
            "messages": [{"role": "user", "content": question}],
            "stream": stream,
        }
        headers = {"authorization": f"Bearer sk-soak-{number % _ACCOUNTS}"}
        url = f"http://127.0.0.1:{self._port}/v1/chat/completions"
        try:
            async with session.post(url, json=body, headers=headers) as answer:
                if stream and number % 40 == 0:
                    await answer.content.readany()
                    self.seen.outcomes["left"] += 1
                    return
                await answer.read()
                self.seen.outcomes[str(answer.status)] += 1
                if answer.status == 200:
                    self.seen.answered[question] = time.time()
        except (aiohttp.ClientError, TimeoutError) as error:
            self.seen.outcomes[type(error).__name__] += 1

    async def _fail(self) -> None:
        faults = [
            self._kill_linking,
            self._kill_model,
            self._end_store_loop,
            self._decide,
            self._kill_guard,
            self._stop_linking,
            self._lift,
        ]
        turn = 0
        while True:
            await asyncio.sleep(_PAUSE_S)
            fault = faults[turn % len(faults)]
            turn = turn + 1
            if fault == self._kill_guard and time.monotonic() - self._began > self._seconds / 2:
                continue
            print(
                f"{time.monotonic() - self._began:5.0f} s {fault.__name__}",
                file=sys.stderr,
                flush=True,
            )
            await fault()

    async def _kill_guard(self) -> None:
        self.seen.kills.append(time.time())
        self._guard.kill()
        self._guard.wait()
        self._guard = await asyncio.to_thread(self._started_guard)

    async def _kill_linking(self) -> None:
        self.seen.kills.append(time.time())
        os.kill(self._linking(), signal.SIGKILL)

    async def _end_store_loop(self) -> None:
        os.kill(self._guard.pid, signal.SIGUSR2)

    async def _stop_linking(self) -> None:
        pid = self._linking()
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(15)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    async def _kill_model(self) -> None:
        self._model.kill()
        self._model.wait()
        await asyncio.sleep(3)
        self._model = await asyncio.to_thread(self._started_model)

    async def _decide(self) -> None:
        for _ in range(3):
            self._decisions_made += 1
            self.seen.held.add(await asyncio.to_thread(self._decided, self._decisions_made))
        await asyncio.sleep(0.1)
        if time.monotonic() - self._began < self._seconds / 2:
            await self._kill_guard()

    def _decided(self, number: int) -> str:
        store = open_store(str(self._state))
        now = time.time()
        made = Decision.make(
            f"account:soak-{number}",
            Verdict.DENY,
            "a person",
            reasons=("a soak",),
            since=now,
            until=now + 86_400,
        )
        Decisions(store, Ladder()).add(made)
        store.close()
        return made.id

    async def _lift(self) -> None:
        if self.seen.held:
            await asyncio.to_thread(self._lifted, self.seen.held.pop())

    def _lifted(self, id: str) -> None:
        store = open_store(str(self._state))
        decisions = Decisions(store, Ladder())
        decisions.refresh(time.time())
        decisions.lift(id, by="soak", why="a soak", now=time.time())
        store.close()
        self.seen.lifted.add(id)

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(5)
            with suppress(OSError, IndexError):
                guard = Gateway("guard", 0, self._guard.pid)
                pid = self._guard.pid
                files = len(os.listdir(f"/proc/{pid}/fd"))
                threads = len(os.listdir(f"/proc/{pid}/task"))
                linking = Gateway("linking", 0, self._linking()).memory_mb()
                at = time.monotonic() - self._began
                self.seen.samples.append((at, guard.memory_mb(), files, threads, linking))

    def _linking(self) -> int:
        return int(
            Path(f"/proc/{self._guard.pid}/task/{self._guard.pid}/children").read_text().split()[0]
        )

    def told(self) -> list[str]:
        """Returns what is left of everything, a line each."""
        return [
            *self._requests(),
            *self._log(),
            *self._counters(),
            *self._decisions(),
            *self._leaks(),
            self._book(),
        ]

    def _requests(self) -> list[str]:
        ends = ", ".join(f"{n:,} {outcome}" for outcome, n in self.seen.outcomes.most_common())
        return [
            f"requests: {self.seen.outcomes.total():,}: {ends}",
            f"kills: {len(self.seen.kills)}",
        ]

    def _log(self) -> list[str]:
        logged = {
            orjson.loads(line)["prompt"]
            for path in (self._state / "traffic").glob("*.jsonl")
            for line in path.read_bytes().splitlines()
        }
        missing = [at for question, at in self.seen.answered.items() if question not in logged]
        near = [at for at in missing if any(-2 <= kill - at <= 2 for kill in self.seen.kills)]
        return [
            f"log: {len(self.seen.answered) - len(missing):,} of {len(self.seen.answered):,} whole answers are in it; "
            f"of {len(missing)} that are not, {len(near)} were given within 2 s of a kill"
        ]

    def _counters(self) -> list[str]:
        store = open_store(str(self._state))
        days = {day_of(at) for at in self.seen.answered.values()}
        counted = sum(spent.requests for day in days for spent in store.spent(day).values())
        store.close()
        return [
            f"counters: {counted:,} requests counted, {len(self.seen.answered):,} whole answers had"
        ]

    def _decisions(self) -> list[str]:
        store = open_store(str(self._state))
        kept = set(store.load("decisions"))
        store.close()
        lost = self.seen.held - kept
        risen = self.seen.lifted & kept
        return [
            f"decisions: {len(self.seen.held)} must hold, {len(lost)} of them lost; "
            f"{len(self.seen.lifted)} were lifted, {len(risen)} of them came back"
        ]

    def _leaks(self) -> list[str]:
        """The second half, in which the guard is not killed: its second and its last quarter side
        by side.
        """
        quiet = [s for s in self.seen.samples if s[0] > self._seconds / 2 + 60]
        early = quiet[: len(quiet) // 3]
        late = quiet[-len(quiet) // 3 :]
        names = ("memory, MB", "open files", "threads", "memory of the linking process, MB")
        return [
            f"{name}: {median(s[i] for s in early):,.0f} early, {median(s[i] for s in late):,.0f} late, "
            f"at most {max(s[i] for s in quiet):,.0f}"
            for i, name in enumerate(names, start=1)
        ]

    def _book(self) -> str:
        verified = verify_casebook(self._state / "casebook")
        return f"casebook: holds, {verified.entries:,} entries"


def _start(command: list[str], port: int) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(command)
    await_port(port, process)
    return process


def main() -> None:
    """Plays, and prints what is left."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=200)
    wanted = parser.parse_args()
    random.seed(1)
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), wanted.minutes, wanted.rate)
        asyncio.run(soak.run())
        print("\n".join(soak.told()))


if __name__ == "__main__":
    main()
