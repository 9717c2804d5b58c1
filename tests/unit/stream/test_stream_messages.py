"""Gaps, alerts and dead letters as documents."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.indices import index_templates
from cryptostream.contracts.messages import Alert, Gap, dead_letter, encode
from cryptostream.contracts.topics import ALERTS, DEAD_LETTERS, GAPS
from cryptostream.stream.bulk import Outcome, Refused
from cryptostream.stream.messages import MessagesQuery, read_messages

TIME_MS = 1_795_391_999_999
GAP = Gap(
    gap_id="bybit:spot:BTCUSDT:static-0/1:1795391999999:silence",
    exchange="bybit",
    category="spot",
    symbol="BTCUSDT",
    from_time=TIME_MS,
    to_time=TIME_MS + 5_000,
    cause="silence",
    state="open",
    shard="0/1",
    recorded_time=TIME_MS + 5_000,
    repaired_from=TIME_MS + 5_000,
)
ALERT = Alert(
    alert_id="a1",
    rule="spike",
    severity="warning",
    exchange="bybit",
    category="spot",
    symbol="BTCUSDT",
    time=TIME_MS,
    value=2.0,
    baseline=1.0,
    threshold=1.5,
    message="it rose",
    evidence={"z": 4.0},
)
LETTER = dead_letter(
    b"{", source="ws", component="ingest", error=ContractError("bad_frame", "x"), now_ms=TIME_MS
)


def a_row(topic: str, value: bytes | None, offset: int = 0) -> dict[str, Any]:
    """Give a Kafka record as the query reads it."""
    return {"value": value, "topic": topic, "partition": 0, "offset": offset}


def changed(gap: Gap, **fields: Any) -> bytes:
    """Give a gap with other fields, as Kafka holds it."""
    return encode(msgspec.structs.replace(gap, **fields))


@pytest.mark.parametrize(
    ("topic", "message", "index", "identity"),
    [
        (GAPS, GAP, "crypto-gaps-2026.11.22", GAP.gap_id),
        (ALERTS, ALERT, "crypto-alerts-2026.11.22", "a1"),
        (DEAD_LETTERS, LETTER, "crypto-dead-letters-2026.11.22", "crypto-dead-letters/0/7"),
    ],
)
def test_each_kind_has_its_index_and_id(
    topic: str, message: Any, index: str, identity: str
) -> None:
    """Ids follow from the message or its place, so that a replay overwrites itself."""
    (action,), bad = read_messages([a_row(topic, encode(message), 7)])
    assert not bad
    assert orjson.loads(action.header) == {"index": {"_index": index, "_id": identity}}
    assert orjson.loads(action.body) == msgspec.to_builtins(message)


@pytest.mark.parametrize(
    ("kind", "message"), [("gaps", GAP), ("alerts", ALERT), ("dead-letters", LETTER)]
)
def test_the_templates_know_every_field(kind: str, message: Any) -> None:
    """With strict mappings an unknown field would refuse every document."""
    known = index_templates()[f"crypto-{kind}"]["template"]["mappings"]["properties"]
    assert set(msgspec.to_builtins(message)) <= set(known)


@settings(deadline=None)
@given(st.permutations(range(6)))
def test_the_last_telling_of_a_gap_counts(order: list[int]) -> None:
    """Whatever the order of the rows, one document remains: the one told last."""
    rows = [a_row(GAPS, changed(GAP, stitched=offset), offset) for offset in order]
    (action,), bad = read_messages(rows)
    assert not bad
    assert orjson.loads(action.body)["stitched"] == 5


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"{",
        b"\xff",
        b"[" * 100_000,
        encode(ALERT),
        changed(GAP, gap_id=""),
        changed(GAP, gap_id="x" * 513),
        changed(GAP, from_time=10**30),
        changed(GAP, from_time=1_795_391_999),
    ],
)
def test_what_is_no_gap_is_told_and_costs_no_other(value: bytes | None) -> None:
    """A bad record names its place; the good one beside it is written."""
    actions, bad = read_messages([a_row(GAPS, value, 1), a_row(GAPS, encode(GAP), 2)])
    assert len(actions) == 1
    (why,) = bad
    assert why.startswith("crypto-gaps/0/1 ")


class Batch:
    """A micro-batch, as far as the query looks at it."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def toArrow(self) -> Batch:  # noqa: N802 - pyspark's name
        """Give itself."""
        return self

    def to_pylist(self) -> list[dict[str, Any]]:
        """Give its rows."""
        return self.rows


class RefusingWriter:
    """Elasticsearch that takes nothing."""

    def write(self, actions: Any) -> Outcome:
        """Refuse everything."""
        return Outcome(refused=tuple(Refused(action, 400, "mapper: no") for action in actions))


def test_what_elasticsearch_refuses_ends_there(caplog: pytest.LogCaptureFixture) -> None:
    """The refused message is logged with its reason; the batch is done."""
    query = MessagesQuery(writer=RefusingWriter())  # type: ignore[arg-type]
    query.process(Batch([a_row(GAPS, encode(GAP))]), 0)  # type: ignore[arg-type]
    (record,) = caplog.records
    assert record.getMessage() == "message_refused"
    assert record.fields["why"] == "elasticsearch_400: mapper: no"  # type: ignore[attr-defined]
