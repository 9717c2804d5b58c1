"""What connections tell of their symbols, for whoever keeps count of interruptions. Pure.

A symbol is read by one connection or by several; each is told apart by its name. All times are
epoch milliseconds, UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryptostream.contracts.trade import Trade


class Observer(Protocol):
    """Listens to the connections; every call returns at once and raises nothing."""

    def subscribed(self, symbols: Iterable[str], connection: str, at_ms: int) -> None:
        """The exchange granted these symbols on the connection: from now on trades come."""

    def lost(self, symbols: Iterable[str], connection: str, at_ms: int, cause: str) -> None:
        """The connection no longer brings these symbols; `cause` is a short stable code."""

    def refused(self, symbol: str, connection: str, at_ms: int) -> None:
        """The exchange does not know the symbol, or grants it to nobody."""

    def given_up(self, symbols: Iterable[str], connection: str, at_ms: int) -> None:
        """We left these symbols to others on purpose; what follows is no interruption of ours."""

    def received(self, trades: Sequence[Trade], connection: str) -> None:
        """One frame's trades, of one symbol and in their order. In the hot path."""

    def silent(self, symbol: str, connection: str, since_ms: int, at_ms: int) -> None:
        """The symbol brought nothing for much longer than is usual for it."""

    def dropped(self, symbol: str, from_ms: int, to_ms: int, cause: str) -> None:
        """Trades of this interval were received and could not be delivered to Kafka."""


class Deaf:
    """Listens to nothing: for a connection whose interruptions nobody counts."""

    def subscribed(self, symbols: Iterable[str], connection: str, at_ms: int) -> None:
        """Pass it over."""

    def lost(self, symbols: Iterable[str], connection: str, at_ms: int, cause: str) -> None:
        """Pass it over."""

    def refused(self, symbol: str, connection: str, at_ms: int) -> None:
        """Pass it over."""

    def given_up(self, symbols: Iterable[str], connection: str, at_ms: int) -> None:
        """Pass it over."""

    def received(self, trades: Sequence[Trade], connection: str) -> None:
        """Pass it over."""

    def silent(self, symbol: str, connection: str, since_ms: int, at_ms: int) -> None:
        """Pass it over."""

    def dropped(self, symbol: str, from_ms: int, to_ms: int, cause: str) -> None:
        """Pass it over."""
