"""Time stamps of signed heads by an external witness: a time-stamping authority, which signs the
hash of a head and the time.

The writer could remove entries and sign a shorter history, but cannot withdraw a stamp: a stamped
head that is longer than the casebook proves that entries at the end were removed. The writer could
delete the stamps, too; therefore keep copies of `witness/` where the writer has no access. The file
`witness/NAME.head` is stamped byte for byte, and `witness/NAME.tsr` is the authority's answer, so
that other programs can verify them:

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
from gamekeeper.casebook.entries import format_time
from gamekeeper.casebook.faults import excerpt
from gamekeeper.casebook.folder import WITNESS
from gamekeeper.casebook.heads import FORMAT, SignedHead
from gamekeeper.casebook.stored import head_fault
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
        name: Name of its two files in `witness/`, without their suffixes.
        size: Number of lines of the casebook that it covers.
        time: Time of the stamp by the witness's clock, UTC, ISO 8601; None if the stamp was not
            verified.
    """

    name: str
    size: int
    time: str | None


def request_stamp(
    folder: str | Path, head: SignedHead, url: str, *, timeout_s: float = 10.0
) -> Path:
    """Requests a stamp of a signed head, and stores it in `witness/`.

    The function checks that the stamp is for this head. The authority's signature is verified by
    `verify_casebook`, which is given the authority's certificate.

    Args:
        folder: The casebook.
        head: A head that `Casebook.sign` returned.
        url: Address of a time-stamping authority, http or https.
        timeout_s: Maximum time to wait for the answer.

    Returns:
        Path of the stamp.

    Raises:
        UsageError: The address is neither http nor https.
        InputError: The authority does not answer, refuses, or stamps something else.
        MissingExtraError: The extra `witness` is not installed.
    """
    folder = Path(folder)
    client = _client()
    if urlsplit(url).scheme not in ("http", "https"):
        raise UsageError(f"the address of a witness is http or https; found {url}")
    stamped = head.to_line() + b"\n"
    request = (
        client.TimestampRequestBuilder()
        .data(stamped)
        .hash_algorithm(client.HashAlgorithm.SHA256)
        .build()
    )
    answer = _post(url, request.as_bytes(), timeout_s)
    _require_stamp_of(url, answer, request.nonce, sha256(stamped).digest())
    witness = folder / WITNESS
    witness.mkdir(exist_ok=True)
    name = f"{head.size:012d}-{sha256(answer).hexdigest()[:8]}"
    replace_file(witness / f"{name}.head", stamped)
    replace_file(witness / f"{name}.tsr", answer)
    return witness / f"{name}.tsr"


def check_stamps(
    folder: Path, tree: HashTree, key: Ed25519PublicKey, root: bytes | None
) -> tuple[list[Stamp], list[Fault]]:
    """Returns the stamped heads that belong to a casebook, and the faults of the others.

    Args:
        folder: The casebook.
        tree: Hash tree over its lines.
        key: The key that signs its heads.
        root: The authority's certificates in PEM; if None, only the heads are verified and not the
            stamps themselves.
    """
    roots = None if root is None else _parse_certificates(root)
    stamps: list[Stamp] = []
    faults: list[Fault] = []
    names = {path.stem for path in (folder / WITNESS).glob("*") if path.suffix in (".head", ".tsr")}
    for name in sorted(names):
        stamp_or_fault = _check_stamp(folder / WITNESS, name, tree, key, roots)
        if isinstance(stamp_or_fault, Stamp):
            stamps.append(stamp_or_fault)
        else:
            faults.append(stamp_or_fault)
    return stamps, faults


def _check_stamp(
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
            where=str(head_path), problem="not a signed head", found=found, expected=f'"{FORMAT}"'
        )
    fault = head_fault(str(head_path), head, tree, key)
    if fault:
        return fault
    if roots is None:
        return Stamp(name=name, size=head.size, time=None)
    try:
        time = _verified_time(stamp_path.read_bytes(), stamped, roots)
    except ValueError as error:
        return Fault(
            where=str(stamp_path),
            problem="the stamp is invalid",
            found=str(error),
            expected="a stamp of the head beside it, by an authority under the given certificate",
        )
    return Stamp(name=name, size=head.size, time=time)


def _verified_time(answer: bytes, stamped: bytes, roots: Sequence[x509.Certificate]) -> str:
    """Returns the time at which `stamped` was stamped.

    Raises:
        ValueError: The stamp is invalid; the message says why.
    """
    client = _client()
    response = client.decode_timestamp_response(answer)
    verifier = client.VerifierBuilder(roots=list(roots)).build()
    try:
        verifier.verify_message(response, stamped)
    except client.VerificationError as error:
        raise ValueError(str(error)) from None
    return format_time(response.tst_info.gen_time.timestamp())


def _require_stamp_of(url: str, answer: bytes, nonce: int | None, digest: bytes) -> None:
    """Checks that an answer is a stamp of this digest, for the request with this nonce."""
    try:
        response: TimeStampResponse = _client().decode_timestamp_response(answer)
    except ValueError:
        raise input_error(
            url, "the witness's answer is not a time stamp", excerpt(answer), "RFC 3161"
        ) from None
    if response.status != _GRANTED:
        found = f"status {response.status} {'; '.join(response.status_string)}".strip()
        raise input_error(url, "the witness refused the time stamp", found, "status 0, granted")
    if response.tst_info.nonce != nonce or response.tst_info.message_imprint.message != digest:
        raise input_error(
            url,
            "the witness stamped something else",
            "another hash or nonce",
            "those of the request",
        )


def _post(url: str, body: bytes, timeout_s: float) -> bytes:
    try:
        with urlopen(Request(url, body, _HEADERS), timeout=timeout_s) as answer:
            content: bytes = answer.read(_MAX_ANSWER_BYTES)
    except (URLError, OSError) as error:
        raise input_error(
            url,
            "the witness does not answer",
            str(error),
            "an answer",
            "request a stamp of the same head again later",
        ) from None
    return content


def _parse_certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise input_error("witness root", "not a certificate", str(error), "X.509 in PEM") from None


def _client() -> Any:
    try:
        import rfc3161_client
    except ImportError:
        raise MissingExtraError("time stamps by an external witness", "witness") from None
    return rfc3161_client
