"""Whatever fits or does not fit the admin API's schema is answered as the schema says, and breaks
nothing.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from guard.admin.test_api import desk

schemathesis = pytest.importorskip("schemathesis")
pytestmark = [pytest.mark.extra, pytest.mark.filterwarnings("ignore")]

ENDLESS = "/api/events"  # a stream that ends with the page: asked by the tests of the live page
OPEN = {"/", "/healthz", "/readyz", "/metrics", "/grafana.json"}
SEEDED = settings(
    max_examples=25,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


class Fuzzed:
    """A running admin API and its schema; `asked` has every operation that was sent, with its
    status codes.
    """

    def __init__(self, url: str, token: str, document: dict[str, Any]) -> None:
        self.url = url
        self.asked = dict[str, set[int]]()
        self.headers = {"authorization": f"Bearer {token}"}
        self.schema = schemathesis.openapi.from_dict(document)
        found = [result.ok() for result in self.schema.get_all_operations()]
        self.operations = [operation for operation in found if operation.path != ENDLESS]

    def send(self, case: Any, headers: dict[str, str]) -> Any:
        """Sends a case, and remembers what came of it."""
        answer = case.call(base_url=self.url, headers=headers, timeout=10)
        self.asked.setdefault(case.operation.label, set()).add(answer.status_code)
        return answer


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    began: Queue[Any] = Queue()
    thread = Thread(
        target=asyncio.run, args=(_serve(tmp_path_factory.mktemp("state"), began),), daemon=True
    )
    thread.start()
    made, loop, ends = began.get(timeout=30)
    yield Fuzzed(made.url, made.token, made.admin.api.openapi())
    loop.call_soon_threadsafe(ends.set)
    thread.join(30)
    assert not thread.is_alive()


async def _serve(folder: Path, began: "Queue[Any]") -> None:
    ends = asyncio.Event()
    async with desk(folder) as made:
        began.put((made, asyncio.get_running_loop(), ends))
        await ends.wait()


def _fuzz(fuzzed: Fuzzed, headers: dict[str, str], holds: Any) -> None:
    for operation in fuzzed.operations:
        strategies = [operation.as_strategy(generation_mode=mode) for mode in _modes(operation)]

        @SEEDED
        @given(st.one_of(strategies))
        def once(case: Any) -> None:
            holds(case, fuzzed.send(case, headers))

        once()


def _modes(operation: Any) -> list[Any]:
    """What fits and what does not; an operation that takes nothing cannot be asked for what does
    not fit.
    """
    takes = list(operation.iter_parameters()) or list(operation.body)
    return list(schemathesis.GenerationMode) if takes else [schemathesis.GenerationMode.POSITIVE]


def test_answers_are_as_the_schema_says(fuzzed: Fuzzed) -> None:
    """Every operation was asked; status codes and bodies are declared ones, and the server never
    fails.
    """
    fuzzed.asked.clear()
    names = (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    )
    checks = [getattr(schemathesis.checks, name, None) or _check(name) for name in names]

    _fuzz(
        fuzzed, fuzzed.headers, lambda case, answer: case.validate_response(answer, checks=checks)
    )

    assert set(fuzzed.asked) == {operation.label for operation in fuzzed.operations}
    assert any(200 in codes for codes in fuzzed.asked.values())
    assert all(max(codes) < 500 for codes in fuzzed.asked.values()), fuzzed.asked


def test_without_the_token_nothing_private_is_answered(fuzzed: Fuzzed) -> None:
    """What is not open answers 401 to everything that is sent."""
    fuzzed.asked.clear()

    _fuzz(fuzzed, {}, lambda case, answer: None)

    private = {
        label: codes for label, codes in fuzzed.asked.items() if label.split()[1] not in OPEN
    }
    assert len(private) >= len(fuzzed.operations) - len(OPEN)
    assert {code for codes in private.values() for code in codes} <= {401, 413}, private


def test_decisions_can_be_read_after_all_that(fuzzed: Fuzzed) -> None:
    """Fuzzing left nothing in the store that cannot be listed."""
    operation = fuzzed.schema["/api/decisions"]["GET"]

    answer = fuzzed.send(operation.Case(), fuzzed.headers)

    assert answer.status_code == 200
    assert "decisions" in answer.json()


def _check(name: str) -> Any:
    return schemathesis.checks.CHECKS.get_one(name)
