import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamekeeper.verdict import Policy, Verdict, judge

FAMILIES = ("content", "shape", "elicitation", "rhythm", "infrastructure", "pivot")
ORDER = [Verdict.ALLOW, Verdict.WATCH, Verdict.SLOW, Verdict.LIMIT, Verdict.DENY]
families = st.sets(st.sampled_from(FAMILIES))


@pytest.mark.parametrize(
    ("count", "verdict"),
    [
        (0, Verdict.ALLOW),
        (1, Verdict.WATCH),
        (2, Verdict.SLOW),
        (3, Verdict.LIMIT),
        (6, Verdict.LIMIT),
    ],
)
def test_independent_families_are_what_a_verdict_costs(count: int, verdict: Verdict) -> None:
    """One family earns a watch; what costs an account something needs two; a stored log refuses
    nobody.
    """
    assert judge(FAMILIES[:count], Policy()) == verdict


def test_what_prompts_say_counts_once() -> None:
    """Their subjects and what they ask for are copied together; with a third family both count."""
    policy = Policy()
    assert judge(("content", "elicitation"), policy) is Verdict.WATCH
    assert judge(("content", "elicitation", "rhythm"), policy) is Verdict.LIMIT
    assert judge(("shape", "elicitation"), policy) is Verdict.SLOW


@given(some=families, more=families)
def test_more_families_never_soften_a_verdict(some: set[str], more: set[str]) -> None:
    """Evidence adds up."""
    policy = Policy()
    assert ORDER.index(judge(some | more, policy)) >= ORDER.index(judge(some, policy))


def test_policy_says_how_many_families_it_wants() -> None:
    """A cautious provider slows nobody below four."""
    cautious = Policy(families_to_slow=4, families_to_limit=5)
    assert [judge(FAMILIES[:n], cautious) for n in (3, 4, 5)] == [
        Verdict.WATCH,
        Verdict.SLOW,
        Verdict.LIMIT,
    ]


def test_verdicts_are_their_names() -> None:
    """They go into files as words."""
    assert [str(verdict) for verdict in ORDER] == ["allow", "watch", "slow", "limit", "deny"]
