"""Trades settled in shares: the same documents and scores, whatever becomes of a task."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from pyspark import cloudpickle
from support.trades import TIME_MS, a_record

from cryptostream.contracts.settings import ElasticsearchSettings
from cryptostream.stream import executors
from cryptostream.stream.bulk import Outcome, Refused, SinkUnavailableError
from cryptostream.stream.documents import Action
from cryptostream.stream.executors import (
    MAX_SHARE,
    MIN_SHARE,
    InExecutors,
    Servers,
    cut,
    settling,
)
from cryptostream.stream.predictor import Prediction
from cryptostream.stream.settle import PART, OnDriver, Settler, Trades

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cryptostream.stream.settle import Placement, Settling


@dataclass
class Index:
    """A sink that creates a document once, and a predictor that tells vectors apart."""

    documents: dict[str, bytes] = field(default_factory=dict)
    poison: str = ""
    is_down: bool = False

    def write(self, actions: Sequence[Action], *, refresh: bool = True) -> Outcome:  # noqa: ARG002
        """Settle every action, unless the sink is down."""
        if self.is_down:
            raise SinkUnavailableError("down")
        outcome = Outcome()
        for action in actions:
            identity = next(iter(json.loads(action.header).values()))["_id"]
            if identity == self.poison:
                outcome.refused += (Refused(action, 400, "as the test says"),)
            elif identity in self.documents:
                outcome.existed += 1
            else:
                outcome.written += 1
                self.documents[identity] = action.body
        return outcome

    def predict(self, vectors: Sequence[Sequence[float]]) -> list[Prediction]:
        """Score a vector by its first number."""
        return [Prediction(vector[0], "m:1") for vector in vectors]


class Tasks:
    """Spark as far as a placement sees it; each task is tried `tries` times."""

    def __init__(self, width: int, tries: int = 1) -> None:
        self.defaultParallelism = width
        self.sparkContext = self
        self._tries = tries
        self._answers: list[pa.RecordBatch] = []

    def createDataFrame(self, table: pa.Table) -> Tasks:  # noqa: N802 - Spark's name
        """Make each record batch a partition."""
        self._shares = table.to_batches()
        return self

    def mapInArrow(  # noqa: N802 - Spark's name
        self, task: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]], _schema: str
    ) -> Tasks:
        """Run the tasks; the last try's answer counts."""
        for share in self._shares:
            tries = [list(task(iter([share]))) for _ in range(self._tries)]
            self._answers += tries[-1]
        return self

    def toArrow(self) -> pa.Table:  # noqa: N802 - Spark's name
        """Give the answers."""
        return pa.Table.from_batches(self._answers)


def batch(count: int) -> Trades:
    """Make a batch; the last trade of each hundred is off the book and has no features."""
    records = [a_record(offset=n, trade_id=str(n), block_trade=n % 100 == 99) for n in range(count)]
    features = [None if n % 100 == 99 else ([n / count, 1.0], True) for n in range(count)]
    return Trades(records, features, TIME_MS + 5)


@pytest.fixture
def spread(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Placement]:
    """Give a maker of the executors' placement, its tasks in this process."""

    def make(index: Index, tasks: Tasks) -> Placement:
        settler = Settler(writer=index, predictor=index)
        monkeypatch.setattr(executors, "_settler", lambda _servers: settler)
        fakes: Any = tasks
        return InExecutors(fakes, "servers", settler)  # type: ignore[arg-type]

    return make


def _told(begun: Settling) -> dict[str, int]:
    """Finish a batch, and add up what became of its trades."""
    parts = begun.finish([])
    return {
        name: sum(getattr(part, name) for part in parts)
        for name in ("written", "existed", "refused", "retried")
    } | {"letters": sum(len(part.letters) for part in parts)}


@pytest.mark.parametrize("count", [0, 1, MIN_SHARE, 2_345, PART])
def test_both_placements_settle_alike(spread: Callable[..., Placement], count: int) -> None:
    """The same documents to the byte, the same scores in the same order, the same counts."""
    trades, here, there = batch(count), Index(), Index()
    one = OnDriver(Settler(writer=here, predictor=here)).begin([trades])
    other = spread(there, Tasks(3)).begin([trades])
    assert list(one.p_up) == list(other.p_up)
    assert _told(one) == _told(other)
    assert here.documents == there.documents
    assert len(here.documents) == count


@pytest.mark.parametrize("count", [3, PART])
def test_more_candles_than_a_request_holds_are_all_written(count: int) -> None:
    """However many documents come beside the trades, each is written, once."""
    index = Index()
    others = [Action(b'{"index":{"_id":"candle %d"}}\n' % n, b"{}\n") for n in range(2 * PART + 1)]
    begun = OnDriver(Settler(writer=index, predictor=index)).begin([batch(count)])
    parts = begun.finish(others)
    assert len(index.documents) == count + len(others)
    assert sum(part.written for part in parts) == count


def test_a_task_that_ran_twice_counts_once(spread: Callable[..., Placement]) -> None:
    """Of a task that died after its bulk, the second try finds its documents there."""
    index = Index()
    told = _told(spread(index, Tasks(2, tries=2)).begin([batch(1_500)]))
    assert told == {"written": 0, "existed": 1_500, "refused": 0, "retried": 0, "letters": 0}
    assert len(index.documents) == 1_500


def test_predictions_are_counted_by_their_reason(spread: Callable[..., Placement]) -> None:
    """Every trade once, whichever task had it."""
    parts = spread(Index(), Tasks(2)).begin([batch(1_500)]).finish([])
    assert sum(part.predictions.get("", 0) for part in parts) == 1_485
    assert sum(part.predictions.get("block_trade", 0) for part in parts) == 15


def test_a_refused_document_becomes_one_letter(spread: Callable[..., Placement]) -> None:
    """A task leaves it to the driver, which sends each once; the others are written."""
    index = Index(poison="bybit:spot:BTCUSDT:700")
    told = _told(spread(index, Tasks(2, tries=2)).begin([batch(1_500)]))
    assert (told["refused"], told["letters"], len(index.documents)) == (1, 1, 1_499)


def test_a_sink_that_is_away_fails_the_batch(spread: Callable[..., Placement]) -> None:
    """As on the driver, and with the writer's own words; no trade is taken for settled."""
    with pytest.raises(SinkUnavailableError, match="down"):
        spread(Index(is_down=True), Tasks(2)).begin([batch(10)])


def test_a_task_travels_with_its_servers() -> None:
    """Spark can pickle it, password and all, and what arrives is a task of the same servers."""
    search = ElasticsearchSettings(url="http://127.0.0.1:9", username="u", password=SecretStr("p"))
    servers = Servers(search, "http://127.0.0.1:9", 2.0)
    there = pickle.loads(cloudpickle.dumps(settling(servers)))
    arrived = there.__closure__[0].cell_contents
    assert arrived == servers
    assert hash(arrived) == hash(servers)
    assert list(there(iter([]))) == []


@given(count=st.integers(0, 3 * MAX_SHARE), tasks=st.integers(1, 64))
def test_shares_are_the_batch_in_order(count: int, tasks: int) -> None:
    """No trade is left out or doubled, and no share is too large or needlessly small."""
    trades = Trades(list(range(count)), list(range(count)), TIME_MS)  # type: ignore[arg-type]
    shares = cut(trades, tasks=tasks)
    assert [one for share in shares for one in share.records] == trades.records
    sizes = [len(share.records) for share in shares]
    assert all(MIN_SHARE <= size <= MAX_SHARE for size in sizes[:-1])
    assert len(shares) <= max(tasks, -(-count // MAX_SHARE))
