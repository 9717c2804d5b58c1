"""What the stream remembers between micro-batches: trades seen, and each symbol's features.

Pure: records in, vectors out, Kafka's time as the clock. `journal` keeps it over restarts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptostream.contracts.features import State, initial_state, is_warm, step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryptostream.stream.records import Record

SIGN: Final = {"buy": 1, "sell": -1}
#: A vector of `contracts.features` and whether it is warm; None for a block trade.
Features = tuple[list[float], bool] | None


class Book:
    """Feature states (about 0.5 kB a symbol) and seen ids (about 0.15 kB a trade)."""

    def __init__(
        self,
        *,
        horizon_ms: int,
        states: dict[str, State] | None = None,
        seen: dict[str, int] | None = None,
    ) -> None:
        self._horizon_ms = horizon_ms
        self.states: dict[str, State] = states if states is not None else {}
        self.seen: dict[str, int] = seen if seen is not None else {}

    def fresh(self, records: Iterable[Record], now_ms: int) -> list[Record]:
        """Keep the first record of each trade that was not seen within the horizon.

        `now_ms` is the newest Kafka time of the batch: a replayed batch forgets the same ids.
        """
        kept = []
        for record in records:
            if record.identity not in self.seen:
                self.seen[record.identity] = now_ms
                kept.append(record)
        self._forget(now_ms - self._horizon_ms)
        return kept

    def _forget(self, before_ms: int) -> None:
        """Drop ids seen before a time; they stand in the order in which they came."""
        old = []
        for identity, time_ms in self.seen.items():
            if time_ms >= before_ms:
                break
            old.append(identity)
        for identity in old:
            del self.seen[identity]

    def advance(self, records: Sequence[Record]) -> list[Features]:
        """Take trades in order; give each one's features.

        Block trades are negotiated off the book: they say nothing about its next move.
        """
        return [None if record.trade.block_trade else self._step(record) for record in records]

    def _step(self, record: Record) -> Features:
        trade = record.trade
        key = f"{trade.exchange}:{trade.category}:{trade.symbol}"
        state = self.states.get(key)
        if state is None:
            state = self.states[key] = initial_state()
        vector = step(state, trade.trade_time, record.price, record.size, SIGN[trade.side])
        return vector, is_warm(state)
