"""Write trades of the market model to files, offline, in the format of Bybit's daily dumps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cryptostream.simulator.instruments import Instrument, decimal_text
from cryptostream.simulator.tape import BUY, Ints

if TYPE_CHECKING:
    from pathlib import Path

    from cryptostream.simulator.market import Market

#: 2026-01-01 UTC: a fixed start makes the files depend on nothing but the arguments.
START_MS: Final = 1_767_225_600_000
HEADER: Final = "id,timestamp,price,volume,side\n"


def generate(market: Market, instruments: tuple[Instrument, ...], trades: int, out: Path) -> int:
    """Write the market's first `trades` trades to `out`/<SYMBOL>.csv; give the rows written.

    Like Bybit's dumps, each file counts its ids from 1 and writes sides in lower case.
    """
    out.mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(instruments, 0)
    for instrument in instruments:
        (out / f"{instrument.symbol}.csv").write_text(HEADER)
    left = trades
    while left:
        tape = market.next_tape()
        fills = min(left, tape.fills)
        order = np.repeat(np.arange(tape.orders), np.diff(tape.first))[:fills]
        symbol, time = tape.symbol[order], START_MS + tape.offset_ms[order]
        for index, instrument in enumerate(instruments):
            mine = np.flatnonzero(symbol == index)
            columns = (time[mine], tape.price[mine], tape.size[mine], tape.side[order][mine])
            rows = _rows(instrument, counts[instrument] + 1, columns)
            with (out / f"{instrument.symbol}.csv").open("a") as file:
                file.writelines(rows)
            counts[instrument] += len(mine)
        left -= fills
    return sum(counts.values())


def _rows(instrument: Instrument, number: int, columns: tuple[Ints, ...]) -> list[str]:
    times, prices, sizes, sides = (column.tolist() for column in columns)
    price_decimals, size_decimals = instrument.price_decimals, instrument.size_decimals
    return [
        f"{trade_id},{time},{decimal_text(price, price_decimals)},"
        f"{decimal_text(size, size_decimals)},{'buy' if side == BUY else 'sell'}\n"
        for trade_id, (time, price, size, side) in enumerate(
            zip(times, prices, sizes, sides, strict=True), start=number
        )
    ]
