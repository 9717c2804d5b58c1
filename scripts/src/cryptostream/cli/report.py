"""The report of a run: what was sent, what arrived, how fast, and at what cost."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from elasticsearch import ApiError, TransportError

from cryptostream.cli import verify
from cryptostream.cli.errors import CliError
from cryptostream.cli.setup import client_of
from cryptostream.contracts.indices import CANDLES_INDICES, TRADES_INDICES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptostream.cli.plan import Plan
    from cryptostream.cli.verify import Offsets, Reconciliation

DRAIN_SECONDS: Final = 90.0
_ASK_SECONDS: Final = 10.0
_SETTLE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Report:
    """A finished report; `sound` says that nothing was lost, doubled or left undone."""

    content: dict[str, Any]
    sound: bool


def pause_simulator(url: str) -> None:
    """Stop the simulator's trades; raises `CliError` if it doesn't answer."""
    request = urllib.request.Request(f"{url}/simulator/pause", method="POST")  # noqa: S310 - ours
    try:
        urllib.request.urlopen(request, timeout=_ASK_SECONDS).close()  # noqa: S310 - ours
    except OSError as error:
        raise CliError(f"The simulator could not be paused: {error}", "Run it again.") from error


def simulator_finished(url: str) -> bool:
    """Tell whether a replay has come to its end."""
    try:
        with urllib.request.urlopen(f"{url}/simulator/status", timeout=_ASK_SECONDS) as answer:  # noqa: S310 - ours
            return bool(json.load(answer)["finished"])
    except (OSError, ValueError, KeyError):
        return False


def drain(bootstrap: str, say: Callable[[str], None], within_s: float = DRAIN_SECONDS) -> bool:
    """Wait until nothing more comes into Kafka and the stream has done all of it."""
    say("report: waiting until all that was sent is indexed")
    deadline = time.monotonic() + within_s
    before = verify.end_offsets(bootstrap)
    while time.monotonic() < deadline:
        time.sleep(_SETTLE_SECONDS)
        now = verify.end_offsets(bootstrap)
        if now == before:
            break
        before = now
    return verify.wait_for_drain(bootstrap, within_s=max(1.0, deadline - time.monotonic()))


def reconcile(plan: Plan, start: Offsets) -> Reconciliation:
    """Hold ledger, Kafka and Elasticsearch together."""
    with client_of(plan.search_url) as client:
        return verify.reconcile(
            bootstrap=plan.kafka_address,
            elasticsearch=client,
            ledger=_ledger(plan.simulator_url) if plan.simulator_url else None,
            start_offsets=start,
        )


def _ledger(url: str) -> Iterator[bytes]:
    with urllib.request.urlopen(f"{url}/simulator/ledger", timeout=_ASK_SECONDS) as lines:  # noqa: S310 - ours
        yield from lines


def counts(url: str) -> dict[str, Any]:
    """Count candles and predictions, and name the model of most predictions."""
    with client_of(url) as client:
        candles = client.count(index=CANDLES_INDICES)["count"]
        answer = client.search(
            index=TRADES_INDICES,
            size=0,
            track_total_hits=True,
            query={"exists": {"field": "prediction.p_up"}},
            aggs={"model": {"terms": {"field": "prediction.model", "size": 1}}},
        )
    models = answer["aggregations"]["model"]["buckets"]
    return {
        "candles": candles,
        "predictions": answer["hits"]["total"]["value"],
        "model": models[0]["key"] if models else None,
    }


def is_filled(url: str) -> bool:
    """Tell whether the page has trades and candles to show."""
    try:
        with client_of(url) as client:
            found = [
                client.count(index=index, ignore_unavailable=True)["count"]
                for index in (TRADES_INDICES, CANDLES_INDICES)
            ]
    except (ApiError, TransportError):
        return False
    return all(found)


def assemble(
    plan: Plan,
    told: Reconciliation,
    *,
    drained: bool,
    latency_ms: dict[str, float | None],
    memory_mb: dict[str, int],
    memory_growth: dict[str, float],
    cpu_seconds: dict[str, float],
    restarts: dict[str, int],
    seconds: float,
    catch_up_seconds: float,
) -> Report:
    """Put the report together."""
    content = {
        "feed": plan.market.feed,
        "catch_up_seconds": round(catch_up_seconds, 1),
        "seconds": round(seconds, 1),
        "sent": told.sent,
        "kafka": told.kafka,
        "documents": told.documents,
        "lost": told.lost,
        "duplicates": len(told.duplicates),
        **counts(plan.search_url),
        "dead_letters": told.dead_letters,
        "drained": drained,
        "latency_ms": latency_ms,
        "memory_mb": memory_mb,
        "memory_growth_mb_per_hour": memory_growth,
        "cpu_seconds": cpu_seconds,
        "restarts": restarts,
    }
    return Report(content, drained and told.lost == 0 and not told.duplicates)
