"""Each signal: what it sees, what looks like it and is not, and what a thief does about it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from gamekeeper.guard.identity.caller import Caller
from gamekeeper.guard.takeover import Habits, Reading, dpop_mismatch, dpop_replay, stolen_cards
from gamekeeper.guard.takeover.places import shipped_countries, where
from guard.takeover.builders import AT_NINE, HOME, OFFICE, PHONE, THIEF, names, settled, use, work

MINUTE = 60.0
HOUR = 3600.0
TUESDAY = 43
"""Settled habits end with day 41, a Sunday."""


def rate(habits: Habits, exchanges: int, day: float, caller: Caller = OFFICE) -> list[str]:
    """Signals of that many exchanges within a quarter of an hour."""
    found: list[str] = []
    for n in range(exchanges):
        found += names(use(habits, caller, day, AT_NINE + n * 900 / exchanges))
    return found


def hourly(days: int, *callers: Caller) -> Iterator[tuple[int, float, Caller]]:
    """Every hour of every day, from each caller in turn."""
    for day in range(days):
        for hour in range(24):
            yield day, hour * HOUR, callers[(day * 24 + hour) % len(callers)]


def only(readings: tuple[Reading, ...]) -> Reading:
    assert len(readings) == 1
    return readings[0]


def test_every_signal_has_a_whole_card() -> None:
    """Names are unique, and what counts was measured on ordinary use, unless it is certain by
    itself.
    """
    cards = stolen_cards()
    assert len({card.name for card in cards}) == len(cards) == 8
    for card in cards:
        assert (
            card.purpose
            and card.unit
            and card.needs
            and card.look_alikes
            and card.evasions
            and card.source
        )
        assert card.innocent and (card.false_positives is None) == (card.maturity != "tested")


# new-system


def test_unknown_network_with_unknown_client_is_a_new_system() -> None:
    """It says which, and what was known."""
    reading = only(use(settled(), THIEF, TUESDAY))
    assert reading.signal == "new-system" and not reading.is_hint
    assert "AS64503" in reading.says and "curl/8" in reading.says and "1 networks" in reading.says


@pytest.mark.parametrize(
    "caller",
    [
        replace(OFFICE, client="sdk/1.3"),
        replace(OFFICE, ip="198.18.4.4", asn=64_510),
        replace(OFFICE, ip="203.0.114.200"),
        replace(PHONE, client="sdk/1.2", country="FR"),
    ],
    ids=["an update", "a café", "another address", "the laptop abroad"],
)
def test_half_a_new_system_is_none(caller: Caller) -> None:
    """One of the two changes all the time."""
    assert use(settled(), caller, TUESDAY) == ()


def test_new_system_is_said_once_and_known_then() -> None:
    """A new laptop at a new place."""
    habits = settled()
    assert names(use(habits, THIEF, TUESDAY)) == ["new-system"]
    assert use(habits, THIEF, TUESDAY + 1) == ()


def test_young_key_has_no_system_of_its_own() -> None:
    """Whoever sets a key up tries it from several systems; thirteen days are no habit."""
    habits = settled(days=13)
    assert use(habits, THIEF, 13) == ()


def test_four_days_of_use_are_no_habit() -> None:
    """However old the key is."""
    habits = Habits()
    for day in (0, 10, 20, 30):
        use(habits, OFFICE, day)
    assert use(habits, THIEF, 31) == ()


def test_team_that_grows_has_no_new_systems() -> None:
    """Where new systems are usual they say nothing."""
    habits = settled()
    for n in range(3):
        use(habits, Caller(f"198.18.{n}.1", f"laptop/{n}", "DE", 64_600 + n), TUESDAY + 2 * n)
    assert use(habits, THIEF, TUESDAY + 7) == ()


def test_systems_of_the_first_two_days_make_no_habit() -> None:
    """Whoever sets a key up tries it from here and there; one colleague since is not many."""
    habits = Habits()
    for day, caller in ((0, HOME), (1, PHONE), *((day, OFFICE) for day in range(2, 15))):
        use(habits, caller, day)
    use(habits, Caller("198.18.1.1", "laptop/1", "DE", 64_600), 10)
    assert names(use(habits, THIEF, 15)) == ["new-system"]


def test_thief_does_not_make_his_systems_usual_in_a_day() -> None:
    """The count grows by one a day, and today's does not count today."""
    habits = settled()
    found = [
        names(
            use(
                habits,
                Caller(f"198.18.{n}.1", f"x/{n}", "DE", 64_600 + n),
                TUESDAY,
                AT_NINE + n * HOUR,
            )
        )
        for n in range(8)
    ]
    assert found == [["new-system"]] * 8


def test_network_by_address_alone_is_a_weak_new_system() -> None:
    """Providers have many blocks, and change them."""
    plain = Caller("203.0.113.7", "sdk/1.2")
    habits = settled(plain)
    assert only(use(habits, Caller("233.252.0.5", "curl/8"), TUESDAY)).is_hint


def test_unknown_address_is_no_system() -> None:
    """A socket's path: a proxy on this machine that tells nothing."""
    assert use(settled(), Caller("/run/proxy.sock", "curl/8"), TUESDAY) == ()
    assert use(settled(), Caller(None, None), TUESDAY) == ()


# far-places


def test_two_countries_within_minutes_are_far_places() -> None:
    """The owner and a thief take turns."""
    habits = settled()
    use(habits, OFFICE, TUESDAY)
    readings = use(habits, THIEF, TUESDAY, AT_NINE + 5 * MINUTE)
    assert names(readings) == ["new-system", "far-places"]
    assert readings[1].says == "used from DE and BR within 5 min" and not readings[1].is_hint


def test_thief_with_the_owners_client_is_far_away_all_the_same() -> None:
    """The evasion of new-system is none of far-places; a new day's first use from abroad counts
    from either side.
    """
    habits = settled()
    copied = replace(THIEF, client=OFFICE.client)
    assert use(habits, copied, TUESDAY) == ()
    assert names(use(habits, OFFICE, TUESDAY, AT_NINE + 2 * MINUTE)) == ["far-places"]


def test_journey_is_slow() -> None:
    """Eleven minutes are enough not to be at once."""
    habits = settled()
    use(habits, OFFICE, TUESDAY)
    assert "far-places" not in names(use(habits, THIEF, TUESDAY, AT_NINE + 11 * MINUTE))


def test_places_that_are_known_are_not_far() -> None:
    """A VPN that its owner switches on and off."""
    abroad = replace(PHONE, country="NL", client="sdk/1.2")
    habits = settled(OFFICE, abroad)
    use(habits, OFFICE, TUESDAY)
    assert use(habits, abroad, TUESDAY, AT_NINE + MINUTE) == ()


def test_new_exits_on_several_days_are_a_habit() -> None:
    """A VPN that leaves somewhere else each time."""
    habits = settled()
    found = []
    for n, country in enumerate(("NL", "SE", "PL", "AT")):
        use(habits, OFFICE, TUESDAY + n)
        found.append(
            names(
                use(
                    habits,
                    replace(OFFICE, ip=f"198.18.{n}.1", country=country),
                    TUESDAY + n,
                    AT_NINE + MINUTE,
                )
            )
        )
    assert found[0] == ["far-places"] and found[-1] == []


def test_networks_of_one_country_are_not_far() -> None:
    """A phone between mobile network and Wi-Fi."""
    habits = settled()
    use(habits, OFFICE, TUESDAY)
    assert use(habits, replace(PHONE, client="sdk/1.2"), TUESDAY, AT_NINE + MINUTE) == ()


def test_networks_count_where_countries_are_not_told() -> None:
    """By number; by the first bits of addresses a phone would be far from its owner's Wi-Fi."""
    office = Caller("203.0.113.7", "sdk/1.2", None, 64_500)
    other = Caller("198.18.0.1", "sdk/1.2", None, 64_777)
    habits = settled(office)
    use(habits, office, TUESDAY)
    assert names(use(habits, other, TUESDAY, AT_NINE + MINUTE)) == ["far-places"]
    habits = settled(replace(office, asn=None))
    use(habits, replace(office, asn=None), TUESDAY)
    assert use(habits, replace(other, asn=None), TUESDAY, AT_NINE + MINUTE) == ()


def test_countries_that_were_looked_up_are_weak() -> None:
    """The data is of June 2024; blocks are sold across borders."""
    table = {"203.0.113.7": "DE", "233.252.0.5": "BR"}
    habits = Habits(countries=table.get)
    office = Caller("203.0.113.7", "sdk/1.2")
    thief = Caller("233.252.0.5", "sdk/1.2")
    work(habits, range(42), office)
    use(habits, office, TUESDAY)
    reading = only(use(habits, thief, TUESDAY, AT_NINE + MINUTE))
    assert reading.signal == "far-places" and reading.is_hint and "June 2024" in reading.says


def test_what_a_proxy_says_goes_before_the_lookup() -> None:
    """And XX or T1 is no country."""
    assert where(Caller("203.0.113.7", "a", "de"), {"203.0.113.7": "BR"}.get).country == "DE"
    assert where(Caller("203.0.113.7", "a", "XX"), {"203.0.113.7": "BR"}.get).is_looked_up
    assert where(Caller("203.0.113.7", "a", "T1")).country is None


def test_shipped_countries_know_addresses_of_both_kinds() -> None:
    """With the extra "geo"; an address of a private network has no country."""
    pytest.importorskip("geoip2fast")
    country = shipped_countries()
    assert country is not None
    assert [
        country(ip) for ip in ("8.8.8.8", "2001:4860:4860::8888", "192.168.1.1", "no address")
    ] == [
        "US",
        "US",
        None,
        None,
    ]


# dormant-wakes


def test_key_that_was_left_wakes() -> None:
    """Found in an old image, it is used after months."""
    reading = only(use(settled(), OFFICE, 120))
    assert reading.signal == "dormant-wakes" and "81 days" in reading.says


def test_holidays_are_no_sleep() -> None:
    """Four weeks at a stretch."""
    assert use(settled(), OFFICE, 41 + 28) == ()


def test_season_is_unusual_once() -> None:
    """Then the pause is the key's own."""
    habits = Habits()
    found = []
    for season in range(4):
        for day in range(14 if season else 20):
            found += names(use(habits, OFFICE, season * 90 + day))
    assert found == ["dormant-wakes"]


def test_longer_pause_than_twice_its_longest_wakes_a_seasonal_key() -> None:
    """Three quarters of a year after a quarter."""
    habits = Habits()
    for season in range(2):
        for day in range(20):
            use(habits, OFFICE, season * 91 + day)
    assert names(use(habits, OFFICE, 700)) == ["dormant-wakes"]


def test_new_system_after_a_month_of_silence_wants_a_new_country() -> None:
    """Programs were updated and machines replaced meanwhile."""
    other = Caller("198.18.0.1", "sdk/7", "DE", 64_777)
    assert names(use(settled(), other, 120)) == ["dormant-wakes"]
    assert names(use(settled(), THIEF, 120)) == ["new-system", "dormant-wakes"]


def test_clock_that_was_set_back_and_forth_wakes_nobody() -> None:
    """The latest day that was seen counts, not the latest use."""
    habits = settled()
    use(habits, OFFICE, 42 - 100)
    assert "dormant-wakes" not in names(use(habits, OFFICE, 42))


# rate-jump


def test_many_times_the_busiest_hour_is_a_jump() -> None:
    """It is said once an hour."""
    assert rate(settled(), 400, TUESDAY) == ["rate-jump"]


def test_fifty_exchanges_are_no_jump() -> None:
    """Whatever the owner's own hours."""
    assert rate(settled(), 59, TUESDAY) == []


def test_job_in_bursts_is_used_to_them() -> None:
    """The busiest hour is the measure."""
    habits = settled()
    rate(habits, 300, 42 + 7)
    rate(habits, 300, 42 + 8)
    assert rate(habits, 300, 42 + 9) == []


def test_one_jump_teaches_twice_the_busiest_hour_at_most() -> None:
    """A harvest of one night does not make the next one usual."""
    habits = settled()
    rate(habits, 5_000, TUESDAY)
    assert rate(habits, 5_000, TUESDAY + 1) == ["rate-jump"]


def test_pace_below_four_times_the_owners_is_not_seen() -> None:
    """The evasion that the card states: time is its price."""
    habits = settled()
    rate(habits, 50, 42 + 7)
    assert rate(habits, 190, 42 + 8) == []


# new-hours


def test_night_is_new_to_who_works_by_day() -> None:
    """It is weak."""
    reading = only(use(settled(), OFFICE, TUESDAY, 3 * HOUR))
    assert reading.signal == "new-hours" and reading.is_hint and "03 h UTC; 0 of" in reading.says


@pytest.mark.parametrize("hour", [8, 16.5, 9.9], ids=["an hour early", "an hour late", "as ever"])
def test_next_hour_is_not_new(hour: float) -> None:
    """Summer time; somebody who stays a little."""
    assert use(settled(), OFFICE, TUESDAY, hour * HOUR) == ()


def test_few_active_hours_have_no_pattern() -> None:
    """Sixty are wanted."""
    assert use(settled(days=15), OFFICE, 16, 3 * HOUR) == ()


def test_job_around_the_clock_has_no_new_hours() -> None:
    """A service."""
    habits = Habits()
    found = []
    for day, at, caller in hourly(30, OFFICE):
        found += names(use(habits, caller, day, at))
    assert found == []


def test_who_travels_has_other_hours() -> None:
    """The country explains them, also through a VPN at home the day after."""
    habits = settled()
    abroad = replace(OFFICE, country="JP", asn=64_900, ip="198.18.7.7")
    assert use(habits, abroad, TUESDAY, 1 * HOUR) == ()
    assert use(habits, OFFICE, TUESDAY + 1, 2 * HOUR) == ()
    assert names(use(habits, OFFICE, TUESDAY + 30, 23 * HOUR)) == ["new-hours"]


# proofs of possession


def test_missing_proof_suffices() -> None:
    """Somebody has the credential and not the key."""
    assert dpop_mismatch.read().suffices


def test_proof_used_again_suffices_from_another_system_only() -> None:
    """Libraries repeat requests."""
    assert dpop_replay.read(is_same_system=False).suffices
    assert not dpop_replay.read(is_same_system=True).suffices


# all together


@pytest.mark.parametrize("callers", [(OFFICE,), (OFFICE, HOME), (OFFICE, HOME, PHONE)])
def test_ordinary_weeks_say_nothing(callers: tuple[Caller, ...]) -> None:
    """Half a year of one, two and three places."""
    assert work(Habits(), range(180), *callers) == set()
