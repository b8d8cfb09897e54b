import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from audit.language.builders import (
    Clerk,
    make_interview,
    reckoned,
    reckoning,
    sorted_ticket,
    tickets,
)
from audit.server import Server
from gamekeeper._cli import app
from gamekeeper.audit.language import driver
from gamekeeper.audit.language.driver import LanguageAudit, Reading
from gamekeeper.audit.options import AuditOptions, Prices
from gamekeeper.audit.result import AuditResult, Curve
from gamekeeper.audit.targets import QueryError, Reply
from gamekeeper.base.errors import UsageError
from gamekeeper.simulate.arithmetic_model import ArithmeticModel, sums


def play(folder: Path, answer: object, prompts: list[str], **fields: object) -> AuditResult:
    options = AuditOptions(**{"budget": 2_000, "seeds": 2} | fields)  # type: ignore[arg-type]
    clerk = Clerk(answer)  # type: ignore[arg-type]
    return LanguageAudit(
        make_interview(folder, clerk, queries=options.budget), prompts, options, clerk.name
    ).run()


def curves(result: AuditResult, defence: str) -> dict[str, Curve]:
    return {
        c.believes: c for each in result.defended if each.defence == defence for c in each.curves
    }


@pytest.fixture
def no_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Surrogates that take no minutes."""

    from gamekeeper.audit.language.surrogates import model_selection

    monkeypatch.setattr(model_selection, "why_no_writer", lambda training: "tests have no time")
    monkeypatch.setattr(driver, "why_no_writer", lambda training: "tests have no time")


def test_model_that_sorts_is_copied_by_its_answers(no_writer: None, tmp_path: Path) -> None:
    """Fidelity is agreement; nothing is held back, for nothing is given beside the answer."""
    result = play(tmp_path, sorted_ticket, tickets(400), prices=Prices(per_query=0.01))
    assert [each.defence for each in result.defended] == ["none"]
    assert result.fidelity == "agreement of final answers" and result.access == "text"
    best = result.defended[0].best
    assert best is not None and best[1].fidelity > 0.97
    assert best[1].usd == pytest.approx(0.01 * best[1].queries, abs=0.01)
    assert result.left_out["a surrogate that writes"] == "tests have no time"


def test_audit_goes_on_behind_filtered_prompts(no_writer: None, tmp_path: Path) -> None:
    """They are left out, of tests and of what thieves learn from, and counted."""

    def filtered(prompt: str) -> Reply:
        if "77" in prompt:
            raise QueryError("400: content filter", is_refused=True)
        return sorted_ticket(prompt)

    prompts = tickets(400)
    result = play(tmp_path, filtered, prompts)
    bad = sum("77" in prompt for prompt in prompts)
    best = result.defended[0].best
    assert best is not None and best[1].fidelity > 0.97
    assert any(f"{bad} queries were not answered" in said for said in result.findings)
    assert play(tmp_path, filtered, prompts).paid == result.paid


def test_tokens_are_paid_for(no_writer: None, tmp_path: Path) -> None:
    """Ten read and five written for each query."""
    prices = Prices(per_query=0.0, per_core_hour=0.0, per_million_read=1.0, per_million_written=2.0)
    point = (
        play(tmp_path, reckoned, sums(200, 1), prices=prices, seeds=1)
        .defended[0]
        .curves[0]
        .points[-1]
    )
    assert point.tokens == 15 * point.queries and point.usd == pytest.approx(20e-6 * point.queries)


def test_reasoning_is_withheld_in_steps_and_asked_for_again(
    no_writer: None, tmp_path: Path
) -> None:
    """Who learns from answers alone is played once; who asks for the steps gets them all
    the same.
    """

    def answer(prompt: str) -> Reply:
        reply = reckoned(prompt)
        if "Write out every step" not in prompt:
            return reply
        return Reply(f"{reply.trace}\nAnswer: {reply.text}", read=20, written=30)

    result = play(tmp_path, answer, sums(300, 1))
    assert [each.defence for each in result.defended] == [
        "none",
        "traces-summarised",
        "traces-withheld",
    ]
    plain, part, none = (curves(result, each.defence) for each in result.defended)
    assert set(plain) == {Reading.ANSWERS, Reading.TRACES}
    assert set(part) == {Reading.ANSWERS, Reading.TRACES, Reading.COERCED}
    assert set(none) == {Reading.ANSWERS, Reading.COERCED}
    assert (
        plain[Reading.ANSWERS] is none[Reading.ANSWERS]
        and part[Reading.COERCED] is none[Reading.COERCED]
    )
    withheld = [each.users.withheld for each in result.defended]
    assert withheld[0] == 0 < withheld[1] < withheld[2] < 1


def test_model_that_changes_its_mind_bounds_its_copies(no_writer: None, tmp_path: Path) -> None:
    """It is said how far it agrees with itself."""
    calls = iter(range(100_000))
    result = play(tmp_path, lambda prompt: Reply("yes" if next(calls) % 3 else "no"), tickets(200))
    assert any("agrees with itself to" in finding for finding in result.findings)


@pytest.mark.parametrize(
    ("prompts", "fields", "said"),
    [
        (tickets(20), {}, "20 prompts are too few"),
        (tickets(100), {"budget": 50}, "a budget of 50 queries"),
        ([f"screen {i}" for i in range(100)], {}, "the same answer"),
    ],
    ids=["prompts", "budget", "one-answer"],
)
def test_what_cannot_be_audited_is_refused(
    prompts: list[str], fields: dict[str, object], said: str, tmp_path: Path
) -> None:
    """With what is missing."""
    with pytest.raises(UsageError, match=said):
        play(tmp_path, sorted_ticket, prompts, **fields)


def test_budget_that_ends_says_where_it_stopped(no_writer: None, tmp_path: Path) -> None:
    """What was learnt until then stands."""
    options = AuditOptions(budget=300, seeds=1)
    clerk = Clerk(reckoned)
    interview = make_interview(tmp_path, clerk, queries=120)
    result = LanguageAudit(interview, sums(300, 1), options, clerk.name).run()
    curve = result.defended[0].curves[0]
    assert curve.points and curve.stopped is not None and "are left" in curve.stopped
    assert len(clerk.asked) <= 120


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server(reckoning(ArithmeticModel()))
    monkeypatch.chdir(tmp_path)
    url = server.url.removesuffix("/score")
    (tmp_path / "chat.toml").write_text(
        f'format = "gamekeeper/target@1"\nurl = "{url}"\nchat = "reckoner"\n'
    )
    (tmp_path / "prompts.txt").write_text("\n".join(sums(240, 1)))
    yield server
    server.close()


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["audit", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_command_audits_a_chat_endpoint(no_writer: None, endpoint: Server, tmp_path: Path) -> None:
    """A table, a page, a log, a casebook; and nothing is paid twice."""
    arguments = [
        "chat.toml",
        "--prompts",
        "prompts.txt",
        "--out",
        "audit",
        "--budget",
        "1000",
        "--seeds",
        "1",
        "--log",
    ]
    _, printed = run(*arguments)
    assert "agreement of final answers" in printed and "traces-withheld" in printed
    assert "the input of its last layer has 24 numbers" in printed
    page = (tmp_path / "audit/report.html").read_text()
    assert "agreement of final answers" in page and "text and reasoning" in page
    log = pl.read_parquet(tmp_path / "audit/exchanges.parquet")
    assert (
        log.columns == ["time", "account", "prompt"] and "skill-leeching-coerced" in log["account"]
    )
    asked = len(endpoint.asked)
    paid = json.loads((tmp_path / "audit/audit.json").read_bytes())["paid_queries"]
    run(*arguments)
    assert len(endpoint.asked) == asked == paid


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chat.toml", "--inputs", "prompts.txt"], "takes text"),
        (
            ["chat.toml", "--prompts", "prompts.txt", "--inputs", "prompts.txt"],
            "--inputs or --prompts",
        ),
        (["chat.toml", "--prompts", "prompts.txt", "--answer", "("], "not a regular expression"),
    ],
    ids=["inputs", "both", "pattern"],
)
def test_words_that_do_not_fit_are_refused(
    arguments: list[str], said: str, endpoint: Server
) -> None:
    """Before a query is made."""
    with pytest.raises(UsageError, match=said):
        run(*arguments, "--out", "audit")
    assert not endpoint.asked
