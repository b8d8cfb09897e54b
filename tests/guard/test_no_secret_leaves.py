"""Accounts, prompts, models and agents that hold keys: no file, page, log, metric or span shows one."""

import asyncio
import logging
import random
import string
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gamekeeper.base.errors import UsageError
from gamekeeper.guard.admin import admin_app, admin_url
from gamekeeper.guard.assembly import Guard
from gamekeeper.guard.identity.keys import Keys
from gamekeeper.guard.policy import GuardPolicy, Identity, State
from gamekeeper.guard.server.http import listening
from gamekeeper.guard.store import SqliteStore
from guard.doors.apis import CHAT
from guard.doors.model_server import ModelServer, served

FORMS = ("gk_abcdefghijkl_{}", "sk-{}", " sk-{}", "Bearer {}", "hf_{}", "{}")
SEEN = 10
PAGES = ("summary", "traffic", "campaigns", "decisions", "casebook")


def secret_of(number: int) -> str:
    rng = random.Random(f"guard {number}")
    return "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(40))


def seen_in(text: str, secrets: list[str]) -> list[str]:
    return [one for one in secrets if any(one[at : at + SEEN] in text for at in range(31))]


async def ask(url: str, account: str, secret: str) -> int:
    body = CHAT.body | {
        "model": f"ft:{secret}",
        "messages": [
            {"role": "system", "content": f"api_key={secret}"},
            {"role": "user", "content": f"My key is sk-{secret}: what is new?"},
        ],
    }
    headers = {"x-account": account, "user-agent": f"sdk {secret}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url + CHAT.path, json=body, headers=headers) as answer,
    ):
        await answer.read()
        return answer.status


def account_of(scope: Any) -> str | None:
    return dict(scope["headers"]).get(b"x-account", b"").decode() or None


def test_guard_stores_logs_and_shows_no_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the app in front takes for the account."""
    secrets = [secret_of(number) for number in range(len(FORMS))]
    shown: list[str] = []

    async def run() -> None:
        policy = GuardPolicy(
            enforce=True, identity=Identity(modes=("host",)), state=State(folder=str(tmp_path))
        )
        guard = Guard(policy, on_notice=shown.append)
        await guard.start()
        admin = admin_app(guard)
        token = admin_url(guard, 1).partition("#token=")[2]
        door = guard.door(ModelServer(), account_of)
        async with served(door) as url, listening(admin, "127.0.0.1", 0, policy.limits) as port:
            for form, secret in zip(FORMS, secrets, strict=True):
                assert await ask(url, form.format(secret), secret) == 200
            headers = {"authorization": f"Bearer {token}"}
            async with aiohttp.ClientSession(headers=headers) as session:
                for page in PAGES:
                    async with session.get(f"http://127.0.0.1:{port}/api/{page}") as answer:
                        assert answer.status == 200, page
                        shown.append(await answer.text())
        admin.close()
        await guard.stop()

    with caplog.at_level(logging.DEBUG, logger="gamekeeper"):
        asyncio.run(run())
    files = {
        path.name: path.read_bytes().decode("latin-1")
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert any("what is new?" in text for text in files.values()), sorted(files)
    assert not {name for name, text in files.items() if seen_in(text, secrets)}
    assert not seen_in("\n".join(shown), secrets)
    assert not seen_in(caplog.text, secrets)


@pytest.mark.parametrize("form", FORMS[:-1])
def test_key_is_not_issued_to_an_account_that_looks_like_one(tmp_path: Path, form: str) -> None:
    """It would be in every list; the message does not repeat it."""
    keys = Keys(SqliteStore(tmp_path / "guard.sqlite"), lambda: 1_795_000_000.0)
    with pytest.raises(UsageError, match="looks like a key") as raised:
        keys.issue(form.format(secret_of(1)))
    assert not seen_in(str(raised.value), [secret_of(1)])


def test_decision_about_a_masked_account_meets_its_requests(tmp_path: Path) -> None:
    """An operator names the account as the app charges it."""
    policy = GuardPolicy(
        enforce=True, identity=Identity(modes=("host",)), state=State(folder=str(tmp_path))
    )
    guard = Guard(policy, on_notice=lambda text: None)
    name = FORMS[1].format(secret_of(2))
    subject = guard.core.decisions.subject_as_charged(f"account:{name}")
    assert subject == f"account:{guard.mask.mask(name)}"
    assert not seen_in(subject, [secret_of(2)])
    guard.casebook.close()
    guard.store.close()
