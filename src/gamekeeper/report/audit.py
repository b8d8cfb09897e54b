"""What an audit found, for people and for programs."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gamekeeper.audit.answers import Access
from gamekeeper.audit.differences import Difference, difference
from gamekeeper.audit.measures import Measure
from gamekeeper.audit.options import Prices
from gamekeeper.audit.privacy import Inversion, Privacy
from gamekeeper.audit.privacy.membership import FALSE_ALARMS
from gamekeeper.audit.result import FIDELITIES, AuditResult, Curve, Defended, Point, Users
from gamekeeper.base.text import one_line
from gamekeeper.report.formatting import count

SCHEMA = "gamekeeper/audit@1"
_CENT = 0.01
_LEAST_SHARE = 0.0001
_SOLVES = {"equation-solving"}
"""Attacks whose smallest number of queries is the fewest that can do, by counting unknowns."""


def audit_document(result: AuditResult) -> dict[str, Any]:
    """Returns an audit as JSON can hold it."""
    return {
        "schema": SCHEMA,
        "target": result.target,
        "access": str(result.access),
        "answers": result.answers,
        "fidelity": result.fidelity,
        "measure": asdict(result.measure) if result.measure else None,
        "baseline": result.baseline,
        "has_copy": result.has_copy,
        "can_judge": result.can_judge,
        "is_unsure": result.is_unsure,
        "test_inputs": result.test_inputs,
        "paid_queries": result.paid,
        "failed_queries": asdict(result.failed) if result.failed else None,
        "remarks": list(result.remarks),
        "findings": list(result.findings),
        "privacy": asdict(result.privacy) if result.privacy else None,
        "left_out": result.left_out,
        "prices": asdict(result.prices),
        "defences": [_defended(each, result) for each in result.defended],
        "comparisons": _comparisons(result),
    }


def print_audit(result: AuditResult, console: Console) -> None:
    """Prints what a copy costs without a defence and behind each, by the best attack."""
    _say(console, headline(result), "bold")
    for sentence in basis(result):
        _say(console, sentence)
    console.print(_table(result))
    for finding in result.findings:
        _say(console, finding)
    for sentence in privacy_sentences(result):
        _say(console, sentence)
    for name, why in result.left_out.items():
        _say(console, f"left out: {name}: {why}", "dim")
    for sentence in (*best_thief(result.defended[0]), *comparisons(result), *advice(result)):
        _say(console, sentence)


def _table(result: AuditResult) -> Table:
    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        title="what a copy costs",
        title_justify="left",
        title_style="dim",
    )
    table.add_column("Defence", no_wrap=True)
    for fidelity in FIDELITIES:
        table.add_column(f"to {fidelity:.2f}", justify="right", no_wrap=True)
    table.add_column("best", justify="right", no_wrap=True)
    table.add_column("cost to honest users")
    for each in result.defended:
        table.add_row(*map(Text, _row(result, each)))
    return table


def headline(result: AuditResult) -> str:
    """Returns the outcome in one sentence."""
    plain = result.defended[0]
    name = one_line(result.target)
    for fidelity in reversed(FIDELITIES):
        if found := result.cost(plain, fidelity):
            curve, point = found
            price = _price(result.prices)
            return (
                f"{name} can be copied to a fidelity of {fidelity:.2f} ({result.fidelity}) for"
                f" {usd(found)}{price}: {at_most(found)}{spent(point)}, by {curve.name}"
            )
    best = plain.best
    if best is None:
        return f"no attack could be played against {name}: nothing is known of what a copy costs"
    if not result.can_judge:
        return (
            f"this audit cannot say whether {name} was copied: with these test inputs even a"
            f" perfect copy cannot be distinguished from what is reached without a query,"
            f" {result.baseline:.2f}"
        )
    if result.is_unsure:
        low, high = best[1].interval
        return (
            f"this audit cannot say whether {name} was copied: the best copy reaches"
            f" {best[1].fidelity:.2f} ({result.fidelity}), but its interval, {low:.2f} to"
            f" {high:.2f}, includes what is reached without a query, {result.baseline:.2f}; give"
            " more --seeds, inputs or --budget"
        )
    reached = f"the best reaches {best[1].fidelity:.2f} ({result.fidelity})"
    if not result.has_copy:
        return (
            f"no copy of {name} exceeded what is reached without a query,"
            f" {result.baseline:.2f}, within the budget; {reached}"
        )
    least = next(iter(result.shown), 1.0)
    return (
        f"no attack is shown to copy {name} to {least:.2f} within the budget; {reached}, with an"
        f" interval from {best[1].interval[0]:.2f} to {best[1].interval[1]:.2f}"
    )


def _price(prices: Prices) -> str:
    if not prices.is_assumed or not prices.per_query:
        return ""
    return f", at an assumed ${prices.per_query:g} a query"


def basis(result: AuditResult) -> Iterator[str]:
    """Yields what answers were taken as, what fidelity is, and above what it counts."""
    if result.answers:
        yield result.answers
    measure = result.measure
    if measure is None:
        yield (
            f"fidelity is {result.fidelity} with the undefended target, on"
            f" {count(result.test_inputs)} test inputs; {count(result.paid)} queries were made of"
            " it in all"
        )
        return
    because = f", because {measure.because}" if measure.because else ""
    yield (
        f"fidelity is the {measure.name} with the target's own answers on"
        f" {count(result.test_inputs)} test inputs{because}; {count(result.paid)} queries were"
        f" made of it in all, {count(result.test_inputs)} of them for test inputs"
    )
    yield from _fewer_seeds(result)
    if result.access in (Access.VALUES, Access.SCORE) and not measure.is_balanced:
        yield "if a decision falls from some value on, state it with --decision-at"
    yield f"without any query the best constant reaches {measure.constant:.3f}{_trained(measure)}"
    yield from measure.notes
    yield from dict.fromkeys(result.remarks)
    if result.failed and result.failed.remark:
        yield one_line(result.failed.remark)


def _fewer_seeds(result: AuditResult) -> Iterator[str]:
    """Whether the budget held fewer runs of an attack than were wanted."""
    points = [point for curve in result.defended[0].curves for point in curve.points]
    least = min((len(point.fidelities) for point in points), default=result.seeds)
    if least < result.seeds:
        yield (
            f"the budget did not hold all {count(result.seeds)} runs of every attack: some have"
            f" {count(least)}, and wider intervals"
        )


def _trained(measure: Measure) -> str:
    if measure.without_queries is None:
        return "; what a model from true labels reaches is not known without --labels"
    return (
        f", and a model trained on the true labels of {count(measure.labelled)} other inputs"
        f" {measure.without_queries:.3f}"
    )


def advice(result: AuditResult) -> Iterator[str]:
    """Yields what to change first: the defences that make a good copy more expensive for the same
    attacks, by an interval over paired seeds.
    """
    wanted, compared = _compared(result)
    if not compared:
        return
    for each in sorted(compared, key=lambda one: -(one.factor[0] if one.factor else 0)):
        if each.stops and each.drop is not None:
            mean, low, high = each.drop
            yield (
                f"behind {each.defence} no attack reached {wanted:.2f} within this budget: the"
                f" best copy is {mean:.3f} worse (95 % interval {low:.3f} to {high:.3f})"
                f"{_not_played(each)}"
            )
        elif each.is_costlier and each.factor is not None:
            mean, low, high = each.factor
            yield (
                f"{each.defence} makes a copy of {wanted:.2f} {mean:.1f} times as expensive (95 %"
                f" interval {low:.1f} to {high:.1f}){_not_played(each)}"
            )
    known = {each.defence for each in compared}
    missing = [each.defence for each in result.defended[1:] if each.defence not in known]
    if missing:
        yield f"not compared, because too few attacks could be played: {', '.join(missing)}"
    useless = [each.defence for each in compared if not (each.stops or each.is_costlier)]
    if useless:
        yield (
            "no difference shown for an attacker who knows of it, over"
            f" {_runs(compared[0].seeds)}: {', '.join(sorted(useless))}"
        )


def _runs(seeds: int) -> str:
    return "one seed" if seeds == 1 else f"{count(seeds)} seeds"


def _compared(result: AuditResult) -> tuple[float, list[Difference]]:
    """The highest fidelity without a defence, and what each defence changes there."""
    plain, *defended = result.defended
    wanted = next((f for f in reversed(FIDELITIES) if result.cost(plain, f)), None)
    if wanted is None:
        return 1.0, []
    found = [difference(plain, each, wanted) for each in defended if each.curves]
    return wanted, [each for each in found if each is not None]


def _comparisons(result: AuditResult) -> dict[str, Any]:
    wanted, compared = _compared(result)
    return {
        "fidelity": wanted if compared else None,
        "defences": [
            asdict(each) | {"is_costlier": each.is_costlier, "stops": each.stops}
            for each in compared
        ],
    }


def _not_played(each: Difference) -> str:
    if not each.not_played:
        return ""
    return f"; not played behind it, and left out on both sides: {', '.join(each.not_played)}"


def _row(result: AuditResult, each: Defended) -> Iterator[str]:
    yield each.defence
    for fidelity in FIDELITIES:
        found = result.cost(each, fidelity)
        yield usd(found) if found else "-" if fidelity > result.baseline else "no query"
    best = each.best
    yield f"{best[1].fidelity:.3f}" if best else "-"
    yield users_words(each.users)


def users_words(users: Users) -> str:
    """Returns what a defence costs honest users, in a few words."""
    parts = [
        f"{users.label_changed:.1%} of labels changed" if users.label_changed else "",
        f"class scores moved by {users.l1:.2f} in sum" if users.l1 else "",
        f"{users.withheld:.0%} of its text withheld" if users.withheld else "",
        users.said,
    ]
    return ", ".join(part for part in parts if part) or "-"


def best_thief(plain: Defended) -> Iterator[str]:
    """Yields which attack made the best copy, how sure its fidelity is, and what other measures
    say of it.
    """
    if plain.best is None:
        return
    curve, point = plain.best
    low, high = point.interval
    seeds = len(point.fidelities)
    over = f"over {count(seeds)} seeds" if seeds > 1 else "from one seed"
    yield (
        f"best copy without a defence: {curve.name}, {point.recipe}, {count(point.queries)}"
        f" queries: {point.fidelity:.3f}, 95 % interval {low:.3f} to {high:.3f} {over}"
    )
    if point.beside:
        others = ", ".join(f"{name} {value:.3f}" for name, value in point.beside.items())
        yield f"of that copy: {others}"


def comparisons(result: AuditResult) -> Iterator[str]:
    """Yields comparisons for the cost: days, labelling without the API, what the owner paid."""
    plain = result.defended[0]
    prices = result.prices
    found = next((found for f in reversed(FIDELITIES) if (found := result.cost(plain, f))), None)
    if found is None:
        return
    point = found[1]
    yield from _days(point, prices)
    if prices.per_label is not None and (by_hand := _labelled(result)):
        fidelity, labels = by_hand
        usd = labels * (prices.per_label + prices.per_input)
        yield (
            f"without the API, {count(labels)} inputs labelled by hand for the same labels reach"
            f" {fidelity:.2f} and cost ${usd:,.2f}"
        )
    if prices.owner:
        share = point.usd / prices.owner
        part = f"{share:.2%}" if share >= _LEAST_SHARE else f"less than {_LEAST_SHARE:.2%}"
        yield f"the model cost its owner ${prices.owner:,.0f}: the copy costs {part} of that"


def _days(point: Point, prices: Prices) -> Iterator[str]:
    """How long one account takes; below a day no number is stated."""
    days = prices.days(point.queries)
    if days is None:
        return
    limit = f"under {count(prices.queries_per_day or 0)} queries a day that copy takes one account"
    if days <= 1:
        yield f"{limit} less than a day"
        return
    many = max(2, round(days))
    yield (
        f"{limit} {days:,.1f} days; {count(many)} accounts, ${many * prices.per_account:,.2f} more,"
        f" take {days / many:,.1f}"
    )


def privacy_sentences(result: AuditResult) -> Iterator[str]:
    """Yields what the target shows of its classes, how surely members are told, what poison adds
    and who finds it.
    """
    if result.privacy is None:
        return
    if result.privacy.inversion is not None:
        yield from _of_inversion(result.privacy.inversion)
    if result.privacy.leaks:
        yield from _of_members(result.privacy)
        yield from _of_screens(result.privacy)


def _of_inversion(inversion: Inversion) -> Iterator[str]:
    low, high = inversion.interval
    hits = round(inversion.found * inversion.tries)
    yield (
        f"from {count(inversion.queries)} answers a class, {count(hits)} of"
        f" {count(inversion.tries)} inputs made up from nothing but the range and the middle show"
        f" their class: {inversion.found:.0%} (95 % interval {low:.0%} to {high:.0%}); chance gives"
        f" {inversion.chance:.0%}"
    )
    start = "no class" if inversion.start is None else f"class {inversion.start}"
    yield (
        "whether one does is said by a forest and a regression that must agree and learnt from"
        f" your labels alone: right on {inversion.judge_accuracy:.1%} of"
        f" {count(inversion.judge_rows)} rows held out; the input from which all begin shows"
        f" {start}"
    )


def _of_members(privacy: Privacy) -> Iterator[str]:
    best = max(privacy.leaks, key=lambda leak: leak.found)
    for number, share in enumerate(FALSE_ALARMS):
        low, high = best.intervals[number]
        yield (
            f"of rows that were trained on, {best.found[number]:.1%} (95 % interval {low:.1%} to"
            f" {high:.1%}) are found at {share:.1%} false alarms, by {best.attack} with"
            f" {privacy.models - 2} shadow models"
        )
    clean, poisoned = (
        max(leak.found[0] for leak in each) for each in (privacy.clean, privacy.poisoned)
    )
    yield (
        f"with {privacy.copies} mislabelled copies of a row among the data, {poisoned:.1%} of such"
        f" rows are found at {FALSE_ALARMS[0]:.0%} false alarms; {clean:.1%} without"
    )


def _of_screens(privacy: Privacy) -> Iterator[str]:
    if not privacy.screens:
        return
    shares = ", ".join(
        f"{each.found:.0%} by {each.screen} on {each.features}" for each in privacy.screens
    )
    yield (
        "of that poison, screens that look at 1.5 times as many rows as are poisoned find"
        f" {shares}; chance gives {privacy.screens[0].chance:.0%}"
    )


def _labelled(result: AuditResult) -> tuple[float, int] | None:
    """The highest fidelity that a learner reaches from labels of inputs of the domain, and how many
    that takes.
    """
    curve = next((c for c in result.defended[0].curves if c.name == "learned-copy on labels"), None)
    for fidelity in reversed(list(result.shown)):
        if curve and (point := curve.cheapest(fidelity)):
            return fidelity, point.queries
    return None


def spent(point: Point) -> str:
    """Returns what was asked for a copy, in words: queries, tokens of a language model, accounts if
    more than one.
    """
    tokens = f", {count(point.tokens)} tokens" if point.tokens else ""
    return f"{count(point.queries)} queries{tokens}" + (
        f", {count(point.accounts)} accounts" if point.accounts > 1 else ""
    )


def at_most(found: tuple[Curve, Point]) -> str:
    """Returns `at most ` for the smallest number of queries that was tried: fewer may do."""
    curve, point = found
    is_smallest = point.queries == curve.smallest and curve.attack not in _SOLVES
    return "at most " if is_smallest else ""


def usd(found: tuple[Curve, Point]) -> str:
    """Returns what a copy costs, as people write it; below a cent nothing is exact."""
    cost = found[1].usd
    if cost < _CENT:
        return "< $0.01"
    return f"{'≤ ' if at_most(found) else ''}${cost:,.2f}"


def _defended(each: Defended, result: AuditResult) -> dict[str, Any]:
    return {
        "defence": each.defence,
        "users": asdict(each.users),
        "cost_to_copy": {
            f"{fidelity:.2f}": _cost(each, fidelity, result) for fidelity in FIDELITIES
        },
        "not_played": list(each.not_played),
        "curves": [_curve(curve) for curve in each.curves],
    }


def _cost(each: Defended, fidelity: float, result: AuditResult) -> dict[str, Any] | None:
    found = result.cost(each, fidelity)
    if found is None:
        return None
    curve, point = found
    return {
        "usd": point.usd,
        "queries": point.queries,
        "tokens": point.tokens,
        "accounts": point.accounts,
        "at_most": bool(at_most(found)),
        "days": result.prices.days(point.queries, point.accounts),
        "attack": curve.attack,
        "believes": curve.believes,
    }


def _curve(curve: Curve) -> dict[str, Any]:
    points = [
        asdict(point) | {"fidelity": point.fidelity, "interval": point.interval}
        for point in curve.points
    ]
    return {
        "attack": curve.attack,
        "believes": curve.believes,
        "stopped": curve.stopped,
        "points": points,
    }


def _say(console: Console, sentence: str, style: str = "") -> None:
    console.print(Text(sentence, style=style), soft_wrap=True)
