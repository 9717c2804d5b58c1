"""Logs: one JSON object a line, with an event name and key fields.

    log = logging.getLogger(__name__)
    log.info("subscribed", extra={"fields": {"topics": 10}})

JSON escapes newlines and control characters, so no input can forge a line.
"""

from __future__ import annotations

import json
import logging
import math
import sys
from typing import Final

MAX_FIELD_CHARS: Final = 500


class JsonLines(logging.Formatter):
    """Format a record as one bounded JSON line."""

    def format(self, record: logging.LogRecord) -> str:
        """Render time, level, event, logger, the record's `fields` and its exception."""
        line: dict[str, object] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}",
            "level": record.levelname.lower(),
            "event": record.getMessage()[:MAX_FIELD_CHARS],
            "logger": record.name,
        }
        for key, value in getattr(record, "fields", {}).items():
            line[key] = value if _is_json_number(value) else str(value)[:MAX_FIELD_CHARS]
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)[-4000:]
        return json.dumps(line)


def _is_json_number(value: object) -> bool:
    """Tell whether JSON can carry the value bare: it has no NaN and no infinity."""
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def configure_logging(level: str = "INFO") -> None:
    """Send every logger's records to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
