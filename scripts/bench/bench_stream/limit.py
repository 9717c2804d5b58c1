"""Elasticsearch alone: documents that were rendered before, sent by a bare client."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from bench_stream.measure import Result, cpu_seconds
from bench_stream.variants import plain_documents
from cryptostream.contracts.indices import trade_id
from cryptostream.stream.bulk import chunks
from cryptostream.stream.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from elasticsearch import Elasticsearch

    from cryptostream.contracts.trade import Trade

_HEADERS: Final = {"content-type": "application/x-ndjson", "accept": "application/json"}


def bulk_limit(client: Elasticsearch, trades: Iterable[Trade], *, writers: int) -> Result:
    """Send the documents of `plain_index` in requests of its size, `writers` at a time."""
    actions = plain_documents([_record(trade) for trade in trades])
    bodies = [
        b"".join(part for action in chunk for part in (action.header, action.body))
        for chunk in chunks(actions)
    ]

    def send(body: bytes) -> None:
        answer = client.perform_request(
            "POST", "/_bulk", params={"filter_path": "errors"}, headers=_HEADERS, body=body
        )
        if answer.body["errors"]:
            raise RuntimeError("Elasticsearch refused a document")

    before, started = cpu_seconds(), time.monotonic()
    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(send, bodies))
    seconds, after = time.monotonic() - started, cpu_seconds()
    part = "elasticsearch"
    used = {part: (after.get(part, 0.0) - before.get(part, 0.0)) / len(actions) * 1e6}
    return Result("bulk_limit", len(actions) / seconds, used)


def _record(trade: Trade) -> Record:
    identity = trade_id(trade.exchange, trade.category, trade.symbol, trade.trade_id)
    return Record(identity, trade, float(trade.price), float(trade.size), trade.trade_time, 0, 0)
