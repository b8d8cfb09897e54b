"""Lodges a signed head with an outside witness: a time-stamping authority signs its hash and the
time.

The writer can drop entries and sign a shorter history, but he cannot take back what a stranger has
stamped: a stamped head that is longer than the casebook shows that the end was cut off. Stamps are
worth most where the writer cannot reach them, so copies of `witness/` belong elsewhere. What is
stamped is the file `witness/NAME.head`, byte for byte, and the answer is `witness/NAME.tsr`; so
others can check them too:

    openssl ts -verify -data NAME.head -in NAME.tsr -CAfile ROOT.pem

Source: RFC 3161, Time-Stamp Protocol, 2001, sections 2.2 and 2.4.2 (what to check in an answer).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gamekeeper.base.errors import Fault, MissingExtraError, UsageError, input_error
from gamekeeper.base.files import replace_file
from gamekeeper.casebook.faults import excerpt
from gamekeeper.casebook.files import WITNESS
from gamekeeper.casebook.heads import FORMAT, SignedHead
from gamekeeper.casebook.lines import written
from gamekeeper.casebook.reading import head_fault
from gamekeeper.casebook.tree import HashTree

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

_MAX_ANSWER_BYTES = 1 << 20
_HEADERS = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
_GRANTED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A head that a witness stamped.

    Args:
        name: Of its two files in `witness/`, without their endings.
        size: Lines of the casebook that it vouches for.
        time: When it was stamped, by the witness's clock; UTC, ISO 8601. None if the stamp was not
            checked.
    """

    name: str
    size: int
    time: str | None


def lodge(folder: Path, head: SignedHead, url: str, *, timeout_s: float = 10.0) -> Path:
    """Has a signed head stamped, and keeps the stamp in `witness/`.

    The stamp is checked to be for this head; who gave it is checked by `verify_casebook`, which has
    the authority's certificate.

    Args:
        folder: The casebook.
        head: As `Casebook.sign` returns it.
        url: Of a time-stamping authority, http or https.
        timeout_s: Longest wait for it.

    Returns:
        The path of the stamp.

    Raises:
        UsageError: The address is of another kind.
        InputError: The authority does not answer, refuses, or stamps something else.
        MissingExtraError: The extra `witness` is not installed.
    """
    client = _client()
    if urlsplit(url).scheme not in ("http", "https"):
        raise UsageError(f"a witness has an http or https address; found {url}")
    stamped = head.line() + b"\n"
    request = (
        client.TimestampRequestBuilder()
        .data(stamped)
        .hash_algorithm(client.HashAlgorithm.SHA256)
        .build()
    )
    answer = _posted(url, request.as_bytes(), timeout_s)
    _require_for(url, answer, request.nonce, sha256(stamped).digest())
    witness = folder / WITNESS
    witness.mkdir(exist_ok=True)
    name = f"{head.size:012d}-{sha256(answer).hexdigest()[:8]}"
    replace_file(witness / f"{name}.head", stamped)
    replace_file(witness / f"{name}.tsr", answer)
    return witness / f"{name}.tsr"


def check_stamps(
    folder: Path, tree: HashTree, key: Ed25519PublicKey, root: bytes | None
) -> tuple[list[Stamp], list[Fault]]:
    """Returns the stamped heads that belong to a casebook, and what is wrong with the others.

    Args:
        folder: The casebook.
        tree: Over its lines.
        key: Who signs its heads.
        root: The authority's certificates in PEM; None leaves the stamps themselves unchecked.
    """
    roots = None if root is None else _certificates(root)
    stamps: list[Stamp] = []
    faults: list[Fault] = []
    names = {path.stem for path in (folder / WITNESS).glob("*") if path.suffix in (".head", ".tsr")}
    for name in sorted(names):
        found = _checked(folder / WITNESS, name, tree, key, roots)
        if isinstance(found, Stamp):
            stamps.append(found)
        else:
            faults.append(found)
    return stamps, faults


def _checked(
    witness: Path,
    name: str,
    tree: HashTree,
    key: Ed25519PublicKey,
    roots: Sequence[x509.Certificate] | None,
) -> Stamp | Fault:
    head_path = witness / f"{name}.head"
    stamp_path = witness / f"{name}.tsr"
    for path in (head_path, stamp_path):
        if not path.is_file():
            return Fault(
                where=str(path),
                problem="half of a stamp is missing",
                found="no file",
                expected=path.name,
            )
    stamped = head_path.read_bytes()
    head = SignedHead.parse(stamped)
    if head is None:
        found = excerpt(stamped)
        return Fault(
            where=str(head_path), problem="no signed head", found=found, expected=f'"{FORMAT}"'
        )
    if fault := head_fault(str(head_path), head, tree, key):
        return fault
    if roots is None:
        return Stamp(name=name, size=head.size, time=None)
    try:
        time = _time_of(stamp_path.read_bytes(), stamped, roots)
    except ValueError as problem:
        expected = "a stamp of the head beside it, by an authority under the given certificate"
        return Fault(
            where=str(stamp_path),
            problem="the stamp does not hold",
            found=str(problem),
            expected=expected,
        )
    return Stamp(name=name, size=head.size, time=time)


def _time_of(answer: bytes, stamped: bytes, roots: Sequence[x509.Certificate]) -> str:
    """When `stamped` was stamped; ValueError says why the stamp does not show it."""
    client = _client()
    response = client.decode_timestamp_response(answer)
    verifier = client.VerifierBuilder(roots=list(roots)).build()
    try:
        verifier.verify_message(response, stamped)
    except client.VerificationError as problem:
        raise ValueError(str(problem)) from None
    return written(response.tst_info.gen_time.timestamp())


def _require_for(url: str, answer: bytes, nonce: int | None, digest: bytes) -> None:
    try:
        response: TimeStampResponse = _client().decode_timestamp_response(answer)
    except ValueError:
        raise input_error(
            url, "the witness's answer is no time stamp", excerpt(answer), "RFC 3161"
        ) from None
    if response.status != _GRANTED:
        found = f"status {response.status} {'; '.join(response.status_string)}".strip()
        raise input_error(url, "the witness gave no time stamp", found, "status 0, granted")
    if response.tst_info.nonce != nonce or response.tst_info.message_imprint.message != digest:
        raise input_error(
            url,
            "the witness stamped something else",
            "another hash or nonce",
            "those of the head sent",
        )


def _posted(url: str, body: bytes, timeout_s: float) -> bytes:
    try:
        with urlopen(Request(url, body, _HEADERS), timeout=timeout_s) as answer:
            content: bytes = answer.read(_MAX_ANSWER_BYTES)
    except (URLError, OSError) as fault:
        raise input_error(
            url,
            "the witness does not answer",
            str(fault),
            "an answer",
            "lodge the same head again later",
        ) from None
    return content


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as fault:
        raise input_error("witness root", "no certificate", str(fault), "X.509 in PEM") from None


def _client() -> Any:
    try:
        import rfc3161_client
    except ImportError:
        raise MissingExtraError("time stamps by an outside witness", "witness") from None
    return rfc3161_client
