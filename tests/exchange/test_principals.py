"""Who is charged: the narrowest principal that was authenticated, and never what a client says."""

from pathlib import Path
from typing import Any

import pytest

from gamekeeper.exchange import LogReader, ReadOptions
from gamekeeper.exchange.formats.form import NOBODY, PassedOver
from gamekeeper.exchange.principals import Principals, claimed_by_client

from .builders import faults, openai, own, read, write


def row(**principals: Any) -> dict[str, Any]:
    return {"prompt": "?", "principals": principals}


def accounts(*rows: dict[str, Any]) -> list[Any]:
    resolved = Principals({}).resolve(rows)
    return [r.reason if isinstance(r, PassedOver) else r.get("account") for r in resolved]


def test_the_narrowest_principal_is_the_account() -> None:
    """A key before the project it belongs to."""
    assert accounts(row(api_key_id="k1", project="p"), row(project="p")) == ["k1", "p"]


@pytest.mark.parametrize("word", ["None", "-", "anonymous", "[REDACTED]", "***"])
def test_words_for_nobody_are_no_names(word: str) -> None:
    """The next principal is taken, and where there is none the row is passed over."""
    assert accounts(row(api_key=word, user_id="u1"), row(api_key=word)) == ["u1", NOBODY.reason]


def test_no_principal_at_all_is_left_to_the_checker() -> None:
    """Absent is not nobody: it is a fault that the user should see."""
    assert accounts(row(api_key=None)) == [None]


def test_one_account_for_all_is_refused_where_another_field_tells_callers_apart(
    tmp_path: Path,
) -> None:
    """A constant key would make one account of everybody."""
    rows = [openai(api_key_id="same", user_id=f"u{i % 5}", created=1.775e9 + i) for i in range(40)]
    (fault,) = faults(write(tmp_path, "log.jsonl", rows))
    assert "user_id" in fault.try_ and "api_key_id" in fault.found


def test_one_account_that_was_named_is_taken_with_a_note(tmp_path: Path) -> None:
    """A user who names the field has decided; that nothing can be linked is said."""
    rows = [openai(api_key_id="same", user_id=f"u{i % 5}", created=1.775e9 + i) for i in range(40)]
    options = ReadOptions(fields={"account": "api_key_id"})
    reader = LogReader([write(tmp_path, "log.jsonl", rows)], options)
    assert sum(frame.height for frame in reader.batches()) == 40
    assert any("one account" in remark for remark in reader.summary.remarks)


@pytest.mark.parametrize(
    "path",
    ["user", "request.user", "Helicone-User-Id", "metadata.user_id", "baggage.tenant", "end_user"],
)
def test_what_a_client_chooses_is_known(path: str) -> None:
    """These fields come from the request."""
    assert claimed_by_client(path)


@pytest.mark.parametrize("path", ["user_id", "auth.key_id", "enduser.id", "team", "api_key"])
def test_what_a_server_sets_is_not_warned_about(path: str) -> None:
    """A warning at everything is read by nobody."""
    assert not claimed_by_client(path)


def test_the_owner_is_the_widest_that_differs() -> None:
    """One organisation for the whole log says nothing of whose accounts belong together."""
    rows = [
        {**row(key=f"k{i}"), "owners": {"organisation": "us", "team": f"t{i % 2}"}}
        for i in range(4)
    ]
    resolved = Principals({}).resolve(rows)
    assert [r["owner"] for r in resolved if not isinstance(r, PassedOver)] == ["t0", "t1"] * 2


def test_owners_of_own_columns_are_read_and_can_be_left_aside(tmp_path: Path) -> None:
    """`--owner-field none` reads accounts alone."""
    path = write(tmp_path, "log.jsonl", [own(owner="acme", alias="shop")])
    assert read(path)["owner"].to_list() == ["acme"]
    assert read(path)["alias"].to_list() == ["shop"]
    assert read(path, fields={"owner": "none"})["owner"].to_list() == [None]


def remarks(path: str, **fields: str) -> str:
    reader = LogReader([path], ReadOptions(fields=fields))
    list(reader.batches())
    return " ".join(reader.summary.remarks)


def test_an_account_that_merges_keys_is_noted(tmp_path: Path) -> None:
    """A project was named where keys are there."""
    rows = [openai(api_key_id=f"k{i}", project="p", created=1.775e9 + i) for i in range(4)]
    path = write(tmp_path, "log.jsonl", rows)
    assert "api_key_id is narrower than project" in remarks(path, account="project")
    assert "narrower" not in remarks(path, account="api_key_id")


def test_account_and_owner_the_wrong_way_round_are_noted(tmp_path: Path) -> None:
    """An account with many owners is more likely an owner with many accounts."""
    rows = [own(account=f"a{i % 3}", owner=f"o{i}", prompt=f"{i}") for i in range(9)]
    path = write(tmp_path, "log.jsonl", rows)
    assert "wrong way round" in remarks(path)
    assert "wrong way round" not in remarks(path, account="owner", owner="account")


def test_a_field_of_words_for_nobody_is_named_as_the_cause(tmp_path: Path) -> None:
    """Not the prompts, which are there."""
    rows = [openai(user_id="-", api_key_id=f"k{i}", created=1.775e9 + i) for i in range(4)]
    (fault,) = faults(write(tmp_path, "log.jsonl", rows), fields={"account": "user_id"})
    assert "words for nobody" in fault.try_
