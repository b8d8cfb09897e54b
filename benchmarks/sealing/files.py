"""Sealing and opening a model file, beside age (pyrage) and CryptoTensors, and beside what the
machine can do at all.

python benchmarks/sealing/files.py --folder FOLDER [--gigabytes .5 1] [--rounds 5] [--pairs 15]
    [--big 10]

FOLDER must have room for five times that size, and for the big file. Each round runs every row
once, one after the other, so that a busy moment hits all alike. Rates are bytes of the model over
CPU time of the process (user and system), one thread, best and median round. Wants `pip install
pyrage cryptotensors` beside the extra "torch".
"""

import argparse
import os
import platform
import statistics
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import torch
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from safetensors.torch import load_file, save_file

from gamekeeper.sealing import load_sealed, open_sealed, rewrap, seal
from gamekeeper.sealing.recipients import PrivateKey
from gamekeeper.sealing.sealed import SealedFile

CHUNK = 1 << 20
KEY = PrivateKey.generate()
SIGNING_KEY = Ed25519PrivateKey.generate()
SIGNER = SIGNING_KEY.public_key().public_bytes_raw()
Row = Callable[[], None]


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[1.0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=15, help="pairs of reads off the disk")
    parser.add_argument(
        "--big", type=float, default=10.0, help="gigabytes of the file of which one tensor is read"
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.folder.mkdir(parents=True, exist_ok=True)
    print_machine()
    for gigabytes in given.gigabytes:
        model = make_model(given.folder / "model.safetensors", gigabytes)
        print_rates(rates(rows(model, given.folder), given.rounds), model.stat().st_size)
        print_from_disk(model, given.folder, given.pairs)
    print_one_tensor(given.folder, given.big)


def print_machine() -> None:
    """Prints what the figures depend on."""
    libraries = ("cryptography", "blake3", "torch", "safetensors", "pyrage", "cryptotensors")
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    busy = os.getloadavg()[0]
    cores = len(os.sched_getaffinity(0))
    print(f"Python {platform.python_version()}, {versions}")
    print(f"{platform.system()}, {cores} cores, {busy:.1f} processes running before\n")


def make_model(path: Path, gigabytes: float) -> Path:
    """Writes a model of 16 tensors, bfloat16."""
    count = int(gigabytes * 1e9 / 16 / 2)
    rng = torch.Generator().manual_seed(0)
    save_file(
        {f"layer.{n}": torch.randn(count, generator=rng).to(torch.bfloat16) for n in range(16)},
        path,
    )
    return path


def rows(model: Path, folder: Path) -> dict[str, Row]:
    """What is timed, by name; each row leaves its output for the next one that needs it."""
    sealed = folder / "plain.sealed"
    signed = folder / "signed.sealed"
    return {
        "*read into a buffer that is there*": lambda: read(model),
        "*copy and sync*": lambda: copy(model, folder / "copy"),
        "*AES-256-GCM, a chunk in the cache*": lambda: cipher(model.stat().st_size),
        "*BLAKE3, a chunk in the cache*": lambda: digest(model.stat().st_size),
        "seal": lambda: new_seal(model, sealed, None),
        "seal, signed": lambda: new_seal(model, signed, SIGNING_KEY),
        "age: encrypt": lambda: age_encrypt(model, folder / "age"),
        "CryptoTensors: save, signed": lambda: cryptotensors_save(model, folder / "ct"),
        "open to memory that is there": lambda: read_sealed(sealed, None),
        "open to memory that is there, signer checked": lambda: read_sealed(signed, SIGNER),
        "open to new tensors of torch": lambda: load(sealed, None),
        "open to a file": lambda: reopen(sealed, folder / "opened"),
        "age: decrypt to a file": lambda: age_decrypt(folder / "age", folder / "opened"),
        "CryptoTensors: load to new tensors": lambda: cryptotensors_load(folder / "ct"),
        "*safetensors: load and touch each page*": lambda: touch(load_file(model)),
    }


def rates(named: dict[str, Row], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each row, round by round; a round before the first warms the page cache and is
    left out.
    """
    took: dict[str, list[float]] = {name: [] for name in named}
    for turn in range(rounds + 1):
        for name, row in named.items():
            began = process_time()
            row()
            if turn:
                took[name].append(process_time() - began)
    return took


def print_rates(took: dict[str, list[float]], size: int) -> None:
    """Prints GB/s a core."""
    print(f"{size / 1e9:.2f} GB, one thread, GB of the model per second of CPU\n")
    print("| | best | median |\n|---|---|---|")
    for name, seconds in took.items():
        print(
            f"| {name} | {size / 1e9 / min(seconds):.2f} | {size / 1e9 / statistics.median(seconds):.2f} |"
        )


def print_from_disk(model: Path, folder: Path, pairs: int) -> None:
    """Reading the plain file against opening the sealed one, both off the disk, wall time, in pairs
    whose order alternates.
    """
    sealed = folder / "plain.sealed"
    named: list[tuple[Path, Row]] = [
        (model, lambda: read(model)),
        (sealed, lambda: read_sealed(sealed, workers=None)),
    ]
    ratios = []
    plain = []
    for number in range(pairs):
        wall = {}
        for path, row in named if number % 2 else reversed(named):
            forget(path)
            began = perf_counter()
            row()
            wall[path] = perf_counter() - began
        ratios.append(wall[sealed] / wall[model])
        plain.append(model.stat().st_size / 1e9 / wall[model])
    print(f"\nfrom disk, {pairs} pairs; least, median, most")
    print(f"reading the plain file: {spread(plain)} GB/s")
    print(f"opening, in times of reading the plain file: {spread(ratios)}\n")


def spread(values: list[float]) -> str:
    """Least, median and most of some values."""
    return f"{min(values):.2f}, {statistics.median(values):.2f}, {max(values):.2f}"


def print_one_tensor(folder: Path, gigabytes: float) -> None:
    """Latency of one small and one 10 MB tensor of a big file, and of a rewrap of it."""
    source = folder / "big.safetensors"
    sealed = folder / "big.sealed"
    tensors = sparse_model(source, int(gigabytes * 100))
    new_seal(source, sealed, SIGNING_KEY)
    source.unlink()
    print(f"\n{sealed.stat().st_size / 1e9:.2f} GB sealed and signed, {tensors} tensors\n")
    print("| | ms, median of 21 |\n|---|---|")
    print(
        f"| open the file and read a tensor of 16 bytes | {milliseconds(lambda: one(sealed, None, 'small')):.2f} |"
    )
    print(
        f"| the same, signer checked | {milliseconds(lambda: one(sealed, SIGNER, 'small')):.2f} |"
    )
    print(
        f"| the same, a tensor of 10 MB | {milliseconds(lambda: one(sealed, SIGNER, 'layer.7')):.2f} |"
    )
    other = PrivateKey.generate().public_key()
    print(
        f"| rewrap for another recipient | {milliseconds(lambda: rewrap_for(sealed, other)):.2f} |"
    )
    sealed.unlink()


def sparse_model(path: Path, count: int) -> int:
    """A safetensors file of so many tensors of 10 MB and a small one, without writing its zeros."""
    import json

    each = 10_000_000
    header = {
        f"layer.{n}": {"dtype": "U8", "shape": [each], "data_offsets": [n * each, (n + 1) * each]}
        for n in range(count)
    }
    header["small"] = {
        "dtype": "F32",
        "shape": [4],
        "data_offsets": [count * each, count * each + 16],
    }
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + count * each + 16)
    return count + 1


def milliseconds(row: Row, times: int = 21) -> float:
    """Median wall time."""
    took = []
    for _ in range(times):
        began = perf_counter()
        row()
        took.append(perf_counter() - began)
    return statistics.median(took) * 1e3


def one(sealed: Path, signer: bytes | None, name: str) -> None:
    """Opens a file for one tensor."""
    with load_sealed(sealed, keys=[KEY], signer=signer) as model:
        model.numpy([name])


def rewrap_for(sealed: Path, recipient: object) -> None:
    """Wraps the data key once more."""
    rewrap(sealed, identities=[KEY], add=[recipient])  # type: ignore[list-item]


def new_seal(model: Path, out: Path, signing_key: Ed25519PrivateKey | None) -> None:
    """Seals anew."""
    out.unlink(missing_ok=True)
    seal(model, out, to=[KEY.public_key()], signing_key=signing_key, workers=1)


BUFFER = np.zeros(1, dtype=np.uint8)


def buffer_of(size: int) -> memoryview:
    """Memory that is there: the price of new pages is the system's, not the cipher's."""
    global BUFFER
    if len(BUFFER) < size:
        BUFFER = np.ones(size, dtype=np.uint8)
    return BUFFER.data[:size]


def read_sealed(path: Path, signer: bytes | None = None, workers: int | None = 1) -> None:
    """Opens all of a file into memory."""
    with SealedFile(path) as sealed:
        sealed.unlock([KEY], signer).read_into(
            buffer_of(sealed.header.payload_bytes), 0, workers=workers
        )


def load(path: Path, signer: bytes | None) -> None:
    """Opens all tensors."""
    with load_sealed(path, keys=[KEY], signer=signer) as model:
        model.torch()


def reopen(path: Path, out: Path) -> None:
    """Opens to a file."""
    out.unlink(missing_ok=True)
    open_sealed(path, out, identities=[KEY], workers=1)


def read(path: Path) -> None:
    """Reads a file into memory that is there."""
    size = path.stat().st_size
    into = buffer_of(size)
    file = os.open(path, os.O_RDONLY)
    for at in range(0, size, CHUNK):
        os.preadv(file, [into[at : at + CHUNK]], at)
    os.close(file)


def copy(path: Path, out: Path) -> None:
    """Reads and writes a file chunk by chunk."""
    out.unlink(missing_ok=True)
    buffer = bytearray(CHUNK)
    source = os.open(path, os.O_RDONLY)
    target = os.open(out, os.O_WRONLY | os.O_CREAT)
    while got := os.readv(source, [buffer]):
        os.write(target, memoryview(buffer)[:got])
    os.fsync(target)
    os.close(source)
    os.close(target)
    out.unlink()


def cipher(size: int) -> None:
    """Encrypts one chunk again and again."""
    key = AESGCM(bytes(32))
    chunk = bytes(CHUNK)
    into = bytearray(CHUNK + 16)
    for _ in range(size // CHUNK):
        key.encrypt_into(bytes(12), chunk, None, into)


def digest(size: int) -> None:
    """Digests one chunk again and again."""
    chunk = bytes(CHUNK)
    for _ in range(size // CHUNK):
        blake3(chunk).digest()


def touch(tensors: dict[str, torch.Tensor]) -> None:
    """Reads a byte of each page, since loading maps the file only."""
    for tensor in tensors.values():
        tensor.view(torch.uint8)[::4096].sum()


def age_encrypt(model: Path, out: Path) -> None:
    """age, X25519."""
    import pyrage

    global AGE
    AGE = pyrage.x25519.Identity.generate()
    out.unlink(missing_ok=True)
    pyrage.encrypt_file(str(model), str(out), [AGE.to_public()])


def age_decrypt(path: Path, out: Path) -> None:
    """age, X25519."""
    import pyrage

    out.unlink(missing_ok=True)
    pyrage.decrypt_file(str(path), str(out), [AGE])


def cryptotensors_save(model: Path, out: Path) -> None:
    """CryptoTensors, AES-256-GCM, signed; its tensors lie in memory already."""
    import cryptotensors.torch

    out.unlink(missing_ok=True)
    cryptotensors.torch.save_file(load_file(model), out, config=cryptotensors_keys())


def cryptotensors_load(path: Path) -> None:
    """CryptoTensors, to new tensors."""
    import cryptotensors.torch

    cryptotensors_keys()
    cryptotensors.torch.load_file(path)


def cryptotensors_keys() -> dict[str, object]:
    """Keys as it wants them: JWK with standard base64."""
    import base64

    import cryptotensors

    text = lambda value: base64.b64encode(value).decode()  # noqa: E731
    enc = {"kty": "oct", "kid": "e", "alg": "aes256gcm", "k": text(bytes(32))}
    public = SIGNER
    private = SIGNING_KEY.private_bytes_raw()
    sign = {
        "kty": "okp",
        "kid": "s",
        "alg": "ed25519",
        "d": text(private),
        "x_pub": text(public),
        "crv": "Ed25519",
        "x": text(public),
    }
    cryptotensors.register_tmp_key_provider(keys=[enc, sign])
    return {"enc_key": enc, "sign_key": sign}


def forget(path: Path) -> None:
    """Takes a file out of the page cache."""
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)


if __name__ == "__main__":
    main()
