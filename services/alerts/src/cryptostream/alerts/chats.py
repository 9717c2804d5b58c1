"""What is known of chats: subscriptions, mutes, blocks, and the messages that are ours."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

import msgspec

from cryptostream.alerts.model import Mute, Subscription, Target

if TYPE_CHECKING:
    from cryptostream.alerts.database import Database

#: A chat that mutes one thing after the other can't fill the disk.
MAX_MUTES: Final = 100


class Chats:
    """The chats of all channels; `defaults` is what a chat hears until it says otherwise."""

    def __init__(self, database: Database, defaults: Subscription) -> None:
        self._database = database
        self._run = database.connection.execute
        self._defaults = defaults

    def subscription(self, target: Target) -> Subscription:
        """Give what a chat wants to hear."""
        row = self._run(
            "SELECT subscription FROM chats WHERE channel = ? AND chat = ?", target
        ).fetchone()
        if row is None or row[0] is None:
            return self._defaults
        return msgspec.json.decode(row[0], type=Subscription)

    def subscribe(self, target: Target, subscription: Subscription) -> None:
        """Set what a chat wants to hear."""
        with self._database.transaction():
            self._run(
                "INSERT INTO chats (channel, chat, subscription) VALUES (?,?,?)"
                " ON CONFLICT (channel, chat) DO UPDATE SET subscription = excluded.subscription",
                (*target, msgspec.json.encode(subscription)),
            )

    def is_greeted(self, target: Target) -> bool:
        """Tell whether the chat was told that alerts come here."""
        row = self._run(
            "SELECT greeted FROM chats WHERE channel = ? AND chat = ?", target
        ).fetchone()
        return bool(row and row[0])

    def greeted(self, target: Target) -> None:
        """Note that it was."""
        with self._database.transaction():
            self._run(
                "INSERT INTO chats (channel, chat, greeted) VALUES (?,?,1)"
                " ON CONFLICT (channel, chat) DO UPDATE SET greeted = 1",
                target,
            )

    def mutes(self, target: Target, now_ms: int) -> list[Mute]:
        """Give the mutes that last."""
        rows = self._run(
            "SELECT until_ms, rule, symbol FROM mutes WHERE channel = ? AND chat = ?"
            " AND until_ms > ? ORDER BY until_ms",
            (*target, now_ms),
        )
        return [Mute(*row) for row in rows]

    def mute(self, target: Target, mute: Mute, now_ms: int) -> bool:
        """Add or change a mute; False if the chat has too many."""
        with self._database.transaction():
            self._run("DELETE FROM mutes WHERE until_ms <= ?", (now_ms,))
            if len(self.mutes(target, now_ms)) >= MAX_MUTES:
                return False
            self._run(
                "INSERT OR REPLACE INTO mutes (channel, chat, rule, symbol, until_ms)"
                " VALUES (?,?,?,?,?)",
                (*target, mute.rule, mute.symbol, mute.until_ms),
            )
        return True

    def unmute(self, target: Target) -> None:
        """End all mutes of a chat."""
        with self._database.transaction():
            self._run("DELETE FROM mutes WHERE channel = ? AND chat = ?", target)

    def block(self, chat: str, until_ms: int) -> None:
        """Note until when Telegram asked us to leave a chat alone."""
        with self._database.transaction():
            self._run("INSERT OR REPLACE INTO blocks VALUES (?,?)", (chat, until_ms))

    def blocks(self, now_ms: int) -> dict[str, int]:
        """Give the blocks that last."""
        rows = self._run("SELECT chat, until_ms FROM blocks WHERE until_ms > ?", (now_ms,))
        return dict(rows.fetchall())

    def own(self, chat: str, number: int, mailbox: str, *, key: str, now_ms: int) -> None:
        """Note a message of ours that certainly is in a chat; `key` is empty for answers."""
        with self._database.transaction():
            self._run(
                "INSERT OR REPLACE INTO own_messages (chat, id, sent_ms, key) VALUES (?,?,?,?)",
                (chat, number, now_ms, key),
            )
            self._raise(f"top:{mailbox}", number)

    def saw(self, mailbox: str, number: int) -> None:
        """Note the number of a message that somebody wrote."""
        with self._database.transaction():
            self._raise(f"top:{mailbox}", number)

    def top(self, mailbox: str) -> int:
        """Give the newest message number that was seen in a mailbox; 0 if none was."""
        return self.number(f"top:{mailbox}")

    def is_own(self, chat: str, number: int) -> bool:
        """Tell whether a message is known to be ours."""
        row = self._run("SELECT 1 FROM own_messages WHERE chat = ? AND id = ?", (chat, number))
        return row.fetchone() is not None

    def number_of(self, chat: str, key: str) -> int | None:
        """Give the number of the message with a key, if it is known to be in the chat."""
        row = self._run(
            "SELECT id FROM own_messages WHERE chat = ? AND key = ? AND key <> ''", (chat, key)
        ).fetchone()
        return int(row[0]) if row else None

    def sent_since(self, since_ms: int) -> list[tuple[str, int]]:
        """Give chat and time of the messages since a time, oldest first."""
        rows = self._run(
            "SELECT chat, sent_ms FROM own_messages WHERE sent_ms > ? ORDER BY sent_ms",
            (since_ms,),
        )
        return rows.fetchall()

    def forget(self, before_ms: int) -> None:
        """Forget messages and blocks that are long gone."""
        with self._database.transaction():
            self._run("DELETE FROM own_messages WHERE sent_ms < ?", (before_ms,))
            self._run("DELETE FROM blocks WHERE until_ms < ?", (before_ms,))

    def number(self, name: str) -> int:
        """Give a number that was kept; 0 if it never was."""
        row = self._run("SELECT value FROM numbers WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def keep(self, name: str, value: int) -> None:
        """Keep a number; a smaller one than is kept changes nothing."""
        with self._database.transaction():
            self._raise(name, value)

    def identity(self) -> str:
        """Give eight characters that are this database's own."""
        if not self.number("identity"):
            self.keep("identity", secrets.randbits(32) | 1)
        return f"{self.number('identity'):08x}"

    def _raise(self, name: str, value: int) -> None:
        self._run(
            "INSERT INTO numbers VALUES (?,?) ON CONFLICT (name)"
            " DO UPDATE SET value = max(value, excluded.value)",
            (name, value),
        )
