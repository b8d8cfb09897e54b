from pathlib import Path

import pytest

from gamekeeper.base.errors import InputError
from gamekeeper.guard.policy import EXAMPLE, GuardPolicy, parse_policy, read_policy
from gamekeeper.verdict import Verdict


def test_example_is_read_and_is_a_dry_run() -> None:
    """What people begin with has no faults and does nothing to anybody."""
    assert parse_policy(EXAMPLE).enforce is False


def test_empty_file_is_the_default() -> None:
    """Every setting has a default."""
    assert parse_policy("") == GuardPolicy()


def test_all_faults_are_told_each_with_its_line() -> None:
    """Whoever mends a policy sees everything that is wrong with it at once."""
    text = "\n".join(
        [
            "enforce = 1",
            "[ladder]",
            'highest = "ban"',
            "[ladder.slow]",
            "requests_per_minut = 3",
            "[[classifiers]]",
            'path = "score"',
            "[[classifiers]]",
            'path = "/ok"',
            "row = 1",
            '[prices."gpt*"]',
            "usd_per_request = -1",
        ]
    )
    with pytest.raises(InputError) as caught:
        parse_policy(text, "guard.toml")
    lines = {int(fault.where.rpartition(":")[2]): fault for fault in caught.value.faults}
    assert sorted(lines) == [1, 3, 5, 7, 10, 12]
    assert "requests_per_minute" in lines[5].expected


@pytest.mark.parametrize(
    ("text", "where"),
    [("enforce = tru\n", "p:1"), ("\n\n[ladder\n", "p:3"), ("a = 1\na = 2\n", "p:2")],
)
def test_what_is_not_toml_is_told_with_its_line(text: str, where: str) -> None:
    """The parser's own message says where."""
    with pytest.raises(InputError) as caught:
        parse_policy(text, "p")
    assert caught.value.faults[0].where == where


def test_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """No policy is not the default policy."""
    with pytest.raises(InputError, match="cannot be read"):
        read_policy(tmp_path / "none.toml")


@pytest.mark.parametrize("network", ["10.0.0.300/8", "all", ""])
def test_network_that_is_none_is_refused(network: str) -> None:
    """A typo must not make everybody, or nobody, a trusted proxy."""
    with pytest.raises(InputError, match="trusted_proxies"):
        parse_policy(f'[identity]\ntrusted_proxies = ["{network}"]')


def test_verdicts_are_named() -> None:
    """The ladder's highest step is a verdict's name."""
    assert parse_policy('[ladder]\nhighest = "deny"').ladder.highest is Verdict.DENY
