"""The forms of requests and answers of the admin API, which make its OpenAPI schema."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gamekeeper.guard.admin.orders import MOST_HOURS, NOT_A_PERSON

_SAYS = r"[^\s\x00-\x1f\x7f]"  # at least one character that can be seen
Words = Annotated[str, Field(min_length=1, max_length=1_000, pattern=_SAYS)]
Person = Annotated[
    str,
    Field(
        min_length=1,
        max_length=120,
        pattern=_SAYS,
        json_schema_extra={"not": {"enum": [NOT_A_PERSON]}},
    ),
]
Subject = Annotated[str, Field(max_length=1_000, pattern=rf"^(account|campaign):{_SAYS}")]


class Error(BaseModel):
    """What went wrong: a word for programs, a sentence for people."""

    code: str
    message: str


class ErrorForm(BaseModel):
    """The one form of every error."""

    error: Error


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    subject: Subject = Field(
        description=(
            "`account:NAME`, or `campaign:ID` for its members; accounts that only joined it are at"
            " most watched."
        )
    )
    hours: float = Field(gt=0, le=MOST_HOURS, description="How long it is in force.")
    reasons: list[Words] = Field(min_length=1, max_length=20, description="Why, in words.")
    by: Person = Field(description="Who decides.")

    @field_validator("by")
    @classmethod
    def _is_a_person(cls, by: str) -> str:
        if by == NOT_A_PERSON:
            raise ValueError(f'"{NOT_A_PERSON}" is the guard itself; give your own name')
        return by


class PlainOrder(_Order):
    """A decision to make that asks nothing of the account."""

    verdict: Literal["watch", "slow", "limit", "deny"]


class ChallengeOrder(_Order):
    """A decision to make that asks the account for a proof."""

    verdict: Literal["challenge"]
    challenge: Literal["proof", "reauthenticate"] = "proof"


Order = Annotated[PlainOrder | ChallengeOrder, Field(discriminator="verdict")]


class DecisionForm(BaseModel):
    """A decision in force. Times are epoch seconds.

    `accounts` is how many accounts it is about; `is_enforced` whether it is enforced, or only
    recorded (dry run).
    """

    id: str
    subject: str
    verdict: str
    reasons: list[str]
    innocent: list[str]
    since: float
    until: float
    by: str
    challenge: str | None
    way_back: str
    accounts: int
    is_enforced: bool


class DecisionsForm(BaseModel):
    """All decisions in force, the strictest first."""

    decisions: list[DecisionForm]


class MadeForm(BaseModel):
    """A decision that is in force now; `is_new` is false if it was in force before, and at most its
    end was moved.
    """

    decision: DecisionForm
    is_new: bool


class LiftedForm(BaseModel):
    """The decisions that were lifted: all of one subject. The guard leaves it alone until
    `left_alone_until`.
    """

    lifted: list[DecisionForm]
    left_alone_until: float


class Joined(BaseModel):
    """An account that joined a campaign by its opening: it uses the template, and is watched."""

    account: str
    at: float
    verdict: Literal["watch"] = "watch"


class CampaignForm(BaseModel):
    """A campaign. `found` and `last_found`: when a pass first and last found it.

    `joined` are accounts that use its template, the last of `joined_accounts`: whatever is decided
    about the campaign, they are watched until a pass finds them by their own evidence.
    """

    id: str
    verdict: str
    p_benign: float | None
    families: list[str]
    reasons: list[str]
    innocent: list[str]
    accounts: int
    exchanges: int
    found: float
    last_found: float
    pivot: str | None
    joined: list[Joined]
    joined_accounts: int
    decisions: list[DecisionForm]


class CampaignsForm(BaseModel):
    """All campaigns, the newest first; of the accounts that joined, the last few."""

    campaigns: list[CampaignForm]


class Reading(BaseModel):
    """A measurement, and what it was ranked against."""

    family: str | None
    signal: str | None
    value: float | None
    unit: str | None
    ordinary: float | None
    ordinary_high: float | None
    p_value: float | None
    decoys: int | None
    says: str | None
    counts: bool | None


class Link(BaseModel):
    """Two accounts that are linked."""

    a: str | None
    b: str | None
    family: str | None
    exchanges: float | None


class Example(BaseModel):
    """An exchange that links accounts; without text where the guard stores none."""

    account: str | None
    time: str | None
    model: str | None
    system: str | None
    prompt: str | None


class Evidence(BaseModel):
    """What the last pass measured."""

    p_benign: float | None
    exchanges: int
    campaign: str | None
    fragments: list[str]
    readings: list[Reading]
    links: list[Link]
    examples: list[Example]
    redacted: bool


class WholeCampaignForm(CampaignForm):
    """A campaign with its members, sorted by name, and the evidence of the last pass."""

    members: list[str]
    evidence: Evidence | None


class SpentForm(BaseModel):
    """What an account spent today (UTC)."""

    requests: int
    tokens: int
    usd: float
    cells: int


class AccountForm(BaseModel):
    """What is known of an account. `holds` is the strongest decision; `would` what it leads to, in
    words. `joined_at`: when it joined the campaign by its opening and was watched from then on;
    null for a member.
    """

    account: str
    holds: DecisionForm | None
    would: str
    decisions: list[DecisionForm]
    campaign: str | None
    joined_at: float | None
    spent_today: SpentForm
    evidence: Evidence | None


class PointForm(BaseModel):
    """What happened in a few seconds that ended `at`."""

    at: float
    seconds: float
    actions: dict[str, int]
    would: dict[str, int]
    refused: int
    exchanges: int


class TrafficForm(BaseModel):
    """The last quarter of an hour, the oldest point first."""

    every_s: float
    points: list[PointForm]


class EntryForm(BaseModel):
    """An entry of the casebook."""

    index: int
    time: str
    kind: str
    subject: str
    body: dict[str, Any]


class HeadForm(BaseModel):
    """How long the casebook is, and the root over it, as of now."""

    size: int
    root: str
    time: str


class CasebookForm(BaseModel):
    """The last entries, the newest first."""

    entries: list[EntryForm]
    head: HeadForm


class TicketForm(BaseModel):
    """Opens a page once, within a minute."""

    ticket: str


class SummaryForm(BaseModel):
    """The state of the guard. `next_pass` is when the next pass is due, given enough traffic."""

    version: str
    enforce: bool
    now: float
    began: float
    requests_per_s: float
    exchanges: int
    exchanges_wanted: int
    unwatched: int
    campaigns: int
    campaign_accounts: int
    decisions: int
    accounts_in_memory: int
    store_up: bool
    watching: bool
    last_pass: float | None
    last_pass_s: float | None
    next_pass: float
    clock_off_s: float
    has_report: bool
    highest: str
    hours: float
    when_gone: str


class UpstreamForm(BaseModel):
    """How the last request to the upstream ended: `last` is the class of its status, such as `2xx`,
    or how it failed; `age_s` how long ago that was.
    """

    reachable: bool
    last: str
    age_s: float


class HealthForm(BaseModel):
    """Whether requests are served, whether traffic is linked, and which tasks are down. `upstream`
    is null before the first request.
    """

    status: Literal["ok", "degraded", "unavailable"]
    store_up: bool
    watching: bool
    pass_failed: bool
    tasks_down: list[str]
    draining: bool
    upstream: UpstreamForm | None
