"""Who called, as the gateway says: keys, users, teams and organisations by any of their names.

Names are compared without case and separators. They may be fields of the record, or of an object in
it that holds who was authenticated (`auth`, `consumer`, `requestContext.authorizer`). A field that
a client can choose is never among them.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.formats.calls import Names, Wanted, fold, names_of
from gamekeeper.exchange.formats.form import Row
from gamekeeper.exchange.messages import mapping
from gamekeeper.exchange.placeholders import is_whole

_KEYS = (
    *("apikeyid", "apikeyhash", "keyid", "keyhash", "hashedapikey", "hashedkey", "apikeyuuid"),
    *("virtualkeyid", "virtualkey", "userapikeyhash", "userapikey", "heliconeapikeyid"),
    *(
        "heliconeproxykeyid",
        "tokenid",
        "accesskeyid",
        "accesskey",
        "credentialid",
        "subscriptionkeyid",
    ),
    *(
        "apimsubscriptionid",
        "subscriptionid",
        "subscriptionname",
        "authenticatedentityid",
        "apikey",
        "apikeyused",
    ),
    *("apitoken", "keyfingerprint", "keyprefix", "apikeyprefix", "account", "clientid"),
    *("xcredentialidentifier", "credentialidentifier", "xapikeyid", "apitokenid", "accesstokenid"),
)
_USERS = (
    *("consumerid", "consumer", "consumerusername", "userid", "useruuid", "userobjectid"),
    *("userapikeyuserid", "accountid", "principalid", "principal", "callerid", "caller"),
    *("requester", "requestedby", "subject", "sub", "username", "useremail", "email", "login"),
    *("userauthenticatedid", "memberid", "actorid", "actor", "identity", "identityarn"),
    *("xconsumerid", "xconsumercustomid", "xconsumerusername", "principalemail", "principalname"),
    *("principalsubject", "preferredusername", "upn", "oid", "uid", "authuser", "remoteuser"),
    *("authenticateduser", "authenticateduserid", "xauthenticateduserid", "cognitoidentityid"),
)
_SERVICES = (
    "serviceaccount",
    "serviceaccountid",
    "appid",
    "applicationid",
    "application",
    "appname",
)
_NAMES_OF_KEYS = (
    *("apikeyname", "virtualkeyname", "keyname", "tokenname", "apitokenname", "credentialname"),
    *("apikeyalias", "keyalias"),
)
"""What people call a key: two may have the same name, so a user tells more."""

_PROJECTS = ("projectid", "project", "userapikeyprojectid")
_TEAMS = (
    *("teamid", "team", "userapikeyteamid", "groupid", "workspaceid", "workspace"),
    *("workspaceslug", "departmentid", "department"),
)
_CUSTOMERS = ("tenantid", "tenant", "customerid", "customer", "companyid", "company")
_ORGANISATIONS = (
    *("organizationid", "organization", "organisationid", "organisation", "orgid", "org"),
    *("userapikeyorgid", "organizationname"),
)
_NARROW_FIRST = (
    *(*_KEYS, *_USERS, *_SERVICES, *_NAMES_OF_KEYS),
    *(*_PROJECTS, *_TEAMS, *_CUSTOMERS, *_ORGANISATIONS),
)
_WIDE_FIRST = (*_ORGANISATIONS, *_CUSTOMERS, *_TEAMS, *_PROJECTS, "accountid")
_ALIASES = (
    *("apikeyalias", "keyalias", "apikeyname", "keyname", "virtualkeyname", "tokenname"),
    *("userapikeyalias", "accountname", "consumername", "displayname", "teamalias", "teamname"),
    *("userapikeyteamalias", "projectname", "organizationname", "orgname", "tenantname"),
)
_CLAIMED = Wanted(
    (
        *("user", "enduser", "enduserid", "safetyidentifier", "promptcachekey"),
        *("customeridentifier", "requestuserid", "heliconeuserid", "xuserid", "promptuser"),
    )
)
_CLAIMED_IN_HELICONE = Wanted((*_CLAIMED, "userid"))
_CLAIMED_IN_REQUEST = ("user", "safety_identifier")
_AUTHENTICATED = {
    # objects in which the server says who was authenticated: what their `id` and `name` are of
    **dict.fromkeys(("auth", "authentication", "authn", "authcontext", "authinfo"), ""),
    **dict.fromkeys(("authenticationinfo", "authorization", "authz", "jwt", "jwtclaims"), ""),
    **dict.fromkeys(("jwtpayload", "tokenclaims", "idtoken", "oidc"), ""),
    **dict.fromkeys(("token", "accesstoken", "apitoken"), "token"),
    **dict.fromkeys(("authorizer", "claims", "securitycontext", "identity", "principal"), ""),
    **dict.fromkeys(("caller", "requestcontext", "subscription", "customdimensions"), ""),
    **dict.fromkeys(("apikey", "key", "credential", "virtualkey", "apikeyinfo"), "apikey"),
    "authenticatedentity": "authenticatedentity",
    "consumer": "consumer",
    "user": "user",
    "userinfo": "user",
    "account": "account",
    "serviceaccount": "serviceaccount",
    "project": "project",
    "team": "team",
    "workspace": "workspace",
    "tenant": "tenant",
    "customer": "customer",
    "organization": "organization",
    "organisation": "organisation",
    "org": "org",
}
_DEPTH = 3
_RANK = {name: place for place, name in enumerate(_NARROW_FIRST)}
_WIDTH = {name: place for place, name in enumerate(_WIDE_FIRST)}
_ALIAS_RANK = {name: place for place, name in enumerate(_ALIASES)}
_INSIDE = ("id", "uuid", "hash", "slug", "name", "username", "email", "alias", "customid", "arn")
_OBJECTS = Wanted(_AUTHENTICATED)
_OF_CALLERS = Wanted(dict.fromkeys((*_RANK, *_ALIASES, *_INSIDE, *_AUTHENTICATED)))


def callers_of(record: Record, names: Names, request: Record) -> Row:
    """Returns who called, as columns of a row.

    Args:
        record: A record of a gateway.
        names: Its names.
        request: The client's request, if it is an object of its own in the record.

    Returns:
        `principals`, the narrowest first; `owners`, the widest first; `claimed`, what the client
        says of itself; and `alias`, what people call the caller.
    """
    if not any(map(_may_hold, map(record.get, names.present(_OBJECTS)))):
        return _named_plainly(record, names, request)
    is_helicone = names.fact(_is_helicone)
    by_name: dict[str, list[tuple[str, Any]]] = {}
    for name, path, value in _callers(record, names, _DEPTH):
        by_name.setdefault(name, []).append((path, value))
    aliases = _in_order(by_name, _ALIAS_RANK)
    alias = by_name[aliases[0]][0][1] if aliases else None
    return {
        "principals": {
            path: value
            for name in _in_order(by_name, _RANK)
            if not (is_helicone and name == "userid")
            for path, value in by_name[name]
        },
        "owners": dict(by_name[name][0] for name in _in_order(by_name, _WIDTH)),
        "claimed": _claimed(record, names, request),
        "alias": alias if isinstance(alias, str) else None,
    }


class _Plain(NamedTuple):
    """Those of a record's names that name a caller, in the order in which they count."""

    narrow: tuple[str, ...]
    wide: tuple[str, ...]
    aliases: tuple[str, ...]


def _plain(names: Names) -> _Plain:
    chosen = {"userid"} if names.fact(_is_helicone) else set()
    return _Plain(
        tuple(names[name] for name in _NARROW_FIRST if name in names and name not in chosen),
        tuple(names[name] for name in _WIDE_FIRST if name in names),
        tuple(names[name] for name in _ALIASES if name in names),
    )


def _named_plainly(record: Record, names: Names, request: Record) -> Row:
    """Returns what `callers_of` does where no caller is an object, as in most logs: then only
    values differ from record to record.
    """
    plain = names.fact(_plain)
    alias = next((record[name] for name in plain.aliases if _is_name(record[name])), None)
    return {
        "principals": {n: record[n] for n in plain.narrow if _is_name(record[n])},
        "owners": {n: record[n] for n in plain.wide if _is_name(record[n])},
        "claimed": _claimed(record, names, request),
        "alias": alias if isinstance(alias, str) else None,
    }


def _in_order(names: Iterable[str], ranks: dict[str, int]) -> list[str]:
    """Returns those of the names that have a rank, by it."""
    return sorted((name for name in names if name in ranks), key=ranks.__getitem__)


def _claimed(record: Record, names: Names, request: Record) -> dict[str, Any]:
    wanted = _CLAIMED_IN_HELICONE if names.fact(_is_helicone) else _CLAIMED
    found = {name: record[name] for name in names.present(wanted)}
    for name in _CLAIMED_IN_REQUEST:
        if name in request:
            found[f"request.{name}"] = request[name]
    return {path: value for path, value in found.items() if _is_name(value)} if found else found


def names_a_caller(names: Names) -> bool:
    """Returns whether one of the names is of who was authenticated."""
    return any(name in _RANK or name in _AUTHENTICATED for name in names)


def _is_helicone(names: Names) -> bool:
    """Helicone's `user_id` is the header Helicone-User-Id, which clients choose."""
    return any(name.startswith("helicone") for name in names) or "requestuserid" in names


def _callers(
    record: Record, names: Names, depth: int, path: str = ""
) -> Iterator[tuple[str, str, Any]]:
    """Yields folded name, path and value of all that names a caller, in objects as well."""
    for spelt in names.present(_OF_CALLERS):
        value = record[spelt]
        if value is None:
            continue
        name = fold(spelt)
        if _is_name(value) and not (name in _AUTHENTICATED and _is_json(value)):
            yield name, f"{path}{spelt}", value
        elif name in _AUTHENTICATED and depth and (inner := mapping(value)):
            of = _AUTHENTICATED[name]
            for inner_name, inner_path, held in _callers(
                inner, names_of(inner), depth - 1, f"{path}{spelt}."
            ):
                yield _whose(of, inner_name), inner_path, held


def _whose(of: str, name: str) -> str:
    """Returns the name of a field inside an object: the `id` of `consumer` is `consumerid`."""
    if not of:
        return "identityarn" if name == "arn" else name
    if name in ("id", "uuid", "hash", "slug"):
        return f"{of}id" if f"{of}id" in _RANK else of
    if name in ("name", "username", "email", "alias", "customid"):
        return f"{of}name" if name in ("name", "alias") else f"{of}{name}"
    return name


def _is_name(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, float):
        return is_whole(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _may_hold(value: Any) -> bool:
    return isinstance(value, dict) or _is_json(value)


def _is_json(value: Any) -> bool:
    return isinstance(value, str) and value.lstrip().startswith("{")
