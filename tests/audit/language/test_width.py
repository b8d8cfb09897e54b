from collections.abc import Iterator
from typing import Any

import pytest

from audit.language.builders import reckoning
from audit.server import Server
from gamekeeper.audit.language.width import Door, Width, look_for_width
from gamekeeper.audit.targets import ChatTarget, Endpoint, Query, QueryError, Reply
from gamekeeper.simulate.arithmetic_model import ArithmeticModel, sums


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(reckoning(ArithmeticModel()))
    yield made
    made.close()


def look(server: Server, model: ArithmeticModel, queries: int = 3_000) -> Width:
    server.script = reckoning(model)
    target = ChatTarget(Endpoint(url=server.url.removesuffix("/score"), chat="reckoner"))

    def ask(some: Any) -> list[Reply]:
        found = dict(target.replies(some))
        for reply in found.values():
            if isinstance(reply, QueryError):
                raise reply
        return [found[number] for number in range(len(some))]  # type: ignore[misc]

    return look_for_width(ask, sums(200, 1), queries)


@pytest.mark.parametrize("width", [12, 24, 50])
def test_width_is_read_exactly_where_a_bias_shows(width: int, server: Server) -> None:
    """From twenty log-probabilities a query, whatever the vocabulary."""
    found = look(server, ArithmeticModel(width=width, seed=width))
    assert (found.door, found.width) == (Door.TOPS, width)
    assert found.queries == len(server.asked)


def test_width_is_read_where_only_the_written_token_tells(server: Server) -> None:
    """One log-probability a query: dearer, and as exact."""
    found = look(server, ArithmeticModel(width=20, bias="writes"))
    assert (found.door, found.width) == (Door.WRITTEN, 20)
    assert found.queries == 2 + 32 * 32


@pytest.mark.parametrize(
    ("model", "door"),
    [(ArithmeticModel(bias="refused"), Door.SHUT), (ArithmeticModel(tops=0), Door.NONE)],
    ids=["refused", "none"],
)
def test_door_that_is_shut_is_said(model: ArithmeticModel, door: Door, server: Server) -> None:
    """In one or two queries."""
    found = look(server, model)
    assert (found.door, found.width, found.queries_if_wide) == (door, None, None)
    assert len(server.asked) <= 2


def test_width_beyond_the_means_is_bounded_from_below(server: Server) -> None:
    """And what a large model's would take is known."""
    found = look(server, ArithmeticModel(width=60), queries=300)
    assert found.width is None and found.above == 30 and len(server.asked) <= 300
    assert found.queries_if_wide == 4_098 * -(-4_098 // 19)


def test_nothing_is_asked_beyond_the_means(server: Server) -> None:
    """Not even to begin with."""
    assert look(server, ArithmeticModel(), queries=1).door is Door.SHUT
    assert look(server, ArithmeticModel(), queries=0).door is Door.NONE


def test_queries_say_all_that_is_asked() -> None:
    """So that one answer is not taken for another's."""
    assert Query("a") != Query("a", tops=5) != Query("a", tops=5, bias={1: 1.0})
