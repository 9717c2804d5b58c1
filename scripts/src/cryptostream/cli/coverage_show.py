"""The picture of the feed in a terminal: a live table, plain lines elsewhere, or JSON."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptostream.cli.coverage import Instance, Picture
    from cryptostream.cli.coverage_kafka import Watch

EVERY_SECONDS: Final = 2.0
#: Rates of topics need two looks.
ONCE_SECONDS: Final = 1.0
_INSTANCE_COLUMNS: Final = (
    "instance", "market", "symbols", "trades/s", "last report", "whole for", "open gaps",
    "gap seconds",
)  # fmt: skip
_TOPIC_COLUMNS: Final = ("topic", "records", "records/s", "stream lag")


def summary(shown: Picture) -> str:
    """Say it in one line."""
    owners = ", ".join(f"{count:,} by {number}" for number, count in shown.owners.items())
    causes = ", ".join(f"{cause} {count}" for cause, count in shown.causes.items())
    return (
        f"{shown.symbols:,} symbols received ({owners or 'by nobody'}), "
        f"{shown.rate:,.1f} trades/s, {shown.open_gaps:,} open gaps of "
        f"{shown.open_gap_s:,.1f} s{f' ({causes})' if causes else ''}, stream lag {shown.lag:,}"
    )


def lines(shown: Picture) -> list[str]:
    """Write the picture as plain lines: the summary, then a line per instance and topic."""
    told = [summary(shown)]
    told += ["\t".join(("instance", *_cells(one))) for one in shown.instances]
    told += [
        "\t".join(("topic", topic.name, f"{topic.records}", _rate(topic.rate), f"{topic.lag}"))
        for topic in shown.topics
    ]
    return told


def table(shown: Picture) -> Group:
    """Draw the picture."""
    instances = Table(*_INSTANCE_COLUMNS)
    for one in shown.instances:
        style = "red" if one.stale else "yellow" if one.open_gaps else ""
        # Names come from Kafka: text, no markup.
        instances.add_row(*(Text(cell) for cell in _cells(one)), style=style)
    topics = Table(*_TOPIC_COLUMNS)
    for topic in shown.topics:
        topics.add_row(topic.name, f"{topic.records:,}", _rate(topic.rate), f"{topic.lag:,}")
    return Group(Text(summary(shown)), instances, topics)


def show_once(watch: Watch, *, as_json: bool, sleep: Callable[[float], None] = time.sleep) -> None:
    """Look twice, so that rates are known, and print."""
    watch.look()
    sleep(ONCE_SECONDS)
    _print(watch.look(), as_json=as_json)


def show_live(watch: Watch, *, as_json: bool) -> None:
    """Show the picture until Ctrl-C: redrawn in a terminal, line after line elsewhere."""
    console = Console()
    if as_json or not console.is_terminal:
        while True:
            _print(watch.look(), as_json=as_json)
            time.sleep(EVERY_SECONDS)
    with Live(table(watch.look()), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(EVERY_SECONDS)
            live.update(table(watch.look()), refresh=True)


def _print(shown: Picture, *, as_json: bool) -> None:
    if as_json:
        text = msgspec.json.encode(shown).decode()
    elif (console := Console()).is_terminal:
        console.print(table(shown))
        return
    else:
        text = "\n".join(lines(shown))
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _cells(one: Instance) -> tuple[str, ...]:
    return (
        one.name,
        one.market,
        f"{one.symbols}",
        _rate(one.rate),
        f"{one.age_s:.0f} s{' STALE' if one.stale else ''}",
        f"{one.whole_s:.0f} s",
        f"{one.open_gaps}",
        f"{one.open_gap_s:.1f}",
    )


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
