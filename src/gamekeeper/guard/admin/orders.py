"""Decisions that people make, by the admin API or the command line. Both make them here, so that
the same decision is never made twice.
"""

from gamekeeper.base.errors import UsageError
from gamekeeper.base.text import mask_secrets
from gamekeeper.guard.decisions.decision import Challenge, Decision
from gamekeeper.guard.decisions.register import Decisions
from gamekeeper.verdict import Verdict

VERDICTS = (Verdict.WATCH, Verdict.SLOW, Verdict.LIMIT, Verdict.CHALLENGE, Verdict.DENY)
"""What a person may decide; `allow` is done by lifting a decision."""

MOST_HOURS = 8_760.0
NOT_A_PERSON = "guard"
"""The name that the guard decides under; it does not decide again what a person lifted."""


def ordered(
    subject: str,
    verdict: Verdict,
    reasons: tuple[str, ...],
    *,
    by: str,
    hours: float,
    now: float,
    challenge: Challenge | None = None,
) -> Decision:
    """Returns a person's decision; the same subject, verdict and challenge give the same id.

    Args:
        subject: `account:NAME` or `campaign:ID`.
        verdict: One of `VERDICTS`.
        reasons: Why, at least one.
        by: Who decides.
        hours: How long it holds.
        now: Epoch seconds.
        challenge: What `challenge` asks for; a proof of work unless said otherwise.

    Raises:
        UsageError: These do not fit together.
    """
    _require_subject(subject)
    _require_verdict(verdict, challenge)
    if not 0 < hours <= MOST_HOURS:
        raise UsageError(
            f"a decision must be in force for more than 0 and at most {MOST_HOURS:g} hours;"
            f" found {hours:g}"
        )
    if not by.strip() or by == NOT_A_PERSON:
        raise UsageError(
            f'a decision needs the name of the person who makes it; "{NOT_A_PERSON}" is the guard'
            f' itself; found "{by}"'
        )
    if not any(reason.strip() for reason in reasons):
        raise UsageError("a decision needs a reason")
    if verdict is Verdict.CHALLENGE:
        challenge = challenge or "proof"
    return Decision.make(
        subject,
        verdict,
        f"person {challenge or ''}",
        reasons=tuple(mask_secrets(reason) for reason in reasons),
        since=now,
        until=now + hours * 3600,
        by=by,
        challenge=challenge,
    )


def is_known_subject(decisions: Decisions, subject: str) -> bool:
    """Returns whether there is such a subject: any account may come, a campaign must have been
    found.
    """
    kind, _, name = subject.partition(":")
    return kind == "account" or name in decisions.campaigns


def _require_subject(subject: str) -> None:
    kind, _, name = subject.partition(":")
    if kind not in ("account", "campaign") or not name.strip():
        raise UsageError(
            f'the subject of a decision must be account:NAME or campaign:ID; found "{subject}"'
        )


def _require_verdict(verdict: Verdict, challenge: Challenge | None) -> None:
    if verdict not in VERDICTS:
        raise UsageError(
            f'"{verdict}" is not a decision; to allow an account again, lift the decision about it'
        )
    if challenge is not None and verdict is not Verdict.CHALLENGE:
        raise UsageError(f'only the verdict "challenge" takes a challenge; "{verdict}" does not')
