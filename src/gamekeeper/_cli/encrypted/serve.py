"""`gamekeeper encrypted serve`: answer encrypted input behind keys with a budget of rows."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamekeeper._cli.encrypted._shared import Debug, Quiet, warnings

if TYPE_CHECKING:
    from gamekeeper.encrypted.model import CompiledModel
    from gamekeeper.guard.assembly import Guard
    from gamekeeper.guard.policy import GuardPolicy


def run(
    models: Annotated[
        list[Path],
        typer.Argument(help="Files that `he compile` wrote; each is served by its name."),
    ],
    state: Annotated[
        str | None,
        typer.Option(help="Folder of the guard's state, with its keys; else the policy's."),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Policy file of the guard; see docs/reference/policy.md.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8_330,
    enforce: Annotated[
        bool, typer.Option("--enforce", help="Act on the guard's verdicts too.")
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Answer encrypted input over HTTP, behind the guard's keys and a hard budget of rows each.

    Only keys with a budget of rows are answered, and without one such key it does not start. A
    request is charged the rows that it asks for before it is answered; budgets are for a key's
    whole life.

    Examples:

      gamekeeper keys issue acme --encrypted-rows 50 --expires 90d

      gamekeeper encrypted serve scoring.he --port 8330
    """
    import sys

    from gamekeeper.guard.server import run

    served = _read_models(models)
    read = _policy(policy, state, enforce)

    def told(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    run(_serve(served, read, host, port, told))


def _read_models(paths: Sequence[Path]) -> "dict[str, CompiledModel]":
    from gamekeeper.base.errors import UsageError
    from gamekeeper.encrypted.model import read_model

    read = [read_model(path) for path in paths]
    named = {model.description.name: model for model in read}
    if len(named) != len(read):
        raise UsageError("two models have one name; compile one of them with --name")
    return named


def _policy(path: Path | None, state: str | None, enforce: bool) -> "GuardPolicy":
    from gamekeeper.base.errors import UsageError
    from gamekeeper.guard.policy import GuardPolicy, Identity, read_policy

    read = read_policy(path) if path else GuardPolicy(identity=Identity(modes=("keys",)))
    if read.identity.modes != ("keys",) or read.state.redis is not None:
        raise UsageError(
            '`he serve` wants identity.modes = ["keys"], and a folder of state: budgets of rows are'
            " its keys'"
        )
    folder = {"folder": state} if state is not None else {}
    return read.model_copy(
        update={"enforce": read.enforce or enforce, "state": read.state.model_copy(update=folder)}
    )


async def _serve(
    models: "dict[str, CompiledModel]",
    policy: "GuardPolicy",
    host: str,
    port: int,
    told: Callable[[str], None],
) -> None:
    from gamekeeper.encrypted.app import EncryptedApp
    from gamekeeper.encrypted.server import Server
    from gamekeeper.guard.assembly import Guard
    from gamekeeper.guard.proxy import until_signalled
    from gamekeeper.guard.server import listening

    encrypted = EncryptedApp({name: Server(model) for name, model in models.items()})
    guard = Guard(policy, told=told)
    try:
        _require_budgets(guard, models, policy, told)
        await guard.start()
    except BaseException:
        guard.casebook.close()
        guard.store.close()
        raise
    try:
        async with listening(guard.encrypted_door(encrypted), host, port, policy.limits) as at:
            for name, model in models.items():
                told("\n".join(warnings(model)))
                told(f"answering {name} at http://{host}:{at}/v2/encrypted/{name}")
            await until_signalled()
    finally:
        await guard.stop()


def _require_budgets(
    guard: "Guard",
    models: "dict[str, CompiledModel]",
    policy: "GuardPolicy",
    told: Callable[[str], None],
) -> None:
    """Raises unless some key has a budget of rows; names the keys whose budgets would let them copy
    a model.
    """
    from gamekeeper.base.errors import UsageError

    records = (
        []
        if guard.keys is None
        else [record for record in guard.keys.list() if record.revoked is None]
    )
    budgets = {
        record.id: record.budget.rows for record in records if record.budget.rows is not None
    }
    if not budgets:
        issue = f"gamekeeper keys issue ACCOUNT --encrypted-rows ROWS --state {policy.state.folder}"
        raise UsageError(
            f"no key has a budget of rows, and none is answered without; make one: {issue}"
        )
    least = min(model.network.determining_rows for model in models.values())
    for id, rows in budgets.items():
        if rows >= least:
            told(
                f"warning: key {id} may ask {rows:,} rows, and {least:,} determine a model that is"
                " served"
            )
    if (total := sum(budgets.values())) >= least:
        told(
            f"warning: all keys together may ask {total:,} rows; whoever holds several may put"
            " answers together"
        )
