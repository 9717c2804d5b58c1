"""One instrument's share of the stream, as an executor's stateful operator keeps it. Pure.

The engine is the driver's, with candles and features only, and one instrument in it. What differs
is who tells the time: other instruments are elsewhere, so an instrument's own trades move its
watermark, and when they stop, the time that passes.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.messages import INTERVAL_MS, DeadLetter
from cryptostream.stream.documents import Action, candle_action
from cryptostream.stream.engine import Engine, Features, Step
from cryptostream.stream.records import Record, read_records
from cryptostream.stream.snapshot import CANDLES, dump, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cryptostream.stream.rules import Rules

#: The parts of a snapshot that an executor keeps.
PARTS: Final = ("features", CANDLES, "indicators")
#: An instrument is taken to be silent, not late, after so much time without a trade of it.
QUIET_MS: Final = 5_000
#: Seen ids are kept in slices of so much of Kafka's time, and forgotten slice by slice.
SLICE_MS: Final = 30_000
#: 128 bits: two of a billion ids are alike with a chance of 1 in 10^21.
DIGEST_BYTES: Final = 16


class Parcel(msgspec.Struct, array_like=True):
    """What one instrument gives in a micro-batch; trades still lack their predictions."""

    trades: list[tuple[Record, Features]] = []
    actions: list[Action] = []
    letters: list[DeadLetter] = []
    duplicates: int = 0
    late: dict[str, int] = {}


pack = msgspec.msgpack.Encoder().encode
unpack = msgspec.msgpack.Decoder(Parcel).decode


class Rulebook(NamedTuple):
    """The settings that a candle's life hangs on, in milliseconds."""

    rules: Rules
    lateness_ms: int
    update_ms: int
    horizon_ms: int


class Heard(NamedTuple):
    """When an instrument last had trades.

    Attributes:
        time: of the micro-batch that brought them, epoch milliseconds.
        behind: how old the newest of them then was in Kafka, milliseconds.
    """

    time: int
    behind: int


class SeenIds:
    """Ids of an instrument's trades within the horizon, 16 bytes each, by slice of time."""

    def __init__(self, slices: dict[int, bytes]) -> None:
        self.slices = slices
        #: The slices that `fresh` changed.
        self.added_to: set[int] = set()
        self._ids = {
            packed[at : at + DIGEST_BYTES]
            for packed in slices.values()
            for at in range(0, len(packed), DIGEST_BYTES)
        }

    def fresh(self, records: Iterable[Record], now_ms: int) -> list[Record]:
        """Keep the first record of each trade not seen before; `now_ms` is Kafka's time."""
        kept, added = [], []
        for record in records:
            digest = blake2b(record.identity.encode(), digest_size=DIGEST_BYTES).digest()
            if digest not in self._ids:
                self._ids.add(digest)
                added.append(digest)
                kept.append(record)
        if not added:
            return kept
        number = now_ms // SLICE_MS
        self.added_to.add(number)
        self.slices[number] = self.slices.get(number, b"") + b"".join(added)
        return kept

    def expired(self, now_ms: int, horizon_ms: int) -> list[int]:
        """Name the slices that lie wholly before the horizon."""
        return [one for one in self.slices if (one + 1) * SLICE_MS <= now_ms - horizon_ms]


class Keyed:
    """The engine of one instrument, from its state to its state."""

    def __init__(self, book: Rulebook, state: bytes | None) -> None:
        """Go on from a state, or begin; of a state that can't be used only the rest is lost."""
        self._book = book
        self.cold: dict[str, str] = {}
        self.engine = self._new(forgetful=False)
        if state is None:
            return
        try:
            self.cold = load(state, self.engine, PARTS)
        except ContractError as error:
            self.cold = {CANDLES: str(error)}
        if CANDLES in self.cold:
            self.engine = self._new(forgetful=True)

    def _new(self, *, forgetful: bool) -> Engine:
        book = self._book
        return Engine(
            book.rules,
            lateness_ms=book.lateness_ms,
            update_ms=book.update_ms,
            forgetful=forgetful,
            candles_only=True,
        )

    def state(self) -> bytes:
        """Give what `Keyed` goes on from."""
        return dump(self.engine, PARTS)

    def take(self, records: list[Record], now_ms: int) -> Parcel:
        """Take fresh trades in order; `now_ms` is the newest Kafka time among them."""
        features = self.engine.features(records)
        step = self.engine.advance(records, [None] * len(records), now_ms)
        return _parcel(step, list(zip(records, features, strict=True)))

    def pass_time(self, heard: Heard, now_ms: int) -> Parcel:
        """Let a silence make candles final; `now_ms` is the micro-batch's time.

        A silence counts from where the instrument would be late, not silent: as long as the
        stream is behind, trades may wait unread in Kafka, so it waits that much longer.
        """
        silence = now_ms - heard.time - heard.behind - QUIET_MS
        if silence <= 0:
            return Parcel()
        for clock in self.engine.clocks.values():
            ahead = clock.newest + silence - self._book.lateness_ms
            clock.watermark = max(clock.watermark, ahead)
        return _parcel(self.engine.advance([], [], self.engine.now_ms + silence + QUIET_MS), [])

    def due(self, heard: Heard) -> int | None:
        """Say at which batch time a silence would make the next candle final; None without one."""
        waits = [
            end - symbol.clock.newest
            for symbol in self.engine.symbols.values()
            for end in _ends(symbol.candles.state)
        ]
        if not waits:
            return None
        wait = max(1, min(waits) + self._book.lateness_ms)
        return heard.time + heard.behind + QUIET_MS + wait


def read(
    rows: list[Mapping[str, Any]], seen: SeenIds, *, now_ms: int
) -> tuple[list[Record], list[DeadLetter], int]:
    """Decode a key's rows; give fresh trades in order, dead letters, and duplicates."""
    records, letters = read_records(rows, now_ms=now_ms)
    if not records:
        return [], letters, 0
    fresh = seen.fresh(records, max(one.kafka_time for one in records))
    return fresh, letters, len(records) - len(fresh)


def _parcel(step: Step, trades: list[tuple[Record, Features]]) -> Parcel:
    late: dict[str, int] = dict(step.late.items())
    return Parcel(trades, [candle_action(one) for one in step.candles], late=late)


def _ends(state: Any) -> Iterable[int]:
    """Give when the open candles end: the seconds, and what is made of them."""
    for start in state.seconds:
        for length in INTERVAL_MS.values():
            yield start - start % length + length
    for interval, starts in state.open_bars.items():
        for start in starts:
            yield start + INTERVAL_MS[interval]
