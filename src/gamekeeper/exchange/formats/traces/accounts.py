"""Who asked, by the attributes of a span, of the spans around it, and of its resource.

gen_ai.* names no account, so what the server says of its caller is taken: who was authenticated
(`enduser.id`) before what an application calls its user, before whose tenant it is. `service.name`
names the application and is never the account. Baggage and sessions are what the client says.
Sources: OpenTelemetry registry, enduser and user; OpenInference, user.id; Langfuse, Traceloop,
Vercel AI SDK and LiteLLM, attributes of their spans; monitoring pages of coding assistants.
"""

from collections.abc import Collection

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.form import Row

KEYS = (
    "enduser.id",
    "api_key.id",
    "api_key.hash",
    "api_key_id",
    "metadata.user_api_key_hash",
    "account.id",
    "user.account_uuid",
    "user.account_id",
    "user.id",
    "user_id",
    "userId",
    "langfuse.user.id",
    "langfuse.trace.user_id",
    "langfuse.user_id",
    "ai.telemetry.metadata.userId",
    "ai.telemetry.metadata.user_id",
    "ai.telemetry.metadata.user.id",
    "traceloop.association.properties.user_id",
    "traceloop.association.properties.userId",
    "langsmith.metadata.user_id",
    "metadata.user_api_key_user_id",
    "metadata.user_id",
    "mlflow.trace.user",
    "user.email",
    "enduser.pseudo.id",
    "user.hash",
    "user.name",
    "metadata.user_api_key_team_id",
)
"""Principals, the narrowest first."""

_KEYS = frozenset(KEYS)

OWNERS = (
    "organization.id",
    "organization_id",
    "org.id",
    "metadata.user_api_key_org_id",
    "tenant.id",
    "tenant_id",
    "tenantId",
    "customer.id",
    "customer_id",
    "traceloop.association.properties.tenant_id",
    "traceloop.association.properties.organization_id",
    "ai.telemetry.metadata.tenantId",
    "ai.telemetry.metadata.organizationId",
    "langfuse.trace.metadata.tenant_id",
    "metadata.user_api_key_team_id",
    "team.id",
    "workspace.id",
    "project.id",
)
"""Who answers for accounts, the widest first."""

_CLAIMED = ("gen_ai.request.user", "gen_ai.openai.request.user", "llm.user", "llm.request.user")
_ANY = frozenset((*KEYS, *OWNERS, *_CLAIMED))
_CLAIMED_PREFIXES = ("baggage.", "session.id", "http.request.header.")


def is_named(attributes: Record) -> bool:
    """True if attributes name a principal."""
    return any(attributes[key] not in (None, "") for key in _KEYS.intersection(attributes))


def name_in(record: Record) -> object:
    """Returns the value of the narrowest principal of a record."""
    return next((record[key] for key in KEYS if record.get(key) not in (None, "")), None)


def accounts_of(record: Record) -> Row:
    """Returns `principals`, `owners` and `claimed` of a flat span or log record."""
    there = _ANY.intersection(record)
    owners = _held(record, OWNERS, there)
    principals = _held(record, KEYS, there)
    for field in reversed(owners):
        principals.setdefault(field, owners[field])
    claimed = _held(record, _CLAIMED, there)
    for key in record:
        if key.startswith(_CLAIMED_PREFIXES):
            claimed[key] = record[key]
    return {"principals": principals, "owners": owners, "claimed": claimed}


def _held(record: Record, keys: tuple[str, ...], there: Collection[str]) -> Record:
    if not there:
        return {}
    return {key: record[key] for key in keys if key in there and record[key] not in (None, "")}
