"""`gamekeeper guard`: see and slow a campaign while it runs, in front of a live API."""

from pathlib import Path
from typing import Annotated

import typer

NAME = "guard"
AUTHORIZATION = "GAMEKEEPER_UPSTREAM_AUTHORIZATION"


def run(
    upstream: Annotated[str, typer.Option(help="URL of the model API that is guarded.")],
    policy: Annotated[
        Path | None, typer.Option(help="Policy file (TOML); see docs/reference/policy.md.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8_320,
    state: Annotated[
        str | None, typer.Option(help="Folder of the guard's state; else the policy's.")
    ] = None,
    enforce: Annotated[
        bool, typer.Option("--enforce", help="Act on verdicts; else they are only recorded.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Read the policy, say what is wrong with it, and end.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say only what goes wrong.")] = False,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Guard a model API: a streaming reverse proxy that finds campaigns and, with --enforce, slows
    them.

    In dry run nothing is slowed or withheld; the page and the metrics show what would have been.
    Keys, scopes and budgets hold either way. What the upstream wants in place of its callers'
    credentials is read from the environment variable GAMEKEEPER_UPSTREAM_AUTHORIZATION.

    Examples:

      gamekeeper guard --upstream http://127.0.0.1:8000

      gamekeeper guard --upstream http://127.0.0.1:8000 --policy guard.toml --enforce
    """
    import logging
    import os
    import sys

    from gamekeeper.guard.policy import GuardPolicy, read_policy
    from gamekeeper.guard.proxy import serve
    from gamekeeper.guard.server import run as run_server

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

    def told(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    def ready(at: int, admin_url: str) -> None:
        mode = "enforcing" if read.enforce else "dry run: nothing is slowed or withheld"
        told(f"guarding {upstream} at http://{host}:{at} ({mode})\nlook at {admin_url}")

    authorization = os.environ.get(AUTHORIZATION)
    run_server(
        serve(read, upstream, host, port, authorization=authorization, told=told, ready=ready)
    )


def _require_url(upstream: str) -> None:
    from urllib.parse import urlsplit

    from gamekeeper.base.errors import UsageError

    parts = urlsplit(upstream)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(
            f'--upstream wants a URL such as http://127.0.0.1:8000, found "{upstream}"'
        )
