"""Who asked, by the attributes of a span, of the spans around it, and of its resource.

gen_ai.* names no account, so what the server says of its caller is taken: who was authenticated
(`enduser.id`) before what an application calls its user, before whose tenant it is. `service.name`
names the application and is never the account. Baggage and sessions are what the client says.
Sources: OpenTelemetry registry, enduser and user; OpenInference, user.id; Langfuse, Traceloop,
Vercel AI SDK and LiteLLM, attributes of their spans; monitoring pages of coding assistants.
"""

from functools import lru_cache
from typing import NamedTuple

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
_CLAIMED_PREFIXES = ("baggage.", "session.id", "http.request.header.")


def is_named(attributes: Record) -> bool:
    """True if attributes name a principal."""
    return bool(_held(attributes, _there(tuple(attributes)).principals))


def name_in(record: Record) -> object:
    """Returns the value of the narrowest principal of a record."""
    return next((record[key] for key in KEYS if record.get(key) not in (None, "")), None)


def accounts_of(record: Record) -> Row:
    """Returns `principals`, `owners` and `claimed` of a flat span or log record."""
    there = _there(tuple(record))
    owners = _held(record, there.owners)
    principals = _held(record, there.principals)
    for field in reversed(owners):
        principals.setdefault(field, owners[field])
    claimed = _held(record, there.claimed)
    for key in there.from_clients:
        claimed[key] = record[key]
    return {"principals": principals, "owners": owners, "claimed": claimed}


class _There(NamedTuple):
    """The keys of a record that name somebody, each kind in its order."""

    principals: tuple[str, ...]
    owners: tuple[str, ...]
    claimed: tuple[str, ...]
    from_clients: tuple[str, ...]


@lru_cache(maxsize=512)  # the spans of a log have the same few sets of keys
def _there(keys: tuple[str, ...]) -> _There:
    there = frozenset(keys)
    return _There(
        tuple(key for key in KEYS if key in there),
        tuple(key for key in OWNERS if key in there),
        tuple(key for key in _CLAIMED if key in there),
        tuple(key for key in keys if key.startswith(_CLAIMED_PREFIXES)),
    )


def _held(record: Record, keys: tuple[str, ...]) -> Record:
    return {key: value for key in keys if (value := record[key]) is not None and value != ""}
