"""The path over stored logs: read -> encode -> link -> weigh -> judge -> what was found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import BinaryIO

import polars as pl

from gamekeeper.errors import Fault, InputError
from gamekeeper.exchange import OPTIONAL, LogReader
from gamekeeper.hunt import pictures
from gamekeeper.hunt.campaigns import Claims, Found, find_campaigns
from gamekeeper.hunt.comparison import Comparison, compare
from gamekeeper.hunt.intake import MAX_SAMPLE, Intake
from gamekeeper.hunt.result import ACCOUNTS, READINGS, Campaign, HuntResult
from gamekeeper.hunt.weigh import Reading, families, weigh
from gamekeeper.signals import SIGNALS
from gamekeeper.verdict import Policy, Verdict, judge

_FROM_SAMPLE = ("cell", "prompt_hash")  # columns that only the sample has

Stage = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class HuntOptions:
    """How to hunt.

    Args:
        format: Name of a log format, or `auto`.
        fields: Our column name to the log's field.
        timezone: Zone of times that say none.
        max_bad_rows: Share of bad rows that may pass, 0..1.
        encoder: Name of the content encoder.
        policy: Thresholds.
        max_sample: Exchanges compared with each other, at most.
        redact: Leave prompts out of the result.
        seed: Of everything that is drawn.
    """

    format: str = "auto"
    fields: Mapping[str, str] = field(default_factory=dict)
    timezone: str | None = None
    max_bad_rows: float = 0.0
    encoder: str = "auto"
    policy: Policy = field(default_factory=Policy)
    max_sample: int = MAX_SAMPLE
    redact: bool = False
    seed: int = 0


def hunt(
    logs: Sequence[str],
    options: HuntOptions | None = None,
    *,
    stdin: BinaryIO | None = None,
    stage: Stage = lambda name, done, total: None,
) -> HuntResult:
    """Finds the campaigns in logs.

    Args:
        logs: Files, folders, globs, or `-` for `stdin`.
        options: How to hunt.
        stdin: What `-` reads.
        stage: Told of progress: stage, done, in all.

    Raises:
        InputError: The logs cannot be read, or hold nothing that can be hunted.
        UsageError: Options that do not fit together.

    Example:
        >>> result = hunt(["logs/"])  # doctest: +SKIP
        >>> [c.id for c in result.campaigns]  # doctest: +SKIP
        ['C1', 'C2']
    """
    options, clock = options or HuntOptions(), _Clock()
    reader, intake = _read(logs, options, stdin, stage)
    clock.mark("read")
    compared = compare(intake.sample, intake.totals, options.encoder, lambda d, n: stage("encode", d, n))
    clock.mark("encode")
    claims = find_campaigns(compared.sample, options.policy, options.seed, lambda d, n: stage("link", d, n))
    clock.mark("link")
    summaries = intake.summaries | {
        n: SIGNALS[n].summarise(compared.rows) for n in _signals(from_sample=True)
    }
    weighed = weigh(claims, summaries, compared.accounts, options.seed)
    clock.mark("weigh")
    result = _result(reader, options, compared, claims, weighed, summaries)
    clock.mark("draw")
    result.seconds.update(clock.seconds)
    return result


class _Clock:
    def __init__(self) -> None:
        self._last, self.seconds = perf_counter(), dict[str, float]()

    def mark(self, name: str) -> None:
        now = perf_counter()
        self.seconds[name], self._last = now - self._last, now


def _signals(*, from_sample: bool) -> list[str]:
    return [n for n, s in SIGNALS.items() if any(c in _FROM_SAMPLE for c in s.card.needs) == from_sample]


def _read(
    logs: Sequence[str], options: HuntOptions, stdin: BinaryIO | None, stage: Stage
) -> tuple[LogReader, Intake]:
    reader = LogReader(
        logs,
        format=options.format,
        fields=options.fields,
        timezone=options.timezone,
        max_bad_rows=options.max_bad_rows,
        stdin=stdin,
        progress=lambda done, total: stage("read", done, total),
    )
    intake = Intake(_signals(from_sample=False), options.max_sample)
    for batch in reader.batches():
        intake.take(batch)
    _require_one_kind(reader)
    return reader, intake


def _require_one_kind(reader: LogReader) -> None:
    if {"prompt", "features"} <= reader.summary.columns_seen:
        raise InputError(
            [
                Fault(
                    where=", ".join(reader.summary.files),
                    problem="prompts and features in one log",
                    found="rows with `prompt` and rows with `features`",
                    expected="the log of a text API or of a tabular one",
                    try_="hunt each API's log by itself",
                )
            ]
        )


def _result(
    reader: LogReader,
    options: HuntOptions,
    compared: Comparison,
    claims: Claims,
    weighed: list[list[Reading]],
    summaries: Mapping[str, pl.DataFrame],
) -> HuntResult:
    names = [f"C{i}" for i in range(1, len(claims.found) + 1)]
    campaigns = tuple(
        _campaign(name, found, readings, compared, claims, options)
        for name, found, readings in zip(names, claims.found, weighed, strict=True)
    )
    links = pictures.draw_links(compared, claims, names)
    counts = dict(links.group_by("campaign").len().iter_rows())
    campaigns = tuple(replace(c, links=int(counts.get(c.id, 0))) for c in campaigns)
    return HuntResult(
        accounts=_accounts(compared, claims, campaigns),
        campaigns=campaigns,
        readings=_readings(names, weighed),
        links=links,
        examples=pictures.draw_examples(compared, claims, names, options.seed, options.redact),
        timeline=pictures.draw_timeline(summaries["even-pace"], compared, claims, names),
        map=pictures.draw_map(compared, claims, names, options.seed),
        read=reader.summary,
        exchanges=int(compared.accounts["exchanges"].sum()),
        linked_sample=len(compared.rows),
        first_seen=compared.accounts["first_seen"].min(),  # type: ignore[arg-type]
        last_seen=compared.accounts["last_seen"].max(),  # type: ignore[arg-type]
        could_not_show=_could_not_show(reader, compared, claims),
        encoders=compared.encoders,
        seconds={},
        redacted=options.redact,
    )


def _campaign(
    name: str,
    found: Found,
    readings: list[Reading],
    compared: Comparison,
    claims: Claims,
    options: HuntOptions,
) -> Campaign:
    members = compared.accounts.filter(pl.col("number").is_in(found.accounts.tolist()))
    against = families(readings) or ("content",)
    telling = [r for r in readings if r.p_value <= 0.05]
    return Campaign(
        id=name,
        accounts=tuple(members["account"].sort()),
        exchanges=int(members["exchanges"].sum()),
        linked=len(found.rows),
        first_seen=members["first_seen"].min(),  # type: ignore[arg-type]
        last_seen=members["last_seen"].max(),  # type: ignore[arg-type]
        p_benign=found.p_benign,
        decoys=len(found.decoys),
        verdict=judge(against, options.policy) if found.groups else Verdict.WATCH,
        families=against if found.groups else ("coverage",),
        reasons=tuple(r.says for r in telling),
        innocent=tuple(f"{r.card.name}: {r.card.look_alikes}" for r in telling),
        links=0,
        fragments=() if options.redact else pictures.shared_fragments(compared, found),
    )


def _accounts(compared: Comparison, claims: Claims, campaigns: Sequence[Campaign]) -> pl.DataFrame:
    member = {a: (c.id, str(c.verdict)) for c in campaigns for a in c.accounts}
    frame = compared.accounts.with_columns(
        pl.Series("p_benign", claims.p_account),
        pl.col("account")
        .replace_strict({a: m[0] for a, m in member.items()}, default=None, return_dtype=pl.String)
        .alias("campaign"),
        pl.col("account")
        .replace_strict({a: m[1] for a, m in member.items()}, default="allow", return_dtype=pl.String)
        .alias("verdict"),
    )
    return frame.select(ACCOUNTS.keys()).cast(ACCOUNTS).sort("p_benign", "account")  # type: ignore[arg-type]


def _readings(names: Sequence[str], weighed: list[list[Reading]]) -> pl.DataFrame:
    rows = [
        (
            n,
            r.card.family,
            r.card.name,
            r.value,
            r.card.unit,
            r.ordinary,
            r.ordinary_high,
            r.p_value,
            r.decoys,
            r.says,
        )
        for n, readings in zip(names, weighed, strict=True)
        for r in readings
    ]
    return pl.DataFrame(rows, schema=READINGS, orient="row")


def _could_not_show(reader: LogReader, compared: Comparison, claims: Claims) -> tuple[str, ...]:
    seen, told = reader.summary.columns_seen, []
    absent = [c for c in OPTIONAL if c not in seen]
    for column in absent:
        blind = [s.card.name for s in SIGNALS.values() if column in s.card.needs]
        if blind:
            told.append(f"the log has no `{column}`: {', '.join(blind)} stood aside")
    if "prompt" not in seen:
        told.append("the log has features, no prompts: shape and elicitation stood aside")
    exchanges = int(compared.accounts["exchanges"].sum())
    if len(compared.rows) < exchanges:
        told.append(
            f"content and shape were compared on {len(compared.rows):,} of {exchanges:,} exchanges, "
            "a sample of each account"
        )
    if len(claims.innocent) < 100:
        told.append(
            f"only {len(claims.innocent)} ordinary accounts: ranks among them cannot be small, "
            "and little can be raised"
        )
    told.append(
        "a group of fewer than 8 accounts, a group that asks in one sitting each, and a lone scraper of one "
        "narrow subject are not told from ordinary users"
    )
    return tuple(told)
