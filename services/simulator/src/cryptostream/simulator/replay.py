"""Recorded trades as a feed: several files merged by time, with their own ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cryptostream.contracts.errors import SettingsError
from cryptostream.simulator.dumps import MAX_DIGITS, MAX_ID, Dump, read_dump
from cryptostream.simulator.instruments import PARTITIONS, Instrument
from cryptostream.simulator.market import MAX_SEQ_STEP, SEQS_PER_MS
from cryptostream.simulator.tape import Ints, Tape, partition_counters

if TYPE_CHECKING:
    from array import array
    from pathlib import Path

ORDERS_PER_TAPE: Final = 4096


def read_dumps(paths: tuple[Path, ...], names: tuple[str, ...]) -> list[Dump]:
    """Read the files, or those of the named symbols if any are named.

    Raises:
        DumpError: a file is malformed.
        SettingsError: no file holds a named symbol.
    """
    dumps = [read_dump(path) for path in paths]
    missing = [name for name in names if name not in {dump.symbol for dump in dumps}]
    if missing:
        raise SettingsError(f"Unknown symbols: {', '.join(missing)}; no file holds their trades")
    return [dump for dump in dumps if not names or dump.symbol in names]


def replay_instruments(dumps: list[Dump]) -> tuple[Instrument, ...]:
    """Describe the recorded symbols by the decimals that their trades use."""
    symbols = dict.fromkeys(dump.symbol for dump in dumps)
    return tuple(
        Instrument(
            symbol=symbol,
            price_decimals=max(d.price_decimals for d in dumps if d.symbol == symbol),
            size_decimals=max(d.volume_decimals for d in dumps if d.symbol == symbol),
        )
        for symbol in symbols
    )


class Replay:
    """A feed of recorded trades that ends with the last of them.

    The spacing is the original one divided by `speed`; what shared a millisecond still does.
    Neighbouring rows of one symbol, side and millisecond count as one taker order. Where a
    later file of a symbol reuses ids of an earlier one, as dumps that count from 1 do, its ids
    are shifted behind them, so that no two trades of a symbol share an id.

    Args:
        dumps: of at least one file.
        instruments: from `replay_instruments`.
        speed: recorded seconds per second of offset time.
        seed: of the steps of `seq`, which the files don't have.
        start_ms: epoch milliseconds of offset 0; sets where `seq` starts.
    """

    def __init__(
        self,
        dumps: list[Dump],
        instruments: tuple[Instrument, ...],
        *,
        speed: float,
        seed: int,
        start_ms: int,
    ) -> None:
        index = {instrument.symbol: at for at, instrument in enumerate(instruments)}
        owner = [index[dump.symbol] for dump in dumps]
        time = _column([dump.times for dump in dumps])
        by_time = np.argsort(time, kind="stable")
        time = time[by_time]
        symbol = np.repeat(owner, [len(dump.ids) for dump in dumps])[by_time]
        side = _column([dump.sides for dump in dumps])[by_time]
        begins = np.ones(len(time), dtype=np.bool_)
        begins[1:] = (np.diff(time) != 0) | (np.diff(symbol) != 0) | (np.diff(side) != 0)
        first = np.flatnonzero(begins)
        partition = np.array([i.partition for i in instruments])[symbol[first]]
        steps = np.random.default_rng(seed).integers(1, MAX_SEQ_STEP, len(first), endpoint=True)
        counters = np.full(PARTITIONS, start_ms * SEQS_PER_MS, dtype=np.int64)
        self._whole = Tape(
            first=np.append(first, len(time)),
            offset_ms=((time[first] - time[0]) / speed).astype(np.int64),
            symbol=symbol[first],
            side=side[first],
            seq=partition_counters(partition, steps, counters),
            trade_id=np.concatenate(_distinct_ids(dumps))[by_time],
            price=np.concatenate(_prices(dumps, instruments, owner))[by_time],
            size=np.concatenate(_sizes(dumps, instruments, owner))[by_time],
            rpi=_column([dump.rpi for dump in dumps])[by_time].astype(np.bool_),
        )
        self._at = 0

    def next_tape(self) -> Tape | None:
        """Give the next orders, or None after the last."""
        if self._at >= self._whole.orders:
            return None
        begin, end = self._at, min(self._at + ORDERS_PER_TAPE, self._whole.orders)
        self._at = end
        return self._whole.part(begin, end)


def _distinct_ids(dumps: list[Dump]) -> list[Ints]:
    """Give each file's ids, shifted where an earlier file of the symbol has used them up."""
    used: dict[str, int] = {}
    columns = []
    for dump in dumps:
        ids = np.array(dump.ids, dtype=np.int64)
        lowest, highest = int(ids.min()), int(ids.max())
        shift = max(0, used.get(dump.symbol, -1) - lowest + 1)
        if highest + shift > MAX_ID:
            raise SettingsError(f"The ids of the {dump.symbol} files can't be told apart")
        used[dump.symbol] = highest + shift
        columns.append(ids + shift)
    return columns


def _column(parts: list[array[int]]) -> Ints:
    return np.concatenate([np.array(part, dtype=np.int64) for part in parts])


def _prices(dumps: list[Dump], instruments: tuple[Instrument, ...], owner: list[int]) -> list[Ints]:
    """Give each file's prices in the ticks of its instrument."""
    return [
        _finer(dump, dump.prices, instruments[at].price_decimals - dump.price_decimals)
        for dump, at in zip(dumps, owner, strict=True)
    ]


def _sizes(dumps: list[Dump], instruments: tuple[Instrument, ...], owner: list[int]) -> list[Ints]:
    """Give each file's volumes in the lots of its instrument."""
    return [
        _finer(dump, dump.volumes, instruments[at].size_decimals - dump.volume_decimals)
        for dump, at in zip(dumps, owner, strict=True)
    ]


def _finer(dump: Dump, units: array[int], decimals: int) -> Ints:
    """Express units with so many decimals more, as another file of the symbol needs them."""
    if max(units) * 10**decimals >= 10**MAX_DIGITS:
        raise SettingsError(f"The {dump.symbol} files together need more than {MAX_DIGITS} digits")
    scaled: Ints = np.array(units, dtype=np.int64) * 10**decimals
    return scaled
