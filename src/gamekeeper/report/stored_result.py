"""The evidence in a hunt's folder: what is needed to build its `HuntResult` again.

`run.json` names the format and its version; a reader of another version says so and reads nothing.
Campaigns come from `campaigns.json` and accounts from `verdicts.parquet`, so that nothing is stored
twice.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from gamekeeper.base.errors import Fault, InputError, input_error
from gamekeeper.campaigns.result import (
    ACCOUNTS,
    EXAMPLES,
    LINKS,
    MAP,
    READINGS,
    TIMELINE,
    Campaign,
    HuntResult,
    Power,
)
from gamekeeper.exchange import ReadSummary
from gamekeeper.report.document import SCHEMA as HUNT_SCHEMA
from gamekeeper.report.formatting import iso
from gamekeeper.report.power import power_of
from gamekeeper.verdict import Member, Policy, Verdict

SCHEMA = "gamekeeper/evidence@1"
RUN = "run.json"
FRAMES: dict[str, dict[str, Any]] = {
    "readings": READINGS,
    "links": LINKS,
    "examples": EXAMPLES,
    "timeline": TIMELINE,
    "map": MAP,
}
"""The frames in `evidence/`, by the name of file and field, and their columns."""

_PLAIN = (
    "files",
    "rows",
    "bad_rows",
    "duplicate_rows",
    "passed_over",
    "without_text",
    "cut_prompts",
    "cut_by_writer",
    "account_fields",
    "owner_fields",
    "remarks",
)


def run_document(result: HuntResult) -> dict[str, Any]:
    """Returns what a `HuntResult` holds besides frames and campaigns."""
    read = result.read
    return {
        "schema": SCHEMA,
        "exchanges": result.exchanges,
        "linked_sample": result.linked_sample,
        "first_seen": iso(result.first_seen),
        "last_seen": iso(result.last_seen),
        "could_not_show": result.could_not_show,
        "encoders": result.encoders,
        "seconds": result.seconds,
        "redacted": result.redacted,
        "policy": asdict(result.policy) | {"without": sorted(result.policy.without)},
        "read": {name: getattr(read, name) for name in _PLAIN}
        | {
            "formats": dict(read.formats),
            "columns_seen": sorted(read.columns_seen),
            "faults": [asdict(fault) for fault in read.faults],
        },
    }


def is_evidence(out: Path) -> bool:
    """Whether a folder is a hunt's, of any version."""
    try:
        run = json.loads((out / "evidence" / RUN).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(run, dict) and str(run.get("schema")).startswith("gamekeeper/evidence@")


def read_evidence(out: Path) -> HuntResult:
    """Builds the result of a hunt from its folder.

    Raises:
        InputError: The folder is not a hunt's, is damaged, or has an unknown version.
    """
    run = _json(out / "evidence" / RUN, SCHEMA)
    hunt = _json(out / "campaigns.json", HUNT_SCHEMA)
    frames = {
        name: _frame(out / "evidence" / f"{name}.parquet", columns, added=("counts",))
        for name, columns in FRAMES.items()
    }
    accounts = _frame(out / "verdicts.parquet", ACCOUNTS, added=("owner", "alias", "families"))
    try:
        campaigns = [_campaign(document) for document in hunt["campaigns"]]
        # earlier versions measured no power
        power = hunt.get("power")
        return _result(run, campaigns, accounts, frames, power_of(power) if power else None)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(out / "evidence" / RUN, f"{type(error).__name__}: {error}") from error


def _result(
    run: dict[str, Any],
    campaigns: list[Campaign],
    accounts: pl.DataFrame,
    frames: dict[str, pl.DataFrame],
    power: Power | None,
) -> HuntResult:
    return HuntResult(
        accounts=accounts,
        campaigns=tuple(campaigns),
        **frames,
        read=_summary(run["read"]),
        exchanges=run["exchanges"],
        linked_sample=run["linked_sample"],
        first_seen=datetime.fromisoformat(run["first_seen"]),
        last_seen=datetime.fromisoformat(run["last_seen"]),
        could_not_show=tuple(run["could_not_show"]),
        encoders=tuple(run["encoders"]),
        seconds=run["seconds"],
        redacted=run["redacted"],
        policy=Policy(**run["policy"] | {"without": frozenset(run["policy"]["without"])}),
        power=power,
    )


def _summary(read: dict[str, Any]) -> ReadSummary:
    return ReadSummary(
        files=tuple(read["files"]),
        formats=read["formats"],
        rows=read["rows"],
        bad_rows=read["bad_rows"],
        duplicate_rows=read["duplicate_rows"],
        passed_over=read["passed_over"],
        without_text=read["without_text"],
        cut_prompts=read["cut_prompts"],
        cut_by_writer=read["cut_by_writer"],
        account_fields=read["account_fields"],
        owner_fields=read["owner_fields"],
        remarks=tuple(read["remarks"]),
        columns_seen=frozenset(read["columns_seen"]),
        faults=tuple(Fault(**fault) for fault in read["faults"]),
    )


def _campaign(document: dict[str, Any]) -> Campaign:
    p_benign = document["p_benign"]
    return Campaign(
        id=document["id"],
        accounts=tuple(document["accounts"]),
        exchanges=document["exchanges"],
        linked=document["linked"],
        first_seen=datetime.fromisoformat(document["first_seen"]),
        last_seen=datetime.fromisoformat(document["last_seen"]),
        p_benign=math.nan if p_benign is None else p_benign,
        decoys=document["decoys"],
        verdict=Verdict(document["verdict"]),
        families=tuple(document["families"]),
        reasons=tuple(document["reasons"]),
        innocent=tuple(document["innocent"]),
        links=document["links"],
        fragments=tuple(document["fragments"]),
        owners=tuple(document.get("owners", ())),
        # earlier versions did not say what each member shows
        members=tuple(Member.from_document(each) for each in document.get("members", ())),
    )


def _json(path: Path, schema: str) -> dict[str, Any]:
    document = _opened(path, lambda: json.loads(path.read_bytes()))
    found = document.get("schema") if isinstance(document, dict) else None
    if found != schema:
        raise _fault(
            path,
            "unknown version",
            f'"schema": {json.dumps(found)}',
            f'"schema": "{schema}"',
        )
    assert isinstance(document, dict)
    return document


def _frame(path: Path, columns: dict[str, Any], added: Sequence[str] = ()) -> pl.DataFrame:
    """Reads a frame of these columns; earlier versions wrote it without those `added`."""
    frame = _opened(path, lambda: pl.read_parquet(path))
    assert isinstance(frame, pl.DataFrame)
    missing = [name for name in added if name in columns and name not in frame.columns]
    frame = frame.with_columns(pl.lit(None, columns[name]).alias(name) for name in missing)
    if dict(frame.schema) != columns:
        raise _damaged(path, ", ".join(f"{name}: {kind}" for name, kind in frame.schema.items()))
    return frame


def _opened(path: Path, read: Callable[[], object]) -> object:
    try:
        return read()
    except FileNotFoundError as error:
        raise _fault(
            path, "the file is missing", "nothing", "a folder that `gamekeeper hunt` wrote"
        ) from error
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise _damaged(path, str(error).partition("\n")[0]) from error


def _damaged(path: Path, found: str) -> InputError:
    return _fault(
        path, "the file is damaged", found[:200], "the file as `gamekeeper hunt` wrote it"
    )


def _fault(path: Path, problem: str, found: str, expected: str) -> InputError:
    return input_error(
        path, problem, found, expected, "gamekeeper hunt LOGS --out DIR, then name that DIR"
    )
