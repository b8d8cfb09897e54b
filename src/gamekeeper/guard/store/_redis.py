"""What both clients of Redis share, the blocking and the awaiting one: names of keys, scripts,
waits and errors.

A day's counters are one hash, four fields an account. Beside it stands the order in which accounts
were last charged (a sorted set of account and number), by which a replica asks for what changed.
Scripts keep the two in
step: each runs as a whole or not at all.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gamekeeper.base.errors import InputError, MissingExtraError, input_error
from gamekeeper.guard.store._store import MOST, RefusedError, Spent, StoreGoneError

CONNECT_S = 0.5
READ_S = 1.0
KEPT_S = 3 * 86_400
"""Counters outlive their day, so that a replica whose clock is off finds them, and not for long."""
CLAIM_KEPT_S = 3_600
"""What a claim holds outlives its last request by no more, where a process ended under it."""

FIELDS = Spent._fields
_OVERFLOW = "overflow"  # in the message of HINCRBY

_COUNT = (
    f"local names = {{{', '.join(map(repr, FIELDS))}}}\n"
    f"local most = {MOST}\n"
    + """
local function add(key, account, from)
    local added = {}
    for at, name in ipairs(names) do
        local by = ARGV[from + at]
        added[at] = tonumber(by)
        if by ~= '0' then
            local field = name .. ':' .. account
            local after = redis.call('hincrby', key, field, by)
            local kept = math.max(0, math.min(most, after))
            if kept ~= after then
                local back = string.format('%.0f', -added[at])
                added[at] = kept - redis.call('hincrby', key, field, back)
                redis.call('hset', key, field, string.format('%.0f', kept))
            end
        end
    end
    return added
end
local function charge(account, from, number)
    local added = add(KEYS[1], account, from)
    redis.call('zadd', KEYS[2], number, account)
    return added
end
local function keep(seconds)
    for at = 1, 3 do redis.call('expire', KEYS[at], seconds) end
end
"""
)
# `add` says what it added: a count that came to a bound took in less than it was given; a caller
# that subtracts what it gave would erase what others spent.

ADD = (
    _COUNT
    + """
local kept = ARGV[1]
if tonumber(redis.call('get', KEYS[4]) or 0) >= tonumber(ARGV[2]) then return 0 end
redis.call('set', KEYS[4], ARGV[2], 'EX', kept)
local accounts = (#ARGV - 2) / 5
local number = redis.call('incrby', KEYS[3], accounts) - accounts
for from = 3, #ARGV, 5 do
    number = number + 1
    charge(ARGV[from], from, number)
end
keep(kept)
return 1
"""
)
"""Adds to counters, unless a batch of this number or a later one of the same sender was added
before.

KEYS: those of the day, that of the sender. ARGV: seconds kept, number of the batch, then account
    and counts.
"""

SETTLE = (
    _COUNT
    + """
local added = {0, 0, 0, 0}
for at = 3, 6 do
    if ARGV[at] ~= '0' then
        added = charge(ARGV[2], 2, redis.call('incr', KEYS[3]))
        keep(ARGV[1])
        break
    end
end
add(KEYS[4], ARGV[2], 6)
for at, name in ipairs(names) do
    local field = name .. ':' .. ARGV[2]
    if ARGV[6 + at] ~= '0' and redis.call('hget', KEYS[4], field) == '0' then
        redis.call('hdel', KEYS[4], field)
    end
end
return added
"""
)
"""Adds to one account's counters, and to what its claims hold; answers what was added to counters.

KEYS: those of the day, that of the account's claims. ARGV: seconds kept, account, counts, then
    counts of the claims.
"""

RESERVE = (
    _COUNT
    + """
local fields = {}
for at, name in ipairs(names) do fields[at] = name .. ':' .. ARGV[2] end
local has = redis.call('hmget', KEYS[1], unpack(fields))
local held = redis.call('hmget', KEYS[4], unpack(fields))
local answer = {1}
for at = 1, 4 do
    answer[at + 1] = tonumber(has[at] or 0) + tonumber(held[at] or 0)
    local most, used = tonumber(ARGV[6 + at]), answer[at + 1]
    if at == 3 then used = used / 1000000 end
    if most and used >= most then answer[1] = 0 end
end
if answer[1] == 0 then return answer end
local added
if ARGV[11] == '' then
    added = charge(ARGV[2], 2, redis.call('incr', KEYS[3]))
    keep(ARGV[1])
else
    added = add(KEYS[4], ARGV[2], 2)
    redis.call('expire', KEYS[4], ARGV[11])
end
for at = 1, 4 do answer[at + 1] = added[at] end
return answer
"""
)
"""Takes from a budget unless it is used up; answers 1 and what it took, or 0 and what was spent.

KEYS: those of the day, that of the account's claims. ARGV: seconds kept, account, counts, then the
    most of each (dollars for money; none: empty), then for how many seconds a claim holds what is
    taken (empty: the account is more than a claim, and its counters take it).
"""


TAKE = """
local now = tonumber(ARGV[1])
local names = {'at', 'proofs'}
for at = 5, #ARGV, 2 do names[#names + 1] = 'tokens' .. #names - 1 end
local kept = redis.call('hmget', KEYS[1], unpack(names))
local before = tonumber(kept[1] or now)
local passed = math.max(0, now - before)
local proofs = tonumber(kept[2] or 0)
if ARGV[3] ~= '' then
    if ARGV[3] ~= '0' then proofs = tonumber(ARGV[3]) end
    if proofs <= 0 then return false end
    proofs = proofs - 1
end
local wait = 0
local tokens = {}
for at = 5, #ARGV, 2 do
    local rate, size = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
    local has = math.min(size, tonumber(kept[#tokens + 3] or size) + passed * rate) - 1
    wait = math.max(wait, -has / rate)
    tokens[#tokens + 1] = has
end
local back = 0
if wait > tonumber(ARGV[2]) then back = 1 end
local at = ARGV[1]
if before > now then at = kept[1] end
redis.call('hset', KEYS[1], 'at', at, 'proofs', proofs)
for number, has in ipairs(tokens) do
    redis.call('hset', KEYS[1], names[number + 2], string.format('%.17g', has + back))
end
redis.call('expire', KEYS[1], ARGV[4])
return string.format('%.17g', wait)
"""
"""Takes a token out of each bucket of a slowed account, and puts them back if the request would
have to wait too long; answers how long it has to wait, nothing if it needs a proof and has none.

KEYS: that of the account. ARGV: epoch seconds, longest wait, requests that a new proof opens (none
    needed: empty; none came: 0), seconds kept, then tokens a second and size of each bucket.
"""


def slowed_key(account: str) -> str:
    """Returns the key of a slowed account's buckets."""
    return f"gamekeeper:slowed:{account}"


def day_keys(day: str) -> list[str]:
    """Returns the keys of a day's counters, of the order in which they changed, and of the last
    number in it.
    """
    return [f"gamekeeper:{name}:{day}" for name in ("spent", "touched", "number")]


def claims_key(day: str, account: str) -> str:
    """Returns the key of what an account's requests hold that are under way while it is only a
    claim. It ends with them, so that invented names fill no memory of the server.
    """
    return f"gamekeeper:claims:{day}:{account}"


def fields_of(account: str) -> list[str]:
    """Returns the fields of an account's counters."""
    return [f"{name}:{account}" for name in FIELDS]


def client_of(kind: Any, url: str, read_s: float = READ_S) -> Any:
    """Returns a client that waits so long and no longer, and never sends a command twice by itself.

    Args:
        kind: `redis.Redis` or `redis.asyncio.Redis`.
        url: `redis://`, `rediss://` or `unix://`.
        read_s: Longest wait for an answer, in seconds.

    Raises:
        InputError: The URL is not one of Redis.
    """
    from redis.asyncio.retry import Retry as AwaitingRetry
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    never = AwaitingRetry(NoBackoff(), 0) if "asyncio" in kind.__module__ else Retry(NoBackoff(), 0)
    try:
        return kind.from_url(
            url, socket_connect_timeout=CONNECT_S, socket_timeout=read_s, retry=never
        )
    except (ValueError, TypeError) as error:
        raise _not_a_url(type(error).__name__) from None  # the message may hold the password


def _not_a_url(found: str) -> InputError:
    """Returns the error without the URL: it may hold a password."""
    return input_error(
        "policy, state.redis",
        "not the URL of a Redis server",
        found,
        "redis://HOST:PORT/DB, rediss://HOST:PORT/DB or unix://PATH?db=DB",
    )


def require_redis() -> None:
    """Raises unless the client is installed.

    Raises:
        MissingExtraError: It is not.
    """
    try:
        import redis  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("a store that replicas share", "redis") from error


@contextmanager
def told_as_gone() -> Iterator[None]:
    """Turns every failure of the client into one; its message names no address, which may hold a
    password.
    """
    from redis.exceptions import RedisError, ResponseError

    try:
        yield
    except ResponseError as error:
        if _OVERFLOW in str(error):
            raise RefusedError("redis: a counter would overflow") from error
        raise StoreGoneError(f"redis: {type(error).__name__}") from error
    except (RedisError, OSError) as error:
        raise StoreGoneError(f"redis: {type(error).__name__}") from error


def batch_of(spent: Mapping[str, Spent]) -> list[str | int]:
    """Returns accounts and counts as the script takes them."""
    return [part for account, used in spent.items() for part in (account, *used)]
