"""Replay stored trades and compare the vectors with those that the stream stored."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import msgspec
from elasticsearch import ApiError, TransportError

from cryptostream.contracts.settings import ElasticsearchSettings, load_settings
from cryptostream.models import search
from cryptostream.models.commands.common import add_market, add_range, range_of, say
from cryptostream.models.errors import ParityError
from cryptostream.models.parity import TOLERANCE, WARM_UP_MS, Parity, compare

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from elasticsearch import Elasticsearch

HELP: Final = "check that a replay gives the vectors that the stream stored"
MISMATCH_STATUS: Final = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_market(parser)
    add_range(parser)
    parser.add_argument("--json", action="store_true", help="one line of JSON at the end")


def run(options: argparse.Namespace) -> int:
    """Compare each symbol; gives 1 on any difference."""
    from_ms, to_ms = range_of(options, time.time_ns() // 1_000_000)
    try:
        with search.connect(load_settings(ElasticsearchSettings)) as client:
            market = (options.exchange, options.category, from_ms, to_ms)
            symbols = options.symbols or search.symbols(client, search.Query(*market))
            if not symbols:
                raise ParityError("no trades are stored in that range; give another")
            found = [
                compare(symbol, _documents(client, search.Query(*market, (symbol,))), from_ms)
                for symbol in symbols
            ]
    except (ApiError, TransportError) as error:
        raise ParityError(f"Elasticsearch: {error}") from error
    for one in found:
        say(_line(one))
    if options.json:
        say(msgspec.json.encode([asdict(one) for one in found]).decode())
    return 0 if all(one.holds for one in found) else MISMATCH_STATUS


def _documents(client: Elasticsearch, query: search.Query) -> Iterator[dict[str, Any]]:
    """Give the range's trades, and those that warm the replay up, as the stream took them."""
    earlier = search.Query(
        query.exchange, query.category, query.from_ms - WARM_UP_MS, query.to_ms, query.symbols
    )
    for page, _ in search.Trades(client, earlier, order=search.AS_STREAMED).pages():
        yield from page


def _line(one: Parity) -> str:
    start = "from the stream's own start" if one.cold else "after a warm-up"
    if one.holds:
        return f"{one.symbol}: {one.compared} vectors equal, {start} (at most {one.largest:.1e})"
    return (
        f"{one.symbol}: {one.compared - one.equal} of {one.compared} vectors differ by more than "
        f"{TOLERANCE:g}, {start}; worst {one.largest:.3g} in {one.worst_feature} "
        f"of trade {one.worst_trade}"
    )
