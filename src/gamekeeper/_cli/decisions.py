"""`gamekeeper decisions`: list, make and lift the guard's decisions, in its store; a running guard
sees the change at once.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gamekeeper._cli._printing import print_json
from gamekeeper._cli._state import opened_store, without_password
from gamekeeper._cli.options import STATE, Json, PolicyFile, State
from gamekeeper.base.errors import UsageError

if TYPE_CHECKING:
    from gamekeeper.guard.decisions.decision import Decision
    from gamekeeper.guard.decisions.register import Decisions
    from gamekeeper.verdict import Verdict

Entry = tuple[str, str, dict[str, Any]]
NAME = "decisions"
SCHEMA = "gamekeeper/decisions@1"

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List, make and lift decisions of the guard.",
    epilog="Start: gamekeeper decisions list",
)


@app.command(name="list")
def list_(state: State = STATE, json: Json = False) -> None:
    """List the decisions in force, the strictest first, with their reasons and their end.

    Needs the guard's state.

    Example:

      gamekeeper decisions list --json
    """
    now = time.time()
    with _decisions(state) as decisions:
        held = sorted(_held(decisions, now), key=lambda d: (-d.verdict.step, -d.since, d.id))
    if json:
        print_json(SCHEMA, {"decisions": [decision.document() for decision in held]})
        return
    for decision in held:
        print(_line(decision))
    if not held:
        typer.echo("no decision is in force", err=True)


@app.command()
def add(
    subject: Annotated[
        str, typer.Argument(help="account:NAME, or campaign:ID for all its members.")
    ],
    verdict: Annotated[str, typer.Argument(help="watch, slow, limit, challenge or deny.")],
    why: Annotated[str, typer.Option(help="Reason; kept in the casebook.")],
    by: Annotated[str, typer.Option(help="Person or program that decides; kept too.")],
    hours: Annotated[float, typer.Option(help="Hours that it stays in force.")] = 24,
    challenge: Annotated[
        str | None, typer.Option(help="What `challenge` asks for: proof or reauthenticate.")
    ] = None,
    state: State = STATE,
    json: Json = False,
) -> None:
    """Make a decision; the same one again only moves its end, and never to an earlier time.

    Needs the guard's state, in which the account or campaign is known.

    Example:

      gamekeeper decisions add account:acme slow --hours 12 --why "asked us about it" --by ada
    """
    from gamekeeper.guard.admin.orders import is_known_subject, ordered

    now = time.time()
    with _decisions(state) as decisions:
        made = ordered(
            decisions.subject_as_charged(subject),
            _verdict(verdict),
            (why,),
            by=by,
            hours=hours,
            now=now,
            challenge=_challenge(challenge),
        )
        if not is_known_subject(decisions, subject):
            raise UsageError(f"unknown {subject.replace(':', ' ', 1)}")
        decisions.refresh(now)  # one that ended is no longer the same decision
        is_new = decisions.add(made)
        made = decisions.all.get(made.id, made)
    if json:
        print_json(SCHEMA, {"decision": made.document(), "is_new": is_new})
    else:
        print(_line(made))
        typer.echo(
            f"made in {without_password(state)}: a guard on this state follows it within a second,"
            " unless it is a dry run"
            if is_new
            else "it was in force already; at most its end was moved",
            err=True,
        )


@app.command()
def delete(
    id: Annotated[str, typer.Argument(help="Id of the decision, as `list` prints it.")],
    why: Annotated[str, typer.Option(help="Reason; kept in the casebook.")],
    by: Annotated[str, typer.Option(help="Person or program that lifts it; kept too.")],
    policy: PolicyFile = None,
    state: State = STATE,
    json: Json = False,
) -> None:
    """Lift a decision and all others of its subject; the guard then leaves that subject alone for
    the policy's `lifted_days`.

    Needs the guard's state; the policy tells `lifted_days`, the default policy's without one.

    Example:

      gamekeeper decisions delete 4f0c2a9be1d7 --why "a class of students" --by ada
    """

    if not why.strip() or not by.strip():
        raise UsageError("--why and --by must not be empty")
    now = time.time()
    with _decisions(state, policy) as decisions:
        held = {decision.id: decision for decision in _held(decisions, now)}
        if id not in held:
            raise UsageError(f'no decision "{id}" is in force; it may have ended')
        lifted = [decision for decision in held.values() if decision.subject == held[id].subject]
        decisions.lift(id, by=by, why=why, now=now)
    if json:
        print_json(SCHEMA, {"lifted": [decision.document() for decision in lifted]})
    else:
        for decision in lifted:
            print(f"lifted {_line(decision)}")


@contextmanager
def _decisions(state: str, policy: Path | None = None) -> "Iterator[Decisions]":
    from gamekeeper.guard.decisions.register import Decisions
    from gamekeeper.guard.policy import Ladder, read_policy

    ladder = read_policy(policy).ladder if policy else Ladder()
    done: list[Entry] = []
    with opened_store(state) as store:
        decisions = Decisions(store, ladder, lambda *entry: done.append(entry))
        decisions.refresh(0.0)  # what has ended is for the guard to end and to record
        done.clear()
        yield decisions
        _record(state, done)


def _record(state: str, done: "list[Entry]") -> None:
    """Writes to the state's casebook what was done while no guard runs that would write it."""
    from gamekeeper.casebook import Casebook, InUseError

    folder = Path(state) / "casebook"
    if "://" in state or not folder.is_dir() or not done:
        return
    try:
        with Casebook.open(folder) as casebook:
            for kind, subject, body in done:
                casebook.append(kind, subject, body)
    except InUseError:
        return  # by a guard, which writes it


def _held(decisions: "Decisions", now: float) -> "list[Decision]":
    return [decision for decision in decisions.all.values() if decision.until > now]


def _verdict(text: str) -> "Verdict":
    from gamekeeper.guard.admin.orders import VERDICTS

    for verdict in VERDICTS:
        if text == verdict.value:
            return verdict
    raise UsageError(f'the verdict must be one of {", ".join(VERDICTS)}; found "{text}"')


def _challenge(text: str | None) -> Literal["proof", "reauthenticate"] | None:

    match text:
        case None | "proof" | "reauthenticate":
            return text
    raise UsageError(f'--challenge must be proof or reauthenticate; found "{text}"')


def _line(decision: "Decision") -> str:
    """One line; names were chosen by callers, so what would steer a terminal is shown, not sent."""
    until = datetime.fromtimestamp(decision.until, UTC).isoformat(timespec="seconds")
    reasons = ", ".join(decision.reasons)
    line = (
        f"{decision.id}  {decision.verdict}  {decision.subject}; until {until}; by {decision.by};"
        f" {reasons}"
    )
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
