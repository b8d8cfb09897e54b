"""`gamekeeper keys`: issue, list, rotate and revoke API keys of the guard."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamekeeper._cli._printing import print_json, say
from gamekeeper._cli._state import opened_store
from gamekeeper._cli.options import STATE, Json, Quiet, State
from gamekeeper.base.errors import InputError, UsageError
from gamekeeper.base.secret import Secret

if TYPE_CHECKING:
    from gamekeeper.guard.identity.key_record import KeyRecord
    from gamekeeper.guard.identity.keys import Keys

NAME = "keys"
SCHEMA = "gamekeeper/keys@1"

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Issue, list, rotate and revoke API keys of the guard.",
    epilog="Start: gamekeeper keys issue acme --models 'gpt-*' --expires 90d",
)

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_ENCRYPTED = "encrypted.infer"  # `gamekeeper encrypted serve`
# routes that begin so are described by the guard's policy, which is not read here
_CLASSIFIERS = "classifier."


@app.command()
def issue(
    account: Annotated[str, typer.Argument(help="Account that is charged.")],
    state: State = STATE,
    models: Annotated[
        list[str] | None,
        typer.Option(
            help="Model it may ask; gpt-* for all with that prefix. Default: all. Repeat."
        ),
    ] = None,
    routes: Annotated[
        list[str] | None,
        typer.Option(help="Route it may use, such as openai.chat. Default: all. Repeat."),
    ] = None,
    expires: Annotated[
        str, typer.Option(help="From now: 90d, 12h, 2w; or a day, 2027-01-31 (UTC); or never.")
    ] = "90d",
    requests_per_day: Annotated[
        int | None, typer.Option(min=0, help="Requests a day (UTC).")
    ] = None,
    tokens_per_day: Annotated[
        int | None, typer.Option(min=0, help="Input and output tokens a day.")
    ] = None,
    usd_per_day: Annotated[float | None, typer.Option(min=0, help="Dollars a day.")] = None,
    new_ground_per_day: Annotated[
        int | None,
        typer.Option(
            min=0, help="Cells of the space of prompts a day that the key has not touched before."
        ),
    ] = None,
    encrypted_rows: Annotated[
        int | None,
        typer.Option(
            min=0, help="Rows of encrypted input over the key's whole life; see `encrypted serve`."
        ),
    ] = None,
    dpop_key: Annotated[
        str | None,
        typer.Option(
            help="Public key (JWK or PEM file) or thumbprint: each request must prove it (DPoP)."
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make an API key and print it, once: only its digest is kept.

    Needs nothing but the account's name; creates the guard's state if it is missing.

    Examples:

      gamekeeper keys issue acme --models 'gpt-*' --routes openai.chat --expires 30d
      --new-ground-per-day 2000

      gamekeeper keys issue acme --dpop-key client.pub.pem --json
    """
    from gamekeeper.guard.identity.entrance import noted_modes
    from gamekeeper.guard.identity.principal import Budget
    from gamekeeper.guard.identity.thumbprint import read_thumbprint

    now = time.time()
    budget = Budget(
        requests=requests_per_day,
        tokens=tokens_per_day,
        usd=usd_per_day,
        cells=new_ground_per_day,
        rows=encrypted_rows,
    )
    until = _expiry(expires, now)
    bound_to = None if dpop_key is None else read_thumbprint(dpop_key)
    if routes:
        _require_known(routes)
    with _keys(state, is_new=True) as keys:
        record, secret = keys.issue(
            account, models=models, routes=routes, budget=budget, expires=until, bound_to=bound_to
        )
    _print_secret(record, secret, now, json, quiet)
    with opened_store(state) as store:
        say(_where_it_counts(noted_modes(store)), quiet)


@app.command(name="list")
def list_(
    state: State = STATE,
    json: Json = False,
) -> None:
    """List the keys, also revoked and expired ones; never a secret.

    Needs the guard's state.

    Example:

      gamekeeper keys list --json
    """

    now = time.time()
    with _keys(state) as keys:
        records = keys.list()
        faults = keys.faults
    if json:
        print_json(SCHEMA, {"keys": [_shown(record, now) for record in records]})
    else:
        for record in records:
            print(_line(record, now))
        if not records:
            typer.echo("no keys; make one: gamekeeper keys issue ACCOUNT", err=True)
    if faults:
        raise InputError(faults)


@app.command()
def rotate(
    id: Annotated[str, typer.Argument(help="Id of the key; see `gamekeeper keys list`.")],
    state: State = STATE,
    overlap: Annotated[
        str,
        typer.Option(help="Time that the old secret stays valid too: 24h; 0s if it may be stolen."),
    ] = "24h",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Give a key a new secret and print it, once; scopes, budget and expiry stay.

    Needs the guard's state and the key's id.

    Example:

      gamekeeper keys rotate q3vd2k7xw4ab --overlap 1h
    """
    overlap_s = _span(overlap)
    with _keys(state) as keys:
        record, secret = keys.rotate(id, overlap_s)
    _print_secret(record, secret, time.time(), json, quiet)


@app.command()
def revoke(
    id: Annotated[str, typer.Argument(help="Id of the key; see `gamekeeper keys list`.")],
    state: State = STATE,
    why: Annotated[str, typer.Option(help="Kept with the revocation.")] = "",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """End a key for good; a running guard refuses it within seconds.

    Needs the guard's state and the key's id.

    Example:

      gamekeeper keys revoke q3vd2k7xw4ab --why "found in a public repository"
    """
    with _keys(state) as keys:
        revocation = keys.revoke(id, why)
    if json:
        print_json(
            SCHEMA, {"revoked": {"id": id, "at": _time(revocation.at), "why": revocation.why}}
        )
    say(f"key {id} is revoked since {_time(revocation.at)}", quiet)


@contextmanager
def _keys(state: str, *, is_new: bool = False) -> Iterator["Keys"]:
    from gamekeeper.guard.identity.keys import Keys

    with opened_store(state, is_new=is_new) as store:
        yield Keys(store, time.time)


def _require_known(names: list[str]) -> None:
    from gamekeeper.guard.identity.principal import is_in_scope
    from gamekeeper.guard.routes import UNKNOWN, known_routes, unjudged_names

    judged = (route.name for route in known_routes())
    known = sorted([*judged, *unjudged_names(), UNKNOWN, _ENCRYPTED])
    unknown = [
        name
        for name in names
        if not name.startswith(_CLASSIFIERS)
        and not any(is_in_scope(route, name) for route in known)
    ]
    if unknown:
        raise UsageError(
            f"unknown route: {', '.join(unknown)}; known are {', '.join(known)}, and"
            f" {_CLASSIFIERS}* of a policy"
        )


def _expiry(text: str, now: float) -> float | None:

    if text == "never":
        return None
    if _SPAN.fullmatch(text):
        return now + _span(text)
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise UsageError(
            f'--expires must be 90d, 12h, 2w, a day such as 2027-01-31, or never; found "{text}"'
        ) from None


def _span(text: str) -> float:

    found = _SPAN.fullmatch(text)
    if found is None:
        raise UsageError(
            f'a time span must be a number and s, m, h, d or w, such as 24h; found "{text}"'
        )
    return float(found[1]) * _SECONDS[found[2]]


def _print_secret(
    record: "KeyRecord", secret: "Secret[str]", now: float, json: bool, quiet: bool
) -> None:
    if json:
        print_json(SCHEMA, {"key": _shown(record, now)}, secret=secret.reveal())
    else:
        print(secret.reveal())
    say(_line(record, now), quiet)
    say("the key was printed on standard output, this once; only its digest is kept", quiet)


def _where_it_counts(modes: tuple[str, ...] | None) -> str:
    """Whether the guard of the state accepts keys, in a sentence.

    Args:
        modes: Of the last guard that ran on it; None if none has.
    """
    if modes is None:
        return 'a guard with "keys" in [identity] modes accepts it (it is there by default)'
    if "keys" not in modes:
        return (
            f"the guard of this state does NOT accept it: its policy says modes = {list(modes)};"
            ' add "keys" to [identity] modes and start the guard again'
        )
    if "upstream" in modes:
        return (
            "a running guard accepts it within a second, and adds no credential for the upstream:"
            " one that checks credentials refuses the request. Callers with credentials of the"
            ' upstream\'s own come in too, without scopes. [identity] modes = ["keys"] lets only'
            " keys in, and lets the guard add yours (GAMEKEEPER_UPSTREAM_AUTHORIZATION)"
        )
    return "a running guard accepts it within a second"


def _shown(record: "KeyRecord", now: float) -> dict[str, Any]:
    from gamekeeper.guard.identity.key_record import public_fields

    fields = public_fields(record) | {"standing": _standing(record, now)}
    for name in ("issued_at", "since", "expires", "previous_until"):
        fields[name] = _time(fields[name])
    if fields["revoked"]:
        fields["revoked"]["at"] = _time(fields["revoked"]["at"])
    return fields


def _line(record: "KeyRecord", now: float) -> str:
    limits = {
        "requests": record.budget.requests,
        "tokens": record.budget.tokens,
        "usd": record.budget.usd,
        "new ground": record.budget.cells,
    }
    parts = [
        f"{record.id}  {record.account}  {_standing(record, now)}",
        f"models {_names(record.models)}",
        f"routes {_names(record.routes)}",
        f"expires {_time(record.expires) or 'never'}",
        *(f"{what} {limit:g} a day" for what, limit in limits.items() if limit is not None),
        *([] if record.budget.rows is None else [f"{record.budget.rows:,} encrypted rows in all"]),
        *(["bound"] if record.bound_to else []),
    ]
    return "; ".join(parts)


def _standing(record: "KeyRecord", now: float) -> str:
    if record.revoked:
        return "revoked"
    return "expired" if record.expires is not None and now >= record.expires else "active"


def _names(scope: frozenset[str] | None) -> str:
    return "all" if scope is None else " ".join(sorted(scope))


def _time(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
