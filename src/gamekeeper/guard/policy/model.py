"""The policy as data; every field has a default that a first day in dry run can live with."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, field_validator

from gamekeeper.verdict import Verdict

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Family = Literal["content", "shape", "elicitation", "rhythm", "infrastructure", "pivot"]
Path = Annotated[str, Field(pattern=r"^/[^\s?#]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ClassifierApi(_Part):
    """A classifier that answers JSON; places in a document are named by dotted paths.

    Args:
        path: Of the operation, such as `/score`.
        rows: Where the inputs are in the request.
        scores: Where the scores of each input are in the answer.
        label: Where the label is, if the answer has one.
        model: Name of the model, for scopes and prices.
        features: Names of an input's numbers in their order, where inputs are objects. Say them:
            else somebody may add a number that the model ignores, to be given another draw of keyed
            noise.
        classes: Labels in the order of the scores, so that `label` agrees with what a defence puts
            first.
        fields: Other fields of the request that are passed on; all that are not named are refused.
    """

    path: Path
    rows: str = "instances"
    scores: str = "predictions"
    label: str | None = None
    model: str | None = None
    features: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None
    fields: tuple[str, ...] = ()


class Issuer(_Part):
    """Whose tokens (OIDC, JWT) are accepted.

    Args:
        issuer: The `iss` claim, exactly.
        audience: The `aud` claim.
        jwks: File or URL of the issuer's keys.
        account_claim: Claim that names who is charged.
        models_claim: Claim that lists models, if tokens are scoped by it.
        routes_claim: Claim that lists routes, if tokens are scoped by it.
        algorithms: Signatures that are accepted.
        max_age_s: Oldest token that is accepted, by its `iat`.
        account_prefix: Put before account names, so that those of two issuers, or of tokens and
            keys, differ; if not given, the issuer and a bar where there are several issuers or keys
            are accepted too, else nothing.
    """

    issuer: str
    audience: str
    jwks: str
    account_claim: str = "sub"
    models_claim: str | None = None
    routes_claim: str | None = None
    algorithms: tuple[Literal["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"], ...] = (
        "ES256",
        "RS256",
    )
    max_age_s: Positive = 86_400
    account_prefix: str | None = None


class DayBudget(_Part):
    """What every account of an issuer or of the upstream may use up in a day; keys have budgets of
    their own.

    Args:
        requests: Requests answered.
        tokens: Input and output tokens.
        usd: Dollars, by `prices`.
        new_ground: Cells of the space of inputs that it had not touched before.
    """

    requests: Count | None = None
    tokens: Count | None = None
    usd: Positive | None = None
    new_ground: Count | None = None


class Identity(_Part):
    """Who is charged. What a client calls itself is never used.

    Args:
        modes: `keys`: those of `gamekeeper keys`; `jwt`: tokens of `issuers`; `upstream`: a digest
            of the credential that the upstream itself checks; `host`: the app around the middleware
            says. Where the guard adds a credential of yours (`GAMEKEEPER_UPSTREAM_AUTHORIZATION`)
            nobody checks the callers' own, and `upstream` is refused.
        issuers: Whose tokens are accepted.
        dpop: Whether tokens must be bound to their sender (RFC 9449).
        dpop_nonce: Ask for a nonce of ours in every proof.
        origin: Where clients reach this API, such as `https://api.example.com`; proofs must be made
            for it.
        budget: Of accounts that have no key of ours.
        trusted_proxies: Networks whose `x-forwarded-for` is believed.
        client_header: Header in which a trusted proxy says the TLS fingerprint; else the user agent
            is used.
        country_header: Header in which a trusted proxy says the country, two letters.
        asn_header: Header in which a trusted proxy says the network's number.
        access: A Cedar policy file; else scopes of the key decide.
    """

    modes: Annotated[
        tuple[Literal["keys", "jwt", "upstream", "host"], ...], Field(min_length=1)
    ] = ("keys", "upstream")
    issuers: tuple[Issuer, ...] = ()
    dpop: Literal["off", "optional", "required"] = "optional"
    dpop_nonce: bool = False
    origin: str | None = None
    budget: DayBudget = DayBudget()
    trusted_proxies: tuple[str, ...] = ()
    client_header: str | None = None
    country_header: str | None = None
    asn_header: str | None = None
    access: str | None = None

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ip_network(network)
        return value

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """`trusted_proxies`, parsed."""
        return tuple(map(ip_network, self.trusted_proxies))


class Limits(_Part):
    """What one request may take.

    Args:
        body_bytes: Largest request body of a route that is judged.
        upload_bytes: Largest request body of one that is passed without judgement.
        answer_bytes: Largest whole answer of an account that is limited; it is held to be stripped.
        event_bytes: Largest event of a stream.
        receive_s: A request body must have come by then.
        connect_s: The upstream must have accepted by then.
        answer_s: The upstream must have begun to answer by then.
        idle_s: Longest pause inside an answer that has begun.
        drain_s: Requests that are under way when the guard is asked to end have so long; what they
            cost until then is counted.
        accounts: Accounts whose state is kept in memory; the longest idle give way.
        connections: Connections at once, to clients.
    """

    body_bytes: Count = 4 << 20
    upload_bytes: Count = 64 << 20
    answer_bytes: Count = 32 << 20
    event_bytes: Count = 1 << 20
    receive_s: Positive = 30
    connect_s: Positive = 5
    answer_s: Positive = 600
    idle_s: Positive = 120
    drain_s: Positive = 25
    accounts: Count = 1_000_000
    connections: Count = 4_096


class Slowed(_Part):
    """What `slow` does to an account: two token buckets, one for its pace and one for its day.

    A campaign over 25,000 accounts asks 26 times a day with each: only the bucket of the day has
    an effect.

    Args:
        requests_per_minute: Rate that the bucket of its pace refills at.
        burst: Requests that may come at once.
        requests_per_day: Rate, and size, of the bucket of its day.
        wait_s: Longest delay; beyond it the answer is 429 with `retry-after`.
    """

    requests_per_minute: Positive = 6
    burst: Count = 3
    requests_per_day: Positive = 10
    wait_s: Annotated[float, Field(ge=0)] = 5


class Limited(_Part):
    """What `limit` takes away, besides what `slow` does.

    Args:
        logprobs: Withhold log-probabilities.
        logit_bias: Withhold logit bias.
        choices: Answers to one input, at most.
        reasoning: Withhold reasoning traces.
        scores: Defence for classifiers' scores, see `gamekeeper list defences`; empty for none.
        parameters: Its parameters.
        decimals: Decimals of embedding numbers; None leaves them.
    """

    logprobs: bool = True
    logit_bias: bool = True
    choices: Count | None = 1
    reasoning: bool = True
    scores: str = "labels-only"
    parameters: dict[str, float] = Field(default_factory=dict)
    decimals: Annotated[int, Field(ge=0, le=8)] | None = 2


class Allow(_Part):
    """What requests may hold beyond what each API is known to take, by the name of its route.

    A field that the guard does not know might hold the question, or choose another model: what is
    judged would not be what is answered. Name here what your server takes besides.

    Args:
        fields: Body fields by route, such as `"openai.chat" = ["documents", "messages.blocks"]`.
        parameters: Query parameters by route.
        headers: Request headers, in lower case, that are passed on besides the usual ones.
        unknown: What happens to fields and parameters that are not known: the request is refused,
            or they are taken out and named in the answer's header `x-gamekeeper-dropped`. Unknown
            headers are always taken out.
    """

    fields: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    parameters: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    headers: tuple[Annotated[str, Field(pattern=r"^[a-z0-9-]+$")], ...] = ()
    unknown: Literal["refuse", "drop"] = "refuse"


class PassedApi(_Part):
    """An API whose requests are passed on without judgement, after authentication.

    Decisions, scopes and budgets hold for it as for every other.

    Args:
        requests: Requests a day that each account may send to it; None for no limit of its own.
    """

    requests: Count | None = None


class Upstream(_Part):
    """The model server behind the guard.

    Args:
        ask_usage: Ask for the token counts of streams that would not state them, and take them out
            of the answer again. Turn it off for a server that refuses `stream_options`; tokens are
            then estimated.
    """

    ask_usage: bool = True


class Ladder(_Part):
    """What verdicts lead to.

    Args:
        highest: The most that the guard decides by itself; people may decide more.
        corroborated_by: Families of evidence, one of which an account must show itself before the
            guard does more than watch it by itself. Tenants of one product share its template
            (shape), its subject (content) and its machine's habits (rhythm), so that these three
            together can have one innocent cause. Empty: any two families will do.
        hours: How long a decision holds unless it is renewed.
        lifted_days: How long the guard leaves alone what a person has lifted.
        slow: What `slow` does.
        limit: What `limit` takes away.
        proof_s: Work that `challenge` asks for, in seconds of one core of a client.
        proof_requests: Requests that one proof opens.
        step_up: Signals of a stolen key within a day that ask its owner to sign in again; 0, none
            but a proof of possession that does not fit. How often two of them err:
            docs/measurements/stolen-keys.md.
    """

    highest: Verdict = Verdict.LIMIT
    corroborated_by: tuple[Family, ...] = ("elicitation", "infrastructure", "pivot")
    hours: Positive = 48
    lifted_days: Positive = 30
    slow: Slowed = Slowed()
    limit: Limited = Limited()
    proof_s: Positive = 2
    proof_requests: Count = 20
    step_up: Annotated[int, Field(ge=0)] = 2

    @field_validator("highest", mode="before")
    @classmethod
    def _by_name(cls, value: object) -> object:
        return Verdict(value) if isinstance(value, str) else value


class Watch(_Part):
    """How campaigns are looked for.

    Args:
        every_s: Pause between two passes over recent traffic.
        days: Days of traffic that are looked at.
        keep_days: Days of traffic that are kept on disk; 0 keeps none, and a restart forgets.
        keep_bytes: Most bytes of traffic that are kept on disk. The oldest days go first; when one
            day takes them all, the rest of it is not kept, which log and metrics say.
        encoder: Content encoder; see `gamekeeper list encoders`.
        false_discovery_rate: Share of raised campaigns that may be ordinary groups.
        min_accounts: Members that a campaign must have.
        max_sample: Exchanges that are compared with each other.
    """

    every_s: Positive = 300
    days: Count = 14
    keep_days: Annotated[int, Field(ge=0)] = 30
    keep_bytes: Annotated[int, Field(ge=1 << 20)] = 10 << 30
    encoder: str = "auto"
    false_discovery_rate: Annotated[float, Field(gt=0, lt=1)] = 0.01
    min_accounts: Annotated[int, Field(ge=5)] = 8
    max_sample: Annotated[int, Field(ge=1_000)] = 100_000


class State(_Part):
    """Where keys, decisions and counters are kept.

    Args:
        folder: Of keys, decisions, counters, casebook and traffic.
        redis: `redis://HOST/DB` where replicas share keys, decisions and counters; else they are in
            the folder.
        when_gone: What to do with requests while it cannot be reached.
        strict_budgets: Reserve in the shared store before a request is passed on, so that replicas
            cannot overdraw together; at most the last request goes beyond a budget. Without it
            each knows within a second what the others have charged, and not what their requests
            will cost that are not answered yet: by so much they may overdraw. One process reserves
            in memory and cannot. Only accounts with a budget pay for it, with one round trip. What
            the requests that are under way have reserved stays charged for the day when a process
            is killed.
    """

    folder: str = "gamekeeper-state"
    redis: str | None = None
    when_gone: Literal["open", "closed"] = "open"
    strict_budgets: bool = True


class Price(_Part):
    """What a model costs.

    Args:
        usd_per_million_input_tokens: Dollars.
        usd_per_million_output_tokens: Dollars.
        usd_per_request: Dollars.
    """

    usd_per_million_input_tokens: Annotated[float, Field(ge=0)] = 0
    usd_per_million_output_tokens: Annotated[float, Field(ge=0)] = 0
    usd_per_request: Annotated[float, Field(ge=0)] = 0


class Admin(_Part):
    """Where people look: the live page, the API behind it, and `/metrics`.

    Args:
        names: Host names besides the address that it is reached by, such as that of a service in a
            cluster.
        host: Address. `/metrics` is open there; all else wants a token, which is made on first
            start.
        port: Port; 0 takes a free one.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8_321
    names: tuple[str, ...] = ()


class Telemetry(_Part):
    """OpenTelemetry GenAI spans (extra `otel`).

    Args:
        otlp: Where spans are sent, by HTTP; none are made without.
        sample: Share of requests that get one.
    """

    otlp: HttpUrl | None = None
    sample: Annotated[float, Field(ge=0, le=1)] = 1

    @field_validator("otlp", mode="before")
    @classmethod
    def _by_text(cls, value: object) -> object:
        return HttpUrl(value) if isinstance(value, str) else value


class GuardPolicy(_Part):
    """The whole policy.

    Args:
        format: Of the file.
        enforce: Act on verdicts; else they are only recorded. Keys, scopes and budgets hold either
            way.
        prefix: Part of the path before every known route.
        unknown_routes: What happens to a route that the guard does not know: refused, or passed
            without judgement after authentication, under the account's decisions and budgets; said
            in log and metrics.
        passed: APIs that the guard knows and cannot judge, such as `openai.files`; each is refused
            unless it is named here. See `gamekeeper list routes`.
        allow: Fields, parameters and headers beyond the known ones.
        upstream: The model server behind the guard.
        classifiers: JSON classifiers.
        identity: Who is charged.
        limits: What one request may take.
        ladder: What verdicts lead to.
        watch: How campaigns are looked for.
        state: Where things are kept.
        prices: By model name; a trailing `*` matches what begins so.
        admin: Where people look.
        telemetry: Spans.
    """

    format: Literal["gamekeeper/policy@1"] = "gamekeeper/policy@1"
    enforce: bool = False
    prefix: Annotated[str, Field(pattern=r"^(/[^\s?#/]+)*$")] = ""
    unknown_routes: Literal["refuse", "pass"] = "refuse"
    passed: dict[str, PassedApi] = Field(default_factory=dict)
    allow: Allow = Allow()
    upstream: Upstream = Upstream()
    classifiers: tuple[ClassifierApi, ...] = ()
    identity: Identity = Identity()
    limits: Limits = Limits()
    ladder: Ladder = Ladder()
    watch: Watch = Watch()
    state: State = State()
    prices: dict[str, Price] = Field(default_factory=dict)
    admin: Admin = Admin()
    telemetry: Telemetry = Telemetry()
