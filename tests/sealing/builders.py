"""Small models for tests, written byte by byte: no library decides what is in them."""

import json
import struct
from pathlib import Path

import numpy as np

from gamekeeper.base.secret import Secret
from gamekeeper.sealing.recipients import Passphrase
from gamekeeper.sealing.recipients.passphrase import PassphraseCost

CHEAP = PassphraseCost(passes=1, lanes=1, memory_kib=64)


def cheap_passphrase(
    text: str = "correct horse battery staple", name: str = "passphrase"
) -> Passphrase:
    """A passphrase whose guesses cost nothing, so that tests do not wait."""
    return Passphrase(Secret(text.encode()), name=name, cost=CHEAP)


def some_tensors(seed: int = 0, rows: int = 40) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "body.weight": rng.normal(size=(rows, 10)).astype(np.float32),
        "body.bias": rng.integers(-9, 9, size=10, dtype=np.int64),
        "head": rng.integers(0, 2, size=7).astype(np.bool_),
        "nothing": np.zeros((0, 3), dtype=np.float16),
        "scale": np.float64(rng.normal()).reshape(()),
    }


def safetensors_bytes(
    tensors: dict[str, np.ndarray], metadata: dict[str, str] | None = None
) -> bytes:
    names = {"f4": "F32", "i8": "I64", "b1": "BOOL", "f2": "F16", "f8": "F64", "u1": "U8"}
    header: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, tensor in tensors.items():
        offsets = [len(data), len(data) + tensor.nbytes]
        header[name] = {
            "dtype": names[tensor.dtype.str[1:]],
            "shape": list(tensor.shape),
            "data_offsets": offsets,
        }
        data += tensor.tobytes()
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def write_model(path: Path, tensors: dict[str, np.ndarray] | None = None) -> Path:
    path.write_bytes(safetensors_bytes(some_tensors() if tensors is None else tensors))
    return path


def big_model(path: Path, megabytes: float, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    count = int(megabytes * (1 << 20)) // 4
    half = count // 2
    tensors = {
        "first": rng.integers(0, 255, size=half * 4, dtype=np.uint8),
        "second": rng.integers(0, 255, size=(count - half) * 4, dtype=np.uint8),
    }
    return write_model(path, tensors)


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def message(*fields: tuple[int, int | bytes | str]) -> bytes:
    """A message of Protocol Buffers: numbers as varints, all else by length."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            content = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(content)) + content
    return out


def onnx_tensor(name: str, values: np.ndarray, outside: dict[str, str] | None = None) -> bytes:
    """A TensorProto of float32 or bytes, its numbers inside or in a file beside the model."""
    dims = [(1, size) for size in values.shape]
    dtype = {"float32": 1, "uint8": 2}[values.dtype.name]
    if outside is None:
        return message(*dims, (2, dtype), (8, name), (9, values.tobytes()))
    entries = [(13, message((1, key), (2, value))) for key, value in outside.items()]
    return message(*dims, (2, dtype), (8, name), *entries, (14, 1))


def onnx_bytes(*initializers: bytes) -> bytes:
    """A ModelProto: version 8, a graph with a node, the initializers."""
    node = message((1, "x"), (2, "y"), (4, "Identity"))
    graph = message((1, node), (2, "g"), *((5, one) for one in initializers))
    return message((1, 8), (7, graph), (8, message((2, 17))))
