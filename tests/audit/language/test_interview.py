from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from audit.language.builders import Clerk, make_interview, reckoned
from gamekeeper.audit.journal import Journal, Tokens
from gamekeeper.audit.language.interview import Vectors
from gamekeeper.audit.meter import Limits, SpentError
from gamekeeper.audit.options import Prices
from gamekeeper.audit.targets import (
    CallableVectors,
    Query,
    QueryError,
    Reply,
    TargetError,
    WritingCallable,
)

QUERIES = [Query(f"{i}+{i}") for i in range(40)]


def test_reply_is_paid_once(tmp_path: Path) -> None:
    """In this run and the next; another turn is another query, and so is another bias."""
    clerk = Clerk(reckoned)
    first = make_interview(tmp_path, clerk)
    replies = first.ask([*QUERIES, QUERIES[0]])
    assert len(clerk.asked) == 40 and replies[0] == replies[-1] == reckoned("0+0")
    again = make_interview(tmp_path, clerk)
    assert again.ask(QUERIES) == replies[:-1] and len(clerk.asked) == 40
    assert (again.ledger.paid, again.ledger.tokens) == (40, Tokens(400, 200))
    again.ask([Query("0+0", turn=1), Query("0+0", bias={5: 1.0})])
    assert len(clerk.asked) == 42


def test_replies_that_came_before_a_failure_are_kept(tmp_path: Path) -> None:
    """And the next run goes on from them."""
    with pytest.raises(TargetError, match="went home"):
        make_interview(tmp_path, Clerk(reckoned, fails_after=21)).ask(QUERIES)
    clerk = Clerk(reckoned)
    make_interview(tmp_path, clerk).ask(QUERIES)
    assert len(clerk.asked) == 19


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"queries": 30}, "40 more queries are needed, and 30 of 30 are left"),
        ({"tokens": 400}, "of 400 tokens are spent"),
        (
            {"usd": 0.015, "prices": Prices(per_query=0.0, per_million_written=100.0)},
            r"of \$0.01 are spent",
        ),
    ],
    ids=["queries", "tokens", "dollars"],
)
def test_no_budget_is_overdrawn(limits: dict[str, object], said: str, tmp_path: Path) -> None:
    """Of queries, tokens or dollars; what was paid for is kept."""
    clerk = Clerk(reckoned)
    with pytest.raises(SpentError, match=said):
        interview = make_interview(tmp_path, clerk, **limits)
        interview.ask(QUERIES)
    assert interview.ledger.paid == len(clerk.asked)
    assert len(clerk.asked) * 15 <= 400 and interview.ledger.usd <= (
        0.015 if "usd" in limits else 1
    )


def test_reply_survives_the_journal() -> None:
    """With all that it holds."""
    reply = Reply("é", "why", 3, 4, first=("t1", -0.5), tops=(("t1", -0.5), ("t2", -1.5)))
    assert Reply.unpacked(reply.packed()) == reply
    assert Reply.unpacked(Reply("").packed()) == Reply("")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda texts: [[1.0]] * (len(texts) - 1), "to 3 texts"),
        (lambda texts: [[float("nan")]] * len(texts), "NaN"),
        (lambda texts: [[1.0], [1.0, 2.0], [1.0]], "failed on 3 texts"),
        (lambda texts: 1 / 0, "ZeroDivisionError"),
    ],
    ids=["count", "nan", "ragged", "raises"],
)
def test_vectors_that_are_none_are_refused(answer: object, said: str, tmp_path: Path) -> None:
    """Nothing of them is kept."""
    target = CallableVectors(answer, "vectors")  # type: ignore[arg-type]
    vectors = Vectors(target, Journal(tmp_path / "j.sqlite", "vectors"), Limits(queries=10))
    with pytest.raises(TargetError, match=said):
        vectors.ask(["a", "b", "c"])
    assert vectors.ledger.paid == 0


def test_vector_is_paid_once(tmp_path: Path) -> None:
    """As every answer is."""
    asked: list[str] = []

    def answer(texts: list[str]) -> object:
        asked.extend(texts)
        return np.array([[float(len(text)), 1.0] for text in texts])

    vectors = Vectors(
        CallableVectors(answer, "v"), Journal(tmp_path / "j.sqlite", "v"), Limits(queries=10)
    )
    assert vectors.ask(["a", "bb", "a"]).tolist() == [[1, 1], [2, 1], [1, 1]]
    assert vectors.ask(["bb"]).tolist() == [[2, 1]] and asked == ["a", "bb"]


class Filtered(Clerk):
    """A model whose content filter refuses some prompts.

    Args:
        answer: Of the others.
        refused: Part of a prompt that is refused.
    """

    def __init__(self, answer: Callable[[str], Reply], refused: str) -> None:
        super().__init__(answer)
        self._refused = refused

    def replies(self, queries: Sequence[Query]) -> Iterator[tuple[int, Reply | QueryError]]:
        for number, query in enumerate(queries):
            self.asked.append(query)
            if self._refused in query.prompt:
                yield number, QueryError("content filter", is_refused=True, read=7)
            else:
                yield number, self._answer(query.prompt)


def test_filtered_prompt_is_left_out_and_not_asked_again(tmp_path: Path) -> None:
    """It is counted, with its tokens; the next run goes on behind it."""
    interview = make_interview(tmp_path, Filtered(reckoned, "13"))
    replies = interview.ask(QUERIES)
    assert replies[13] is None and sum(reply is None for reply in replies) == 1
    assert (interview.failed.count, interview.failed.reasons) == (1, ("content filter",))
    assert interview.ledger.tokens == Tokens(39 * 10 + 7, 39 * 5)
    again = Filtered(reckoned, "13")
    later = make_interview(tmp_path, again)
    assert later.ask(QUERIES) == replies and not again.asked
    assert (later.ledger.paid, later.ledger.tokens) == (40, interview.ledger.tokens)
    positions, answered = later.answered(QUERIES)
    assert len(answered) == 39 and 13 not in positions
    with pytest.raises(TargetError, match="1 queries were not answered: content filter"):
        later.require(QUERIES)


def test_model_that_refuses_many_ends_the_audit(tmp_path: Path) -> None:
    """A fifth of the prompts are another task; nothing is kept as refused."""
    with pytest.raises(TargetError, match="13 of 40 queries failed: content filter"):
        make_interview(tmp_path, Filtered(reckoned, "1")).ask(QUERIES)
    clerk = Clerk(reckoned)
    make_interview(tmp_path, clerk).ask(QUERIES)
    assert len(clerk.asked) == 13


def test_function_that_fails_on_one_prompt_is_asked_for_the_others(tmp_path: Path) -> None:
    """Which it is takes smaller lists."""

    def write(prompts: list[str]) -> list[str]:
        return [str(12 / (int(prompt.partition("+")[0]) - 20)) for prompt in prompts]

    interview = make_interview(tmp_path, WritingCallable(write, "f"))
    replies = interview.ask(QUERIES)
    assert [at for at, reply in enumerate(replies) if reply is None] == [20]
    assert "ZeroDivisionError" in interview.failed.reasons[0] and interview.failed.resent


def test_vector_that_fails_is_left_out(tmp_path: Path) -> None:
    """NaN in its place."""

    def answer(texts: list[str]) -> object:
        return [[1.0, 2.0 / len(text)] for text in texts]

    vectors = Vectors(
        CallableVectors(answer, "v"), Journal(tmp_path / "j.sqlite", "v"), Limits(queries=10)
    )
    rows = vectors.ask(["a", "", "bb"])
    assert np.isnan(rows[1]).all() and rows[[0, 2]].tolist() == [[1, 2], [1, 1]]
    assert vectors.failed.count == 1
