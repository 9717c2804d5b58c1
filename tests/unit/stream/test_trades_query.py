"""The trades query over fakes at its edges: what a batch writes, and what a silence brings out."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from support.stream_tape import an_engine
from support.trades import TIME_MS, a_trade

from cryptostream.contracts.trade import encode_trade
from cryptostream.stream.bulk import Outcome, SinkUnavailableError
from cryptostream.stream.journal import Journal
from cryptostream.stream.predictor import Prediction
from cryptostream.stream.settle import PART, OnDriver, Settler
from cryptostream.stream.trades import IDLE_MS, TradesQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cryptostream.stream.documents import Action


class Edges:
    """Sinks, predictor and clock in one; a batch too, as far as the query looks at it."""

    def __init__(self) -> None:
        self.now = TIME_MS
        self.written: list[list[Action]] = []
        self.is_shown: list[bool] = []
        self.rows: list[dict[str, Any]] = []
        self.is_down = False

    def write(self, actions: Sequence[Action], *, refresh: bool = True) -> Outcome:
        """Take a bulk, unless the sink is down."""
        if self.is_down:
            raise SinkUnavailableError("down")
        self.written.append(list(actions))
        self.is_shown.append(refresh)
        return Outcome(written=len(actions))

    def predict(self, vectors: Sequence[Sequence[float]]) -> list[Prediction]:
        """Score every vector alike."""
        return [Prediction(0.75, "m:1")] * len(vectors)

    def send(self, messages: Sequence[object]) -> None:
        """Expect nothing to be sent."""
        assert not messages

    def toArrow(self) -> Edges:  # noqa: N802 - Spark's name
        """Give the batch."""
        return self

    def to_pylist(self) -> list[dict[str, Any]]:
        """Give the batch's rows."""
        return self.rows


@pytest.fixture
def edges() -> Edges:
    """Give the fakes."""
    return Edges()


@pytest.fixture
def new_query(edges: Edges, tmp_path: Path) -> Callable[[str], TradesQuery]:
    """Give a maker of queries between the fakes, each with a real journal of that name."""
    fakes: Any = edges

    def make(name: str) -> TradesQuery:
        return TradesQuery(
            placement=OnDriver(Settler(writer=fakes, predictor=fakes)),
            writer=fakes,
            dead_letters=fakes,
            alerts=fakes,
            journal=Journal(
                tmp_path / name,
                horizon_ms=60_000,
                new_engine=lambda cold: an_engine(forgetful=cold),
            ),
            clock_ms=lambda: edges.now,
        )

    return make


@pytest.fixture
def query(new_query: Callable[[str], TradesQuery]) -> TradesQuery:
    """Give a query between the fakes."""
    return new_query("journal")


def _settle(query: TradesQuery, edges: Any, batch_id: int, *times: int) -> None:
    edges.rows = [
        {
            "value": encode_trade(a_trade(trade_id=str(time), trade_time=TIME_MS + time)),
            "topic": "bybit-trades",
            "partition": 0,
            "offset": time,
            "kafka_time": TIME_MS + time,
        }
        for time in times
    ]
    query.process(edges, batch_id)


def _vectors(edges: Edges) -> dict[str, list[float]]:
    """Give each trade's vector of all that was written, and forget it."""
    bodies = [json.loads(one.body) for actions in edges.written for one in actions]
    edges.written.clear()
    return {body["trade_id"]: body["features"] for body in bodies if "trade_id" in body}


def _kinds(actions: Sequence[Action]) -> list[str]:
    return [next(iter(json.loads(one.header))) for one in actions]


def test_a_batch_is_one_bulk(query: TradesQuery, edges: Edges) -> None:
    """Trades, candles and rolling statistics are settled together."""
    _settle(query, edges, 0, 1)
    (actions,) = edges.written
    assert _kinds(actions) == ["create"] + ["index"] * (5 + 3)


def test_a_batch_run_again_writes_the_same(query: TradesQuery, edges: Edges) -> None:
    """A batch whose commit never came is settled with equal effect, however its rows come."""
    _settle(query, edges, 0, 1)
    for times in ((500, 900), (500, 900), (900, 500)):
        _settle(query, edges, 1, *times)
    assert edges.written[1] == edges.written[2] == edges.written[3]


def test_a_large_batch_is_several_bulks(query: TradesQuery, edges: Edges) -> None:
    """Its full parts are sent ahead, and shown with the last; nothing is left out or doubled."""
    _settle(query, edges, 0, *range(2 * PART + 7))
    ids = [one.header for actions in edges.written for one in actions]
    creates = [one for one in ids if b'"create"' in one]
    assert (len(creates), len(ids)) == (2 * PART + 7, len(set(ids)))
    assert max(map(len, edges.written)) <= PART
    assert edges.is_shown == [False] * (len(edges.written) - 1) + [True]


def test_a_large_batch_gives_the_features_of_small_ones(
    edges: Edges, new_query: Callable[[str], TradesQuery]
) -> None:
    """Where a batch is cut leaves no trace in a vector."""
    times = range(PART + 7)
    _settle(new_query("whole"), edges, 0, *times)
    whole = _vectors(edges)
    query = new_query("halves")
    for batch_id, half in enumerate((times[:2_000], times[2_000:])):
        _settle(query, edges, batch_id, *half)
    assert whole == _vectors(edges)
    assert len(whole) == PART + 7


def test_a_large_batch_without_a_sink_fails(query: TradesQuery, edges: Edges) -> None:
    """What was sent ahead and not taken is the batch's failure, and the next run settles it."""
    edges.is_down = True
    with pytest.raises(SinkUnavailableError):
        _settle(query, edges, 0, *range(PART + 1))
    edges.is_down = False
    _settle(query, edges, 0, *range(PART + 1))
    kinds = Counter(kind for actions in edges.written for kind in _kinds(actions))
    assert kinds["create"] == PART + 1


def test_a_silence_brings_out_what_was_held_back(query: TradesQuery, edges: Edges) -> None:
    """Once, when no batch came for a while; a batch in between takes its turn."""
    _settle(query, edges, 0, 1)
    _settle(query, edges, 1, 5)
    query.settle_waiting()
    assert len(edges.written) == 2
    edges.now += IDLE_MS
    query.settle_waiting()
    query.settle_waiting()
    closes = [json.loads(one.body)["trades"] for one in edges.written[2]]
    assert (len(edges.written), closes) == (3, [2] * 5)


def test_a_silence_without_a_sink_is_tried_again(query: TradesQuery, edges: Edges) -> None:
    """An outage is logged, and the candles come when it is over."""
    _settle(query, edges, 0, 1)
    _settle(query, edges, 1, 5)
    edges.now += IDLE_MS
    edges.is_down = True
    query.settle_waiting()
    edges.is_down = False
    query.settle_waiting()
    assert len(edges.written) == 3
