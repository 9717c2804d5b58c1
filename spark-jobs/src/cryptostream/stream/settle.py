"""Predictions asked, documents rendered and written, every item settled: for both placements.

The driver calls it with a whole micro-batch, an executor with its partition of one.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.messages import DeadLetter, dead_letter
from cryptostream.stream import metrics
from cryptostream.stream.documents import trade_action
from cryptostream.stream.predictor import BLOCK_TRADE, Prediction
from cryptostream.stream.records import COMPONENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryptostream.stream.bulk import Outcome, Refused
    from cryptostream.stream.documents import Action
    from cryptostream.stream.engine import Features
    from cryptostream.stream.records import Record


class Writes(Protocol):
    """A bulk writer."""

    def write(self, actions: Sequence[Action]) -> Outcome:
        """Settle every action."""


class Predicts(Protocol):
    """A predictor."""

    def predict(self, vectors: Sequence[Sequence[float]]) -> list[Prediction]:
        """Score each vector."""


class Sends(Protocol):
    """A sink of dead letters."""

    def send(self, letters: Iterable[DeadLetter]) -> int:
        """Send all, and wait for Kafka's word."""


class Scored(NamedTuple):
    """Trades in order, and of each its features and its prediction."""

    records: Sequence[Record]
    features: Sequence[Features]
    predictions: Sequence[Prediction]


class Tally(msgspec.Struct):
    """What became of trades and documents; executors send theirs to the driver.

    Attributes:
        written, existed, refused: trades by what their document's bulk item said.
        predictions: trades by the reason of their prediction; empty for a score.
        late: trades of a closed second by what became of them.
        letters: dead letters by reason.
    """

    written: int = 0
    existed: int = 0
    refused: int = 0
    retried: int = 0
    duplicates: int = 0
    candles: int = 0
    rolling: int = 0
    predictions: dict[str, int] = {}
    late: dict[str, int] = {}
    letters: dict[str, int] = {}


class Settler:
    """The sinks and the predictor of one process; not for use by several threads at once."""

    def __init__(self, *, writer: Writes, predictor: Predicts, dead_letters: Sends) -> None:
        self._writer = writer
        self._predictor = predictor
        self._dead_letters = dead_letters

    def predict(self, features: Sequence[Features]) -> list[Prediction]:
        """Score each trade that has a vector, in one request."""
        scored = iter(self._predictor.predict([item[0] for item in features if item is not None]))
        return [BLOCK_TRADE if item is None else next(scored) for item in features]

    def settle(
        self,
        trades: Scored,
        others: Sequence[Action],
        letters: Sequence[DeadLetter],
        *,
        stream_time: int,
    ) -> Tally:
        """Write the trades' documents and the others in one bulk, then all dead letters.

        When it returns every item is settled: written, there already, or a dead letter that
        Kafka has acknowledged. Raises `SinkUnavailableError` or `KafkaUnavailableError`.
        """
        actions = [
            trade_action(record, vector, prediction, stream_time=stream_time)
            for record, vector, prediction in zip(*trades, strict=True)
        ]
        outcome = self._writer.write([*actions, *others])
        every = [*letters, *(refused_document(one, stream_time) for one in outcome.refused)]
        self._dead_letters.send(every)
        refused = sum(one.action.is_create for one in outcome.refused)
        return Tally(
            written=len(actions) - outcome.existed - refused,
            existed=outcome.existed,
            refused=refused,
            retried=outcome.retried,
            predictions=Counter(one.reason for one in trades.predictions),
            letters=Counter(one.reason for one in every),
        )


def refused_document(refused: Refused, now: int) -> DeadLetter:
    """Build the dead letter of a document that Elasticsearch refused."""
    error = ContractError(f"elasticsearch_{refused.status}", refused.reason)
    payload = refused.action.header + refused.action.body
    return dead_letter(payload, source="bulk", component=COMPONENT, error=error, now_ms=now)


def count(tally: Tally) -> None:
    """Add a tally to the metrics of this process."""
    metrics.TRADES.labels("written").inc(tally.written)
    metrics.TRADES.labels("existed").inc(tally.existed)
    metrics.TRADES.labels("refused").inc(tally.refused)
    metrics.DUPLICATES.labels("trades").inc(tally.duplicates)
    metrics.CANDLES.inc(tally.candles)
    metrics.ROLLING.inc(tally.rolling)
    metrics.BULK_RETRIES.inc(tally.retried)
    for result, number in tally.late.items():
        metrics.LATE.labels(result).inc(number)
    for reason, number in tally.predictions.items():
        metrics.PREDICTIONS.labels(reason or "ok").inc(number)
    for reason, number in tally.letters.items():
        metrics.DEAD_LETTERS.labels(reason).inc(number)
