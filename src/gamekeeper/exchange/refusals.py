"""Why a log is refused, and what to do: the faults that a whole reading ends with."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gamekeeper.base.errors import Fault
from gamekeeper.exchange.candidates import candidates
from gamekeeper.exchange.containers import Record
from gamekeeper.exchange.faults import Tally, UnreadableFileError, excerpt, unreadable
from gamekeeper.exchange.formats import FORMATS, Format
from gamekeeper.exchange.formats.form import KEPT_ELSEWHERE, NO_BODY, NO_CONTENT, NOBODY
from gamekeeper.exchange.paths import nearest

_FEW = 0.5  # share of bad rows up to which leaving them out is a way on
_OWN_OPTIONS = ("account", "owner", "time", "prompt", "model")


def with_way_on(tally: Tally) -> list[Fault]:
    """Returns the faults of rows, each with the way on without these rows where they are few."""
    share = tally.bad_rows / max(tally.rows, 1)
    if share > _FEW:
        return list(tally.row_faults)
    enough = math.ceil(share * 1000) / 1000
    way_on = f"--max-bad-rows {enough:g} leaves such rows out"
    return [_with_try(fault, way_on) for fault in tally.row_faults]


def lost_fields(nowhere: Mapping[str, str], sample: Record, logs: str) -> list[Fault]:
    """Returns a fault for each field that was named and is in no record.

    Args:
        nowhere: Our column to the field.
        sample: A record of the log; empty if there was none.
        logs: Named in the faults.
    """
    if not sample:
        return []
    return [
        Fault(
            where=logs,
            problem=f'"{path}" is in no record',
            found=excerpt(sample),
            expected=f"the field that holds {name}",
            try_=", or ".join(_option(name, near) for near in nearest(sample, path)[:3]),
        )
        for name, path in nowhere.items()
    ]


def mostly_other(tally: Tally, forms: Sequence[Format], logs: str) -> Fault:
    """Returns the fault of a log in which most records are of an unknown kind."""
    where, found = tally.first_unknown or (logs, "")
    names = sorted(form.name for form in forms)
    return Fault(
        where=where,
        problem="most records are of an unknown kind",
        found=found,
        expected=f"records of {', '.join(names) or ', '.join(FORMATS)}",
        try_=(
            f"--format {names[0] if names else 'NAME'} to take these alone, or --account-field,"
            " --time-field and --prompt-field"
        ),
        count=tally.unknown,
        of=tally.records,
    )


def no_exchange(tally: Tally, forms: Sequence[Format], logs: str) -> Fault:
    """Returns the fault of a log without any exchange that can be used."""
    if not tally.records:
        return Fault(
            where=logs,
            problem="the log is empty",
            found="no record",
            expected="one record or more",
        )
    reasons = ", ".join(f"{number:,} {why}" for why, number in tally.passed_over.most_common())
    return Fault(
        where=logs,
        problem="the log contains no exchange",
        found=(
            f"{tally.rows:,} rows, {tally.bad_rows:,} with faults; passed over:"
            f" {reasons or 'nothing'}"
        ),
        expected="at least one row without a fault",
        try_=_remedy(tally, forms),
    )


def unknown_format(file: str, record: Record) -> UnreadableFileError:
    """Returns the fault of a file whose records look like no format, with fields that may do."""
    named = []
    for column in ("account", "time", "prompt"):
        found = candidates(record, column)
        named.append(f"--{column}-field {found[0] if found else 'FIELD'}")
    return unreadable(
        file,
        "the format of the rows is not known",
        f"fields {excerpt(', '.join(map(str, record)))}",
        f"rows of {', '.join(FORMATS)}",
        f"{' '.join(named)}, or --format",
    )


def _remedy(tally: Tally, forms: Sequence[Format]) -> str:
    """Returns what to do about the reason for which most records were passed over."""
    if not tally.passed_over:
        return ""
    (most, _), *_ = tally.passed_over.most_common(1)
    if most == NOBODY.reason:
        return "--account-field FIELD: what is taken for the account holds words for nobody"
    if most in (NO_BODY.reason, NO_CONTENT.reason, KEPT_ELSEWHERE.reason):
        return "; ".join(f"keep prompts: {form.prompt_try}" for form in forms)
    return ""


def _option(column: str, path: str) -> str:
    return f"--{column}-field {path}" if column in _OWN_OPTIONS else f"--field {column}={path}"


def _with_try(fault: Fault, way_on: str) -> Fault:
    if "--max-bad-rows" in fault.try_:
        return fault
    return replace(fault, try_=f"{fault.try_}; or {way_on}" if fault.try_ else way_on)
