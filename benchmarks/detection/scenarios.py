"""The scenarios of the benchmark: what is added to ordinary traffic, along named axes.

A scenario is a `Campaign` (accounts that a thief uses alone), a `Pool` (a relay whose customers are
people, one of them perhaps a thief) or a `Framing` (accounts that want others to be accused).
`PRESETS` names those whose results are published; any field of one can be changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """A thief with accounts of their own.

    Args:
        deck: Tasks asked for; see `texts.REAL_DECKS`.
        language: Of the deck, ISO 639-1.
        demand: Form that the tasks are put in (`judge`, `cot`), or none.
        accounts: Accounts in use at a time.
        per_account: Mean number of exchanges of each.
        cover: Share of exchanges that are people's conversations.
        dealing: `prompt`, `sitting` or `account`; see `dealing`.
        copies: Accounts that send each prompt.
        paraphrase: `weak`, `middle` or `strong`, or none: the prompts are sent as they are.
        follow_ups: Questions asked after each task.
        sittings: Sittings of an account at most; any number if None.
        rhythm: `person`, `balanced` or `app`.
        network: `shared`, `partial` or `unique`.
        days: Length; the whole of the traffic if None.
        ban_after: Exchanges after which an account is banned and another takes its place.
        declared: Whether the log names one owner of all accounts.
    """

    deck: str = "math"
    language: str = "en"
    demand: str | None = None
    accounts: int = 100
    per_account: float = 50.0
    cover: float = 0.0
    dealing: str = "prompt"
    copies: int = 1
    paraphrase: str | None = None
    follow_ups: int = 0
    sittings: int | None = None
    rhythm: str = "person"
    network: str = "unique"
    days: int | None = None
    ban_after: int | None = None
    declared: bool = False


@dataclass(frozen=True, kw_only=True)
class Pool:
    """A relay: people's conversations, dealt to accounts by software.

    Args:
        accounts: Accounts of the pool.
        per_account: Mean number of exchanges of each.
        thief: Share of exchanges that one customer takes for a deck; 0 for people alone.
        scheduler: Name of `schedulers.SCHEDULERS`.
        customer_exchanges: Mean number of a customer's exchanges.
        deck: The thief's.
        language: Of the deck.
        declared: Whether the log names one owner of all accounts.
    """

    accounts: int = 24
    per_account: float = 100.0
    thief: float = 0.0
    scheduler: str = "least-recently-used"
    customer_exchanges: float = 16.0
    deck: str = "math"
    language: str = "en"
    declared: bool = False


@dataclass(frozen=True, kw_only=True)
class Framing:
    """Accounts that want others to be accused.

    Args:
        method: `paraphrase` the victims' prompts, use a small product's `template`, or call from
            the victims' `network`.
        attackers: Accounts of theirs.
        victims: Ordinary accounts that were chosen; tenants of the product for `template`.
        paraphrases: Of each prompt of a victim.
        strength: Of a paraphrase: `weak`, `middle` or `strong`.
        per_account: Exchanges of an attacker, where not given by the victims' prompts.
        deck: Of `template` and `network`.
        language: Of the deck.
        network: How much the attackers share.
    """

    method: str = "paraphrase"
    attackers: int = 16
    victims: int = 6
    paraphrases: int = 4
    strength: str = "weak"
    per_account: float = 30.0
    deck: str = "instructions"
    language: str = "en"
    network: str = "shared"


Scenario = Campaign | Pool | Framing

RELAY_SHARES = (0.5, 0.3, 0.2, 0.1, 0.05)
SCHEDULERS = ("fill-first", "lowest-quota", "round-robin", "hybrid")

PRESETS: Mapping[str, Scenario] = {
    "plain-half": Campaign(cover=0.5),
    "plain": Campaign(),
    "cover-.8": Campaign(cover=0.8),
    "cover-.9": Campaign(cover=0.9),
    "follow-ups": Campaign(follow_ups=1),
    "burners": Campaign(per_account=25, sittings=1),
    "thin": Campaign(accounts=400, per_account=6, cover=0.5),
    "doubled": Campaign(copies=2),
    "doubled-paraphrased": Campaign(copies=2, paraphrase="middle"),
    "seven": Campaign(accounts=7, per_account=300),
    "shard-account": Campaign(dealing="account"),
    "subject-a-sitting": Campaign(dealing="sitting"),
    "slow": Campaign(accounts=60, per_account=260, cover=0.5, days=10),
    "judge-zh": Campaign(deck="exam", language="zh", demand="judge", accounts=40, cover=0.5),
    "banned": Campaign(cover=0.5, ban_after=15),
    "balanced-shared": Campaign(rhythm="balanced", network="shared"),
    "one-owner": Campaign(cover=0.5, network="shared", declared=True),
    "resellers-.15": Campaign(accounts=8, per_account=400, cover=0.85, rhythm="app"),
    "bystanders": Campaign(deck="instructions", accounts=40, per_account=40),
    "bystanders-sitting": Campaign(
        deck="instructions", accounts=40, per_account=40, dealing="sitting"
    ),
    "bystanders-4-days": Campaign(
        deck="instructions", accounts=40, per_account=40, days=4, network="shared"
    ),
    "bystanders-half": Campaign(deck="instructions", accounts=40, per_account=40, cover=0.5),
    "relay-0": Pool(),
    "relay-0-declared": Pool(declared=True),
    **{f"relay-{share:g}".replace("0.", "."): Pool(thief=share) for share in RELAY_SHARES},
    **{f"relay-.2-{name}": Pool(thief=0.2, scheduler=name) for name in SCHEDULERS},
    **{f"relay-.05-{name}": Pool(thief=0.05, scheduler=name) for name in SCHEDULERS},
    "framers-8-1": Framing(attackers=8, victims=1, paraphrases=6),
    "framers-8-6": Framing(attackers=8, victims=6, paraphrases=3),
    "framers-16-6": Framing(),
    "framers-16-6-middle": Framing(strength="middle"),
    "framers-16-6-strong": Framing(strength="strong"),
    "framers-40-6": Framing(attackers=40, paraphrases=3),
    "framers-16-20": Framing(victims=20, paraphrases=3),
    "framers-40-20-strong": Framing(attackers=40, victims=20, strength="strong"),
    "framers-template": Framing(method="template", victims=8),
    "framers-network": Framing(method="network", victims=1),
}

CORE = (
    "plain-half",
    "follow-ups",
    "burners",
    "thin",
    "doubled",
    "seven",
    "shard-account",
    "subject-a-sitting",
    "slow",
    "judge-zh",
    "banned",
    "resellers-.15",
    "relay-.2",
    "relay-.05",
    "relay-0-declared",
    "bystanders",
    "bystanders-4-days",
    "framers-8-1",
    "framers-16-6",
    "framers-16-6-strong",
    "framers-40-20-strong",
    "framers-template",
    "framers-network",
)
"""The scenarios of the table in docs/measurements/detection.md."""


def scenario(name: str, changes: Mapping[str, str] | None = None) -> Scenario:
    """Returns a preset, as `NAME` or `NAME@DECK`, with fields changed.

    Raises:
        SystemExit: No such preset or field.
    """
    preset, _, deck = name.partition("@")
    if preset not in PRESETS:
        raise SystemExit(f"no scenario {preset}; there are {', '.join(PRESETS)}")
    found = PRESETS[preset]
    wanted = {**({"deck": deck} if deck else {}), **(changes or {})}
    kinds = {field.name: field.type for field in fields(found)}
    if unknown := wanted.keys() - kinds.keys():
        raise SystemExit(f"{preset} has no {', '.join(unknown)}; it has {', '.join(kinds)}")
    return replace(found, **{key: _read(text, str(kinds[key])) for key, text in wanted.items()})


def _read(text: str, kind: str) -> Any:
    if "None" in kind and text.lower() == "none":
        return None
    if "bool" in kind:
        return text.lower() == "true"
    if "int" in kind:
        return int(text)
    return float(text) if "float" in kind else text
