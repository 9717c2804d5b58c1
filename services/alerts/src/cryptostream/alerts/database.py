"""The sqlite file in which everything is kept that a kill must not take.

One connection, used by one thread. Write-ahead log with a full sync: what was committed outlives
a crash of the machine, too; a commit costs a few milliseconds, a few times a second.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from cryptostream.contracts.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_NAME: Final = "alerts.sqlite"
SCHEMA_VERSION: Final = 1
BUSY_SECONDS: Final = 5.0
_CACHE_KB: Final = 2_048
_SCHEMA: Final = """
CREATE TABLE events (
    id TEXT PRIMARY KEY, body BLOB NOT NULL, partition INTEGER, offset INTEGER,
    received_ms INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX events_open ON events (partition, offset) WHERE done = 0;
CREATE INDEX events_age ON events (received_ms);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, chat TEXT NOT NULL,
    kind TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
    floor INTEGER NOT NULL DEFAULT 0, plain INTEGER NOT NULL DEFAULT 0,
    sent_id INTEGER, sent_ms INTEGER
);
CREATE INDEX messages_due ON messages (due_ms) WHERE state IN ('queued', 'unsure');
CREATE INDEX messages_recent ON messages (channel, chat, created_ms);
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY, event TEXT NOT NULL REFERENCES events (id), channel TEXT NOT NULL,
    chat TEXT NOT NULL, message INTEGER REFERENCES messages (id), key TEXT NOT NULL,
    severity TEXT NOT NULL, event_ms INTEGER NOT NULL, suppressed INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', attempts INTEGER NOT NULL DEFAULT 0,
    changed_ms INTEGER NOT NULL, revision INTEGER NOT NULL DEFAULT 1,
    receipted INTEGER NOT NULL DEFAULT 0, UNIQUE (event, channel, chat)
);
CREATE INDEX deliveries_key ON deliveries (channel, chat, key, event_ms);
CREATE INDEX deliveries_message ON deliveries (message);
CREATE INDEX deliveries_told ON deliveries (id) WHERE receipted < revision AND state <> 'waiting';
CREATE TABLE chats (
    channel TEXT NOT NULL, chat TEXT NOT NULL, subscription BLOB, greeted INTEGER NOT NULL
    DEFAULT 0, PRIMARY KEY (channel, chat)
);
CREATE TABLE mutes (
    channel TEXT NOT NULL, chat TEXT NOT NULL, rule TEXT NOT NULL, symbol TEXT NOT NULL,
    until_ms INTEGER NOT NULL, PRIMARY KEY (channel, chat, rule, symbol)
);
CREATE TABLE blocks (chat TEXT PRIMARY KEY, until_ms INTEGER NOT NULL);
CREATE TABLE own_messages (
    chat TEXT NOT NULL, id INTEGER NOT NULL, sent_ms INTEGER NOT NULL, key TEXT NOT NULL,
    PRIMARY KEY (chat, id)
);
CREATE INDEX own_messages_key ON own_messages (chat, key) WHERE key <> '';
CREATE TABLE numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""


class Database:
    """An open file; raises `SettingsError` if it can't be used."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.connection = sqlite3.connect(
                folder / FILE_NAME,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(
                f"ALERTS_STATE: {folder} can't be used ({error}); name a folder that can be "
                "written, on a disk with room, used by one instance"
            ) from error

    def _prepare(self) -> None:
        run = self.connection.execute
        # One instance alone: a second one would tell everything again.
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run(f"PRAGMA cache_size = -{_CACHE_KB}")
        with self.transaction():
            (version,) = run("PRAGMA user_version").fetchone()
            if not version:
                for statement in _SCHEMA.split(";\n"):
                    run(statement)
                run(f"PRAGMA user_version = {SCHEMA_VERSION}")
            elif version != SCHEMA_VERSION:
                raise sqlite3.DatabaseError(f"schema {version}, must be {SCHEMA_VERSION}")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit what is done inside, or nothing of it."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file; what was committed stays."""
        self.connection.close()
