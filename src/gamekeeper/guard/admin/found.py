"""What the last pass over recent traffic left in `found/`: its report, and the evidence about
each account.

A pass replaces the folder by a rename, so it may vanish for a moment between two reads.
"""

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from gamekeeper.base.errors import InputError, UsageError

if TYPE_CHECKING:
    from gamekeeper.campaigns import HuntResult

EXAMPLES = 12
LINKS = 20
PROMPT_CHARS = 2_000


class Found:
    """The report and the evidence of the last pass, read from the state folder. All methods block.

    Args:
        folder: Of the guard's state.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "found"
        self._alone = Lock()
        self._result: HuntResult | None = None
        self._stamp: tuple[int, int] | None = None

    @property
    def has_report(self) -> bool:
        """Whether there is a report."""
        return (self._folder / "report.html").is_file()

    def report(self) -> bytes | None:
        """Returns the report, one HTML page; None if no pass has ended yet."""
        for _ in range(2):
            try:
                return (self._folder / "report.html").read_bytes()
            except FileNotFoundError:
                continue
        return None

    def explain(self, subject: str) -> dict[str, Any] | None:
        """Returns the readings, links and example exchanges of a campaign or an account; None if
        there are none.
        """
        from gamekeeper.report import explanation_json  # loads frames

        result = self._read()
        if result is None:
            return None
        try:
            explained = explanation_json(result, subject)
        except UsageError:
            return None
        campaign = explained["campaign"] or {}
        return {
            "p_benign": explained["p_benign"],
            "exchanges": explained["exchanges"],
            "campaign": campaign.get("id"),
            "fragments": campaign.get("fragments", []),
            "readings": explained["readings"],
            "links": explained["links"][:LINKS],
            "examples": [_shortened(row) for row in explained["examples"][:EXAMPLES]],
            "redacted": explained["redacted"],
        }

    def _read(self) -> "HuntResult | None":
        """Returns what the last pass found, read once for each pass."""
        from gamekeeper.report import read_folder

        with self._alone:
            for _ in range(2):
                stamp = self._stamp_now()
                if stamp is None or stamp == self._stamp:
                    return self._result
                try:
                    self._result = read_folder(self._folder)
                    self._stamp = stamp
                except InputError:
                    continue
            return self._result

    def _stamp_now(self) -> tuple[int, int] | None:
        try:
            stat = (self._folder / "evidence" / "run.json").stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns


def _shortened(row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: row[name] and row[name][:PROMPT_CHARS] for name in ("system", "prompt")}
