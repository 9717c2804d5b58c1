"""The outbox: events, the messages made of them, and what became of each delivery.

A message goes queued -> sending -> sent; a failure that certainly had no effect makes it queued
again, any other one unsure, and a start finds what was `sending` unsure. An unsure message is
looked for before it is sent again. An event is done when each of its deliveries is settled and
its receipt is written; only then may its offset be committed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from cryptostream.alerts.errors import OutboxFullError
from cryptostream.alerts.model import Event, Parcel, Position, Receipt, Target, Told
from cryptostream.alerts.policy import History, Last, Verdict

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from cryptostream.alerts.database import Database

#: Who gets the receipt of an event that nobody subscribed to.
NOBODY: Final = Target("none", "")
_PARCEL: Final = (
    "SELECT id, channel, chat, kind, state, attempts, due_ms, expires_ms, floor, plain"
    " FROM messages"
)


class Outbox:
    """All of it over one database; every change is one transaction."""

    def __init__(self, database: Database, *, max_open: int, window_ms: int) -> None:
        self._database = database
        self._run = database.connection.execute
        self._max_open = max_open
        self._window_ms = window_ms
        with database.transaction():
            self._run("UPDATE messages SET state = 'unsure' WHERE state = 'sending'")

    def knows(self, event_id: str) -> bool:
        """Tell whether the event came before."""
        return bool(self._run("SELECT 1 FROM events WHERE id = ?", (event_id,)).fetchone())

    def open_events(self) -> int:
        """Count the events that are not done."""
        (count,) = self._run("SELECT count(*) FROM events WHERE done = 0").fetchone()
        return int(count)

    @property
    def is_full(self) -> bool:
        """Tell whether the sources have to wait."""
        return self.open_events() >= self._max_open

    def history(self, target: Target, event: Event, now_ms: int) -> History:
        """Say what the chat heard of the event's key, and lately."""
        last = self._run(
            "SELECT event_ms, severity FROM deliveries WHERE channel = ? AND chat = ? AND key = ?"
            " AND message IS NOT NULL ORDER BY event_ms DESC LIMIT 1",
            (*target, event.key),
        ).fetchone()
        (recent,) = self._run(
            "SELECT count(*) FROM messages WHERE channel = ? AND chat = ? AND created_ms > ?"
            " AND kind = 'alert'",
            (*target, now_ms - self._window_ms),
        ).fetchone()
        digest = self._open_message(target, "digest")
        return History(Last(*last) if last else None, recent, digest[1] if digest else None)

    def accept(
        self,
        event: Event,
        position: Position | None,
        verdicts: Mapping[Target, Verdict],
        *,
        now_ms: int,
        max_age_ms: int,
    ) -> None:
        """Take an event in with what was decided on it; raises `OutboxFullError`."""
        if self.is_full:
            raise OutboxFullError(f"{self._max_open} events are still to be delivered")
        partition, offset = position or (None, None)
        with self._database.transaction():
            self._run(
                "INSERT INTO events (id, body, partition, offset, received_ms) VALUES (?,?,?,?,?)",
                (event.event_id, msgspec.json.encode(event), partition, offset, now_ms),
            )
            for target, verdict in verdicts.items():
                message = self._message_for(target, verdict, now_ms, max_age_ms)
                self._deliver(event, target, message, verdict.reason or "", now_ms)
            if not verdicts:
                self._deliver(event, NOBODY, None, "no_subscriber", now_ms)

    def _message_for(
        self, target: Target, verdict: Verdict, now_ms: int, max_age_ms: int
    ) -> int | None:
        if verdict.reason is not None:
            return None
        found = None if verdict.kind == "alert" else self._open_message(target, verdict.kind)
        if found is not None:
            return found[0]
        added = self._run(
            "INSERT INTO messages (channel, chat, kind, state, created_ms, due_ms, expires_ms)"
            " VALUES (?,?,?,'queued',?,?,?)",
            (*target, verdict.kind, now_ms, verdict.due_ms, verdict.due_ms + max_age_ms),
        )
        return added.lastrowid

    def _open_message(self, target: Target, kind: str) -> tuple[int, int] | None:
        found: tuple[int, int] | None = self._run(
            "SELECT id, due_ms FROM messages WHERE channel = ? AND chat = ? AND kind = ?"
            " AND state = 'queued' AND attempts = 0 ORDER BY id DESC LIMIT 1",
            (*target, kind),
        ).fetchone()
        return found

    def _deliver(
        self, event: Event, target: Target, message: int | None, reason: str, now_ms: int
    ) -> None:
        suppressed = self._suppressed(target, event) if message is not None else 0
        self._run(
            "INSERT INTO deliveries (event, channel, chat, message, key, severity, event_ms,"
            " suppressed, state, reason, changed_ms) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (
                event.event_id, *target, message, event.key, event.severity, event.time,
                suppressed, "waiting" if message is not None else "dropped", reason, now_ms,
            ),
        )  # fmt: skip

    def _suppressed(self, target: Target, event: Event) -> int:
        (count,) = self._run(
            "SELECT count(*) FROM deliveries WHERE channel = ? AND chat = ? AND key = ?"
            " AND reason = 'cooldown' AND event_ms > coalesce((SELECT max(event_ms) FROM deliveries"
            " WHERE channel = ? AND chat = ? AND key = ? AND message IS NOT NULL), 0)",
            (*target, event.key, *target, event.key),
        ).fetchone()
        return int(count)

    def due(self, now_ms: int) -> list[Parcel]:
        """Give of each chat the message that is due the longest."""
        # SQLite takes the other columns from the row that holds the minimum.
        rows = self._run(
            "SELECT id, channel, chat, kind, state, attempts, min(due_ms), expires_ms, floor, plain"
            " FROM messages WHERE state IN ('queued', 'unsure') AND due_ms <= ?"
            " GROUP BY channel, chat ORDER BY min(due_ms)",
            (now_ms,),
        )
        return [_parcel(row) for row in rows]

    def parcel(self, number: int) -> Parcel | None:
        """Give a message by its number."""
        row = self._run(f"{_PARCEL} WHERE id = ?", (number,)).fetchone()
        return _parcel(row) if row else None

    def content(self, number: int) -> list[Told]:
        """Give the events of a message."""
        rows = self._run(
            "SELECT body, suppressed FROM deliveries JOIN events ON events.id = event"
            " WHERE message = ? ORDER BY event_ms",
            (number,),
        )
        return [Told(msgspec.json.decode(body, type=Event), count) for body, count in rows]

    def sending(self, number: int, floor: int) -> None:
        """Note, before the call, that a message goes out."""
        with self._database.transaction():
            self._run(
                "UPDATE messages SET state = 'sending', attempts = attempts + 1, floor = ?"
                " WHERE id = ?",
                (floor, number),
            )

    def sent(self, number: int, sent_id: int, now_ms: int) -> None:
        """Note that a message arrived."""
        with self._database.transaction():
            self._run(
                "UPDATE messages SET state = 'sent', sent_id = ?, sent_ms = ? WHERE id = ?",
                (sent_id, now_ms, number),
            )
            self._settle(number, "sent", "", now_ms)

    def retry(
        self, number: int, reason: str, *, due_ms: int, unsure: bool, plain: bool, now_ms: int
    ) -> None:
        """Note that a message is to be tried again; `unsure` if it may have arrived."""
        with self._database.transaction():
            self._run(
                "UPDATE messages SET state = ?, due_ms = ?, plain = max(plain, ?) WHERE id = ?",
                ("unsure" if unsure else "queued", due_ms, plain, number),
            )
            self._settle(number, "retried", reason, now_ms)

    def dropped(self, number: int, reason: str, now_ms: int) -> None:
        """Note that a message will never arrive."""
        with self._database.transaction():
            self._run("UPDATE messages SET state = 'dropped' WHERE id = ?", (number,))
            self._settle(number, "dropped", reason, now_ms)

    def _settle(self, number: int, state: str, reason: str, now_ms: int) -> None:
        self._run(
            "UPDATE deliveries SET state = ?, reason = ?, changed_ms = ?, revision = revision + 1,"
            " attempts = (SELECT attempts FROM messages WHERE id = ?) WHERE message = ?",
            (state, reason, now_ms, number, number),
        )

    def receipts(self, limit: int) -> list[Receipt]:
        """Give the receipts that are still to be written."""
        rows = self._run(
            "SELECT deliveries.id, revision, body, channel, chat, state, reason, attempts,"
            " changed_ms FROM deliveries JOIN events ON events.id = event"
            " WHERE receipted < revision AND state <> 'waiting' ORDER BY deliveries.id LIMIT ?",
            (limit,),
        )
        return [_receipt(*row) for row in rows]

    def receipted(self, receipts: Sequence[Receipt]) -> None:
        """Note that receipts are written; events of which all are settled are done."""
        with self._database.transaction():
            for one in receipts:
                self._run(
                    "UPDATE deliveries SET receipted = max(receipted, ?) WHERE id = ?",
                    (one.revision, one.row),
                )
                self._run(
                    "UPDATE events SET done = 1 WHERE id = ? AND NOT EXISTS (SELECT 1 FROM"
                    " deliveries WHERE event = events.id AND (state NOT IN ('sent', 'dropped')"
                    " OR receipted < revision))",
                    (one.event.event_id,),
                )

    def open_offsets(self) -> dict[int, int]:
        """Give the first offset of each partition that is not done."""
        rows = self._run(
            "SELECT partition, min(offset) FROM events WHERE done = 0 AND partition IS NOT NULL"
            " GROUP BY partition"
        )
        return dict(rows.fetchall())

    def newest(self, count: int) -> list[Event]:
        """Give the newest events, newest first."""
        rows = self._run("SELECT body FROM events ORDER BY received_ms DESC LIMIT ?", (count,))
        return [msgspec.json.decode(body, type=Event) for (body,) in rows]

    def states(self) -> dict[str, int]:
        """Count the messages by state."""
        rows = self._run("SELECT state, count(*) FROM messages GROUP BY state")
        return dict(rows.fetchall())

    def prune(self, before_ms: int, limit: int) -> int:
        """Forget up to `limit` events that are done and came before a time; count them."""
        with self._database.transaction():
            old = self._run(
                "SELECT id FROM events WHERE done = 1 AND received_ms < ? LIMIT ?",
                (before_ms, limit),
            ).fetchall()
            for one in old:
                self._run("DELETE FROM deliveries WHERE event = ?", one)
                self._run("DELETE FROM events WHERE id = ?", one)
            self._run(
                "DELETE FROM messages WHERE created_ms < ? AND state IN ('sent', 'dropped')"
                " AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message = messages.id)",
                (before_ms,),
            )
        return len(old)


def _parcel(row: sqlite3.Row | tuple[Any, ...]) -> Parcel:
    number, channel, chat, kind, state, attempts, due, expires, floor, plain = row
    target = Target(channel, chat)
    return Parcel(number, target, kind, state, attempts, due, expires, floor, bool(plain))


def _receipt(row: int, revision: int, body: bytes, channel: str, chat: str, *rest: Any) -> Receipt:
    event = msgspec.json.decode(body, type=Event)
    return Receipt(row, revision, event, Target(channel, chat), *rest)
