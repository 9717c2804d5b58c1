"""The page in headless Chromium, over a real Elasticsearch that the tests write to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from support.board import running_board
from support.documents import SyntheticMarket, candle, now_ms, trade, write
from support.eventually import eventually
from support.servers import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable

WITHIN_MS = 20_000
PHONE = {"width": 360, "height": 780}
WIDE = {"width": 1920, "height": 1080}


def recent_market(symbol: str, seconds: int = 120) -> tuple[SyntheticMarket, list[dict[str, Any]]]:
    """Make a market with two trades a second up to now."""
    market = SyntheticMarket({symbol: 512.25}, seed=7)
    end = now_ms()
    return market, market.trades(symbol, list(range(end - seconds * 1_000, end, 500)))


def test_candles_and_tape_move(
    elasticsearch_url: str, board: str, symbol: str, opened: Callable[..., Page]
) -> None:
    """What is written while the page is open shows up at its top, in the chart and as the price."""
    market, trades = recent_market(symbol)
    write(elasticsearch_url, trades + market.candles_since(0))
    page = opened(f"{board}/?symbol={symbol}&interval=1s&minutes=5")
    rows = page.locator("#tape tr")
    expect(rows.first).to_have_attribute("data-id", trades[-1]["trade_id"], timeout=WITHIN_MS)
    expect(page.locator("#legend dd").nth(3)).to_have_text(f"{trades[-1]['price']:.2f}")
    before = page.locator("#chart canvas").first.screenshot()
    for _ in range(3):
        time_ms = now_ms()
        (new,) = market.trades(symbol, [time_ms])
        write(elasticsearch_url, [new, *market.candles_since(time_ms - 2_000)])
        expect(rows.first).to_have_attribute("data-id", new["trade_id"], timeout=WITHIN_MS)
        expect(page.locator("#last")).to_have_text(f"{new['price']:.2f}")
        expect(page.locator("#legend dd").nth(3)).to_have_text(f"{new['price']:.2f}")
        expect(page.locator("#state")).to_have_text("live")
    assert page.locator("#chart canvas").first.screenshot() != before


def test_the_numbers_are_those_of_elasticsearch(
    elasticsearch_url: str, board: str, symbol: str, opened: Callable[..., Page]
) -> None:
    """Tape, candle and pressure equal what a search gives, to the last digit shown."""
    page = opened(f"{board}/?symbol={symbol}&interval=1m&minutes=60")
    expect(page.locator("#tape-empty")).to_be_visible(timeout=WITHIN_MS)
    market = SyntheticMarket({symbol: 0.4321}, seed=11)
    # Ten minutes old: the windows end at the newest trade, so that they stand still.
    end = now_ms() - 600_000
    trades = market.trades(symbol, list(range(end - 90_000, end, 250)))
    write(elasticsearch_url, trades + market.candles_since(0))
    expect(page.locator("#tape tr").first).to_have_attribute("data-id", trades[-1]["trade_id"])

    found = ask(elasticsearch_url, "trades", symbol, "trade_time", 40)
    rows = page.locator("#tape tr").all()
    for row, wanted in zip(rows[:40], found, strict=True):
        assert row.get_attribute("data-id") == wanted["trade_id"]
        assert row.get_attribute("class") == wanted["side"]
        arrow = {"buy": "▲", "sell": "▼"}[wanted["side"]]
        assert row.locator(".price").inner_text() == f"{arrow}{wanted['price']:.4f}"
        said = wanted["prediction"]
        percent = int(said["p_up"] * 100 + 0.5)
        assert row.locator(".said").inner_text().strip().endswith(str(percent))

    for seconds in (10, 60):
        wanted_sums = pressure(elasticsearch_url, symbol, found[0]["trade_time"], seconds)
        bar = page.locator(f"#pressure-{seconds}")

        def is_equal(bar: Any = bar, wanted: dict[str, float] = wanted_sums) -> bool:
            shown = {side: float(bar.get_attribute(f"data-{side}")) for side in wanted}
            assert shown == pytest.approx(wanted)
            return True

        eventually(is_equal, within=5)

    newest = ask(elasticsearch_url, "candles", symbol, "start", 1, interval="1m")[0]
    shown = page.locator("#legend dd").all_inner_texts()[:4]
    assert shown == [f"{newest[name]:.4f}" for name in ("open", "high", "low", "close")]


def ask(url: str, kind: str, symbol: str, by: str, size: int, **terms: str) -> list[dict[str, Any]]:
    """Search a symbol's newest documents."""
    filters = [{"term": {name: value}} for name, value in (terms | {"symbol": symbol}).items()]
    order = [{by: "desc"}] + ([{"seq": "desc"}] if kind == "trades" else [])
    body = {"size": size, "sort": order, "query": {"bool": {"filter": filters}}}
    answer = httpx.post(f"{url}/crypto-{kind}-*/_search", json=body, timeout=30).json()
    return [hit["_source"] for hit in answer["hits"]["hits"]]


def pressure(url: str, symbol: str, end: int, seconds: int) -> dict[str, float]:
    """Let Elasticsearch sum what takers bought and sold in the seconds up to `end`."""
    body = {
        "size": 0,
        "query": {
            "bool": {
                "filter": [
                    {"term": {"symbol": symbol}},
                    {"range": {"trade_time": {"gt": end - seconds * 1_000, "lte": end}}},
                ]
            }
        },
        "aggs": {
            "side": {"terms": {"field": "side"}, "aggs": {"size": {"sum": {"field": "size"}}}}
        },
    }
    answer = httpx.post(f"{url}/crypto-trades-*/_search", json=body, timeout=30).json()
    sums = {one["key"]: one["size"]["value"] for one in answer["aggregations"]["side"]["buckets"]}
    return {"buy": sums.get("buy", 0.0), "sell": sums.get("sell", 0.0)}


def test_the_view_is_chosen_on_the_page_and_kept_in_the_url(
    elasticsearch_url: str, board: str, symbol: str, opened: Callable[..., Page]
) -> None:
    """Typing filters the symbols, Enter takes one; symbol, interval and window outlive a reload."""
    other = f"{symbol}X"
    _, trades = recent_market(symbol, 5)
    _, others = recent_market(other, 5)
    write(elasticsearch_url, trades + others)
    page = opened(f"{board}/?symbol={symbol}", viewport={"width": 1280, "height": 800})
    page.get_by_role("button", name=symbol).click()
    page.get_by_label("Filter symbols").fill(other.lower())
    expect(page.locator("#symbols li:visible")).to_have_count(1, timeout=WITHIN_MS)
    expect(page.locator("#symbols li:visible")).to_contain_text(other)
    page.keyboard.press("Enter")
    expect(page.locator("#symbol")).to_have_text(other)
    expect(page.locator("#tape tr").first).to_have_attribute("data-id", others[-1]["trade_id"])
    page.get_by_role("radio", name="1m", exact=True).click()
    page.get_by_role("radio", name="4 h", exact=True).click()
    expect(page).to_have_url(f"{board}/?symbol={other}&interval=1m&minutes=240")
    page.reload()
    expect(page.locator("#symbol")).to_have_text(other)
    for name in ("1m", "4 h"):
        radio = page.get_by_role("radio", name=name, exact=True)
        expect(radio).to_have_attribute("aria-checked", "true")


def test_stale_is_said_when_data_stops_and_taken_back(
    elasticsearch_url: str, board: str, symbol: str, opened: Callable[..., Page]
) -> None:
    """Within 3 s without a trade the page says stale; the next trade makes it live again."""
    page = opened(f"{board}/?symbol={symbol}")
    for number in (1, 2):
        write(elasticsearch_url, [trade(symbol, number, now_ms())])
        expect(page.locator("#state")).to_have_text("live", timeout=WITHIN_MS)
        live_ms = now_ms()
        expect(page.locator("#state")).to_have_text(re.compile("^stale"), timeout=WITHIN_MS)
        assert now_ms() - live_ms < 3_500


def test_the_page_comes_back_by_itself_when_the_board_does(
    elasticsearch_url: str, symbol: str, opened: Callable[..., Page]
) -> None:
    """Without the board the page says so; with it again, it shows what was traded meanwhile."""
    (port,) = free_ports(1)
    write(elasticsearch_url, [trade(symbol, 1, now_ms())])
    rows = "#tape tr"
    with running_board(elasticsearch_url, port) as url:
        page = opened(f"{url}/?symbol={symbol}", expected="ERR_|Failed to load resource")
        expect(page.locator(rows)).to_have_count(1, timeout=WITHIN_MS)
        expect(page.locator("#state")).to_have_text(re.compile("^(live|stale)"), timeout=WITHIN_MS)
    expect(page.locator("#banner")).to_contain_text("can't be reached", timeout=WITHIN_MS)
    expect(page.locator("#state")).to_have_text(re.compile("^stale"))
    write(elasticsearch_url, [trade(symbol, 2, now_ms())])
    with running_board(elasticsearch_url, port):
        expect(page.locator(rows)).to_have_count(2, timeout=WITHIN_MS)
        # These boards have no Kafka to ask, and say so; that they were away is forgotten.
        expect(page.locator("#banner")).not_to_contain_text("can't be reached")


def test_an_empty_start_waits_for_the_first_trades(
    elasticsearch_url: str, board: str, symbol: str, opened: Callable[..., Page]
) -> None:
    """Chart and tape say what they wait for, until it comes."""
    page = opened(f"{board}/?symbol={symbol}")
    for place in ("#tape-empty", "#chart-empty"):
        expect(page.locator(place)).to_have_text("Waiting for the first trades")
        expect(page.locator(place)).to_be_visible(timeout=WITHIN_MS)
    time_ms = now_ms()
    opening = candle(symbol, "1s", time_ms // 1_000 * 1_000)
    write(elasticsearch_url, [trade(symbol, 1, time_ms), opening])
    for place in ("#tape-empty", "#chart-empty"):
        expect(page.locator(place)).to_be_hidden(timeout=WITHIN_MS)


def test_the_model_is_shown_honestly(
    elasticsearch_url: str, board: str, symbol: str, opened: Callable[..., Page]
) -> None:
    """A model without edge is said to have none; without a prediction the reason stands there."""
    page = opened(f"{board}/?symbol={symbol}")
    write(elasticsearch_url, [trade(symbol, 1, now_ms())])
    expect(page.locator("#model-name")).to_have_text("direction-forest:k3v7xq2m", timeout=WITHIN_MS)
    expect(page.locator("#model-badge")).to_have_text("no edge")
    silent = trade(symbol, 2, now_ms(), prediction={"reason": "predictor_down"})
    write(elasticsearch_url, [silent])
    expect(page.locator("#model-badge")).to_contain_text("predictor down", timeout=WITHIN_MS)
    expect(page.locator("#tape tr").first.locator(".said")).to_have_text("predictor down")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_only_down(
    elasticsearch_url: str, board: str, symbol: str, scheme: str, opened: Callable[..., Page]
) -> None:
    """At 360 pixels nothing sticks out, with long prices and sizes too."""
    odd = {"price": 98_765.4321, "size": 1_234_567.891}
    write(elasticsearch_url, [trade(symbol, 1, now_ms(), **odd)])
    page = opened(f"{board}/?symbol={symbol}", viewport=PHONE, color_scheme=scheme)
    expect(page.locator("#tape tr")).to_have_count(1, timeout=WITHIN_MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.locator("html").get_attribute("data-theme") == scheme
    page.get_by_role("button", name="Switch between light and dark").click()
    assert page.locator("html").get_attribute("data-theme") != scheme


def test_a_wall_screen_needs_no_scrolling_and_shows_all_symbols(
    elasticsearch_url: str, board: str, symbol: str, opened: Callable[..., Page]
) -> None:
    """On a wide screen everything is in view at once."""
    write(elasticsearch_url, [trade(symbol, 1, now_ms())])
    page = opened(f"{board}/?symbol={symbol}", viewport=WIDE)
    expect(page.locator(f"#symbols li[data-symbol={symbol}]")).to_be_visible(timeout=WITHIN_MS)
    assert page.evaluate("document.documentElement.scrollHeight") <= WIDE["height"]
    assert page.locator("#totals").bounding_box()["y"] < WIDE["height"]


def test_everything_that_can_be_used_has_a_name(
    board: str, symbol: str, opened: Callable[..., Page]
) -> None:
    """Buttons, links, fields and regions speak to a screen reader."""
    page = opened(f"{board}/?symbol={symbol}")
    expect(page.locator("#tape-empty")).to_be_visible(timeout=WITHIN_MS)
    page.get_by_role("button", name=symbol).click()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, section, [role]")]
          .filter((one) => !one.textContent.trim() && !one.getAttribute("aria-label")
            && !one.getAttribute("aria-labelledby") && one.checkVisibility())
          .map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
