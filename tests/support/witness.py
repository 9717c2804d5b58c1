"""An observer of connections that writes down what it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryptostream.contracts.trade import Trade


class Witness:
    """Keeps each call as a tuple: its name, then its arguments, symbols sorted."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def of(self, kind: str) -> list[tuple[object, ...]]:
        """Give the calls of one kind, without its name."""
        return [call[1:] for call in self.calls if call[0] == kind]

    def subscribed(self, symbols: Iterable[str], connection: str, at_ms: int) -> None:
        """Write a grant down."""
        self.calls.append(("subscribed", sorted(symbols), connection, at_ms))

    def lost(self, symbols: Iterable[str], connection: str, at_ms: int, cause: str) -> None:
        """Write a loss down."""
        self.calls.append(("lost", sorted(symbols), connection, at_ms, cause))

    def refused(self, symbol: str, connection: str, at_ms: int) -> None:
        """Write a refusal down."""
        self.calls.append(("refused", symbol, connection, at_ms))

    def given_up(self, symbols: Iterable[str], connection: str, at_ms: int) -> None:
        """Write a retreat down."""
        self.calls.append(("given_up", sorted(symbols), connection, at_ms))

    def received(self, trades: Sequence[Trade], connection: str) -> None:
        """Write a frame down by its trades' ids."""
        self.calls.append(("received", [trade.trade_id for trade in trades], connection))

    def silent(self, symbol: str, connection: str, since_ms: int, at_ms: int) -> None:
        """Write a silence down."""
        self.calls.append(("silent", symbol, connection, since_ms, at_ms))

    def dropped(self, symbol: str, from_ms: int, to_ms: int, cause: str) -> None:
        """Write a lost trade down."""
        self.calls.append(("dropped", symbol, from_ms, to_ms, cause))
