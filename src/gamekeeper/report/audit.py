"""What an audit found, for people and for programs."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gamekeeper.audit.options import Prices
from gamekeeper.audit.privacy import Inversion, Privacy
from gamekeeper.audit.privacy.membership import FALSE_ALARMS
from gamekeeper.audit.result import FIDELITIES, AuditResult, Curve, Defended, Point, Users
from gamekeeper.base.text import one_line
from gamekeeper.report.formatting import count

SCHEMA = "gamekeeper/audit@1"


def audit_document(result: AuditResult) -> dict[str, Any]:
    """Returns an audit as JSON can hold it."""
    return {
        "schema": SCHEMA,
        "target": result.target,
        "access": str(result.access),
        "fidelity": result.fidelity,
        "test_inputs": result.test_inputs,
        "paid_queries": result.paid,
        "findings": list(result.findings),
        "privacy": asdict(result.privacy) if result.privacy else None,
        "left_out": result.left_out,
        "prices": asdict(result.prices),
        "defences": [_defended(each, result.prices) for each in result.defended],
    }


def print_audit(result: AuditResult, console: Console) -> None:
    """Prints what a copy costs without a defence and behind each, by the best attack."""
    _say(console, headline(result), "bold")
    console.print(_table(result))
    _say(
        console,
        f"fidelity is {result.fidelity} with the undefended target, on {count(result.test_inputs)}"
        f" test inputs; {count(result.paid)} queries were made of it in all",
    )
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
        table.add_row(*map(Text, _row(each)))
    return table


def headline(result: AuditResult) -> str:
    """Returns the outcome in one sentence."""
    plain = result.defended[0]
    for fidelity in reversed(FIDELITIES):
        if found := plain.cheapest(fidelity):
            curve, point = found
            return (
                f"{one_line(result.target)} can be copied to a fidelity of {fidelity:.2f} for"
                f" {usd(point)}: {spent(point)}, by {curve.name}"
            )
    best = plain.best
    reached = f"; the best copy reaches {best[1].fidelity:.2f}" if best else ""
    return (
        f"nobody copied {one_line(result.target)} to a fidelity of {FIDELITIES[0]:.2f} within the"
        f" budget{reached}"
    )


def advice(result: AuditResult) -> Iterator[str]:
    """Yields what to change first: the defence that makes a good copy most expensive for the best
    attack.
    """
    plain, *defended = result.defended
    wanted = next((f for f in reversed(FIDELITIES) if plain.cheapest(f)), None)
    if wanted is None:
        return
    before = plain.cheapest(wanted)
    assert before is not None
    costlier = [(each, each.cheapest(wanted)) for each in defended if each.curves]
    stops = [each.defence for each, found in costlier if found is None]
    if stops:
        yield f"within this budget no attack reached {wanted:.2f} behind {', '.join(stops)}"
    costs = [
        (found[1].usd / before[1].usd, each.defence)
        for each, found in costlier
        if found is not None
    ]
    if costs:
        factor, name = max(costs)
        useless = sorted(defence for ratio, defence in costs if ratio < 1.1)
        if factor >= 1.1:
            yield f"{name} makes that copy {factor:.1f} times as expensive"
        if useless:
            yield f"not more expensive for an attacker who knows of it: {', '.join(useless)}"


def _row(each: Defended) -> Iterator[str]:
    yield each.defence
    for fidelity in FIDELITIES:
        found = each.cheapest(fidelity)
        yield usd(found[1]) if found else "-"
    best = each.best
    yield f"{best[1].fidelity:.3f}" if best else "-"
    yield users_words(each.users)


def users_words(users: Users) -> str:
    """Returns what a defence costs honest users, in a few words."""
    parts = [
        f"{users.label_changed:.1%} of labels changed" if users.label_changed else "",
        f"scores changed by {users.l1:.2f} (L1)" if users.l1 else "",
        f"{users.withheld:.0%} of its text withheld" if users.withheld else "",
        users.said,
    ]
    return ", ".join(part for part in parts if part) or "-"


def best_thief(plain: Defended) -> Iterator[str]:
    """Yields which attack made the best copy, and how sure its fidelity is."""
    if plain.best is None:
        return
    curve, point = plain.best
    low, high = point.interval
    yield (
        f"best copy without a defence: {curve.name}, {point.recipe}, {count(point.queries)}"
        f" queries: {point.fidelity:.3f}, 95 % interval {low:.3f} to {high:.3f} over"
        f" {count(len(point.fidelities))} seeds"
    )


def comparisons(result: AuditResult) -> Iterator[str]:
    """Yields comparisons for the cost: days, labelling without the API, what the owner paid."""
    plain = result.defended[0]
    prices = result.prices
    found = next((found for f in reversed(FIDELITIES) if (found := plain.cheapest(f))), None)
    if found is None:
        return
    point = found[1]
    if (days := prices.days(point.queries)) is not None:
        many = max(2, round(days))
        yield (
            f"under {count(prices.queries_per_day or 0)} queries a day that copy takes one account"
            f" {days:,.1f} days; {count(many)} accounts, ${many * prices.per_account:,.2f} more,"
            f" take {days / many:,.1f}"
        )
    if prices.per_label is not None and (labels := _labels_to(plain, point.fidelity)):
        usd = labels * (prices.per_label + prices.per_input)
        yield f"without the API, {count(labels)} inputs labelled by hand would cost ${usd:,.2f}"
    if prices.owner:
        yield (
            f"the model cost its owner ${prices.owner:,.0f}: the copy costs"
            f" {point.usd / prices.owner:.2%} of that"
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


def _labels_to(plain: Defended, fidelity: float) -> int | None:
    """Labelled inputs with which a learner gets so far, to the nearest size below that
    reached it.
    """
    curve = next(
        (c for c in plain.curves if c.attack == "learned-copy" and c.believes == "labels"), None
    )
    wanted = max((f for f in FIDELITIES if f <= fidelity), default=FIDELITIES[0])
    point = curve.cheapest(wanted) if curve else None
    return point.queries if point else None


def spent(point: Point) -> str:
    """Returns what was asked for a copy, in words: queries, tokens of a language model, accounts if
    more than one.
    """
    tokens = f", {count(point.tokens)} tokens" if point.tokens else ""
    return f"{count(point.queries)} queries{tokens}" + (
        f", {count(point.accounts)} accounts" if point.accounts > 1 else ""
    )


def usd(point: Point) -> str:
    """Returns what a copy costs, as people write it."""
    return f"${point.usd:,.2f}" if point.usd >= 0.01 else f"${point.usd:.4f}"


def _defended(each: Defended, prices: Prices) -> dict[str, Any]:
    return {
        "defence": each.defence,
        "users": asdict(each.users),
        "cost_to_copy": {
            f"{fidelity:.2f}": _cost(each, fidelity, prices) for fidelity in FIDELITIES
        },
        "curves": [_curve(curve) for curve in each.curves],
    }


def _cost(each: Defended, fidelity: float, prices: Prices) -> dict[str, Any] | None:
    found = each.cheapest(fidelity)
    if found is None:
        return None
    curve, point = found
    return {
        "usd": point.usd,
        "queries": point.queries,
        "tokens": point.tokens,
        "accounts": point.accounts,
        "days": prices.days(point.queries, point.accounts),
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
