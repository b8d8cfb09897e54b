"""`gamekeeper encrypted serve`: answer encrypted input behind keys with a budget of rows."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gamekeeper._cli._printing import say
from gamekeeper._cli.encrypted._shared import warnings
from gamekeeper._cli.options import Host, PolicyFile, Port, Quiet, StateFolder
from gamekeeper.base.errors import UsageError

if TYPE_CHECKING:
    from gamekeeper.encrypted.compiled_model import CompiledModel
    from gamekeeper.guard.assembly import Guard
    from gamekeeper.guard.policy import GuardPolicy


def run(
    models: Annotated[
        list[Path],
        typer.Argument(help="Files that `encrypted compile` wrote; each is served by its name."),
    ],
    state: StateFolder = None,
    policy: PolicyFile = None,
    host: Host = "127.0.0.1",
    port: Port = 8_330,
    enforce: Annotated[
        bool, typer.Option("--enforce", help="Act on the guard's verdicts too.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Answer encrypted input over HTTP, behind the guard's keys, each with a hard budget of rows.

    Needs compiled models and an API key with --encrypted-rows, without which it does not start;
    extras `encrypted` and `guard`. A request is charged its rows before it is answered; a budget is
    for the whole life of a key. Runs until it is stopped.

    Examples:

      gamekeeper keys issue acme --encrypted-rows 50 --expires 90d

      gamekeeper encrypted serve scoring.he --port 8330
    """
    from gamekeeper.guard.server.http import run

    served = _read_models(models)
    read = _policy(policy, state, enforce)
    run(_serve(served, read, host, port, partial(say, quiet=quiet)))


def _read_models(paths: Sequence[Path]) -> "dict[str, CompiledModel]":
    from gamekeeper.encrypted.compiled_model import read_model

    read = [read_model(path) for path in paths]
    named = {model.description.name: model for model in read}
    if len(named) != len(read):
        raise UsageError("two models have the same name; compile one of them with --name")
    return named


def _policy(path: Path | None, state: str | None, enforce: bool) -> "GuardPolicy":
    from gamekeeper.guard.policy import GuardPolicy, Identity, read_policy

    read = read_policy(path) if path else GuardPolicy(identity=Identity(modes=("keys",)))
    if read.identity.modes != ("keys",) or read.state.redis is not None:
        raise UsageError(
            '`encrypted serve` needs identity.modes = ["keys"] and a folder of state, since budgets'
            " of rows belong to keys"
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
    narrate: Callable[[str], None],
) -> None:
    from gamekeeper.encrypted.app import EncryptedApp
    from gamekeeper.encrypted.inference_server import InferenceServer
    from gamekeeper.guard.assembly import Guard
    from gamekeeper.guard.server.http import listening
    from gamekeeper.guard.server.proxy import until_signalled

    encrypted = EncryptedApp({name: InferenceServer(model) for name, model in models.items()})
    guard = Guard(policy, on_notice=narrate)
    try:
        _require_budgets(guard, models, policy, narrate)
        await guard.start()
    except BaseException:
        guard.casebook.close()
        guard.store.close()
        raise
    try:
        async with listening(guard.encrypted_door(encrypted), host, port, policy.limits) as at:
            for name, model in models.items():
                narrate("\n".join(warnings(model)))
                narrate(f"answering {name} at http://{host}:{at}/v2/encrypted/{name}")
            await until_signalled()
    finally:
        await guard.stop()


def _require_budgets(
    guard: "Guard",
    models: "dict[str, CompiledModel]",
    policy: "GuardPolicy",
    narrate: Callable[[str], None],
) -> None:
    """Raises unless some key has a budget of rows; warns of keys whose budgets suffice to copy a
    model.
    """

    from gamekeeper.report.formatting import counted

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
            f"no key has a budget of rows, and others are not answered; make one: {issue}"
        )
    least = min(model.network.determining_rows for model in models.values())
    for id, rows in budgets.items():
        if rows >= least:
            narrate(
                f"warning: key {id} may ask {counted(rows, 'row')}, and {counted(least, 'row')} may"
                " suffice to copy a model that is served"
            )
    if (total := sum(budgets.values())) >= least:
        narrate(
            f"warning: all keys together may ask {counted(total, 'row')}; a client with several"
            " keys may combine their answers"
        )
