"""Language models for tests: one that reckons, on loopback, and stand-ins that need no server."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from audit.server import Script
from gamekeeper.audit.journal import Journal
from gamekeeper.audit.language.interview import Interview
from gamekeeper.audit.meter import Limits
from gamekeeper.audit.targets import Query, Reply, TargetError
from gamekeeper.simulate.arithmetic_model import ArithmeticModel, add_up


class Clerk:
    """Answers by a function; counts, and fails when told to."""

    name = "clerk"

    def __init__(self, answer: Callable[[str], Reply], fails_after: int | None = None) -> None:
        self.asked: list[Query] = []
        self._answer = answer
        self._fails_after = fails_after

    def replies(self, queries: Sequence[Query]) -> Iterator[tuple[int, Reply]]:
        for number, query in enumerate(queries):
            if self._fails_after is not None and len(self.asked) >= self._fails_after:
                raise TargetError("the clerk went home")
            self.asked.append(query)
            yield number, self._answer(query.prompt)


def reckoned(prompt: str) -> Reply:
    """With the steps, ten tokens read and five written."""
    steps, answer = add_up(prompt)
    return Reply(answer, " ".join(steps), read=10, written=5)


def sorted_ticket(prompt: str) -> Reply:
    """A language model that is asked to sort: by whether money is spoken of."""
    return Reply("billing" if "invoice" in prompt else "support")


def tickets(n: int) -> list[str]:
    """Half about invoices, all different."""
    what = ("my invoice {} is wrong, please look", "screen {} stays dark after the update")
    return [what[i % 2].format(i * 7919 % 10_007) for i in range(n)]


def make_interview(folder: Path, clerk: Any, **limits: Any) -> Interview:
    limits = {"queries": 5_000} | limits
    return Interview(clerk, Journal(folder / "journal.sqlite", clerk.name), Limits(**limits))


def reckoning(model: ArithmeticModel) -> Script:
    """A server's script."""

    def script(document: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        try:
            return 200, json.dumps(model.complete(document)).encode(), {}
        except ValueError as error:
            return 400, str(error).encode(), {}

    return script
