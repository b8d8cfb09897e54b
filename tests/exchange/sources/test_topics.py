"""Topics of a Kafka on this machine: the one that librdkafka has in it for tests."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gamekeeper.base.errors import UsageError
from gamekeeper.exchange.faults import UnreadableFileError
from gamekeeper.exchange.sources import ByteSource, find_sources

pytestmark = pytest.mark.extra
kafka = pytest.importorskip("confluent_kafka")


def rows(address: str) -> list[Any]:
    (source,) = find_sources([address]).sources
    assert isinstance(source, ByteSource)
    with source.open() as stream:
        return [json.loads(line) for line in stream]


@pytest.fixture
def producer() -> Iterator[Any]:
    made = kafka.Producer({"test.mock.num.brokers": 1})
    yield made
    made.flush(10)


def broker_of(producer: Any) -> str:
    (broker,) = producer.list_topics(timeout=10).brokers.values()
    return f"{broker.host}:{broker.port}"


def send(producer: Any, first: int, count: int) -> None:
    for number in range(first, first + count):
        producer.produce("calls", json.dumps({"n": number}), key=str(number))
    producer.produce("calls", None, key="deleted")
    producer.flush(10)


def test_a_topic_is_read_from_its_beginning_to_the_end_that_it_had(producer: Any) -> None:
    """What arrives meanwhile is the next reading's; no offset is kept, so it can be read again."""
    send(producer, 0, 2_500)
    address = f"kafka://{broker_of(producer)}/calls"
    assert sorted(row["n"] for row in rows(address)) == list(range(2_500))
    (source,) = find_sources([address]).sources
    with source.open() as stream:  # type: ignore[union-attr]
        send(producer, 2_500, 50)
        assert len(stream.readlines()) == 2_500
    assert len(rows(address)) == 2_550


def test_a_topic_that_does_not_exist_is_a_fault(producer: Any, monkeypatch: Any) -> None:
    send(producer, 0, 1)
    (source,) = find_sources(["kafka://127.0.0.1:9/calls"]).sources
    monkeypatch.setattr("gamekeeper.exchange.sources.topics._ANSWER_S", 0.5)
    with pytest.raises(UnreadableFileError, match="does not answer"):
        source.open()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "address",
    [
        "kafka://broker",
        "kafka:///calls",
        "kafka://ann:hunter2@broker/calls",
        "kafka://broker/calls?password=hunter2",
        "kafka://broker/calls?config=nowhere",
    ],
)
def test_an_address_that_is_not_of_a_topic_is_refused(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_sources([address])
    assert "hunter2" not in str(caught.value)


def test_settings_of_the_client_are_read_from_a_file(producer: Any, tmp_path: Path) -> None:
    send(producer, 0, 3)
    (tmp_path / "good").write_text("# of the tools\nclient.id = me\n")
    (tmp_path / "bad").write_text("no.such.setting=1\n")
    address = f"kafka://{broker_of(producer)}/calls?config={tmp_path}"
    assert len(rows(f"{address}/good")) == 3
    with pytest.raises(UsageError, match=r"no\.such\.setting"):
        rows(f"{address}/bad")
