"""Export stored trades with their vectors from Elasticsearch into Parquet; run again to go on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from elasticsearch import ApiError, TransportError

from cryptostream.contracts.settings import ElasticsearchSettings, load_settings
from cryptostream.models import search
from cryptostream.models.commands.common import add_market, add_range, progress, range_of, say
from cryptostream.models.errors import DatasetError
from cryptostream.models.export import begun_query, export

if TYPE_CHECKING:
    import argparse

HELP: Final = "export stored trades with their vectors into Parquet"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--out", type=Path, required=True, help="folder to write, or to go on with")
    add_market(parser)
    add_range(parser)


def run(options: argparse.Namespace) -> int:
    """Export; the answer is the manifest as one JSON line."""
    query = _query(options)
    try:
        with (
            search.connect(load_settings(ElasticsearchSettings)) as client,
            progress() as bar,
        ):
            task = bar.add_task("exporting trades", total=None)
            manifest = export(
                client,
                query,
                options.out,
                advance=lambda done, total: bar.update(task, completed=done, total=total),
            )
    except (ApiError, TransportError) as error:
        raise DatasetError(f"{error}; run the same command again to go on") from error
    say(msgspec.json.encode(manifest).decode())
    return 0


def _query(options: argparse.Namespace) -> search.Query:
    """Ask for the given range, or without one for that of the export under way in the folder."""
    begun = begun_query(options.out)
    if begun is not None and options.start is None and options.end is None:
        return search.Query(**{**begun, "symbols": tuple(begun["symbols"])})
    from_ms, to_ms = range_of(options, time.time_ns() // 1_000_000)
    return search.Query(options.exchange, options.category, from_ms, to_ms, options.symbols)
