"""Answers to commands, in words. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cryptostream.alerts.commands import COMMANDS
from cryptostream.alerts.text import Content, number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptostream.alerts.figures import Mover, Pipeline, Quote
    from cryptostream.alerts.model import Event, Mute, Subscription

#: A pipeline whose newest trade is older than this is not live.
STALE_SECONDS: Final = 30.0


def help_text() -> Content:
    """List the commands."""
    return Content(
        "cryptostream alerts", tuple(f"/{name} {what}" for name, what in COMMANDS.items())
    )


def refusal(chat: str) -> Content:
    """Refuse a chat that is not allowed; its id is what its owner needs to be let in."""
    return Content("This bot does not answer here", (f"The id of this chat is {chat}.",))


def trouble(words: str) -> Content:
    """Say that something can't be had."""
    return Content("That did not work", (words,))


def status(pipeline: Pipeline, messages: Mapping[str, int], lag: int) -> Content:
    """Say how the pipeline is."""
    age = pipeline.age_seconds
    if age is None:
        title, lines = "🔴 No trade is stored", []
    else:
        good = age < STALE_SECONDS
        title = "🟢 The pipeline is live" if good else "🔴 The pipeline is behind"
        lines = [f"Newest trade {number(round(age, 1))} s old"]
        if pipeline.delay_ms is not None:
            p50, p95 = pipeline.delay_ms
            lines.append(f"Exchange to stream p50 {number(p50)} ms, p95 {number(p95)} ms")
    gaps = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in pipeline.gaps.items())
    lines.append(f"Gaps in 24 h: {gaps or 'none'}")
    if pipeline.model:
        edge = " (no edge over naive guesses)" if pipeline.no_edge else ""
        lines.append(f"Model {pipeline.model}{edge}")
    waiting = sum(messages.get(state, 0) for state in ("queued", "sending", "unsure"))
    lines.append(f"Alerts to be read {lag}, messages waiting {waiting}")
    return Content(title, tuple(lines))


def top(movers: Sequence[Mover]) -> Content:
    """List what moved most."""
    if not movers:
        return Content("No candles in the last hour")
    lines = [
        f"{'▲' if one.change >= 0 else '▼'} {one.symbol} {one.change:+.2%} at {number(one.price)}"
        for one in movers
    ]
    return Content("Moved most in the last hour", tuple(lines))


def price(symbol: str, quote: Quote | None, now_ms: int) -> Content:
    """Say what a symbol costs, and what the model says."""
    if quote is None:
        return Content(f"No trade of {symbol} is stored")
    age = max(0.0, (now_ms - quote.time_ms) / 1000)
    lines = [f"last taker's side {quote.side}, {number(round(age, 1))} s ago"]
    if quote.p_up is not None:
        edge = ", which has no edge over naive guesses" if quote.no_edge else ""
        lines.append(f"P(up) {quote.p_up:.2f} says {quote.model}{edge}")
    return Content(f"{symbol} {number(quote.price)}", tuple(lines))


def alerts(events: Sequence[Event]) -> Content:
    """List the newest alerts."""
    lines = [
        f"{datetime.fromtimestamp(one.time / 1000, UTC):%d %b %H:%M:%S} {one.symbol or 'pipeline'}"
        f" {one.rule.replace('_', ' ')} ({one.severity})"
        for one in events
    ]
    return Content("Newest alerts" if lines else "No alerts yet", tuple(lines))


def muted(mute: Mute) -> Content:
    """Say what is silent until when."""
    what = " ".join(part for part in (mute.symbol, mute.rule.replace("_", " ")) if part)
    until = datetime.fromtimestamp(mute.until_ms / 1000, UTC)
    return Content(f"Muted until {until:%d %b %H:%M} UTC: {what or 'everything'}")


def subscription(now: Subscription, mutes: Sequence[Mute], zone: str) -> Content:
    """Say what the chat hears."""
    lines = [
        f"Symbols: {', '.join(now.symbols) or 'all'}",
        f"Rules: {', '.join(now.rules) or 'all'}",
        f"Severity: {now.severity} and graver",
        f"Quiet hours: {now.quiet + ' ' + zone if now.quiet else 'none'}",
    ]
    lines += [muted(one).title for one in mutes]
    return Content("This chat hears", tuple(lines))
