"""Kafka topics: `kafka://broker:9092,broker:9092/topic`.

Reads each partition from its earliest message to the end that it had at the start, then stops. No
consumer group is joined and no offset is stored, so that nothing changes for other readers. The
values of the messages, with a line end after each, are the bytes of the log.

Settings of the client, such as those of TLS and SASL, are in a file of `name=value` lines, as
Kafka's own tools take them: `kafka://broker:9092/topic?config=client.properties`.
"""

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import parse_qs, urlsplit

from gamekeeper.base.errors import MissingExtraError, UsageError
from gamekeeper.base.text import one_line
from gamekeeper.exchange.faults import UnreadableFileError, unreadable
from gamekeeper.exchange.sources.addresses import shown, without_secrets
from gamekeeper.exchange.sources.source import ByteSource

if TYPE_CHECKING:
    from confluent_kafka import Consumer, TopicPartition

_ANSWER_S = 15.0
_SILENCE_S = 60.0
_BATCH = 1_000
_PAUSE_S = 0.2
_REASON_CHARS = 300
_OURS = {
    "group.id": "gamekeeper",  # wanted by the client, though no group is joined
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",  # messages that expire meanwhile are a fault, not a gap
    "enable.partition.eof": True,
    "allow.auto.create.topics": False,
}


def topic(address: str) -> ByteSource:
    """Returns a topic as a source.

    Raises:
        UsageError: The address names no broker or no topic, or its settings cannot be read.
        MissingExtraError: confluent-kafka is not installed.
    """
    try:
        import confluent_kafka  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtraError("reading kafka://", "kafka") from None
    parts = urlsplit(address)
    name = parts.path.strip("/")
    brokers = parts.netloc
    if "@" in brokers:
        raise UsageError(f"{shown(address)}: put user and password into a file: ?config=FILE")
    if not brokers or not name or "/" in name:
        raise UsageError(f"{shown(address)}: expected kafka://BROKER:PORT/TOPIC")
    settings = _settings(address, parse_qs(parts.query))
    settings |= {"bootstrap.servers": brokers} | _OURS
    where = f"kafka://{brokers}/{name}"

    def opened() -> BinaryIO:  # a function of its own: the repr of a partial shows the settings
        return _open(where, name, settings)

    return ByteSource(name=where, open=opened)


def _settings(address: str, query: dict[str, list[str]]) -> dict[str, Any]:
    if unknown := set(query) - {"config"}:
        raise UsageError(
            f"{shown(address)}: {', '.join(sorted(unknown))} is not known; only config"
        )
    if "config" not in query:
        return {}
    file = query["config"][0]
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise UsageError(f"{file}: the settings of Kafka cannot be read: {reason}") from None
    pairs = [line.partition("=") for line in lines if line.strip() and line.strip()[0] not in "#!"]
    return {name.strip(): value.strip() for name, _, value in pairs}


def _open(where: str, name: str, settings: dict[str, Any]) -> BinaryIO:
    from confluent_kafka import Consumer, KafkaException

    # its own lines stay off the terminal: errors come back from its calls
    silent = {"log_level": 0, "error_cb": _ignore}
    try:
        consumer = Consumer(silent | settings)
    except (KafkaException, ValueError, TypeError) as error:
        raise UsageError(f"{where}: {_reason(error)}") from None
    try:
        ends = _ends(consumer, where, name)
        consumer.assign([partition for partition, _ in ends])
    except KafkaException as error:
        consumer.close()
        raise _no_answer(where, error) from None
    except UnreadableFileError:
        consumer.close()
        raise
    return io.BufferedReader(_Messages(consumer, where, ends), 1 << 20)


def _ends(consumer: "Consumer", where: str, name: str) -> "list[tuple[TopicPartition, int]]":
    """Returns the partitions that hold messages, and where each ends."""
    from confluent_kafka import TopicPartition

    found = consumer.list_topics(name, timeout=_ANSWER_S).topics[name]
    if found.error is not None or not found.partitions:
        raise unreadable(
            where,
            "the topic cannot be read",
            _reason(found.error) if found.error else "no partition",
            "a topic that exists, and permission to read it",
        )
    ends = []
    for partition in sorted(found.partitions):
        one = TopicPartition(name, partition)
        low, high = consumer.get_watermark_offsets(one, timeout=_ANSWER_S, cached=False)
        if high > low:
            ends.append((TopicPartition(name, partition, low), high))
    return ends


class _Messages(io.RawIOBase):
    """The values of messages, with a line end after each, as a stream of bytes."""

    def __init__(
        self, consumer: "Consumer", where: str, ends: "list[tuple[TopicPartition, int]]"
    ) -> None:
        self._consumer = consumer
        self._where = where
        self._left = {one.partition: end for one, end in ends}
        self._values = self._read()
        self._waiting = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        if not self._waiting:
            self._waiting = next(self._values, b"")
        content = self._waiting[: len(view)]
        self._waiting = self._waiting[len(view) :]
        view[: len(content)] = content
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._consumer.close()
        super().close()

    def _read(self) -> Iterator[bytes]:
        latest = time.monotonic()
        while self._left:
            messages = self._consumer.consume(_BATCH, timeout=_PAUSE_S)
            values = [value for value in map(self._value, messages) if value]
            if messages:
                latest = time.monotonic()
            elif time.monotonic() - latest > _SILENCE_S:
                raise self._broken(f"no message for {_SILENCE_S:.0f} s")
            if values:
                yield b"\n".join((*values, b""))

    def _value(self, message: Any) -> bytes | None:
        """Returns the value of a message from before the start; None without one."""
        from confluent_kafka import KafkaError

        error = message.error()
        partition = message.partition()
        end = self._left.get(partition)
        if error is not None and error.code() == KafkaError._PARTITION_EOF:
            self._left.pop(partition, None)
            return None
        if error is not None:
            raise self._broken(_reason(error))
        if end is None or message.offset() >= end:
            self._left.pop(partition, None)  # what came after the start
            return None
        if message.offset() == end - 1:
            del self._left[partition]
        value: bytes | None = message.value()
        return value

    def _broken(self, reason: str) -> UnreadableFileError:
        return unreadable(
            self._where,
            "the topic cannot be read to its end",
            reason,
            "every message that was there at the start",
            "run the command again",
        )


def _no_answer(where: str, error: Exception) -> UnreadableFileError:
    return unreadable(
        where,
        "the broker does not answer",
        _reason(error),
        "a broker that can be reached",
        "?config=client.properties where it wants TLS or a password",
    )


def _reason(error: Any) -> str:
    """Returns what Kafka says; an exception holds an error, which holds the sentence."""
    inner = error.args[0] if isinstance(error, Exception) and error.args else error
    sentence = inner.str() if hasattr(inner, "str") else str(inner)
    return one_line(without_secrets(sentence), _REASON_CHARS)


def _ignore(*_: object) -> None:
    """Does nothing: what matters comes back from the calls as well."""
