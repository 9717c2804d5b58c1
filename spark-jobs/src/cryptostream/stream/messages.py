"""The messages query: gaps, alerts and dead letters become documents.

What can't be used here is counted and logged, and nothing more: as a dead letter it would come
back into this very query, for ever.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.messages import Alert, DeadLetter, Gap, decode
from cryptostream.contracts.topics import ALERTS, DEAD_LETTERS, GAPS
from cryptostream.stream import metrics
from cryptostream.stream.documents import Action, alert_action, dead_letter_action, gap_action

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyspark.sql import DataFrame

    from cryptostream.stream.bulk import BulkWriter

log = logging.getLogger(__name__)

MESSAGES_TOPICS: Final = (GAPS, ALERTS, DEAD_LETTERS)
#: What the query reads of a record.
MESSAGES_COLUMNS: Final = ("value", "topic", "partition", "offset")
#: A dead letter may have 256 KiB, or two MiB escaped as JSON: a batch has to fit into memory.
MAX_MESSAGES: Final = 500
#: Of a flood of bad records a batch logs so many.
MAX_LOGGED: Final = 10


class MessagesQuery:
    """Settles the micro-batches of messages."""

    def __init__(self, *, writer: BulkWriter) -> None:
        self._writer = writer

    def process(self, batch: DataFrame, _batch_id: int) -> None:
        """Write the batch's messages; a replayed batch writes the same documents again."""
        rows = batch.toArrow().to_pylist()
        if not rows:
            return
        with metrics.BATCH_SECONDS.labels("messages").time():
            actions, bad = read_messages(rows)
            outcome = self._writer.write(actions)
        bad += [f"elasticsearch_{item.status}: {item.reason}" for item in outcome.refused]
        metrics.MESSAGES.labels("written").inc(outcome.written)
        metrics.MESSAGES.labels("refused").inc(len(bad))
        metrics.BULK_RETRIES.inc(outcome.retried)
        for why in bad[:MAX_LOGGED]:
            log.warning("message_refused", extra={"fields": {"why": why, "in_batch": len(bad)}})


def read_messages(rows: Iterable[Mapping[str, Any]]) -> tuple[list[Action], list[str]]:
    """Turn rows of `MESSAGES_COLUMNS` into actions, and say of each other row why it is none.

    Of several tellings of one document only the last is kept: a bulk that has to repeat an
    earlier one would write it over the later.
    """
    actions: dict[bytes, Action] = {}
    bad: list[str] = []
    for row in sorted(rows, key=lambda row: (row["topic"], row["partition"], row["offset"])):
        try:
            action = _action(row)
        except ContractError as error:
            bad.append(f"{row['topic']}/{row['partition']}/{row['offset']} {error}")
        else:
            actions[action.header] = action
    return list(actions.values()), bad


def _action(row: Mapping[str, Any]) -> Action:
    raw = row["value"] or b""
    match row["topic"]:
        case topic if topic == GAPS:
            return gap_action(decode(raw, Gap))
        case topic if topic == ALERTS:
            return alert_action(decode(raw, Alert))
        case topic:
            identity = f"{topic}/{row['partition']}/{row['offset']}"
            return dead_letter_action(decode(raw, DeadLetter), identity)
