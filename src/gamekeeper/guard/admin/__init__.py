"""Where people look and decide: the admin API, its live page, `/metrics`, and a dashboard for
Grafana.

Nothing of this is on the path of a request. What loads slowly is loaded when the app is made, so
that the command line can use `orders` alone.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

from gamekeeper.base.errors import MissingExtraError

if TYPE_CHECKING:
    from gamekeeper.guard.admin.app import Admin
    from gamekeeper.guard.assembly import Guard

__all__ = ["admin_app", "admin_page", "admin_url"]


def admin_app(guard: "Guard", names: Collection[str] = ()) -> "Admin":
    """Returns the admin API of a guard, an ASGI app; `close()` it before its server is shut down.

    Args:
        guard: That is looked at.
        names: Host names it is reached by, besides loopback names, addresses and the policy's
            `[admin] host`.

    Raises:
        InputError: The token in the state folder cannot be used.
        MissingExtraError: FastAPI is not installed.
    """
    try:
        from gamekeeper.guard.admin.app import Admin
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("gamekeeper"):
            raise
        raise MissingExtraError("the admin API", "guard") from missing
    return Admin(guard, names)


def admin_url(guard: "Guard", port: int) -> str:
    """Returns the URL of the live page, with the token in its fragment, which browsers send to
    nobody.

    Args:
        guard: That is looked at.
        port: That its admin server listens on.
    """
    from gamekeeper.guard.admin.token import admin_token

    return f"{_address(guard, port)}#token={admin_token(guard.folder)}"


def admin_page(guard: "Guard", port: int, *, with_token: bool) -> str:
    """Returns where the live page is, for people.

    Args:
        guard: That is looked at.
        port: That its admin server listens on.
        with_token: Whether the token is in it; else the path of its file is. A log is read and kept
            by many: the token is for a terminal only.
    """
    from gamekeeper.guard.admin.token import FILE, admin_token

    if with_token:
        return admin_url(guard, port)
    admin_token(guard.folder)  # so that the file is there
    return f"{_address(guard, port)} (its token is in {guard.folder / FILE})"


def _address(guard: "Guard", port: int) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(
        guard.policy.admin.host, guard.policy.admin.host
    )
    in_url = f"[{host}]" if ":" in host else host
    return f"http://{in_url}:{port}/"
