"""How long alerts take, read off the stream's own histogram."""

from __future__ import annotations

import contextlib
import re
import time
import urllib.request
from threading import Event, Thread
from typing import Final

BUCKET: Final = 'cryptostream_stream_alert_seconds_bucket{le="'
EVERY_SECONDS: Final = 1.0
_ASK_SECONDS: Final = 5.0
#: About one trade in a hundred is a whale by these; a simulated market has nothing to tell.
WHALE: Final = {"threshold": 1.01, "min_samples": 200, "cooldown_seconds": 1, "min_notional": 0.0}
Buckets = dict[float, float]


class Alerts:
    """Looks at the histogram every second, so that the warm-up can be taken off afterwards."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._seen: list[tuple[float, Buckets]] = []

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self, seconds: float, ended: float) -> tuple[int, float]:
        """Give the number of alerts and their p95 in milliseconds.

        Of the `seconds` before `ended`, by the monotonic clock; a bucket counts by its upper edge.
        """
        self._stop.set()
        self._thread.join(2 * _ASK_SECONDS)
        last = max((one for one in self._seen if one[0] <= ended), default=(0.0, {}))[1]
        begun = [one for one in self._seen if one[0] <= ended - seconds]
        first = max(begun, default=(0.0, {}))[1]
        counts = {edge: count - first.get(edge, 0.0) for edge, count in sorted(last.items())}
        total = max(counts.values(), default=0.0)
        edge = next((edge for edge, count in counts.items() if count >= 0.95 * total), 0.0)
        return int(total), edge * 1_000 if total else 0.0

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            with contextlib.suppress(OSError):
                self._seen.append((time.monotonic(), read(self._url)))


def loosened(rules: str) -> str:
    """Give alert rules (TOML) in which whales are small and many."""
    before, whale, after = re.split(r"(?ms)^(\[whale\]$.*?(?=^\[|^#))", rules)
    for name, value in WHALE.items():
        whale = re.sub(rf"(?m)^{name} = .*$", f"{name} = {value}", whale)
    return before + whale + after


def read(url: str) -> Buckets:
    """Read the cumulative counts by upper edge in seconds; raises `OSError`."""
    with urllib.request.urlopen(url, timeout=_ASK_SECONDS) as answer:  # noqa: S310 - ours
        lines = answer.read().decode().splitlines()
    cells = [line.removeprefix(BUCKET).split('"} ') for line in lines if line.startswith(BUCKET)]
    return {float(edge): float(count) for edge, count in cells}
