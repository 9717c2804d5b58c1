"""Index names, document ids, templates, topics and metric names: others rely on each letter."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.contracts import indices, topics
from cryptostream.contracts.messages import Alert, Candle, DeadLetter, Gap
from cryptostream.contracts.metrics import LATENCY_BUCKETS, metric
from cryptostream.contracts.trade import MAX_TIME_MS, MIN_TIME_MS, Trade

if TYPE_CHECKING:
    import msgspec

KINDS = get_args(indices.Kind)


def test_an_index_is_named_after_kind_and_event_day() -> None:
    """The day is the event's, in UTC, and changes exactly at midnight."""
    midnight = 1_795_305_600_000
    assert indices.index_name("trades", midnight) == "crypto-trades-2026.11.22"
    assert indices.index_name("trades", midnight - 1) == "crypto-trades-2026.11.21"
    assert indices.index_name("dead-letters", midnight) == "crypto-dead-letters-2026.11.22"


@given(st.sampled_from(KINDS), st.integers(MIN_TIME_MS, MAX_TIME_MS))
def test_an_event_always_has_the_same_index(kind: indices.Kind, time_ms: int) -> None:
    """The name holds the day that the time lies in, and its template's pattern matches it."""
    name = indices.index_name(kind, time_ms)
    day = datetime.strptime(name.removeprefix(f"crypto-{kind}-"), "%Y.%m.%d").replace(tzinfo=UTC)
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    assert day <= moment < day + timedelta(days=1)
    (pattern,) = indices.index_templates()[f"crypto-{kind}"]["index_patterns"]
    assert name.startswith(pattern.removesuffix("*"))


def test_ids_join_their_parts_by_colons() -> None:
    """An id is the exchange's natural key, never an offset."""
    assert indices.trade_id("bybit", "spot", "BTCUSDT", "229") == "bybit:spot:BTCUSDT:229"
    assert indices.candle_id("bybit", "spot", "BTCUSDT", "1m", 60_000) == (
        "bybit:spot:BTCUSDT:1m:60000"
    )


def test_every_template_is_strict() -> None:
    """A field that nobody declared is refused by the cluster."""
    templates = indices.index_templates(replicas=1, refresh="1s")
    assert set(templates) == {f"crypto-{kind}" for kind in KINDS}
    for template in templates.values():
        body = template["template"]
        assert body["mappings"]["dynamic"] == "strict"
        assert body["settings"] == {
            "number_of_shards": 1,
            "number_of_replicas": 1,
            "refresh_interval": "1s",
        }


def test_no_templates_patterns_overlap() -> None:
    """An index gets exactly one template."""
    names = {kind: indices.index_name(kind, 1_795_305_600_000) for kind in KINDS}
    for kind, template in zip(KINDS, indices.index_templates().values(), strict=True):
        (pattern,) = template["index_patterns"]
        matched = [k for k, name in names.items() if name.startswith(pattern.removesuffix("*"))]
        assert matched == [kind]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("trades", Trade),
        ("candles", Candle),
        ("alerts", Alert),
        ("gaps", Gap),
        ("dead-letters", DeadLetter),
    ],
)
def test_every_field_of_a_message_has_its_column(kind: str, message: type[msgspec.Struct]) -> None:
    """A message can be indexed as it is: its template declares each of its fields."""
    template: dict[str, Any] = indices.index_templates()[f"crypto-{kind}"]
    declared = set(template["template"]["mappings"]["properties"])
    assert set(message.__struct_fields__) <= declared


def test_topics_have_their_names_and_bounds() -> None:
    """Every topic forgets after a bounded time, and the pattern finds exactly the trades."""
    assert topics.trades_topic("bybit") == topics.BYBIT_TRADES == "bybit-trades"
    found = [t.name for t in topics.TOPICS if re.fullmatch(topics.TRADES_PATTERN, t.name)]
    assert found == ["bybit-trades"]
    assert {t.name for t in topics.TOPICS} == {
        "bybit-trades",
        "crypto-alerts",
        "crypto-coverage",
        "crypto-dead-letters",
        "crypto-gaps",
    }
    assert all(int(topic.config["retention.ms"]) > 0 for topic in topics.TOPICS)


def test_metrics_are_named_by_room() -> None:
    """One scheme of names, and buckets that rise."""
    assert metric("ingest", "trades_total") == "cryptostream_ingest_trades_total"
    assert list(LATENCY_BUCKETS) == sorted(set(LATENCY_BUCKETS))
