"""Which topics the checkpoint's offsets belong to.

Kafka gives a topic that is deleted and created again a new id, and its offsets begin at 0. Spark
knows topics by name alone: it stops when a stored offset lies beyond the new end, and when the
new topic has grown past it already, it goes on in the middle and loses what is before. So the ids
are kept beside the offsets and compared at each start.
"""

from __future__ import annotations

import json
import logging
import os
import re
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from cryptostream.contracts.errors import CryptostreamError
from cryptostream.contracts.settings import kafka_options

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

NAME: Final = "topics.json"
_ASK_SECONDS: Final = 10.0
#: Signs of Spark's `failOnDataLoss`, in the text of its error.
_LOSS: Final = re.compile(r"KAFKA_DATA_LOSS|failOnDataLoss|OffsetOutOfRange")
RECOVERY: Final = (
    "name a new, empty folder as STREAM_CHECKPOINT and start again: the stream reads all that "
    "Kafka holds, and documents that exist are kept (docs/stream-recovery.md)"
)


class TopicsChangedError(CryptostreamError):
    """The offsets of the checkpoint are not of the topics that Kafka has now."""


def recovery(why: str) -> str:
    """Say how to go on after a query failed with `why`; empty if a restart is all it takes."""
    return RECOVERY if _LOSS.search(why) else ""


def check_topics(bootstrap_servers: str, pattern: str, folder: Path) -> None:
    """Hold topics to the ids in the folder's `topics.json`, and write new ones into it.

    Raises `TopicsChangedError` for a topic that was deleted and created again. A Kafka that does
    not answer is no proof of anything: then the check is left to the next start.
    """
    try:
        found = _ids(bootstrap_servers, pattern)
    except KafkaException as error:
        log.warning("topics_not_checked", extra={"fields": {"why": error}})
        return
    path = folder / NAME
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    changed = sorted(name for name, one in found.items() if known.get(name, one) != one)
    if changed:
        raise TopicsChangedError(
            f"{', '.join(changed)} was deleted and created again since this checkpoint was "
            f"written, so its offsets mean nothing; {RECOVERY}"
        )
    if found.keys() - known.keys():
        folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".tmp")
        draft.write_text(json.dumps(known | found))
        os.replace(draft, path)  # noqa: PTH105 - says atomic to every reader


def _ids(bootstrap_servers: str, pattern: str) -> dict[str, str]:
    admin = AdminClient({**kafka_options(bootstrap_servers), "log_level": 0})
    every = admin.list_topics(timeout=_ASK_SECONDS).topics
    names = [name for name in every if re.fullmatch(pattern, name)]
    if not names:
        return {}
    answers = admin.describe_topics(TopicCollection(names), request_timeout=_ASK_SECONDS)
    return {name: str(answer.result().topic_id) for name, answer in answers.items()}
