"""Symbols and settings: a wrong name is one clear line."""

from __future__ import annotations

import pytest

from cryptostream.contracts.errors import SettingsError
from cryptostream.contracts.settings import load_settings
from cryptostream.ingest.instruments import Choice, Instrument, Listing, choose
from cryptostream.ingest.settings import IngestSettings

LISTED = [
    Instrument("ETHUSDT", "USDT"),
    Instrument("BTCUSDT", "USDT"),
    Instrument("BTCUSDC", "USDC"),
]


def test_all_instruments_of_the_quote_are_chosen() -> None:
    """Sorted, so that every shard sees the same list."""
    assert choose(LISTED, [], "USDT") == ["BTCUSDT", "ETHUSDT"]


def test_wanted_symbols_are_taken_in_their_order_whatever_their_quote() -> None:
    """A name that trades is enough."""
    assert choose(LISTED, ["BTCUSDC", "BTCUSDT"], "USDT") == ["BTCUSDC", "BTCUSDT"]


def test_unknown_symbols_are_all_named_with_near_matches() -> None:
    """One line, the variable, every wrong name and what was perhaps meant."""
    with pytest.raises(SettingsError) as caught:
        choose(LISTED, ["btcusdt", "BTCUSDT", "QQQ"], "USDT")
    text = str(caught.value)
    assert "INGEST_SYMBOLS" in text
    assert "btcusdt (did you mean BTCUSDT" in text
    assert text.endswith("; QQQ")
    assert "\n" not in text


def test_a_quote_without_instruments_is_an_error() -> None:
    """It names the quotes that there are."""
    with pytest.raises(SettingsError, match=r"INGEST_QUOTE=EUR.*USDC, USDT"):
        choose(LISTED, [], "EUR")


def test_settings_have_their_names_and_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables begin with INGEST_, and Kafka's address is shared with all services."""
    monkeypatch.setenv("INGEST_SYMBOLS", " BTCUSDT, ETHUSDT,,BTCUSDT ")
    monkeypatch.setenv("INGEST_SHARD", "1/3")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
    settings = load_settings(IngestSettings)
    assert settings.symbol_list == ["BTCUSDT", "ETHUSDT"]
    assert settings.shard == "1/3"
    assert settings.bootstrap_servers == "kafka:9092"
    assert settings.ws_url == "wss://stream.bybit.com/v5/public/spot"
    assert settings.metrics_port == 19101


def test_every_bad_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One start shows all that is to be mended."""
    bad = {
        "INGEST_WS_URL": "http://x",
        "INGEST_REST_URL": "ftp://x",
        "INGEST_EXCHANGE": "mtgox",
        "INGEST_CATEGORY": "option",
        "INGEST_SYMBOLS": "BTC\nUSDT",
        "INGEST_QUOTE": "usdt",
        "INGEST_SHARD": "3/3",
        "INGEST_METRICS_PORT": "70000",
    }
    for name, value in bad.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings(IngestSettings)
    for name in bad:
        assert f"{name}:" in str(caught.value)


def test_patterns_allow_and_deny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names first, then what the patterns match, without what is denied."""
    assert choose(LISTED, ["ETHUSDT", "BTC*"], "USDT") == ["ETHUSDT", "BTCUSDC", "BTCUSDT"]
    assert choose(LISTED, [], "USDT", ["ETH*"]) == ["BTCUSDT"]
    with pytest.raises(SettingsError, match="INGEST_DENY"):
        choose(LISTED, ["BTC*"], "USDT", ["*"])
    monkeypatch.setenv("INGEST_SYMBOLS", "BTC*,[E]TH?SDT")
    monkeypatch.setenv("INGEST_DENY", "*USDC")
    settings = load_settings(IngestSettings)
    assert choose(LISTED, settings.symbol_list, "USDT", settings.deny_list) == [
        "BTCUSDT",
        "ETHUSDT",
    ]


def test_a_symbol_ends_when_two_lists_lack_it() -> None:
    """A new one is read at once; one incomplete answer drops nothing."""
    listing = Listing(Choice((), "USDT"))
    assert listing.update(LISTED) == ["BTCUSDT", "ETHUSDT"]
    fewer = [*LISTED[1:], Instrument("NEWUSDT", "USDT")]
    assert listing.update(fewer) == ["BTCUSDT", "NEWUSDT", "ETHUSDT"]
    assert listing.update(fewer) == ["BTCUSDT", "NEWUSDT"]
    assert listing.update([]) == ["BTCUSDT", "NEWUSDT"]
    assert listing.update(fewer) == ["BTCUSDT", "NEWUSDT"]


def test_leases_need_a_name_and_bring_a_second_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """POD_NAME is what others know us by; the stream follows the category."""
    monkeypatch.setenv("INGEST_COORDINATION", "lease")
    with pytest.raises(SettingsError, match="POD_NAME"):
        load_settings(IngestSettings)
    monkeypatch.setenv("POD_NAME", "ingest-7")
    monkeypatch.setenv("INGEST_CATEGORY", "linear")
    monkeypatch.setenv("INGEST_CONNECTIONS", "2")
    settings = load_settings(IngestSettings)
    assert (settings.owners, settings.connections) == (2, 2)
    assert settings.stream_url == "wss://stream.bybit.com/v5/public/linear"
    monkeypatch.setenv("INGEST_REPLICAS", "3")
    assert load_settings(IngestSettings).owners == 3
