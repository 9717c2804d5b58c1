"""The ids of the trades that were seen lately. Pure: Kafka's time is the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptostream.stream.records import Record


class Seen:
    """Ids within a horizon, about 0.15 kB each; `journal` keeps them over restarts."""

    def __init__(self, *, horizon_ms: int, ids: dict[str, int] | None = None) -> None:
        self._horizon_ms = horizon_ms
        self.ids: dict[str, int] = ids if ids is not None else {}

    def fresh(self, records: Iterable[Record], now_ms: int) -> list[Record]:
        """Keep the first record of each trade that was not seen within the horizon.

        `now_ms` is the newest Kafka time of the batch: a replayed batch forgets the same ids.
        """
        kept = []
        for record in records:
            if record.identity not in self.ids:
                self.ids[record.identity] = now_ms
                kept.append(record)
        self._forget(now_ms - self._horizon_ms)
        return kept

    def _forget(self, before_ms: int) -> None:
        """Drop ids seen before a time; they stand in the order in which they came."""
        old = []
        for identity, time_ms in self.ids.items():
            if time_ms >= before_ms:
                break
            old.append(identity)
        for identity in old:
            del self.ids[identity]
