"""The stream's memory on disk, so that a replayed micro-batch gives the same result bit for bit.

Spark replays at most the last uncommitted batch. What batch N brought is written after its
documents are settled and before Spark commits it; whoever runs batch N restores what the batches
before N left. Two kinds of files in one folder, each written whole and then renamed:

    <batch id>.log        the fresh trades of the batch; kept for the deduplication horizon, and
                          as long as a kept snapshot needs them
    <batch id>.snapshot   the engine after the batch; every `SNAPSHOT_MS` or so, the newest
                          `KEEP_SNAPSHOTS` are kept

Restoring is the newest usable snapshot before N, plus the logs between it and N played through
the engine, their output dropped. Without a usable snapshot the engine begins cold and says so.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptostream.contracts.errors import ContractError
from cryptostream.stream import metrics
from cryptostream.stream.collector import no_collections
from cryptostream.stream.dedup import Seen
from cryptostream.stream.snapshot import CANDLES, dump, load
from cryptostream.stream.wal import Batch, read_batch, write_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cryptostream.stream.engine import Engine
    from cryptostream.stream.records import Record

log = logging.getLogger(__name__)

#: A snapshot is due after so much of Kafka's time, or so many trades or batches to replay.
SNAPSHOT_MS: Final = 20_000
SNAPSHOT_TRADES: Final = 50_000
SNAPSHOT_BATCHES: Final = 500
#: Spark can ask for N - 1 again; one more guards against a file torn by a crash of the disk.
KEEP_SNAPSHOTS: Final = 2


class Memory(NamedTuple):
    """What the stream remembers between micro-batches."""

    engine: Engine
    seen: Seen


class Journal:
    """The journal of one query, in a folder of its own."""

    def __init__(
        self, folder: Path, *, horizon_ms: int, new_engine: Callable[[bool], Engine]
    ) -> None:
        """Open a folder; `new_engine` makes an empty engine, forgetful if it gets True."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._horizon_ms = horizon_ms
        self._new_engine = new_engine
        #: Kafka's time of each log that is kept, oldest first.
        self._times: dict[int, int] = {}
        self._since = _Since()

    def save(
        self,
        batch_id: int,
        memory: Memory,
        fresh: Sequence[Record],
        p_up: Sequence[float | None],
        now_ms: int,
    ) -> None:
        """Write what the batch brought, a snapshot if one is due, and drop what is too old."""
        self._write(f"{batch_id}.log", write_batch(fresh, p_up, now_ms))
        self._times[batch_id] = now_ms
        self._since.add(len(fresh), now_ms)
        if self._since.is_due:
            with no_collections():
                snapshot = dump(memory.engine)
            self._write(f"{batch_id}.snapshot", snapshot)
            metrics.STATE_BYTES.labels("trades").set(len(snapshot))
            self._since = _Since(now_ms)
            self._drop(now_ms)

    def before(self, batch_id: int) -> Memory:
        """Give the memory as it was before `batch_id`.

        Files of `batch_id` and later belong to a run whose commit never happened.
        """
        batches = self._logged(batch_id)
        engine, after = self._restored(batch_id, batches)
        seen: dict[str, int] = {}
        for batch in batches.values():
            seen.update(dict.fromkeys(batch.identities(), batch.time))
        for found, batch in batches.items():
            if found > after:
                records = batch.records()
                engine.features(records)
                engine.advance(records, batch.p_up, batch.time)
                self._since.add(len(records), batch.time)
        self._times = {found: batch.time for found, batch in batches.items()}
        return Memory(engine, Seen(horizon_ms=self._horizon_ms, ids=seen))

    def _restored(self, batch_id: int, logged: dict[int, Batch]) -> tuple[Engine, int]:
        """Give an engine, and the batch after which it stood so."""
        for found in reversed([one for one in self._batches("snapshot") if one < batch_id]):
            engine = self._load(found)
            if engine is None:
                continue
            missing = [one for one in range(found + 1, batch_id) if one not in logged]
            if missing:
                log.warning("journal_has_gap", extra={"fields": {"batches": missing[:20]}})
            self._since = _Since(engine.now_ms)
            return engine, found
        self._since = _Since()
        if batch_id > 0:
            log.warning("state_cold", extra={"fields": {"before_batch": batch_id}})
        return self._new_engine(batch_id > 0), -1

    def _load(self, batch_id: int) -> Engine | None:
        """Read a snapshot; None if the engine can't go on from it."""
        name = f"{batch_id}.snapshot"
        engine = self._new_engine(False)  # noqa: FBT003 - a memory, so not a forgetful one
        try:
            cold = load((self._folder / name).read_bytes(), engine)
        except (OSError, ContractError) as error:
            log.warning("journal_unreadable", extra={"fields": {"file": name, "why": error}})
            return None
        if cold:
            log.warning("state_partly_cold", extra={"fields": {"file": name, **cold}})
        else:
            log.info("state_restored", extra={"fields": {"after_batch": batch_id}})
        return None if CANDLES in cold else engine

    def _logged(self, batch_id: int) -> dict[int, Batch]:
        """Read the logs of the batches before `batch_id`, oldest first."""
        found = {}
        for one in self._batches("log"):
            if one >= batch_id:
                continue
            try:
                found[one] = read_batch((self._folder / f"{one}.log").read_bytes())
            except (OSError, ContractError) as error:
                fields = {"file": f"{one}.log", "why": error}
                log.warning("journal_unreadable", extra={"fields": fields})
        return found

    def _drop(self, now_ms: int) -> None:
        """Delete old snapshots, and logs that neither the horizon nor a snapshot needs."""
        snapshots = self._batches("snapshot")
        for old in snapshots[:-KEEP_SNAPSHOTS]:
            (self._folder / f"{old}.snapshot").unlink(missing_ok=True)
        needed = snapshots[-KEEP_SNAPSHOTS:][0]
        before = now_ms - self._horizon_ms
        for old in [one for one, time in self._times.items() if one <= needed and time < before]:
            (self._folder / f"{old}.log").unlink(missing_ok=True)
            del self._times[old]

    def _batches(self, kind: str) -> list[int]:
        suffix = f".{kind}"
        names = (path.name.removesuffix(suffix) for path in self._folder.glob(f"*{suffix}"))
        return sorted(int(name) for name in names if name.isdecimal())

    def _write(self, name: str, content: bytes) -> None:
        draft = self._folder / f"{name}.tmp"
        draft.write_bytes(content)
        os.replace(draft, self._folder / name)  # noqa: PTH105 - says atomic to every reader


class _Since:
    """What came since the last snapshot; without one it is due at once."""

    def __init__(self, time_ms: int | None = None) -> None:
        self._time_ms = time_ms
        self._now_ms = time_ms or 0
        self._trades = self._batches = 0

    def add(self, trades: int, now_ms: int) -> None:
        """Count a batch."""
        self._now_ms = now_ms
        self._trades += trades
        self._batches += 1

    @property
    def is_due(self) -> bool:
        """Whether to take a snapshot now."""
        return (
            self._time_ms is None
            or self._now_ms - self._time_ms >= SNAPSHOT_MS
            or self._trades >= SNAPSHOT_TRADES
            or self._batches >= SNAPSHOT_BATCHES
        )
