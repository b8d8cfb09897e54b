"""The operations of the admin API. What blocks (store, casebook, files) leaves the event loop."""

import asyncio
from typing import Annotated, Literal

from fastapi import HTTPException, Path, Query, Response
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from sse_starlette import EventSourceResponse

from gamekeeper.base.clock import day_of
from gamekeeper.guard.admin import page
from gamekeeper.guard.admin.figures import value
from gamekeeper.guard.admin.forms import (
    AccountForm,
    CampaignsForm,
    CasebookForm,
    ChallengeOrder,
    DecisionsForm,
    EntryForm,
    Evidence,
    HeadForm,
    HealthForm,
    LiftedForm,
    MadeForm,
    Order,
    Person,
    PointForm,
    SpentForm,
    SummaryForm,
    TicketForm,
    TrafficForm,
    UpstreamForm,
    WholeCampaignForm,
    Words,
)
from gamekeeper.guard.admin.found import Found
from gamekeeper.guard.admin.listeners import Listeners, TooManyError
from gamekeeper.guard.admin.orders import is_known_subject, ordered
from gamekeeper.guard.admin.record import last_entries
from gamekeeper.guard.admin.tickets import Tickets
from gamekeeper.guard.admin.traffic import EVERY_S, Traffic
from gamekeeper.guard.admin.view import View
from gamekeeper.guard.assembly import Guard
from gamekeeper.guard.decisions.decision import Tracked
from gamekeeper.guard.store import Spent
from gamekeeper.verdict import Verdict

_REPORT_POLICY = "sandbox allow-scripts; frame-ancestors 'none'"
"""The report runs scripts of its own, so it gets an origin of its own: it cannot reach this API or
its token.
"""

Id = Annotated[str, Path(description="As the API names it.")]


class Desk:
    """The operations of the admin API, one method each.

    Args:
        guard: That is looked at.
        traffic: Its last quarter of an hour.
        listeners: Open pages.
        tickets: For pages that a browser opens itself.
        began: When looking began, epoch seconds.
    """

    def __init__(
        self, guard: Guard, traffic: Traffic, listeners: Listeners, tickets: Tickets, began: float
    ) -> None:
        self._guard = guard
        self._core = guard.core
        self._traffic = traffic
        self._listeners = listeners
        self._tickets = tickets
        self._view = View(guard, began)
        self._found = Found(guard.folder)

    async def live_page(self) -> HTMLResponse:
        """The page for people; it reads everything else with the token from the URL's fragment."""
        text, policy = page.live_page()
        return HTMLResponse(text, headers={"content-security-policy": policy})

    async def metrics(self) -> Response:
        """Metrics in Prometheus' text format."""
        return Response(self._core.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def healthz(self) -> JSONResponse:
        """Whether the guard works. 503 while requests are refused because the store cannot be
        reached, or while decisions would be ignored because the task that reads them is silent.
        `degraded` while a task is down, the store or the upstream cannot be reached, or a policy
        that was read again was refused.
        """
        health = self._health()
        return JSONResponse(health.model_dump(), 503 if health.status == "unavailable" else 200)

    async def readyz(self) -> JSONResponse:
        """Whether requests should be sent here: 503 also while the guard drains before it ends."""
        health = self._health()
        is_ready = health.status != "unavailable" and not health.draining
        return JSONResponse(health.model_dump(), 200 if is_ready else 503)

    def _health(self) -> HealthForm:
        metrics = self._core.metrics
        return HealthForm(
            status=self._status(),
            store_up=self._core.store_up,
            watching=bool(value(metrics.watching)),
            pass_failed=bool(value(metrics.pass_failed)),
            tasks_down=list(self._guard.tasks.down),
            draining=self._guard.health.draining,
            upstream=self._upstream(),
        )

    def _status(self) -> Literal["ok", "degraded", "unavailable"]:
        core = self._core
        tasks = self._guard.tasks
        is_refusing = not core.store_up and core.policy.state.when_gone == "closed"
        if is_refusing or tasks.is_silent("store"):
            return "unavailable"
        upstream = self._guard.health.upstream
        has_no_upstream = upstream is not None and not upstream.is_reachable
        is_refused = value(core.metrics.policy_refused) == 1
        is_degraded = tasks.down or has_no_upstream or not core.store_up or is_refused
        return "degraded" if is_degraded else "ok"

    def _upstream(self) -> UpstreamForm | None:
        health = self._guard.health
        if health.upstream is None or health.upstream_age_s is None:
            return None
        return UpstreamForm(
            reachable=health.upstream.is_reachable,
            last=health.upstream.outcome,
            age_s=round(health.upstream_age_s, 3),
        )

    async def grafana(self) -> JSONResponse:
        """A dashboard for Grafana that shows the metrics."""
        return JSONResponse(page.dashboard())

    async def summary(self) -> SummaryForm:
        """The state of the guard."""
        return self._summary(await asyncio.to_thread(lambda: self._found.has_report))

    async def traffic(self) -> TrafficForm:
        """The last quarter of an hour."""
        points = [PointForm(**point._asdict()) for point in self._traffic.points]
        return TrafficForm(every_s=EVERY_S, points=points)

    async def campaigns(self) -> CampaignsForm:
        """All campaigns, the newest first."""
        return CampaignsForm(campaigns=self._view.campaigns())

    async def campaign(
        self,
        id: Id,
        limit: Annotated[int, Query(ge=1, le=10_000, description="Members that are named.")] = 200,
    ) -> WholeCampaignForm:
        """A campaign with its members, and the evidence of the last pass."""
        tracked = self._core.decisions.campaigns.get(id)
        if tracked is None:
            raise HTTPException(404, f'there is no campaign "{id}"')
        evidence = await self._evidence(id)
        form = self._view.campaign(tracked, self._view.held())
        return WholeCampaignForm(
            **form.model_dump(), members=_named(tracked, limit), evidence=evidence
        )

    async def account(self, account: Id) -> AccountForm:
        """What is known about an account: the decision in force and why, what it spent today, and
        the evidence of the last pass.
        """
        spent = await asyncio.to_thread(self._spent, account)
        evidence = await self._evidence(account)
        decisions = self._view.about(account)
        campaign = self._view.campaign_of(account)
        if not (decisions or campaign or evidence or any(spent)):
            raise HTTPException(404, f'nothing is known about an account "{account}" today')
        holds = self._core.decisions.of(account, self._core.clock.now())
        return AccountForm(
            account=account,
            holds=self._view.decision(holds) if holds else None,
            would=self._view.does(holds),
            decisions=[self._view.decision(decision) for decision in decisions],
            campaign=campaign.id if campaign else None,
            joined_at=dict(campaign.joined).get(account) if campaign else None,
            spent_today=SpentForm(
                requests=spent.requests,
                tokens=spent.tokens,
                usd=spent.micro_usd / 1e6,
                cells=spent.cells,
            ),
            evidence=evidence,
        )

    async def decisions(self) -> DecisionsForm:
        """All decisions in force, the strictest first."""
        return DecisionsForm(decisions=self._view.decisions())

    async def decide(self, order: Order, response: Response) -> MadeForm:
        """Makes a decision; the same one again only moves its end, and never to an earlier time."""
        if not is_known_subject(self._core.decisions, order.subject):
            raise HTTPException(404, f"there is no {order.subject.replace(':', ' ', 1)}")
        decision = ordered(
            self._core.decisions.subject_as_charged(order.subject),
            Verdict(order.verdict),
            tuple(order.reasons),
            by=order.by,
            hours=order.hours,
            now=self._core.clock.now(),
            challenge=order.challenge if isinstance(order, ChallengeOrder) else None,
        )
        is_new = await asyncio.to_thread(self._core.decide, decision)
        response.status_code = 201 if is_new else 200
        return MadeForm(
            decision=self._view.decision(self._core.decisions.all.get(decision.id, decision)),
            is_new=is_new,
        )

    async def lift(
        self, id: Id, why: Annotated[Words, Query()], by: Annotated[Person, Query()]
    ) -> LiftedForm:
        """Lifts a decision, and all others about its subject; the guard then makes no decision
        about it for days.
        """
        decision = self._core.decisions.all.get(id)
        about = [
            d for d in self._view.held() if decision is not None and d.subject == decision.subject
        ]
        lifted = [self._view.decision(d) for d in about]
        if await asyncio.to_thread(self._core.lift, id, by, why) is None:
            raise HTTPException(404, f'there is no decision "{id}"; it may have ended')
        alone_s = self._core.policy.ladder.lifted_days * 86_400
        return LiftedForm(lifted=lifted, left_alone_until=self._core.clock.now() + alone_s)

    async def casebook(self) -> CasebookForm:
        """What was recorded last, the newest first."""
        entries = await asyncio.to_thread(last_entries, self._guard.folder / "casebook")
        head = await asyncio.to_thread(self._guard.casebook.head)
        return CasebookForm(
            entries=[EntryForm(**entry) for entry in entries],
            head=HeadForm(size=head.size, root=head.root.hex(), time=head.time),
        )

    async def events(self) -> EventSourceResponse:
        """Server-sent events: `changed`, with the parts of the page that did, and `traffic`, with a
        new point.
        """
        try:
            return self._listeners.respond()
        except TooManyError:
            raise HTTPException(
                503, "too many pages are open; close one, or try again later", {"retry-after": "10"}
            ) from None

    async def ticket(self) -> TicketForm:
        """A ticket for `/report?ticket=...`, which a browser opens without the token."""
        return TicketForm(ticket=self._tickets.draw())

    async def report(self) -> HTMLResponse:
        """The report of the last pass over recent traffic."""
        report = await asyncio.to_thread(self._found.report)
        if report is None:
            raise HTTPException(404, "no pass over recent traffic has ended yet")
        return HTMLResponse(report, headers={"content-security-policy": _REPORT_POLICY})

    def _summary(self, has_report: bool) -> SummaryForm:
        return self._view.summary(self._traffic.per_second(), has_report)

    def _spent(self, account: str) -> Spent:
        return self._guard.store.spent(day_of(self._core.clock.now())).get(account, Spent())

    async def _evidence(self, subject: str) -> Evidence | None:
        found = await asyncio.to_thread(self._found.explain, subject)
        return Evidence(**found) if found else None


def _named(tracked: Tracked, limit: int) -> list[str]:
    return sorted({*tracked.accounts, *(account for account, _ in tracked.joined)})[:limit]
