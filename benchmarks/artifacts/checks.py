"""What has to be true of what was printed. Each check fails where nothing was printed."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from questions import Check, Printed

COPIED = re.compile(
    r"can be copied to a fidelity of (?P<fidelity>[\d.]+) \((?P<measure>[^)]*)\)"
    r".*?: (?:at most )?(?P<queries>[\d,]+) queries, by (?P<attack>[\w-]+)"
)
OWN_FAULT = re.compile(r"fault of gamekeeper's own|Traceback \(most recent call last\)")


def exits(*codes: int) -> Check:
    """The exit code is one of these."""
    either = " or ".join(map(str, codes))
    return Check(f"exit {either}", lambda printed: printed.code in codes)


def says(pattern: str) -> Check:
    """A regular expression occurs, upper or lower case alike."""
    return Check(
        f"says {pattern!r}", lambda printed: bool(re.search(pattern, printed.text, re.IGNORECASE))
    )


def says_not(pattern: str) -> Check:
    """Something is printed, in which a regular expression does not occur."""

    def is_met(printed: Printed) -> bool:
        is_silent = not printed.text.strip()
        return not is_silent and not re.search(pattern, printed.text, re.IGNORECASE)

    return Check(f"does not say {pattern!r}", is_met)


def is_in_form() -> Check:
    """No trace, no fault of the program's own, no warning of a library."""

    def is_met(printed: Printed) -> bool:
        if not printed.text.strip() or OWN_FAULT.search(printed.text):
            return False
        return "Warning" not in printed.err

    return Check("neither a trace nor a warning of a library", is_met)


def copied(measure: str, fidelity: float, *, queries: int = 10**9, attack: str = "") -> Check:
    """The headline claims a copy of at least a fidelity, by a measure (a regular expression), for at most so many queries,
    by an attack if one is named.
    """

    def is_met(printed: Printed) -> bool:
        found = COPIED.search(printed.out)
        return bool(
            found
            and re.fullmatch(measure, found["measure"])
            and float(found["fidelity"]) >= fidelity
            and int(found["queries"].replace(",", "")) <= queries
            and attack in ("", found["attack"])
        )

    by = f" by {attack}" if attack else ""
    most = f" with at most {queries} queries" if queries < 10**9 else ""
    return Check(f"copied to {fidelity:g} ({measure}){by}{most}", is_met)


def audited(what: str, is_met: Callable[[dict[str, Any]], bool], out: str = "out") -> Check:
    """A property of audit.json."""
    return Check(what, lambda printed: is_met(document(printed.folder / out)))


def costs(fidelity: str, *, queries: int, out: str = "out") -> Check:
    """Without a defence, a copy of a fidelity takes at most so many queries."""

    def is_met(printed: Printed) -> bool:
        found = document(printed.folder / out)["defences"][0]["cost_to_copy"][fidelity]
        return found is not None and 0 < found["queries"] <= queries

    return Check(f"copied to {fidelity} with at most {queries} queries", is_met)


def reaches(fidelity: float, *, queries: int, attack: str, out: str = "out") -> Check:
    """An attack's copy has at least a fidelity after at most so many queries, on average."""

    def is_met(printed: Printed) -> bool:
        curves = document(printed.folder / out)["defences"][0]["curves"]
        return any(
            point["fidelity"] >= fidelity and point["queries"] <= queries
            for curve in curves
            if curve["attack"] == attack
            for point in curve["points"]
        )

    return Check(f"{attack} reaches {fidelity:g} with at most {queries} queries", is_met)


def document(out: Path) -> dict[str, Any]:
    """Returns an audit's result."""
    return dict(json.loads((out / "audit.json").read_text()))


def best(document: dict[str, Any]) -> dict[str, Any]:
    """Returns the point of the best copy without a defence."""
    points = [point for curve in document["defences"][0]["curves"] for point in curve["points"]]
    return dict(max(points, key=lambda point: point["fidelity"]))


def measured_by(measure: str, out: str = "out") -> Check:
    """The audit's main measure, by its name in audit.json, and printed."""

    def is_met(printed: Printed) -> bool:
        found = document(printed.folder / out)["measure"]["name"]
        return bool(found == measure and measure in printed.out)

    return Check(f"measured by {measure}", is_met)


def same_bytes(one: str, other: str) -> Check:
    """Two files or folders have the same contents."""

    def is_met(printed: Printed) -> bool:
        mine = contents(printed.folder / one)
        return bool(mine) and mine == contents(printed.folder / other)

    return Check(f"{other} is byte for byte {one}", is_met)


def contents(path: Path) -> dict[str, bytes]:
    """Returns the bytes of a file, or of all files of a folder by their paths in it."""
    if path.is_file():
        return {"": path.read_bytes()}
    return {
        str(each.relative_to(path)): each.read_bytes()
        for each in sorted(path.rglob("*"))
        if each.is_file()
    }


def is_there(path: str) -> Check:
    """A file was written."""
    return Check(f"{path} is there", lambda printed: (printed.folder / path).is_file())


def is_absent(path: str) -> Check:
    """A refusal wrote no file."""

    def is_met(printed: Printed) -> bool:
        return printed.code > 0 and not (printed.folder / path).exists()

    return Check(f"refused, and {path} is not there", is_met)


def prints_lines(expected: str) -> Check:
    """Standard output is what a file has, line by line."""

    def is_met(printed: Printed) -> bool:
        wanted = (printed.folder / expected).read_text().split()
        return bool(wanted) and printed.out.split() == wanted

    return Check(f"prints what {expected} has", is_met)
