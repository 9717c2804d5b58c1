"""The journal: restarts change nothing, and what can't be read costs as little as it can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from support.stream_tape import a_market, an_engine, batches

from cryptostream.contracts.errors import ContractError
from cryptostream.stream import journal as journals
from cryptostream.stream.dedup import Seen
from cryptostream.stream.journal import KEEP_SNAPSHOTS, Journal, Memory
from cryptostream.stream.snapshot import VERSIONS, Snapshot, dump, load
from cryptostream.stream.wal import read_batch, write_batch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptostream.stream.engine import Features, Step
    from cryptostream.stream.records import Record

HORIZON_MS = 60_000


class Run:
    """A stream over one folder; `run` is the life of one process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = Journal(folder, horizon_ms=HORIZON_MS, new_engine=_new_engine)
        self.memory: Memory | None = None

    def batch(self, number: int, records: Sequence[Record]) -> tuple[list[Features], Step]:
        """Settle one batch as the trades query does."""
        memory = self.memory or self.journal.before(number)
        newest = max(one.kafka_time for one in records)
        fresh = memory.seen.fresh(records, newest)
        vectors = memory.engine.features(fresh)
        scores = [None if one is None else 0.5 + one[0][0] / 4 for one in vectors]
        step = memory.engine.advance(fresh, scores, newest)
        self.journal.save(number, memory, fresh, scores, newest)
        self.memory = memory
        return vectors, step


def _new_engine(forgetful: bool) -> object:  # noqa: FBT001 - the journal's signature
    return an_engine(forgetful=forgetful)


@pytest.fixture(params=[1, 7_000, 10**9])
def _snapshots(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take snapshots after each batch, now and then, or at the start only."""
    monkeypatch.setattr(journals, "SNAPSHOT_MS", request.param)


@pytest.mark.usefixtures("_snapshots")
@pytest.mark.parametrize("killed", [1, 2, 17, 39])
def test_a_killed_stream_goes_on_bit_for_bit(tmp_path: Path, killed: int) -> None:
    """Killed after any batch, even before its commit, it gives what a straight run gives."""
    cut = list(batches(a_market(400), 10))
    straight = Run(tmp_path / "straight")
    expected = [straight.batch(number, batch) for number, batch in enumerate(cut)]
    first, second = Run(tmp_path / "killed"), Run(tmp_path / "killed")
    for number in range(killed):
        first.batch(number, cut[number])
    replayed = killed - 1  # the commit of the last one never came
    found = [second.batch(number, cut[number]) for number in range(replayed, len(cut))]
    assert found == expected[replayed:]
    assert second.memory is not None
    assert straight.memory is not None
    assert dump(second.memory.engine) == dump(straight.memory.engine)
    assert second.memory.seen.ids == straight.memory.seen.ids


def test_a_repeat_is_known_after_a_restart(tmp_path: Path) -> None:
    """Trades of earlier batches are not fresh again."""
    cut = list(batches(a_market(40), 10))
    Run(tmp_path).batch(0, cut[0])
    again = Run(tmp_path)
    vectors, _ = again.batch(1, sorted(cut[0] + cut[1], key=lambda one: one.order()))
    assert len(vectors) == 10


def test_old_files_are_dropped(tmp_path: Path) -> None:
    """However long it runs, only the newest snapshots and the horizon's logs stay on disk."""
    run = Run(tmp_path)
    for number, batch in enumerate(batches(a_market(1_200, step_ms=500), 10)):
        run.batch(number, batch)
    names = [path.suffix for path in tmp_path.iterdir()]
    assert names.count(".snapshot") == KEEP_SNAPSHOTS
    longest = (HORIZON_MS + 2 * journals.SNAPSHOT_MS) // 5_000 + 2
    assert 0 < names.count(".log") <= longest


def test_a_torn_snapshot_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    """The older snapshot and the logs after it give the same memory."""
    run, cut = Run(tmp_path), list(batches(a_market(600, step_ms=500), 10))
    for number, batch in enumerate(cut):
        run.batch(number, batch)
    newest = max(tmp_path.glob("*.snapshot"), key=lambda path: int(path.stem))
    newest.write_bytes(newest.read_bytes()[:100])
    assert run.memory is not None
    assert dump(Run(tmp_path).journal.before(len(cut)).engine) == dump(run.memory.engine)


def test_without_a_snapshot_it_starts_cold_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Garbage in every file is no crash: a cold engine, a line in the log."""
    run = Run(tmp_path)
    run.batch(0, next(batches(a_market(10), 10)))
    for path in tmp_path.iterdir():
        path.write_bytes(b"\xc1garbage")
    memory = Run(tmp_path).journal.before(1)
    assert memory.engine.symbols == {}
    assert memory.seen.ids == {}
    assert "state_cold" in caplog.messages


@pytest.mark.parametrize("part", [name for name in VERSIONS if name != "candles"])
def test_a_part_of_another_version_begins_cold_alone(part: str) -> None:
    """New features cost the features' state, not the candles'."""
    engine = an_engine()
    cut = list(batches(a_market(100), 50))
    for batch in cut:
        engine.features(batch)
        engine.advance(batch, [None] * len(batch), max(one.kafka_time for one in batch))
    snapshot = msgspec.msgpack.decode(dump(engine), type=Snapshot)
    snapshot.versions[part] = "older"
    other = an_engine()
    assert list(load(msgspec.msgpack.encode(snapshot), other)) == [part]
    again = msgspec.msgpack.decode(dump(other), type=Snapshot)
    same = {name for name, raw in snapshot.parts.items() if bytes(raw) == bytes(again.parts[name])}
    assert same == VERSIONS.keys() - {part}


def test_a_log_gives_its_trades_back() -> None:
    """What the engine looks at survives: ids, numbers as they were written, order, predictions."""
    (tape,) = batches(a_market(50), 50)
    batch = read_batch(write_batch(tape, [None, *[0.25] * 49], 7))
    again = batch.records()
    assert [one.identity for one in tape] == batch.identities()
    for old, new in zip(tape, again, strict=True):
        same = ("symbol", "trade_id", "price", "size", "side", "trade_time", "seq", "block_trade")
        assert [getattr(old.trade, name) for name in same] == [
            getattr(new.trade, name) for name in same
        ]
        assert old[:1] + old[2:] == new[:1] + new[2:]
    assert (batch.time, batch.p_up[:2]) == (7, [None, 0.25])
    with pytest.raises(ContractError):
        read_batch(b"\x93")


def test_an_empty_memory_is_a_fresh_start(tmp_path: Path) -> None:
    """Before batch 0 there is nothing, and nothing to say."""
    memory = Run(tmp_path).journal.before(0)
    assert memory.engine.symbols == {}
    assert isinstance(memory.seen, Seen)
