"""How a log is read, kept in a file."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gamekeeper.base.errors import InputError
from gamekeeper.exchange.mappings import read_mapping, write_mapping
from gamekeeper.exchange.options import ReadOptions

TEXT = st.text(min_size=1, max_size=12)


@settings(max_examples=50, deadline=None)
@given(
    fields=st.dictionaries(st.sampled_from(["account", "time", "prompt", "request_id"]), TEXT),
    sql=st.none() | TEXT,
    share=st.floats(0, 1),
)
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, fields: dict[str, str], sql: str | None, share: float
) -> None:
    """Whatever characters a path or a query has."""
    options = ReadOptions(fields=fields, sql=sql, max_bad_rows=share, timezone="Asia/Tokyo")
    path = tmp_path_factory.mktemp("mapping") / "log.toml"
    path.write_text(write_mapping(options), encoding="utf-8", newline="")
    assert ReadOptions(**read_mapping(path)) == options


def test_password_of_a_database_is_not_written() -> None:
    """The file is shared and kept."""
    for address in (
        "postgres://me:hunter2@db/logs",
        "postgres://db/logs?user=me&password=hunter2&ssl=on",
        "host=db password=hunter2",
    ):
        text = write_mapping(ReadOptions(database=address))
        assert "hunter2" not in text and "db" in text


def test_all_faults_come_together_each_with_its_line_and_remedy(tmp_path: Path) -> None:
    """Nobody should have to mend a mapping one message at a time."""
    path = tmp_path / "log.toml"
    path.write_text(
        '# how it is read\ntimezome = "UTC"\naccount = "key"\nmax_bad_rows = 7\ntime_format = "%H"\n'
        'timezone = "Mars"\nformat = "none"\n\n[fields]\nacount = "key"\nprompt = 3\n',
        encoding="utf-8",
    )
    with pytest.raises(InputError) as raised:
        read_mapping(path)
    found = {fault.where.rpartition(":")[2]: fault for fault in raised.value.faults}
    assert sorted(found, key=int) == ["2", "3", "4", "5", "6", "7", "10", "11"]
    assert (found["2"].try_, found["10"].try_) == ("timezone", "account")
    assert "[fields]" in found["3"].try_


BROKEN: dict[str, Any] = {
    "not TOML": (b"timezone = \n[", ":1"),
    "not UTF-8": (b"\xff\xfe", ""),
    "fields are no table": (b"fields = 3", ":1"),
    "too large": (b"#" * (2 << 20), ""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_unreadable_mapping_is_an_input_error(tmp_path: Path, name: str) -> None:
    """It says which file, and what a mapping looks like."""
    content, line = BROKEN[name]
    path = tmp_path / "log.toml"
    path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        read_mapping(path)
    assert raised.value.faults[0].where == f"{path}{line}"
    assert raised.value.faults[0].expected


def test_missing_mapping_is_an_input_error(tmp_path: Path) -> None:
    """It names the file."""
    with pytest.raises(InputError, match=r"none\.toml"):
        read_mapping(tmp_path / "none.toml")
