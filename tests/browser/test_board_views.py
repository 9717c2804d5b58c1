"""The five views in headless Chromium: what stands there is what Elasticsearch says."""

from __future__ import annotations

import csv
import io
import re
import statistics
from itertools import pairwise
from math import log
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Page, expect
from support.documents import SyntheticMarket, candle, now_ms, trade, write
from support.eventually import eventually
from support.sample_documents import SYMBOLS, delete_samples, write_samples

from cryptostream.contracts.indices import index_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WITHIN_MS = 20_000
MINUTE = 60_000
#: The page marks so many predictions.
MOST_MARKS = 60
VIEWS = ("market", "model", "alerts", "pipeline", "history")


def put(url: str, kind: Any, document: dict[str, Any], identity: str, time_ms: int) -> None:
    """Write one document of any kind."""
    answer = httpx.put(
        f"{url}/{index_name(kind, time_ms)}/_doc/{identity}?refresh=true", json=document, timeout=60
    )
    assert answer.status_code < 300, answer.text


def search(url: str, kind: str, **body: Any) -> dict[str, Any]:
    """Ask Elasticsearch."""
    answer = httpx.post(f"{url}/crypto-{kind}-*/_search", json=body, timeout=60).json()
    assert "hits" in answer, answer
    return dict(answer)


def rolling(symbol: str, bps: float, turnover: float) -> dict[str, Any]:
    """Make a symbol's statistics over an hour."""
    return {
        "exchange": "bybit", "category": "spot", "symbol": symbol, "window": "1h",
        "time": now_ms(), "return_bps": bps, "turnover": turnover, "coverage": 1.0, "v": 1,
    }  # fmt: skip


def test_all_symbols_movers_and_correlations(
    elasticsearch_url: str, board: str, symbol: str, opened: Callable[..., Page]
) -> None:
    """Tiles, movers and matrix say what was written; a click on a tile shows that symbol."""
    pair = (f"{symbol}A", f"{symbol}B")
    market = SyntheticMarket(dict.fromkeys(pair, 100.0), seed=5)
    first = now_ms() // MINUTE * MINUTE - 20 * MINUTE
    for name in pair:
        market.trades(name, list(range(first, first + 20 * MINUTE, 6_000)))
    minutes = [one for one in market.candles_since(0) if one["interval"] == "1m"]
    write(elasticsearch_url, minutes)
    for name, bps in zip(pair, (4_321.0, -4_321.0), strict=True):
        put(elasticsearch_url, "rolling", rolling(name, bps, 9e15), name, now_ms())
    page = opened(f"{board}/?symbol={pair[0]}", viewport={"width": 1440, "height": 900})
    tile = page.locator(f"#heat [data-key='bybit:spot:{pair[1]}']")
    expect(tile).to_have_attribute("data-bps", "-4321", timeout=WITHIN_MS)
    expect(page.locator("#movers li").first).to_contain_text("43.21 %")
    closes = [[one["close"] for one in minutes if one["symbol"] == name] for name in pair]
    moves = [[log(b / a) for a, b in pairwise(one)] for one in closes]
    cell = page.locator("#matrix tbody tr").first.locator("td").nth(1)
    expect(cell).to_have_attribute("data-value", re.compile("."), timeout=WITHIN_MS)
    shown = float(str(cell.get_attribute("data-value")))
    assert shown == pytest.approx(statistics.correlation(*moves), abs=1e-9)
    tile.click()
    expect(page.locator("#symbol")).to_have_text(pair[1])
    expect(page).to_have_url(re.compile(rf"symbol={pair[1]}&"))
    page.go_back()
    expect(page.locator("#symbol")).to_have_text(pair[0])


def test_indicators_are_those_of_the_candle_and_stay_in_the_link(
    elasticsearch_url: str, board: str, symbol: str, opened: Callable[..., Page]
) -> None:
    """The legend gives the stored values; the chips' choice outlives a reload."""
    start = now_ms() // (5 * MINUTE) * 5 * MINUTE
    values = {"bb_upper": 103.25, "bb_middle": 101.5, "bb_lower": 99.75, "ema_9": 101.25,
              "rsi_14": 61.5, "macd": 0.75, "macd_signal": 0.5, "macd_histogram": 0.25}  # fmt: skip
    write(elasticsearch_url, [candle(symbol, "5m", start, close=100.25, indicators=values)])
    page = opened(f"{board}/?symbol={symbol}&interval=5m&minutes=240&ind=bb,ema")
    legend = page.locator("#legend")
    expect(legend.locator("[data-name='BB upper'] dd")).to_have_text("103.25", timeout=WITHIN_MS)
    expect(legend.locator("[data-name='EMA 9'] dd")).to_have_text("101.25")
    expect(legend.locator("[data-name='EMA 50'] dd")).to_have_text("\u2013")
    for name in ("RSI", "MACD", "Order flow"):
        page.get_by_role("button", name=name, exact=True).click()
    expect(page).to_have_url(re.compile("ind=bb,ema,flow,rsi,macd"))
    page.reload()
    expect(legend.locator("[data-name='RSI 14'] dd")).to_have_text("61.5", timeout=WITHIN_MS)
    expect(legend.locator("[data-name='MACD'] dd")).to_have_text("0.750")
    expect(legend.locator("[data-name='Flow'] dd")).to_have_text("2.00")


def test_filters_narrow_the_tape_and_stay_in_the_link(
    elasticsearch_url: str, board: str, symbol: str, opened: Callable[..., Page]
) -> None:
    """Stored trades and those that come are held to side and confidence alike."""
    end = now_ms()
    market = SyntheticMarket({symbol: 512.25}, seed=7)
    trades = market.trades(symbol, list(range(end - 60_000, end, 500)))
    write(elasticsearch_url, trades)
    page = opened(f"{board}/?symbol={symbol}&side=sell&confidence=60")

    def fits(one: dict[str, Any]) -> bool:
        p_up = one["prediction"]["p_up"]
        return one["side"] == "sell" and max(p_up, 1 - p_up) >= 0.6

    wanted = [one["trade_id"] for one in reversed(trades) if fits(one)]
    rows = page.locator("#tape tr")
    expect(rows).to_have_count(len(wanted), timeout=WITHIN_MS)
    assert [row.get_attribute("data-id") for row in rows.all()] == wanted
    sure = {"direction": "down", "p_up": 0.2, "model": "m", "no_edge": False}
    write(elasticsearch_url, [
        trade(symbol, 9_001, now_ms(), side="buy", prediction=sure),
        trade(symbol, 9_002, now_ms(), side="sell", prediction=sure),
    ])  # fmt: skip
    expect(rows.first).to_have_attribute("data-id", "t9002")
    expect(rows).to_have_count(len(wanted) + 1)
    page.locator("#side").select_option("")
    expect(page).to_have_url(re.compile("minutes=15&confidence=60$"))


def test_the_same_symbol_of_two_exchanges_is_two_instruments(
    elasticsearch_url: str, board: str, symbol: str, opened: Callable[..., Page]
) -> None:
    """Each has its own tape, and the names say which is which."""
    write(
        elasticsearch_url, [trade(symbol, 1, now_ms()), trade(symbol, 2, now_ms(), exchange="okx")]
    )
    page = opened(f"{board}/?symbol={symbol}")
    expect(page.locator("#tape tr")).to_have_attribute("data-id", "t1", timeout=WITHIN_MS)
    expect(page.locator("#symbol")).to_have_text(f"{symbol} · bybit", timeout=WITHIN_MS)
    page.locator("#symbol-button").click()
    page.locator(f"#symbols li[data-key='okx:spot:{symbol}'] button").click()
    expect(page.locator("#tape tr")).to_have_attribute("data-id", "t2", timeout=WITHIN_MS)
    expect(page).to_have_url(re.compile(f"symbol=okx:spot:{symbol}&"))


@pytest.fixture(scope="module")
def sampled(elasticsearch_url: str) -> Iterator[None]:
    """Write documents of every kind."""
    places = write_samples(elasticsearch_url, now_ms(), minutes=30)
    yield
    delete_samples(elasticsearch_url, places)


@pytest.mark.usefixtures("sampled")
def test_the_model_view(
    elasticsearch_url: str,
    board: str,
    opened: Callable[..., Page],
) -> None:
    """Scores beside baselines, events and the reliability plot are those of the documents."""
    page = opened(f"{board}/?view=model&symbol={SYMBOLS[0]}&interval=1m")
    newest = search(
        elasticsearch_url, "scores", size=1, sort=[{"time": "desc"}],
        query={"bool": {"filter": [{"term": {"group": "all"}}, {"term": {"horizon": 10}}]}},
    )["hits"]["hits"][0]["_source"]  # fmt: skip
    row = page.locator("#scores tbody tr").first
    expect(row.locator("td").nth(1)).to_have_text(f"{newest['auc']:.3f}", timeout=WITHIN_MS)
    expect(row.locator("td").nth(5)).to_have_text(f"{newest['naive_auc']:.3f}")
    events = search(elasticsearch_url, "models", size=50, sort=[{"time": "desc"}])["hits"]["hits"]
    shown = page.locator("#versions li")
    expect(shown).to_have_count(len(events))
    assert [one.get_attribute("data-event") for one in shown.all()] == [
        one["_source"]["event"] for one in events
    ]
    expect(page.locator("#verdict")).to_contain_text(re.compile("edge|better than chance"))
    dots = page.locator("#reliability circle")
    expect(dots.first).to_be_visible(timeout=WITHIN_MS)
    told = sum(int(str(one.get_attribute("data-n"))) for one in dots.all())
    expect(page.locator("#reliability-note")).to_contain_text(f" {told} answered")
    trades = httpx.get(f"{board}/api/trades?symbol={SYMBOLS[0]}&limit=500").json()["trades"]
    said = [one for one in trades if "p_up" in one]
    surest = sorted(said, key=lambda one: -abs(one["p_up"] - 0.5))[:MOST_MARKS]
    # However many predictions fall into a candle, it has one arrow up and one down at most.
    arrows = {(one["time"] // MINUTE, one["p_up"] >= 0.5) for one in surest}
    expect(page.locator("#model-chart")).to_have_attribute("data-markers", str(len(arrows)))


def test_an_alert_comes_by_itself_and_leads_to_its_moment(
    elasticsearch_url: str, board: str, symbol: str, opened: Callable[..., Page]
) -> None:
    """The feed shows value and evidence; a click shows the candle, marked, and a way back."""
    time_ms = now_ms() - 30 * MINUTE
    start = time_ms // MINUTE * MINUTE
    write(elasticsearch_url, [candle(symbol, "1m", start + at * MINUTE) for at in range(-20, 20)])
    page = opened(f"{board}/?view=alerts&symbol={symbol}&interval=1m&minutes=60")
    expect(page.locator("#state")).not_to_have_text("connecting", timeout=WITHIN_MS)
    put(elasticsearch_url, "alerts", {
        "alert_id": symbol, "rule": "price_jump", "severity": "critical", "exchange": "bybit",
        "category": "spot", "symbol": symbol, "time": time_ms, "value": 7.25, "baseline": 1.5,
        "threshold": 4.0, "message": "7.2 times its usual", "evidence": {"trades": 31.0}, "v": 1,
    }, symbol, time_ms)  # fmt: skip
    entry = page.locator(f"#alerts li[data-id='{symbol}']")
    for text in (symbol, "price jump", "critical", "7.25", "1.5", "31", "7.2 times its usual"):
        expect(entry).to_contain_text(text, timeout=WITHIN_MS)
    entry.get_by_role("button").click()
    expect(page).to_have_url(re.compile(f"at={time_ms}"))
    expect(page.locator("#market-chart")).to_have_attribute("data-markers", "1", timeout=WITHIN_MS)
    page.get_by_role("button", name="back to live").click()
    expect(page.locator("#moment")).to_be_hidden()


@pytest.mark.usefixtures("sampled")
def test_the_pipeline_view(
    elasticsearch_url: str,
    board: str,
    opened: Callable[..., Page],
) -> None:
    """Gaps and dead letters are counted as Elasticsearch counts them; what is down hurts."""
    page = opened(f"{board}/?view=pipeline")
    open_gaps = search(elasticsearch_url, "gaps", size=0, query={"term": {"state": "open"}})
    dead = search(elasticsearch_url, "dead-letters", size=0, track_total_hits=True)
    tile = page.locator("#gap-states > div").first
    expect(tile).to_have_attribute(
        "data-count", str(open_gaps["hits"]["total"]["value"]), timeout=WITHIN_MS
    )
    all_dead = page.locator("#dead-counts > div").first
    expect(all_dead).to_have_attribute("data-count", str(dead["hits"]["total"]["value"]))
    # The tests' board has no Kafka: one look must tell.
    expect(page.locator("#station-kafka")).to_have_attribute("data-level", "bad", timeout=WITHIN_MS)
    expect(page.locator("#way-hint")).to_contain_text("Kafka")
    expect(page.locator("#banner")).to_contain_text("Kafka")


def test_history_is_what_elasticsearch_holds_and_can_be_taken_away(
    elasticsearch_url: str, board: str, symbol: str, opened: Callable[..., Page]
) -> None:
    """Statistics and predictions of a range equal aggregations; both files hold every trade."""
    market = SyntheticMarket({symbol: 60.5}, seed=9)
    end = now_ms() // MINUTE * MINUTE - 60 * MINUTE
    begin = end - 20 * MINUTE
    trades = market.trades(symbol, list(range(begin - 5 * MINUTE, end, 700)))
    for at in range(0, len(trades), 1_000):
        write(elasticsearch_url, trades[at : at + 1_000])
    write(elasticsearch_url, [one for one in market.candles_since(0) if one["interval"] == "1m"])
    page = opened(f"{board}/?view=history&symbol={symbol}&interval=1m&from={begin}&to={end}")
    inside = [one for one in trades if begin <= one["trade_time"] < end]
    facts = {
        "volume": sum(one["size"] for one in inside),
        "trades": len(inside),
        "high": max(one["price"] for one in inside),
        "close": inside[-1]["price"],
    }
    expect(page.locator("#statistics [data-name=candles]")).to_have_attribute(
        "data-value", "20", timeout=WITHIN_MS
    )
    for name, value in facts.items():
        shown = page.locator(f"#statistics [data-name={name}]").get_attribute("data-value")
        assert float(str(shown)) == pytest.approx(value), name
    said = page.locator("#predictions [data-name=mean_p_up]").get_attribute("data-value")
    mean = statistics.fmean(one["prediction"]["p_up"] for one in inside)
    assert float(str(said)) == pytest.approx(mean, abs=1e-6)

    def take(name: str) -> bytes:
        href = page.locator(f"#export-{name}").get_attribute("href")
        answer = httpx.get(f"{board}{href}", timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.content

    ids = [one["trade_id"] for one in inside]
    rows = list(csv.DictReader(io.StringIO(take("trades-csv").decode())))
    assert [row["trade_id"] for row in rows] == ids
    assert [float(row["price"]) for row in rows] == [one["price"] for one in inside]
    table = pq.read_table(io.BytesIO(take("trades-parquet")))
    assert table.column("trade_id").to_pylist() == ids
    assert table.column("prediction.p_up").to_pylist() == [
        one["prediction"]["p_up"] for one in inside
    ]
    assert len(take("candles-csv").splitlines()) == 21


@pytest.mark.usefixtures("sampled")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_fits_a_phone_and_has_names(
    board: str,
    view: str,
    scheme: str,
    opened: Callable[..., Page],
) -> None:
    """At 390 pixels nothing sticks out sideways, and everything that can be used has a name."""
    page = opened(
        f"{board}/?view={view}&symbol={SYMBOLS[0]}&interval=1m",
        viewport={"width": 390, "height": 844}, color_scheme=scheme,
    )  # fmt: skip
    expect(page.locator(f"#view-{view}")).to_be_visible(timeout=WITHIN_MS)
    expect(page.locator("#state")).not_to_have_text("connecting", timeout=WITHIN_MS)

    def fits() -> bool:
        return bool(page.evaluate("document.documentElement.scrollWidth <= 390"))

    assert eventually(fits, within=5)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, select, section, main, [role]")]
          .filter((one) => !one.textContent.trim() && !one.getAttribute("aria-label")
            && !one.getAttribute("aria-labelledby") && !one.labels?.length && one.checkVisibility())
          .map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
