"""The features of a micro-batch: the state of every symbol, and one step per trade.

Pure: rows in, vectors out. `snapshots` keeps the states over restarts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptostream.contracts.features import State, initial_state, is_warm, step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SIGN: Final = {"buy": 1, "sell": -1}


class FeatureBook:
    """The feature state of every symbol seen so far; about 0.5 kB a symbol."""

    def __init__(self, states: dict[str, State] | None = None) -> None:
        self.states: dict[str, State] = states if states is not None else {}

    def advance(self, trades: Iterable[Mapping[str, Any]]) -> list[tuple[list[float], bool] | None]:
        """Take trades in order; give each one's (vector, warm), or None for a block trade.

        Block trades are negotiated off the book: they say nothing about its next move.
        """
        return [None if trade["block_trade"] else self._step(trade) for trade in trades]

    def _step(self, trade: Mapping[str, Any]) -> tuple[list[float], bool]:
        key = f"{trade['exchange']}:{trade['category']}:{trade['symbol']}"
        state = self.states.get(key)
        if state is None:
            state = self.states[key] = initial_state()
        sign = SIGN[trade["side"]]
        vector = step(state, trade["trade_time"], trade["price"], trade["size"], sign)
        return vector, is_warm(state)
