"""Elasticsearch's answers -> the board's types. Pure; a document that doesn't fit is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from cryptostream.board.model import (
    SECONDS,
    AlertDocument,
    CandleDocument,
    ChartInterval,
    SymbolSummary,
    TradeDocument,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

Document = TypeVar("Document", TradeDocument, CandleDocument, AlertDocument)


class Hit(NamedTuple):
    """A document's raw source, and its place in the order of writes of index `at`."""

    at: str
    seq_no: int
    source: dict[str, Any]


def hits_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Give an answer's hits."""
    found: list[dict[str, Any]] = answer["hits"]["hits"]
    return found


def changes(answer: dict[str, Any]) -> Iterator[Hit]:
    """Give the hits of `queries.changes_body`."""
    for hit in hits_of(answer):
        yield Hit(hit["_index"], hit["sort"][0], hit["_source"])


def tops(answer: dict[str, Any]) -> dict[str, int]:
    """Give the highest `_seq_no` of each index, from `queries.tops_body`."""
    buckets = answer.get("aggregations", {}).get("indices", {}).get("buckets", [])
    return {bucket["key"]: int(bucket["top"]["value"]) for bucket in buckets}


def document(source: dict[str, Any], kind: type[Document]) -> Document | None:
    """Read a document's source; None if it breaks its shape."""
    try:
        return msgspec.convert(source, kind, strict=False)
    except msgspec.ValidationError:
        return None


def documents(answer: dict[str, Any], kind: type[Document]) -> list[Document]:
    """Read every document of an answer that fits its shape."""
    read = (document(hit["_source"], kind) for hit in hits_of(answer))
    return [one for one in read if one is not None]


def window(
    newest_first: list[CandleDocument], interval: ChartInterval, minutes: int
) -> list[CandleDocument]:
    """Keep the candles of the `minutes` up to the newest, oldest first.

    A quiet symbol has seconds without a candle, so the newest N candles reach further back.
    """
    if not newest_first:
        return []
    after = newest_first[0].start - minutes * 60_000
    kept = {one.start: one for one in newest_first if one.start > after}
    return [kept[start] for start in sorted(kept)][-minutes * 60 // SECONDS[interval] :]


def newest(answer: dict[str, Any]) -> int | None:
    """Give the newest candle's start in epoch milliseconds; None before the first."""
    value = answer.get("aggregations", {}).get("newest", {}).get("value")
    return None if value is None else int(value)


def symbols(answer: dict[str, Any]) -> list[SymbolSummary]:
    """Give every instrument's summary, by key."""
    buckets = answer.get("aggregations", {}).get("symbols", {}).get("buckets", [])
    return sorted((_summary(bucket) for bucket in buckets), key=lambda one: one.key)


def _summary(bucket: dict[str, Any]) -> SymbolSummary:
    first = hits_of(bucket["first"])[0]["_source"]
    last = hits_of(bucket["last"])[0]["_source"]
    return SymbolSummary(
        **bucket["key"],
        last=float(last["close"]),
        first=float(first["open"]),
        since=int(first["start"]),
    )
