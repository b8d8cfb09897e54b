"""The folder of a hunt, written whole or not at all, and read again.

    DIR/verdicts.parquet      one row an account seen
    DIR/campaigns.json        the campaigns, for programs
    DIR/report.html           the report, for people
    DIR/evidence/             what `explain` reads: run.json (format and version), and the frames

All is written into a new folder beside `DIR`, which then takes its name by a rename: nobody sees
half a result, and a run that fails leaves the earlier one as it was.
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gamekeeper.base.errors import UsageError
from gamekeeper.campaigns.result import HuntResult
from gamekeeper.report.document import campaigns_document
from gamekeeper.report.evidence import FRAMES, RUN, is_evidence, read_evidence, run_document
from gamekeeper.report.html import render_html

VERDICTS = "verdicts.parquet"
CAMPAIGNS = "campaigns.json"
REPORT = "report.html"

_OURS = frozenset({VERDICTS, CAMPAIGNS, REPORT, "evidence"})


def write_folder(result: HuntResult, out: Path) -> None:
    """Writes verdicts, campaigns, report and evidence into `out`, whole or not at all.

    Args:
        result: What to write.
        out: A folder that does not exist, is empty, or is an earlier hunt's, which it replaces.

    Raises:
        UsageError: `out` is something else; nothing is written.
    """
    out = out.resolve()
    require_replaceable(out)
    with _beside(out) as new:
        _write_all(result, new)
        _swap(new, out)


def read_folder(out: Path) -> HuntResult:
    """Reads back what `write_folder` wrote.

    Raises:
        InputError: `out` is no such folder, is damaged, or has a version we do not know.
    """
    return read_evidence(out)


def require_replaceable(out: Path) -> None:
    """Raises unless `write_folder` may write there; ask before a long run.

    Raises:
        UsageError: `out` is a file, holds files that are not an earlier hunt's, or cannot be
            renamed.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise UsageError(f"{out} is a file; name a folder for the results")
    if os.path.ismount(out) or Path.cwd().is_relative_to(out.resolve()):
        raise UsageError(
            f"{out} is in use as a mount or as the current folder; name a folder in it:"
            f" {out / 'hunt'}"
        )
    names = {entry.name for entry in out.iterdir()}
    if foreign := sorted(names - _OURS):
        raise UsageError(
            f"{out} holds files of others ({', '.join(foreign[:3])}); name a new or empty folder"
        )
    if names and not is_evidence(out):
        raise UsageError(
            f"{out} is no folder of an earlier hunt, so it is not replaced; name a new or empty"
            " folder"
        )


def _write_all(result: HuntResult, new: Path) -> None:
    evidence = new / "evidence"
    evidence.mkdir()
    result.accounts.write_parquet(new / VERDICTS)
    _write_json(campaigns_document(result), new / CAMPAIGNS)
    (new / REPORT).write_text(render_html(result), encoding="utf-8")
    for name in FRAMES:
        getattr(result, name).write_parquet(evidence / f"{name}.parquet")
    _write_json(run_document(result), evidence / RUN)


def _write_json(document: dict[str, Any], path: Path) -> None:
    path.write_text(
        json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """Yields a new folder beside `out`; nothing of it, nor of parents made for it, outlives an
    exception.
    """
    made = [parent for parent in out.parents if not parent.exists()]
    new = out.with_name(f".{out.name}.{secrets.token_hex(4)}.new")
    try:
        new.mkdir(parents=True)
        yield new
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        with suppress(OSError):
            for parent in made:
                parent.rmdir()
        raise


def _swap(new: Path, out: Path) -> None:
    """Gives `new` the name of `out`; the earlier folder comes back if that fails."""
    if not out.exists():
        new.rename(out)
        return
    old = new.with_suffix(".old")
    out.rename(old)
    try:
        new.rename(out)
    except BaseException:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)
