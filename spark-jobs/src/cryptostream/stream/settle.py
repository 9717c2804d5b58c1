"""Trades predicted, rendered and written, every bulk item settled: the same wherever it runs.

On the driver (`OnDriver`) a small batch's trades go into one bulk with its candles, those of a
large one into several, while the rest of the batch is still being made; in the executors
(`executors.InExecutors`) each task settles a share of the trades, and the driver the candles.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.messages import DeadLetter, dead_letter
from cryptostream.stream import metrics
from cryptostream.stream.aside import Aside
from cryptostream.stream.bulk import MAX_ACTIONS
from cryptostream.stream.documents import trade_action
from cryptostream.stream.predictor import BLOCK_TRADE
from cryptostream.stream.records import COMPONENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from concurrent.futures import Future

    from cryptostream.stream.bulk import Outcome, Refused
    from cryptostream.stream.documents import Action
    from cryptostream.stream.engine import Features
    from cryptostream.stream.predictor import Prediction
    from cryptostream.stream.records import Record

#: Trades that a large batch is cut into, as many as fill a request.
PART: Final = MAX_ACTIONS
#: Elasticsearch uses a core for each request to a shard, and one machine has few.
IN_FLIGHT: Final = 2


class Writes(Protocol):
    """A bulk writer."""

    def write(self, actions: Sequence[Action], *, refresh: bool = True) -> Outcome:
        """Settle every action; without `refresh` more is to come."""


class Predicts(Protocol):
    """A predictor."""

    def predict(self, vectors: Sequence[Sequence[float]]) -> list[Prediction]:
        """Score each vector."""


class Trades(NamedTuple):
    """Trades in order, and of each its features; `stream_time` in epoch milliseconds."""

    records: Sequence[Record]
    features: Sequence[Features]
    stream_time: int


class Written(msgspec.Struct, array_like=True):
    """What became of documents, all of which are settled.

    Attributes:
        written, existed, refused: trades by what their document's bulk item said.
        retried: documents that were sent again.
        predictions: trades by the reason of their prediction; empty for a score.
        letters: one for each document that was refused, still to be sent.
    """

    written: int
    existed: int
    refused: int
    retried: int
    predictions: dict[str, int]
    letters: list[DeadLetter]


class Settling(Protocol):
    """A batch's trades whose predictions are known."""

    p_up: Sequence[float | None]

    def finish(self, others: Sequence[Action]) -> list[Written]:
        """Write these documents too; every document of the batch is settled when it returns.

        Raises `SinkUnavailableError`.
        """


class Placement(Protocol):
    """Where trades are predicted, rendered and written."""

    def begin(self, parts: Iterable[Trades]) -> Settling:
        """Have a batch's trades predicted; they may be written now or in `finish`.

        Args:
            parts: the batch in order, cut into parts of `PART` trades, the last of fewer; at
                least one. A part's features are made when it is asked for.

        Raises `SinkUnavailableError`.
        """


class Settler:
    """The sink and the predictor of one process; one thread predicts, several may write."""

    def __init__(self, *, writer: Writes, predictor: Predicts) -> None:
        self._writer = writer
        self._predictor = predictor

    def predict(self, features: Sequence[Features]) -> list[Prediction]:
        """Score each trade that has a vector, in one request."""
        scored = iter(self._predictor.predict([item[0] for item in features if item is not None]))
        return [BLOCK_TRADE if item is None else next(scored) for item in features]

    def write(
        self,
        trades: Trades,
        predictions: Sequence[Prediction],
        others: Sequence[Action] = (),
        *,
        refresh: bool = True,
    ) -> Written:
        """Write the trades' documents and the others in one bulk; every item is settled then.

        Written, there already, or a letter in what it gives; without `refresh` more of the batch
        is to come. Raises `SinkUnavailableError`.
        """
        actions = [
            trade_action(record, vector, prediction, stream_time=trades.stream_time)
            for record, vector, prediction in zip(
                trades.records, trades.features, predictions, strict=True
            )
        ]
        outcome = self._writer.write([*actions, *others], refresh=refresh)
        refused = sum(one.action.is_create for one in outcome.refused)
        return Written(
            written=len(actions) - outcome.existed - refused,
            existed=outcome.existed,
            refused=refused,
            retried=outcome.retried,
            predictions=Counter(one.reason for one in predictions),
            letters=[refused_document(one, trades.stream_time) for one in outcome.refused],
        )


class OnDriver:
    """Everything in the driver's process: the lowest latency."""

    def __init__(self, settler: Settler) -> None:
        self._settler = settler
        self._aside = Aside(IN_FLIGHT)

    def begin(self, parts: Iterable[Trades]) -> Settling:
        """Have the trades predicted, and begin to write those of a batch of several parts."""
        return _Begun(self._settler, self._aside, parts)


class _Begun:
    """A batch that is being settled.

    Its documents have ids of their own, so the order in which they are written is of no account.
    """

    def __init__(self, settler: Settler, aside: Aside, parts: Iterable[Trades]) -> None:
        self._settler, self._aside = settler, aside
        self._sent: list[Future[Written]] = []
        scores: list[float | None] = []
        self.p_up: Sequence[float | None] = scores
        for part in parts:
            predictions = settler.predict(part.features)
            scores += [one.p_up for one in predictions]
            self._last = part, predictions
            # One that is not full is the last one: nothing is gained by sending it alone.
            if len(part.records) == PART:
                self._send(part, predictions)
                self._last = Trades((), (), part.stream_time), []

    def finish(self, others: Sequence[Action]) -> list[Written]:
        trades, predictions = self._last
        # In a small batch, and when all but a few are written: one bulk for the rest.
        while len(trades.records) + len(others) > PART:
            self._send(Trades((), (), trades.stream_time), (), others[:PART])
            others = others[PART:]
        try:
            written = [one.result() for one in self._sent]
        except BaseException:
            for one in self._sent:
                one.cancel()
            raise
        return [*written, self._settler.write(trades, predictions, others)]

    def _send(
        self, trades: Trades, predictions: Sequence[Prediction], others: Sequence[Action] = ()
    ) -> None:
        write = partial(self._settler.write, trades, predictions, others, refresh=False)
        self._sent.append(self._aside.submit(write))


def refused_document(refused: Refused, now: int) -> DeadLetter:
    """Build the dead letter of a document that Elasticsearch refused."""
    error = ContractError(f"elasticsearch_{refused.status}", refused.reason)
    payload = refused.action.header + refused.action.body
    return dead_letter(payload, source="bulk", component=COMPONENT, error=error, now_ms=now)


def count(written: Written) -> None:
    """Add what became of documents to the metrics of this process, the driver's."""
    metrics.TRADES.labels("written").inc(written.written)
    metrics.TRADES.labels("existed").inc(written.existed)
    metrics.TRADES.labels("refused").inc(written.refused)
    metrics.BULK_RETRIES.inc(written.retried)
    for reason, number in written.predictions.items():
        metrics.PREDICTIONS.labels(reason or "ok").inc(number)
