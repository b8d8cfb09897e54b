"""What the guard queues, sends and stores of a request is bounded."""

import orjson
import pytest

from gamekeeper.exchange import MAX_PROMPT_CHARS
from gamekeeper.exchange.limits import MAX_FEATURES
from gamekeeper.guard.core import exchange_rows
from gamekeeper.guard.routes.query import Query, Usage
from guard.builders import HERE, NOW, make_principal

HUGE = 4_000_000


@pytest.mark.parametrize(
    "query",
    [
        Query(model="m", prompts=("x" * HUGE,)),
        Query(model="m", prompts=("hi",), system="x" * HUGE),
        Query(model="x" * HUGE, prompts=("hi",)),
        Query(model="m", features=((1.5,) * (HUGE // 4),)),
    ],
    ids=["prompt", "system", "model", "features"],
)
def test_huge_request_is_cut_before_it_is_queued(query: Query) -> None:
    """Fifty of them wrote 104 MB of log, and one account kept all others from being linked."""
    [row] = exchange_rows(make_principal("acme"), query, Usage(1, 1), HERE, NOW)
    assert MAX_PROMPT_CHARS <= len(orjson.dumps(row)) < MAX_PROMPT_CHARS + 1_000


def test_prompt_of_usual_length_is_kept_whole() -> None:
    """And so is a row of numbers."""
    query = Query(prompts=("x" * MAX_PROMPT_CHARS,), features=((0.5,) * MAX_FEATURES,))
    prompt, features = exchange_rows(make_principal("acme"), query, Usage(1, 1), HERE, NOW)
    assert len(prompt["prompt"]) == MAX_PROMPT_CHARS
    assert len(features["features"]) == MAX_FEATURES
