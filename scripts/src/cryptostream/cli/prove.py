"""Proof that a running pipeline is whole: `python -m cryptostream.cli.prove`, used by `helm test`.

1. Read from Kafka the trades of the last `PROVE_WINDOW_SECONDS`.
2. Wait until the stream has committed all that Kafka holds by then.
3. Look for each of those trades in Elasticsearch, in all indices of trades.
4. Look whether there are predictions and candles.

The last line is one JSON object. The status is 0 if nothing is lost or doubled and there are
trades, predictions and candles; 1 if not; 2 if a server can't be asked.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaException
from elasticsearch import ApiError, TransportError
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cryptostream.cli import verify
from cryptostream.cli.errors import USAGE_STATUS
from cryptostream.cli.setup import client
from cryptostream.contracts.errors import CryptostreamError
from cryptostream.contracts.indices import CANDLES_INDICES, TRADES_INDICES
from cryptostream.contracts.settings import (
    ElasticsearchSettings,
    KafkaSettings,
    ServiceSettings,
    load_settings,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elasticsearch import Elasticsearch

UNSOUND_STATUS: Final = 1
#: So many ids are looked for at once; Elasticsearch gives at most 10,000 hits.
PAGE: Final = 4_000
#: So many ids of what is amiss are told.
MAX_TOLD: Final = 20
_POLL_SECONDS: Final = 1.0


class ProveSettings(ServiceSettings):
    """What is looked at; every field is `PROVE_<NAME>`.

    Attributes:
        window_seconds: how far back trades are compared.
        wait_seconds: how long trades, and the stream's work on them, are waited for.
    """

    model_config = SettingsConfigDict(env_prefix="PROVE_")

    window_seconds: int = Field(default=60, ge=1, le=3_600)
    wait_seconds: float = Field(default=240.0, gt=0, le=3_600)


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found; `trades` are distinct ones in Kafka, `lost` and `duplicates` of them."""

    trades: int
    documents: int
    lost: int
    duplicates: int
    predictions: int
    candles: int
    seconds_behind: float
    examples: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Tell whether everything is there, once."""
        there = self.trades and self.predictions and self.candles
        return bool(there) and not self.lost and not self.duplicates


def judge(wanted: set[str], found: Counter[str]) -> tuple[int, int, tuple[str, ...]]:
    """Count lost and doubled ids and name some of them."""
    lost = sorted(wanted - found.keys())
    double = sorted(identity for identity, count in found.items() if count > 1)
    return len(lost), len(double), tuple([*lost, *double][:MAX_TOLD])


def prove(kafka: str, search: Elasticsearch, settings: ProveSettings) -> Proof:
    """Compare Kafka and Elasticsearch; raises what their clients raise."""
    deadline = time.monotonic() + settings.wait_seconds
    wanted = _trades(kafka, settings.window_seconds, deadline)
    ends, noted = verify.end_offsets(kafka), time.monotonic()
    while verify.lag_to(kafka, ends) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    behind = time.monotonic() - noted
    search.indices.refresh(index=TRADES_INDICES)
    found: Counter[str] = Counter()
    predictions = 0
    for hit in _documents(search, sorted(wanted)):
        found[hit["_id"]] += 1
        predictions += "fields" in hit
    lost, duplicates, examples = judge(wanted, found)
    return Proof(
        trades=len(wanted),
        documents=found.total(),
        lost=lost,
        duplicates=duplicates,
        predictions=predictions,
        candles=int(search.count(index=CANDLES_INDICES)["count"]),
        seconds_behind=round(behind, 1),
        examples=examples,
    )


def _trades(kafka: str, window_seconds: int, deadline: float) -> set[str]:
    """Read the window's trade ids, and wait for the first ones of a pipeline that just started."""
    while True:
        start = verify.offsets_since(kafka, int((time.time() - window_seconds) * 1000))
        ids = verify.read_trade_ids(kafka, start)[1]
        if ids or time.monotonic() > deadline:
            return ids
        time.sleep(_POLL_SECONDS)


def _documents(search: Elasticsearch, ids: list[str]) -> Iterator[dict[str, Any]]:
    """Give id and, if there is one, prediction of each document of these trades."""
    for at in range(0, len(ids), PAGE):
        part = ids[at : at + PAGE]
        answer = search.search(
            index=TRADES_INDICES,
            query={"ids": {"values": part}},
            # A doubled trade gives two hits; twice the page leaves room for every one.
            size=2 * PAGE,
            source=False,
            fields=[{"field": "prediction.direction"}],
            track_total_hits=False,
        )
        yield from answer["hits"]["hits"]


def main() -> int:
    """Prove it and tell the result; give the exit status."""
    try:
        settings = load_settings(ProveSettings)
        kafka = load_settings(KafkaSettings).bootstrap_servers
        with client(load_settings(ElasticsearchSettings)) as search:
            proof = prove(kafka, search, settings)
    except (CryptostreamError, KafkaException, ApiError, TransportError, TimeoutError) as error:
        print(f"can't be proved: {error}", file=sys.stderr)  # noqa: T201 - this is its output
        return USAGE_STATUS
    print(json.dumps(asdict(proof)))  # noqa: T201 - this is its output
    return 0 if proof.sound else UNSOUND_STATUS


if __name__ == "__main__":
    sys.exit(main())
