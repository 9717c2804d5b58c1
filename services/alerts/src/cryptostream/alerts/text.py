"""Messages in words, for Telegram (its HTML subset) and for plain channels. Pure.

Telegram takes 4,096 characters in a message and 1,024 in a picture's caption, counted after its
tags are read (https://core.telegram.org/bots/api#sendmessage). A text is cut between lines, never
within a tag.
"""

from __future__ import annotations

import html
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.alerts.model import Event, Told

MAX_MESSAGE: Final = 4_096
MAX_CAPTION: Final = 1_024
MAX_DIGEST_LINES: Final = 20
#: A link shows what led to the event, and what came of it.
BEFORE_MS: Final = 1_800_000
AFTER_MS: Final = 600_000
_MARKS: Final = {"info": "🔵", "warning": "🟠", "critical": "🔴"}
_LINE: Final = 300
_MAX_EVIDENCE: Final = 6


@dataclass(frozen=True, slots=True)
class Content:
    """A message before it has a form: a headline, lines, and links as (words, URL)."""

    title: str
    lines: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Links:
    """Where the board and Kibana are; empty where there is none.

    `dashboard` is the id of a Kibana dashboard; without one the link goes to Discover.
    """

    board: str = ""
    kibana: str = ""
    dashboard: str = ""

    def of(self, event: Event) -> tuple[tuple[str, str], ...]:
        """Give the event's links, with symbol and time set."""
        found = []
        if self.board:
            found.append(("Board", self._board(event)))
        if self.kibana:
            found.append(("Kibana", self._kibana(event)))
        if event.link.startswith(("https://", "http://")):
            found.append(("Runbook", event.link))
        return tuple(found)

    def _board(self, event: Event) -> str:
        filters = {"symbol": event.symbol, "at": str(event.time)} if event.symbol else {}
        return f"{self.board.rstrip('/')}/{'?' if filters else ''}{urlencode(filters)}"

    def _kibana(self, event: Event) -> str:
        begin, end = _iso(event.time - BEFORE_MS), _iso(event.time + AFTER_MS)
        query = quote(f'symbol:"{event.symbol}"' if event.symbol else "*", safe="")
        view = f"dashboards#/view/{quote(self.dashboard)}" if self.dashboard else "discover#/"
        return (
            f"{self.kibana.rstrip('/')}/app/{view}?_g=(time:(from:'{begin}',to:'{end}'))"
            f"&_a=(query:(language:kuery,query:'{query}'))"
        )


def of_event(told: Told, links: Links) -> Content:
    """Tell one event: what happened, how unusual it is, and where to look."""
    event = told.event
    where = f"{event.symbol} " if event.symbol else ""
    title = f"{_mark(event)} {where}{_words(event.rule)}"
    lines = [event.message] if event.message else []
    lines += _unusual(event)
    if event.evidence:
        items = sorted(event.evidence.items())[:_MAX_EVIDENCE]
        lines.append(", ".join(f"{_words(name)} {number(value)}" for name, value in items))
    if told.suppressed:
        lines.append(f"{told.suppressed} more like it were held back before")
    lines.append(_place(event))
    return Content(title, tuple(lines), links.of(event))


def of_digest(tellings: Sequence[Told], links: Links, *, quiet: bool) -> Content:
    """Tell many events in one message: the gravest first, the rest counted."""
    when = "in the quiet hours" if quiet else "in a short time"
    ranked = sorted(tellings, key=lambda one: (_rank(one.event), one.event.time))
    lines = [_summary(one.event) for one in ranked[:MAX_DIGEST_LINES]]
    left = ranked[MAX_DIGEST_LINES:]
    if left:
        rules = Counter(one.event.rule for one in left).most_common(5)
        counts = ", ".join(f"{count} x {_words(rule)}" for rule, count in rules)
        lines.append(f"and {len(left)} more: {counts}")
    mark = _mark(ranked[0].event)
    return Content(f"{mark} {len(tellings)} alerts {when}", tuple(lines), links.of(ranked[0].event))


def as_html(content: Content, limit: int = MAX_MESSAGE) -> str:
    """Render for Telegram; whole lines are left out where the text would be too long."""
    links = " · ".join(
        f'<a href="{html.escape(url, quote=True)}">{html.escape(words)}</a>'
        for words, url in content.links
    )
    footer = "\n" + links if links else ""
    title = cut(content.title, _LINE)
    room = limit - units(title) - sum(units(words) + 3 for words, _ in content.links) - 8
    lines = [html.escape(line, quote=False) for line in _fitting(content.lines, room)]
    return "\n".join([f"<b>{html.escape(title, quote=False)}</b>", *lines]) + footer


def as_plain(content: Content, limit: int = MAX_MESSAGE) -> str:
    """Render without any markup."""
    links = [f"{words}: {url}" for words, url in content.links]
    title = cut(content.title, _LINE)
    room = limit - units(title) - sum(units(link) + 1 for link in links) - 8
    return cut("\n".join([title, *_fitting(content.lines, room), *links]), limit)


def _fitting(lines: Sequence[str], room: int) -> list[str]:
    kept = []
    for line in lines:
        part = cut(line, room - 1)
        if line and not part:
            kept.append("…")
            break
        kept.append(part)
        room -= units(part) + 1
    return kept


def units(text: str) -> int:
    """Count as Telegram does, in UTF-16 units: what lies beyond the first plane counts twice."""
    return len(text) + sum(letter > "\uffff" for letter in text)


def cut(text: str, limit: int) -> str:
    """Give the beginning of a text, of at most so many UTF-16 units."""
    if units(text) <= limit:
        return text
    raw = text.encode("utf-16-le", "surrogatepass")[: max(0, limit) * 2]
    return raw.decode("utf-16-le", "ignore")


def number(value: float) -> str:
    """Write a number as a person reads it: five figures, thousands apart."""
    size = abs(value)
    if size >= 10_000:  # noqa: PLR2004 (five figures)
        return f"{value:,.0f}"
    return f"{value:,.5g}" if size >= 0.0001 or not size else f"{value:.3g}"  # noqa: PLR2004


def _unusual(event: Event) -> list[str]:
    if event.value is None or event.baseline is None or event.threshold is None:
        return []
    times = ""
    if event.baseline > 0 and event.value > 0:
        times = f" ({number(event.value / event.baseline)} times the usual)"
    return [
        f"Value {number(event.value)}{times}",
        f"Usual {number(event.baseline)}, threshold {number(event.threshold)}",
    ]


def _place(event: Event) -> str:
    at = datetime.fromtimestamp(event.time / 1000, UTC)
    source = " ".join(part for part in (event.exchange, event.category) if part)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC{' · ' + source if source else ''} · {event.severity}"


def _summary(event: Event) -> str:
    at = datetime.fromtimestamp(event.time / 1000, UTC)
    what = f" {event.symbol}" if event.symbol else ""
    value = f" {number(event.value)}" if event.value is not None else ""
    usual = f" (usual {number(event.baseline)})" if event.baseline is not None else ""
    return f"{_mark(event)} {at:%H:%M:%S}{what} {_words(event.rule)}{value}{usual}"


def _rank(event: Event) -> int:
    return {"critical": 0, "warning": 1, "info": 2}[event.severity]


def _mark(event: Event) -> str:
    return "🟢" if event.resolved else _MARKS[event.severity]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _iso(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%dT%H:%M:%S}.000Z"
