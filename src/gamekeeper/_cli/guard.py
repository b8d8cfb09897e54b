"""`gamekeeper guard`: see and slow a campaign while it runs, in front of a live API."""

import logging
import os
from functools import partial
from typing import Annotated
from urllib.parse import urlsplit

import typer

from gamekeeper._cli._printing import say
from gamekeeper._cli.options import Host, PolicyFile, Port, Quiet, StateFolder
from gamekeeper.base.errors import UsageError

NAME = "guard"
AUTHORIZATION = "GAMEKEEPER_UPSTREAM_AUTHORIZATION"


def run(
    upstream: Annotated[str, typer.Option(help="URL of the model API to guard.")],
    policy: PolicyFile = None,
    host: Host = "127.0.0.1",
    port: Port = 8_320,
    state: StateFolder = None,
    enforce: Annotated[
        bool, typer.Option("--enforce", help="Act on verdicts; else they are only recorded.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Check the policy, say what is wrong with it, and exit.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Guard a live model API: find campaigns and slow them.

    Needs the URL of the API; extra `guard`. A streaming reverse proxy, which runs until it is
    stopped. Without --enforce it is a dry run: nothing is slowed or withheld; the page and the
    metrics show what would have been. Keys, scopes and budgets are enforced either way. The
    credentials that the upstream expects in place of the callers' own are read from the environment
    variable GAMEKEEPER_UPSTREAM_AUTHORIZATION.

    Examples:

      gamekeeper guard --upstream http://127.0.0.1:8000

      gamekeeper guard --upstream http://127.0.0.1:8000 --policy guard.toml --check

      gamekeeper guard --upstream http://127.0.0.1:8000 --policy guard.toml --enforce
    """
    from gamekeeper.guard.policy import GuardPolicy, read_policy
    from gamekeeper.guard.server.http import run as run_server
    from gamekeeper.guard.server.proxy import serve

    read = read_policy(policy) if policy else GuardPolicy()
    read = read.model_copy(update={"enforce": read.enforce or enforce})
    if state is not None:
        read = read.model_copy(update={"state": read.state.model_copy(update={"folder": state})})
    _require_url(upstream)
    if check:
        print(f"{policy or 'the default policy'}: no faults")
        return
    logging.basicConfig(
        level=logging.ERROR if quiet else logging.WARNING, format="%(levelname)s %(message)s"
    )

    def on_ready(at: int, admin_url: str) -> None:
        mode = "enforcing" if read.enforce else "dry run: nothing is slowed or withheld"
        say(f"guarding {upstream} at http://{host}:{at} ({mode})\nlook at {admin_url}", quiet)

    authorization = os.environ.get(AUTHORIZATION)
    narrate = partial(say, quiet=quiet)
    run_server(
        serve(
            read,
            upstream,
            host,
            port,
            authorization=authorization,
            on_notice=narrate,
            on_ready=on_ready,
        )
    )


def _require_url(upstream: str) -> None:
    parts = urlsplit(upstream)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(
            f'--upstream must be a URL such as http://127.0.0.1:8000; found "{upstream}"'
        )
