"""Tapes of several symbols and an engine for them, for the tests of the stream's memory."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from support.trades import TIME_MS, a_record

from cryptostream.stream.engine import Engine
from cryptostream.stream.rules import load_rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryptostream.stream.records import Record

SYMBOLS = ("BTCUSDT", "AUSDT", "BUSDT")
RULES = load_rules()


def a_tape(count: int, start: int = 0) -> list[Record]:
    """Give trades of one symbol."""
    return [
        a_record(
            trade_id=str(n),
            trade_time=TIME_MS + 137 * n,
            kafka_time=TIME_MS + 137 * n + 5,
            price=str(100 + n % 7),
        )
        for n in range(start, start + count)
    ]


def a_market(count: int, *, seed: int = 1, step_ms: int = 200) -> list[Record]:
    """Give trades of three symbols as Kafka has them: mostly in order, some blocks among them."""
    rng = random.Random(seed)
    prices, tape = dict.fromkeys(SYMBOLS, 100.0), []
    for number in range(count):
        symbol = rng.choice(SYMBOLS)
        prices[symbol] *= 1 + rng.gauss(0, 1e-3)
        kafka_time = TIME_MS + number * step_ms
        tape.append(
            a_record(
                symbol=symbol,
                trade_id=str(number),
                trade_time=kafka_time - rng.choice([1, 2, 3, 900]),
                seq=number,
                price=f"{prices[symbol]:.4f}",
                size=f"{rng.uniform(0.1, 9):.3f}",
                side=rng.choice(["buy", "sell"]),
                block_trade=rng.random() < 0.02,
                kafka_time=kafka_time,
                offset=number,
            )
        )
    return tape


def batches(tape: Sequence[Record], size: int) -> Iterator[list[Record]]:
    """Cut a tape into micro-batches, each in the stream's order."""
    for begin in range(0, len(tape), size):
        yield sorted(tape[begin : begin + size], key=lambda one: one.order())


def an_engine(*, forgetful: bool = False) -> Engine:
    """Give an empty engine with the shipped rules."""
    return Engine(RULES, lateness_ms=2_000, update_ms=1_000, forgetful=forgetful)
