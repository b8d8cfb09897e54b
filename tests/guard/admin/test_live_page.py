"""The live page in a real browser; `make test-all` installs one."""

import asyncio
import shutil
from pathlib import Path

import pytest

from gamekeeper.guard.admin import admin_url
from guard.admin.test_api import HOSTILE, desk
from guard.builders import make_tracked


@pytest.mark.browser
def test_a_person_sees_a_campaign_reads_why_and_lifts_the_decision(tmp_path: Path) -> None:
    """It appears without reloading; lifted, it is gone from the store and on record; no markup in a
    name runs.
    """
    playwright = pytest.importorskip("playwright.async_api")
    chromium = shutil.which("chromium")
    assert chromium, "no chromium: make test-all installs it where apt-get works"

    async def does() -> None:
        async with desk(tmp_path / "state") as it, playwright.async_playwright() as started:
            browser = await started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = await browser.new_page()
            faults: list[str] = []
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("dialog", lambda dialog: faults.append("a script in a name ran"))
            await page.goto(admin_url(it.guard, int(it.url.rpartition(":")[2])))
            await page.get_by_text("No campaign yet").wait_for()
            assert "token" not in page.url

            await asyncio.to_thread(
                it.guard.core.track, [make_tracked("K1", (HOSTILE, "b"), reasons=(HOSTILE,))]
            )
            card = page.locator("article[data-campaign=K1]")
            await card.wait_for()
            assert "onerror=alert(1)" in await card.inner_text()
            assert await page.locator("#campaigns img").count() == 0

            await card.get_by_role("button", name="Lift it").click()
            await page.fill("#why", "a class")
            await page.fill("#by", "bo")
            await page.get_by_role("button", name="Lift the decision", exact=True).click()
            await page.get_by_text("No decision holds", exact=True).wait_for()

            assert it.guard.store.load("decisions") == {}
            last = (await it.ask("/api/casebook"))[1]["entries"][0]
            assert (last["kind"], last["body"]["by"], last["body"]["why"]) == (
                "decision-lifted",
                "bo",
                "a class",
            )
            assert faults == []
            await browser.close()

    asyncio.run(does())
