"""The rules file: what is wrong in it is said by rule and field, before the stream starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cryptostream.contracts.errors import SettingsError
from cryptostream.stream.rules import SHIPPED, load_rules, parse_rules

if TYPE_CHECKING:
    from pathlib import Path

TEXT = SHIPPED.read_text(encoding="utf-8")


def test_the_shipped_file_is_good_and_on() -> None:
    """Who changes nothing gets every rule."""
    rules = load_rules()
    assert all(getattr(rules, name).enabled for name in type(rules).model_fields if name not in
               {"version", "window"})  # fmt: skip


@pytest.mark.parametrize(
    ("good", "bad", "named"),
    [
        ("threshold = 8.0", "threshold = -8.0", "price_shock.threshold"),
        ("threshold = 8.0", 'threshold = "8"', "price_shock.threshold"),
        ("threshold = 8.0", "threshold = nan", "price_shock.threshold"),
        ("threshold = 8.0", "thresold = 8.0", "price_shock.thresold"),
        ("min_notional = 10000.0", "", "whale.min_notional"),
        ('severity = "critical"', 'severity = "fatal"', "price_shock.severity"),
        ('intervals = ["15m", "1h"]', 'intervals = ["15m", "2h"]', "rsi_cross.intervals.1"),
        ('intervals = ["15m", "1h"]', "intervals = []", "rsi_cross.intervals"),
        ("[silence]", "[quiet]", "silence"),
        ("version = 1", "version = 2", "version"),
        ("enabled = true", "enabled = 1", "volume_shock.enabled"),
    ],
)
def test_a_wrong_field_is_named(good: str, bad: str, named: str) -> None:
    """An error names the rule, the field and the value."""
    with pytest.raises(ValueError, match=rf"(^|; ){named}: "):
        parse_rules(TEXT.replace(good, bad, 1))


def test_all_problems_come_at_once() -> None:
    """One start shows all that is to be mended."""
    text = TEXT.replace("threshold = 8.0", "threshold = 0").replace("calm = 1.0", "calm = 0")
    with pytest.raises(ValueError, match=r"price_shock\.threshold.*bollinger_break\.calm"):
        parse_rules(text)


@pytest.mark.parametrize("content", [None, b"version = ", b"\xff\xfe", b""])
def test_an_unusable_file_is_a_settings_error(tmp_path: Path, content: bytes | None) -> None:
    """A missing, torn, undecodable or empty file is told by the setting's name and the path."""
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"STREAM_RULES: .*mine\.toml"):
        load_rules(path)


def test_symbols_are_chosen_by_patterns() -> None:
    """Exclusion wins over inclusion, and a disabled rule covers nothing."""
    text = TEXT.replace("min_notional", 'include = ["*USDT"]\nexclude = ["USDC*"]\nmin_notional', 1)
    whale = parse_rules(text).whale
    assert [whale.covers(name) for name in ("BTCUSDT", "BTCEUR", "USDCUSDT")] == [
        True,
        False,
        False,
    ]
    off = parse_rules(TEXT.replace("enabled = true", "enabled = false"))
    assert not off.whale.covers("BTCUSDT")
