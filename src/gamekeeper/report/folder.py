"""The folder of a hunt, written whole or not at all, and read again.

    DIR/verdicts.parquet      one row an account seen
    DIR/campaigns.json        the campaigns, for programs
    DIR/report.html           the report, for people
    DIR/evidence/             what `explain` reads: run.json (format and version), and the frames

All is written to disk in a new folder beside `DIR`, which then takes its name by a rename: no
reader sees half a result, and a run that fails leaves the earlier one as it was.
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from gamekeeper.base.errors import UsageError
from gamekeeper.base.files import replace_file, sync_folder
from gamekeeper.campaigns.result import HuntResult
from gamekeeper.report.document import campaigns_document
from gamekeeper.report.html import render_html
from gamekeeper.report.stored_result import FRAMES, RUN, is_evidence, read_evidence, run_document

VERDICTS = "verdicts.parquet"
CAMPAIGNS = "campaigns.json"
REPORT = "report.html"

_BY_UMASK = 0o666  # results are no secrets: who may read them is for the umask to say
_OURS = frozenset({VERDICTS, CAMPAIGNS, REPORT, "evidence"})


def write_folder(result: HuntResult, out: str | Path) -> None:
    """Writes verdicts, campaigns, report and evidence into `out`, whole or not at all.

    Args:
        result: What to write.
        out: A folder that does not exist, is empty, or is an earlier hunt's, which it replaces.

    Raises:
        UsageError: `out` is something else; nothing is written.
    """
    out = Path(out)
    out = out.resolve()
    require_replaceable(out)
    with _beside(out) as new:
        _write_all(result, new)
        _swap(new, out)


def read_folder(out: str | Path) -> HuntResult:
    """Reads back what `write_folder` wrote.

    Raises:
        InputError: `out` is not such a folder, is damaged, or has an unknown version.
    """
    out = Path(out)
    return read_evidence(out)


def require_replaceable(out: str | Path) -> None:
    """Raises unless `write_folder` may write there; ask before a long run.

    Raises:
        UsageError: `out` is a file, holds files that are not an earlier hunt's, or cannot be
            renamed.
    """
    out = Path(out)
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
            f"{out} holds other files ({', '.join(foreign[:3])}); name a new or empty folder"
        )
    if names and not is_evidence(out):
        raise UsageError(
            f"{out} is not a folder of an earlier hunt, so it is not replaced; name a new or empty"
            " folder"
        )


def _write_all(result: HuntResult, new: Path) -> None:
    evidence = new / "evidence"
    evidence.mkdir()
    contents = {
        new / VERDICTS: _parquet(result.accounts),
        new / CAMPAIGNS: _json(campaigns_document(result)),
        new / REPORT: render_html(result).encode(),
        **{evidence / f"{name}.parquet": _parquet(getattr(result, name)) for name in FRAMES},
        evidence / RUN: _json(run_document(result)),
    }
    for path, content in contents.items():
        replace_file(path, content, _BY_UMASK)


def _parquet(frame: pl.DataFrame) -> bytes:
    written = BytesIO()
    frame.write_parquet(written)
    return written.getvalue()


def _json(document: dict[str, Any]) -> bytes:
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """Yields a new folder beside `out`; it and its new parents are removed after an exception."""
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
        sync_folder(out.parent)
        return
    old = new.with_suffix(".old")
    out.rename(old)
    try:
        new.rename(out)
    except BaseException:
        old.rename(out)
        raise
    sync_folder(out.parent)
    shutil.rmtree(old, ignore_errors=True)
