"""Where orders leave the exchange: into the ledger, and as frames to whoever hears them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptostream.simulator.frames import trade_messages
from cryptostream.simulator.tamper import Tamper
from cryptostream.simulator.tape import BUY, Order

if TYPE_CHECKING:
    from cryptostream.simulator.hub import Hub
    from cryptostream.simulator.instruments import Instrument
    from cryptostream.simulator.ledger import Ledger
    from cryptostream.simulator.turmoil import Turmoil

#: Fills of a sweep at each price before it eats into the next level.
FILLS_PER_LEVEL: Final = 25


class Outlet:
    """Enters each order into the ledger and pushes it, with the faults at work.

    A sweep takes its ids and its `seq` from the partition's counters; all later ones move up.
    """

    def __init__(self, ledger: Ledger, hub: Hub, turmoil: Turmoil) -> None:
        self._ledger, self._hub, self._turmoil = ledger, hub, turmoil
        self._tamper = Tamper(turmoil)
        self._id_shift: dict[int, int] = {}
        self._seq_shift: dict[int, int] = {}
        self._last: dict[int, tuple[int, int]] = {}

    def send(self, instrument: Instrument, order: Order, now_ms: int) -> None:
        """Enter one order of a feed and push it; an order of a delisted symbol never was."""
        symbol, partition = instrument.symbol, instrument.partition
        if symbol not in self._ledger.listed:
            return
        shift = self._id_shift.get(partition)
        if shift:
            ids = [number + shift for number in order.ids]
            order = order._replace(ids=ids, seq=order.seq + self._seq_shift[partition])
        self._last[partition] = order.ids[-1], order.seq
        self._trade(instrument, order, now_ms)

    def sweep(self, instrument: Instrument, fills: int, now_ms: int) -> bool:
        """Let one buyer trade so many times; tell whether it could, which needs a trade before."""
        partition, book = instrument.partition, self._ledger.books[instrument.symbol]
        newest = book.newest(1)
        if not newest or partition not in self._last:
            return False
        last_id, last_seq = self._last[partition]
        ids = list(range(last_id + 1, last_id + 1 + fills))
        self._last[partition] = ids[-1], last_seq + 1
        self._id_shift[partition] = self._id_shift.get(partition, 0) + fills
        self._seq_shift[partition] = self._seq_shift.get(partition, 0) + 1
        price, level = newest[0].price, instrument.level_ticks
        prices = [price + at // FILLS_PER_LEVEL * level for at in range(fills)]
        sizes, rpi = [newest[0].size] * fills, [False] * fills
        self._trade(instrument, Order(now_ms, last_seq + 1, BUY, ids, prices, sizes, rpi), now_ms)
        return True

    def push_late(self, now_ms: int) -> None:
        """Push what was held back and is due now."""
        if not self._tamper.idle:
            for symbol, message in self._tamper.due(now_ms):
                self._hub.publish(symbol, message)

    def _trade(self, instrument: Instrument, order: Order, now_ms: int) -> None:
        symbol, skew = instrument.symbol, self._turmoil.skew_ms
        book = self._ledger.books[symbol]
        # A matching engine's times never go back, whatever its clock does.
        time_ms = max(order.time_ms + skew, book.last_ms)
        if time_ms != order.time_ms:
            order = order._replace(time_ms=time_ms)
        heard = self._hub.listened(symbol) and not self._turmoil.silent(symbol)
        if book.append(order, sent=heard):
            self._ledger.bound()
        if not heard:
            return
        messages = trade_messages(instrument, order, now_ms + skew)
        if self._tamper.idle:
            for message in messages:
                self._hub.publish(symbol, message.encode())
            return
        for message in messages:
            for changed in self._tamper.change(symbol, message.encode(), now_ms):
                self._hub.publish(symbol, changed)
