"""Names for people: short ids with aliases, beginnings of names, owners."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from gamekeeper.base.errors import UsageError
from gamekeeper.campaigns.result import HuntResult, PlantedCampaign, Power
from gamekeeper.report import (
    campaigns_document,
    explanation_json,
    print_explanation,
    print_hunt,
    read_folder,
    render_html,
    write_folder,
)
from gamekeeper.report.account_names import AccountNames
from report.builders import make_campaign, make_empty_result, make_result
from report.test_terminal import printed

FIRST = "9f2c" + "0" * 59 + "1"
SECOND = "9f2d" + "0" * 60
STEERING = "shop\x1b[2J\u202e"


def named(*rows: tuple[str, str | None, str | None]) -> HuntResult:
    """A result whose accounts in C1 have these names, owners and aliases."""
    campaign = make_campaign("C1", size=8)
    accounts = (*(name for name, _, _ in rows), *campaign.accounts[len(rows) :])
    owners = tuple(sorted({owner for _, owner, _ in rows if owner}))
    result = make_result([replace(campaign, accounts=accounts, owners=owners)])
    table = {name: (owner, alias) for name, owner, alias in rows}
    known = pl.col("account")
    owner = known.replace_strict({k: v[0] for k, v in table.items()}, default=None)
    alias = known.replace_strict({k: v[1] for k, v in table.items()}, default=None)
    frame = result.accounts.with_columns(
        owner.cast(pl.String).alias("owner"), alias.cast(pl.String).alias("alias")
    )
    return replace(result, accounts=frame)


RESULT = named((FIRST, "acme", "checkout"), (SECOND, "acme", STEERING), ("c1-0002", None, None))


def test_long_digest_is_cut_and_its_alias_follows() -> None:
    """As many digits as are unique; other names stay whole."""
    names = AccountNames(RESULT.accounts)
    assert names(FIRST) == f"{FIRST[:12]}… (checkout)"
    assert names("c1-0002") == "c1-0002" and names("unknown") == "unknown"


def test_digests_that_begin_alike_are_cut_later_or_not_at_all() -> None:
    """A short name is never two accounts'."""
    for same, length in ((14, 16), (30, 32), (40, 64)):
        digests = ["a" * same + digit * (64 - same) for digit in "bc"]
        names = AccountNames(pl.DataFrame({"account": digests, "alias": [None, None]}))
        assert names(digests[0]).rstrip("…") == digests[0][:length]


@pytest.mark.parametrize("given", [FIRST, FIRST[:12], "9f2c", f"{FIRST[:12]}…", "checkout"])
def test_account_is_explained_by_a_beginning_or_its_alias(given: str) -> None:
    """Whatever the tables show of it can be typed."""
    document = explanation_json(RESULT, given)
    assert (document["kind"], document["subject"]) == ("account", FIRST)
    assert (document["owner"], document["alias"]) == ("acme", "checkout")


def test_beginning_of_several_names_lists_them() -> None:
    """Each by as many digits as tell it from the others, and a few more: one more try suffices."""
    with pytest.raises(UsageError, match='2 accounts begin with "9f2": 9f2c0000…, 9f2d0000…'):
        explanation_json(RESULT, "9f2")


@pytest.mark.parametrize("given", ["acme", "owner:acme", "owner:ac"])
def test_owner_is_explained_with_its_accounts(given: str) -> None:
    """What its accounts did together."""
    document = explanation_json(RESULT, given)
    assert document["kind"] == "owner" and document["accounts"] == [FIRST, SECOND]
    assert document["exchanges"] == 262 and document["verdict"] == "limit"
    text = printed(lambda console: print_explanation(RESULT, given, console))
    assert "owner acme in campaign C1" in text and f"{FIRST[:12]}… (checkout)" in text


def test_account_that_is_called_as_an_owner_is_the_account() -> None:
    """`owner:` says that the owner is meant."""
    result = named(("acme", None, None), (FIRST, "acme", None))
    assert explanation_json(result, "acme")["kind"] == "account"
    assert explanation_json(result, "owner:acme")["accounts"] == [FIRST]


def test_alias_that_steers_a_terminal_is_shown_as_codes() -> None:
    """Aliases are written by customers."""
    text = printed(lambda console: print_explanation(RESULT, SECOND, console))
    assert "\x1b" not in text and "\u202e" not in text
    assert "\x1b" not in render_html(RESULT)


def test_page_and_json_show_aliases_and_owners() -> None:
    """For people beside the short id, for programs by the whole one."""
    page = render_html(RESULT)
    assert f"{FIRST[:12]}… (checkout)" in page and "acme" in page
    (campaign,) = campaigns_document(RESULT)["campaigns"]
    assert campaign["owners"] == ["acme"] and campaign["aliases"][FIRST] == "checkout"


def test_folder_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """It has neither owners nor power."""
    write_folder(make_result(), tmp_path / "out")
    verdicts = tmp_path / "out" / "verdicts.parquet"
    pl.read_parquet(verdicts).drop("owner", "alias").write_parquet(verdicts)
    again = read_folder(tmp_path / "out")
    assert again.accounts["owner"].null_count() == again.accounts.height and again.power is None


def power(*found: bool, **fields: Any) -> Power:
    sizes = (8, 16, 26)
    planted = [
        PlantedCampaign(accounts=n, exchanges_each=20, found=f)
        for n, f in zip(sizes, found, strict=True)
    ]
    plain: dict[str, Any] = {
        "planted": tuple(planted),
        "false_discovery_rate": 0.01,
        "claims": 8,
        "decoys": 52,
        "why": ("the log is small",),
        "remedy": ("hunt a longer period",),
    }
    return Power(**(plain | fields))


def test_power_survives_the_folder(tmp_path: Path) -> None:
    """What could not have been found is as much a result as what was."""
    result = replace(make_empty_result(), power=power(False, False, False))
    write_folder(result, tmp_path / "out")
    again = read_folder(tmp_path / "out")
    assert again.power == result.power and again.could_find_nothing


@pytest.mark.parametrize(
    ("found", "headline"),
    [
        ((False, False, False), "No campaign found, and none could have been"),
        ((False, True, True), "No campaign found in"),
    ],
)
def test_hunt_without_power_has_another_headline(found: tuple[bool, ...], headline: str) -> None:
    """On a terminal and on the page: the first thing that is read."""
    result = replace(make_empty_result(), power=power(*found))
    text = printed(lambda console: print_hunt(result, console, "out"))
    assert text.startswith(headline)
    assert f"<h1>{headline}" in render_html(result)
    assert ("16 accounts with 20 exchanges each" in text) == any(found)
