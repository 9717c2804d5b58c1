"""Messages in words."""

from __future__ import annotations

import html
import io
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.alerts import event

from cryptostream.alerts.model import Bar, Told
from cryptostream.alerts.picture import HEIGHT, WIDTH, Heading, draw, price_label, ticks
from cryptostream.alerts.text import (
    MAX_CAPTION,
    MAX_MESSAGE,
    Content,
    Links,
    as_html,
    as_plain,
    number,
    of_digest,
    of_event,
)

if TYPE_CHECKING:
    from collections.abc import Callable

LINKS = Links("http://board.example/", "http://kibana.example", "market")
WORDS = st.text(max_size=1_500)


def shown_length(text: str) -> int:
    """Count what Telegram counts: UTF-16 units after the tags are read."""
    bare = html.unescape(re.sub(r"</?(?:b|a)(?: [^<>]*)?>", "", text))
    return len(bare.encode("utf-16-le")) // 2


def test_a_message_says_what_how_unusual_and_where() -> None:
    """Value, baseline, threshold, evidence, time, and what the cooldown held back."""
    content = of_event(Told(event(), 3), LINKS)
    assert content.title == "🟠 BTCUSDT price jump"
    assert content.lines == (
        "Price rose 2.1 % within a minute",
        "Value 210 (17.5 times the usual)",
        "Usual 12, threshold 100",
        "trades 412",
        "3 more like it were held back before",
        "2026-11-22 12:00:00 UTC · bybit spot · warning",
    )


def test_links_carry_symbol_and_time() -> None:
    """The board gets both as parameters, Kibana as filter and range around the event."""
    links = dict(of_event(Told(event(), 0), LINKS).links)
    assert parse_qs(urlsplit(links["Board"]).query) == {
        "symbol": ["BTCUSDT"],
        "at": ["1795348800000"],
    }
    assert "/app/dashboards#/view/market?" in links["Kibana"]
    assert "from:'2026-11-22T11:30:00.000Z',to:'2026-11-22T12:10:00.000Z'" in links["Kibana"]
    assert "symbol%3A%22BTCUSDT%22" in links["Kibana"]


def test_a_link_that_is_none_is_left_out() -> None:
    """Only http and https leave this house, and nothing without its setting."""
    assert of_event(Told(event(link="javascript:alert(1)"), 0), Links()).links == ()


def test_an_alarm_has_no_numbers_to_tell() -> None:
    """Nothing is said of a baseline that nobody has."""
    told = event(source="pipeline", symbol="", value=None, baseline=None, resolved=True)
    content = of_event(Told(told, 0), Links())
    assert content.title == "🟢 price jump"
    assert not any("Usual" in line for line in content.lines)


def test_a_digest_shows_the_gravest_and_counts_the_rest() -> None:
    """Twenty lines at most, and none is forgotten."""
    tellings = [Told(event(symbol=f"S{n}", severity="warning"), 0) for n in range(30)]
    tellings.append(Told(event(symbol="WORST", severity="critical"), 0))
    content = of_digest(tellings, Links(), quiet=True)
    assert content.title == "🔴 31 alerts in the quiet hours"
    assert "WORST" in content.lines[0]
    assert content.lines[-1] == "and 11 more: 11 x price jump"


@settings(deadline=None)
@given(
    title=WORDS,
    lines=st.lists(WORDS, max_size=5),
    limit=st.sampled_from([MAX_CAPTION, MAX_MESSAGE]),
)
def test_no_text_is_too_long_or_broken(title: str, lines: list[str], limit: int) -> None:
    """Whatever is told, Telegram takes it: bounded, and with whole tags."""
    content = Content(title, tuple(lines), LINKS.of(event()))
    text = as_html(content, limit)
    assert shown_length(text) <= limit
    assert text.count("<b>") == text.count("</b>") == 1
    assert text.count("<a ") == text.count("</a>") == 2
    assert len(as_plain(content, limit)) <= limit


@pytest.mark.parametrize("render", [as_html, as_plain])
def test_letters_beyond_the_first_plane_count_twice(render: Callable[[Content, int], str]) -> None:
    """Telegram counts UTF-16 units, in headline and lines."""
    assert shown_length(render(Content("𝄞" * 400, ("𝄞" * 9_000, "𝄞")), MAX_CAPTION)) <= MAX_CAPTION


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0"),
        (97_123.4, "97,123"),
        (9_712.34, "9,712.3"),
        (0.00001234, "1.23e-05"),
        (-2.5, "-2.5"),
    ],
)
def test_numbers_are_written_for_people(value: float, words: str) -> None:
    """Five figures are enough."""
    assert number(value) == words


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.floats(1e-8, 1e6), min_size=1, max_size=120),
    st.integers(0, 10_000_000_000_000),
)
def test_any_candles_make_a_picture(prices: list[float], at_ms: int) -> None:
    """Flat, tiny, huge or single: a PNG of the promised size."""
    bars = [Bar(n * 60_000, p, p * 1.01, p * 0.99, p, 0.0) for n, p in enumerate(prices)]
    with Image.open(io.BytesIO(draw(bars, Heading("X", "", at_ms)))) as image:
        assert (image.format, image.size) == ("PNG", (WIDTH, HEIGHT))


def test_the_event_is_marked() -> None:
    """Its candle stands on a lit column; without an event nothing is lit."""
    bars = [Bar(n * 60_000, 1, 2, 0.5, 1.5, 3) for n in range(40)]

    def amber(at_ms: int | None) -> int:
        with Image.open(io.BytesIO(draw(bars, Heading("X", "", at_ms)))) as image:
            pixels = image.convert("RGB").get_flattened_data()
        return sum(red > 200 and 140 < green < 200 and blue < 90 for red, green, blue in pixels)

    assert amber(20 * 60_000 + 5) > 30
    assert amber(None) == amber(10**12) == 0


def test_the_scale_is_of_round_prices() -> None:
    """Some five lines, at numbers a person would choose."""
    assert ticks(96_400.0, 97_900.0) == [96_500.0, 96_750.0, 97_000.0, 97_250.0, 97_500.0, 97_750.0]
    assert price_label(97_250.0, 1_500.0) == "97,250"
    assert price_label(0.00001234, 0.0000002) == "0.00001234"
