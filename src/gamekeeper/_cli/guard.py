"""`gamekeeper guard`: see and slow a campaign while it runs, in front of a live API."""

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from gamekeeper._cli._printing import say
from gamekeeper._cli.options import Host, PolicyFile, Port, Quiet, StateFolder
from gamekeeper.base.errors import UsageError

if TYPE_CHECKING:
    from gamekeeper.guard.policy import GuardPolicy

NAME = "guard"


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
    metrics show what would have been. Credentials, scopes and budgets are enforced either way.
    Callers come in with keys of `gamekeeper keys`, or with credentials that the upstream checks
    itself. Where the upstream needs a credential of yours instead, put it into the environment
    variable GAMEKEEPER_UPSTREAM_AUTHORIZATION ("Bearer ...", or "x-api-key: ...") and set
    [identity] modes = ["keys"]. SIGHUP reads the policy again; SIGTERM lets requests under way end.

    Examples:

      gamekeeper guard --upstream http://127.0.0.1:8000

      gamekeeper guard --upstream http://127.0.0.1:8000 --policy guard.toml --check

      gamekeeper guard --upstream http://127.0.0.1:8000 --policy guard.toml --enforce
    """
    from gamekeeper.guard.policy.closed import authorization_of
    from gamekeeper.guard.server.http import run as run_server
    from gamekeeper.guard.server.proxy import serve

    authorization = authorization_of()
    read_again = partial(_read, policy, state, enforce, authorization)
    read = read_again()
    _require_url(upstream)
    if urlsplit(upstream).path.rstrip("/").endswith("/v1"):
        say(
            f"the path of {upstream} is put before every request's own: /v1/models goes to"
            " /v1/v1/models there. Leave /v1 out unless callers do",
            quiet,
        )
    if check:
        _check(read, policy)
        return
    logging.basicConfig(
        level=logging.ERROR if quiet else logging.WARNING, format="%(levelname)s %(message)s"
    )

    def on_ready(at: int, admin_url: str) -> None:
        mode = "enforcing" if read.enforce else "dry run: nothing is slowed or withheld"
        say(f"guarding {upstream} at http://{host}:{at} ({mode})\nlook at {admin_url}", quiet)

    narrate = partial(say, quiet=quiet)
    run_server(
        serve(
            read,
            upstream,
            host,
            port,
            authorization=authorization,
            read_policy=read_again,
            on_notice=narrate,
            on_ready=on_ready,
        )
    )


def _read(
    path: Path | None, state: str | None, enforce: bool, authorization: str | None
) -> "GuardPolicy":
    """The policy with what the command line changes of it; also each time it is read again."""
    from gamekeeper.guard.identity.entrance import require_known
    from gamekeeper.guard.policy import GuardPolicy, read_policy

    read = read_policy(path) if path else GuardPolicy()
    read = read.model_copy(update={"enforce": read.enforce or enforce})
    if state is not None:
        read = read.model_copy(update={"state": read.state.model_copy(update={"folder": state})})
    require_known(read, authorization, path)
    if "host" in read.identity.modes:
        raise UsageError(
            'identity mode "host" is for the middleware inside a server of yours: here nobody'
            ' would say who asks; set [identity] modes = ["keys"]'
        )
    return read


def _check(read: "GuardPolicy", path: Path | None) -> None:
    from gamekeeper.guard.identity.entrance import require_usable

    require_usable(read)
    print(f"{path or 'the default policy'}: no faults")


def _require_url(upstream: str) -> None:
    parts = urlsplit(upstream)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(
            f'--upstream must be a URL such as http://127.0.0.1:8000; found "{upstream}"'
        )
