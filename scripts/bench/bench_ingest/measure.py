"""Flows through a client into Kafka, and what each cost."""

from __future__ import annotations

import json
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from bench_ingest.clients import Running
    from bench_ingest.records import Records

POLL_SECONDS: Final = 0.05
#: No record for so long after the last frame was sent: what is missing is lost.
QUIET_SECONDS: Final = 8.0
_FLOW_SECONDS: Final = 7_200


@dataclass(frozen=True, slots=True)
class Case:
    """A flow: how many trades, in which frames, and how fast (0: back-to-back)."""

    name: str
    trades: int
    per_frame: int
    per_second: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What a flow came to.

    Attributes:
        sent: trades sent.
        verified: of them, the distinct ones in Kafka.
        cpu_seconds: of the client, from the first frame to its last record in Kafka.
        seconds: the same by the clock.
    """

    sent: int
    verified: int
    cpu_seconds: float
    seconds: float

    @property
    def lost(self) -> int:
        """Trades sent that are not in Kafka."""
        return self.sent - self.verified

    @property
    def cpu_us(self) -> float:
        """CPU microseconds per verified record."""
        return 1e6 * self.cpu_seconds / max(1, self.verified)

    @property
    def per_second(self) -> float:
        """Verified records per second, until the last is in Kafka."""
        return self.verified / max(1e-9, self.seconds)


class Bench:
    """Sends numbered flows; no trade's number is used twice."""

    def __init__(self, control_url: str) -> None:
        self._control = control_url
        self._next = 0
        self._sender = ThreadPoolExecutor(1)

    def subscribed(self) -> int:
        """Count the topics that the client has."""
        with urllib.request.urlopen(f"{self._control}/subscribed", timeout=10) as answer:  # noqa: S310 - ours
            return int(answer.read())

    def flow(self, case: Case, client: Running, records: Records) -> Result:
        """Send a flow and wait until its records are in Kafka, or no more of them come."""
        first, self._next = self._next, self._next + case.trades
        start = end = records.ends()
        cpu_before, began = client.cpu_seconds(), time.monotonic()
        sending = self._sender.submit(self.send, case, first)
        arrived, cpu, last = 0, cpu_before, began
        # More records than trades means repeated ones: then only the quiet tells the end.
        while arrived != case.trades or not sending.done():
            time.sleep(POLL_SECONDS)
            now, end = time.monotonic(), records.ends()
            count = sum(end.values()) - sum(start.values())
            if count > arrived or not sending.done():
                arrived, cpu, last = count, client.cpu_seconds(), now
            elif now - last > QUIET_SECONDS:
                break
        sending.result()
        verified = records.distinct(start, end, first, case.trades)
        return Result(case.trades, verified, cpu - cpu_before, last - began)

    def send(self, case: Case, first: int = 0) -> Any:
        """Send a flow, its trades numbered from `first`; returns when the last byte has left."""
        body = {
            "first": first,
            "trades": case.trades,
            "per_frame": case.per_frame,
            "per_second": case.per_second,
        }
        request = urllib.request.Request(  # noqa: S310 - ours
            f"{self._control}/flow", data=json.dumps(body).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=_FLOW_SECONDS) as answer:  # noqa: S310 - ours
            return json.load(answer)
