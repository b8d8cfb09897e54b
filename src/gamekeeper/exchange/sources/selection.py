"""Which files of a folder are logs.

A folder holds more than its log: what tools write to keep order, what systems leave behind, what
people put beside it. Every file is a candidate, whatever its suffix (an export of CloudWatch is
`000000.gz`, a part of Spark `part-00000`), but for those that are known to be something else. A
file that is not known stays: the reader looks at its content.

The rules look at paths alone, so that they are the same for a disk and a store.
"""

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol
from urllib.parse import unquote

_SHOWN = 3
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_PARTITION = re.compile(r"(?P<name>[A-Za-z_][\w.\- ]*)=(?P<value>.*)", re.DOTALL)

_LEFTOVERS = re.compile(  # of systems and frameworks: never rows, and nobody misses them
    r"""(?xi)
      \._.* | \.ds_store | \.localized | __macosx | thumbs\.db | desktop\.ini | icon\r
    | _success | _started(_.*)? | _committed(_.*)? | _temporary | _metadata | _common_metadata
    | _spark_metadata | _symlink_format_manifest | _change_data | .*_\$folder\$
    | \.?.*\.crc | aws-logs-write-test | amazon-bedrock-logs-permission-check
    | elb_?access_?log_?test_?file | \.keep | \.gitkeep | \.gitignore | \.placeholder
    """
)
_DIGEST_FOLDER = "CloudTrail-Digest"
_UNFINISHED = re.compile(
    r"(?i).+\.(?:tmp|temp|part|partial|inprogress|incomplete|crdownload|filepart|swp|swo)"
    r"|.+\.inprogress\.[0-9a-f-]+|.+~|_tmp|#.+#"
)
_DOCUMENTS = re.compile(
    r"""(?xi)
      (?:readme|licen[cs]e|notice|changelog|contributing|makefile|dockerfile|manifest)(?:\..*)?
    | .+\.(?:
        md|markdown|rst|adoc|html?|pdf|docx?|odt|rtf|pptx?|tex        # documents
      | png|jpe?g|gif|svg|ico|webp|bmp|tiff?|mp[34]|wav|mov|avi|woff2?|ttf      # media
      | py|pyc|ipynb|sh|bat|ps1|js|ts|css|sql|toml|ya?ml|ini|cfg|conf|env|properties   # code
      | exe|dll|so|jar|class|whl|deb|rpm|dmg|iso | pem|key|crt|cer|p12 | xlsx?|ods | avsc|proto | tf
    )
    """
)
_CHECKSUMS = re.compile(
    r"(?i).+\.(?:md5|sha1|sha224|sha256|sha384|sha512|b2|sum|sig|asc|minisig)"
    r"|(?:md5|sha\d+|b2|check)sums?(?:\.txt)?"
)
_LOCKS = re.compile(r"(?i).+\.(?:lock|lck|pid)|lock")
_DATABASES = re.compile(r"(?i).+\.(?:sqlite3?|db3?|duckdb|ddb|mdb|accdb)(?:-(?:wal|shm|journal))?")
_BODIES = re.compile(r"(?i)(?:.*/)?data/[^/]+_(?:input|output)[^/]*\.[^/]+")
_TABLE_LOGS = frozenset({"_delta_log", ".hoodie"})

BODIES = "bodies that Bedrock keeps apart from its log"
"""Why the files of Bedrock's folder `data` are left out."""

RESULTS = "results of gamekeeper itself"
"""Why what a hunt or a replay wrote into a folder of logs is left out: it holds rows of them."""

_HUNT = "evidence/run.json"
_OF_HUNT = ("verdicts.parquet", "campaigns.json")
_OF_REPLAY = ("replay.json", "exchanges.parquet")

_REASONS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("unfinished files", _UNFINISHED),
    ("checksums and signatures", _CHECKSUMS),
    ("lock files", _LOCKS),
    ('databases, which "--sql" reads', _DATABASES),
    ("documents, pictures and programs", _DOCUMENTS),
)


class Place(Protocol):
    """A folder of a disk or of a store."""

    def shown(self, path: str) -> str:
        """Returns the name of a file as it is shown."""

    def open(self, path: str) -> BinaryIO:
        """Returns the bytes of a file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a folder.

    Args:
        path: Below the folder, with `/`.
        size: Bytes; 0 means that it is empty.
    """

    path: str
    size: int


@dataclass(slots=True)
class Chosen:
    """What a folder holds.

    Args:
        files: Those that may be logs.
        left_out: Why files were left out, and which.
        empty: Files without a byte.
    """

    files: list[Entry] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)

    def remarks(self, folder: str) -> list[str]:
        """Returns a sentence for each reason; what nobody misses is not named."""
        remarks = [
            f"{folder}: {reason} were left out: {_some(names)}"
            for reason, names in self.left_out.items()
            if reason
        ]
        if self.empty and self.files:
            remarks.append(f"{folder}: empty files, in which nothing came: {_some(self.empty)}")
        return remarks


def choose(entries: Iterable[Entry]) -> Chosen:
    """Returns which files may be logs; `Entry.path` is below the folder that was named."""
    chosen = Chosen()
    entries = list(entries)
    results = _results_of_ours({entry.path for entry in entries})
    for entry in entries:
        reason = reason_to_leave_out(entry.path)
        if reason is None and entry.path.startswith(results):
            reason = RESULTS
        if reason is not None:
            chosen.left_out.setdefault(reason, []).append(entry.path)
        elif entry.size == 0:
            chosen.empty.append(entry.path)
        else:
            chosen.files.append(entry)
    return chosen


def reason_to_leave_out(path: str) -> str | None:
    """Returns why a file is not a log; empty if nobody misses it, None if it may be a log.

    Example:
        >>> reason_to_leave_out("2026/11/000000.gz") is None
        True
        >>> reason_to_leave_out("2026/11/README.md")
        'documents, pictures and programs'
    """
    *folders, name = path.split("/")
    if any(map(_LEFTOVERS.fullmatch, (*folders, name))) or _DIGEST_FOLDER in folders:
        return ""
    if _TABLE_LOGS.intersection(folders):
        return ""
    if any(part.startswith(".") for part in (*folders, name)):
        return "hidden files"
    if _BODIES.fullmatch(path):
        return BODIES
    for reason, pattern in _REASONS:
        if pattern.fullmatch(name):
            return reason
    return None


def _results_of_ours(paths: Set[str]) -> tuple[str, ...]:
    """Returns what the paths of results begin with."""
    found: list[str] = []
    for path in paths:
        folder, _, name = path.rpartition("/")
        root = f"{folder}/" if folder else ""
        of_replay = {root + one for one in _OF_REPLAY}
        if name == _OF_REPLAY[0] and of_replay <= paths:
            found += of_replay
        root = path.removesuffix(_HUNT)
        if path.endswith(_HUNT) and {root + one for one in _OF_HUNT} <= paths:
            found.append(root)
    return tuple(found)


def is_skipped_folder(name: str) -> bool:
    """Returns whether a walk need not go into a folder: all that it holds would be left out.

    The logs of table formats are not among them: they say which files the table has.
    """
    if name in _TABLE_LOGS:
        return False
    return name.startswith(".") or bool(_LEFTOVERS.fullmatch(name)) or name == _DIGEST_FOLDER


def partition_of(path: str) -> Mapping[str, str]:
    """Returns the columns that the folders of a path hold, as Hive writes them.

    Example:
        >>> partition_of("day=2026-11-02/team=a%2Fb/part-0.parquet")
        {'day': '2026-11-02', 'team': 'a/b'}
    """
    matches = [_PARTITION.fullmatch(folder) for folder in path.split("/")[:-1]]
    values = {unquote(m["name"]): unquote(m["value"]) for m in matches if m is not None}
    return {name: value for name, value in values.items() if value not in ("", _NO_VALUE)}


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
