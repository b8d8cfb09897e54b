import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from gamekeeper.base.errors import UsageError
from gamekeeper.report import (
    Progress,
    campaigns_document,
    explanation_json,
    print_explanation,
    print_hunt,
)
from report.builders import (
    HOSTILE_ACCOUNT,
    make_campaign,
    make_empty_result,
    make_redacted_result,
    make_result,
)


def printed(write: Callable[[Console], None]) -> str:
    console = Console(file=io.StringIO(), width=140, force_terminal=False)
    write(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def explained(subject: str) -> str:
    return printed(lambda console: print_explanation(make_result(), subject, console))


def test_a_hunt_prints_campaigns_and_the_next_command() -> None:
    """Who reads it knows what was found, and what to type."""
    text = printed(lambda console: print_hunt(make_result(), console, Path("out")))
    assert "2 campaigns found" in text and "Five cards" not in text
    assert "read 2 files (litellm, openai): 50,000 exchanges of 720 accounts" in text
    assert "out of 50,050 records" in text
    assert "left out  10 rows for a fault, of which 7 the same as an earlier one" in text
    assert "passed over 40, because they are not exchanges: 30 failed calls" in text
    assert "could not show: Without the column payment" in text
    assert "gamekeeper explain C1 --in out" in text and "out/report.html" in text


def test_a_hunt_that_found_nothing_names_no_campaign() -> None:
    """There is nothing to explain."""
    text = printed(lambda console: print_hunt(make_empty_result(), console, Path("out")))
    assert "No campaign found in 50,000 exchanges" in text and "explain" not in text


def test_a_campaign_is_explained_with_what_it_was_ranked_against() -> None:
    """Verdict, reasons, readings with decoys, links, examples, and the innocent explanation."""
    text = explained("C1")
    for part in (
        "limit (answer less)",
        "Five cards",
        "rare_shapes",
        "999",
        "Strongest links",
        "A reseller",
    ):
        assert part in text


def test_an_account_is_explained_with_its_campaign() -> None:
    """What an account did counts for little without those it acts with."""
    text = explained("c2-0001")
    assert "account c2-0001 in campaign C2: watch" in text
    assert "Strongest links" in text and "Prompts of a classroom" in text


def test_an_account_without_campaign_is_explained_too() -> None:
    """Who asks about an innocent account is told that it is one."""
    text = explained("user-0007")
    assert (
        "allow (nothing to do)" in text and "belongs to no campaign" in text and "Why" not in text
    )


def test_hostile_text_cannot_steer_the_terminal() -> None:
    """Escape characters are shown as codes, and brackets are no markup."""
    text = explained("C1") + explained(HOSTILE_ACCOUNT)
    assert "\x1b" not in text and "\u202e" not in text
    assert "\\u001b[2Jgone" in text and "[red]markup[/red]" in text


@pytest.mark.parametrize(
    ("subject", "close"), [("c1", "C1"), ("c2-00001", "c2-0001"), ("usr-0007", "user-0007")]
)
def test_an_unknown_subject_is_met_with_close_ones(subject: str, close: str) -> None:
    """A slip of the finger costs one more try."""
    with pytest.raises(UsageError, match=f"similar names: .*{close}"):
        explained(subject)


def test_an_unknown_subject_without_close_ones_says_where_to_look() -> None:
    """The files list all names."""
    with pytest.raises(UsageError, match=r"verdicts\.parquet"):
        explanation_json(make_result(), "??")


@pytest.mark.parametrize("subject", ["C1", "c1-0003", "user-0001"])
def test_an_explanation_is_json_that_any_parser_reads(subject: str) -> None:
    """Strict JSON: no NaN, times with their zone."""
    document = explanation_json(make_result(), subject)
    assert document["schema"] == "gamekeeper/explain@1" and document["subject"] == subject
    json.dumps(document, allow_nan=False)
    assert all(row["time"].endswith("Z") for row in document["examples"])


def test_a_redacted_explanation_says_so() -> None:
    """No prompt is there, and the reader knows why."""
    text = printed(lambda console: print_explanation(make_redacted_result(), "C1", console))
    assert "redacted" in text
    assert explanation_json(make_redacted_result(), "C1")["examples"][0]["prompt"] is None


def test_the_campaigns_document_has_its_fixed_fields() -> None:
    """Programs rely on the names; what was not measured is null."""
    document = campaigns_document(make_result([make_campaign(p_benign=float("nan"))]))
    fields = {"schema", "campaigns", "log", "could_not_show", "power", "encoders"}
    assert set(document) == fields
    assert document["schema"] == "gamekeeper/hunt@1"
    (campaign,) = document["campaigns"]
    assert (
        campaign["p_benign"] is None and len(campaign["accounts"]) == 12 and campaign["links"] == 36
    )
    assert campaign["first_seen"] == "2026-11-05T00:30:00Z" and campaign["verdict"] == "limit"
    assert document["log"]["bad_rows"] == 10 and document["log"]["accounts"] == 712
    json.dumps(document, allow_nan=False)


@pytest.mark.parametrize("is_terminal", [False, True])
def test_progress_is_silent_when_quiet(is_terminal: bool) -> None:
    """Neither bars nor lines."""
    console = Console(file=io.StringIO(), force_terminal=is_terminal)
    with Progress(console, quiet=True)("reading", unit="B") as step:
        step(1, 2)
    assert isinstance(console.file, io.StringIO) and console.file.getvalue() == ""


@pytest.mark.parametrize(
    ("unit", "said"),
    [("B", "stage: 1.5 kB of 3.0 kB, "), ("prompts", "stage: 1,500 of 3,000 prompts, ")],
)
def test_progress_in_a_pipe_is_a_line_a_stage(
    unit: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No bars, and not silent for minutes either."""
    monkeypatch.setattr("gamekeeper.report.progress._BRIEF_S", 0)
    console = Console(file=io.StringIO(), force_terminal=False)
    with Progress(console)("stage", unit=unit) as step:
        step(1_500, 3_000)
    assert isinstance(console.file, io.StringIO)
    (line,) = console.file.getvalue().splitlines()
    assert line.startswith(said) and line.endswith(" s")


@pytest.mark.parametrize("unit", ["B", "exchanges", ""])
def test_progress_is_drawn_on_a_terminal(unit: str) -> None:
    """Done, total, rate and time left; a total of 0 is one that is not known."""
    console = Console(
        file=io.StringIO(), force_terminal=True, width=120, _environ={"TERM": "xterm"}
    )
    with Progress(console)("reading", unit=unit) as step:
        step(1, 0)
        step(512, 1024)
    assert isinstance(console.file, io.StringIO) and "reading" in console.file.getvalue()


def test_importing_the_report_loads_no_heavy_library() -> None:
    """`--help` waits for no picture."""
    code = "import sys, gamekeeper.report; sys.exit(bool({'plotly', 'igraph', 'jinja2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
