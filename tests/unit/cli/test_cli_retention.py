"""Retention, the set-up's patience and the proof's judgement."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.cli import retention
from cryptostream.cli.errors import CliError
from cryptostream.cli.patience import patiently
from cryptostream.cli.prove import Proof, judge
from cryptostream.cli.retention import RetentionSettings, check_kinds, expired
from cryptostream.contracts.errors import SettingsError
from cryptostream.contracts.mappings import PROPERTIES
from cryptostream.contracts.settings import load_settings

TODAY = date(2026, 11, 23)


def test_each_kind_has_its_own_days() -> None:
    """A kind that is named keeps its days, every other one the default."""
    settings = RetentionSettings(default_days=30, days={"trades": 7})
    names = ["crypto-trades-2026.11.16", "crypto-trades-2026.11.15", "crypto-candles-2026.10.24"]
    names += ["crypto-candles-2026.10.23"]
    assert expired(names, settings, TODAY) == names[3:] + names[1:2]


@pytest.mark.parametrize(
    "name",
    [
        "crypto-trades",
        "crypto-trades-2020.02.31",
        "crypto-trades-2020.01.01-old",
        "crypto-other-2020.01.01",
        ".crypto-trades-2020.01.01",
        "mine-crypto-trades-2020.01.01",
    ],
)
def test_what_is_not_ours_is_left_alone(name: str) -> None:
    """Only a name that is a kind and a day in full is ever deleted."""
    assert expired([name], RetentionSettings(), TODAY) == []


@given(st.sampled_from(sorted(PROPERTIES)), st.integers(1, 400), st.integers(-5, 800))
def test_a_day_is_deleted_once_it_is_older_than_its_days(kind: str, days: int, age: int) -> None:
    """Whatever kind, days and age: deleted if and only if older."""
    day = TODAY - timedelta(days=age)
    name = f"crypto-{kind}-{day:%Y.%m.%d}"
    chosen = expired([name], RetentionSettings(days={kind: days}), TODAY)
    assert bool(chosen) == (age > days)


def test_an_unknown_kind_is_refused_by_name() -> None:
    """A misspelt kind would keep its documents for the default; it is told instead."""
    with pytest.raises(CliError, match="no kind trade"):
        check_kinds({"trade": 7})


def test_days_come_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable holds a JSON object; zero days are refused, as they would delete today."""
    monkeypatch.setenv("RETENTION_DAYS", '{"trades": 7}')
    assert load_settings(RetentionSettings).of("trades") == 7
    monkeypatch.setenv("RETENTION_DAYS", '{"trades": 0}')
    with pytest.raises(SettingsError, match="RETENTION_DAYS"):
        load_settings(RetentionSettings)


def test_a_run_without_elasticsearch_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the URL and gives status 2."""
    monkeypatch.setenv("ELASTICSEARCH_URL", "http://127.0.0.1:1")
    assert retention.main() == 2
    assert "http://127.0.0.1:1" in capsys.readouterr().err


def test_patience_ends_and_tells_each_trouble_once() -> None:
    """A server that comes late is prepared; one that never comes is told by its last trouble."""
    now, said = [0.0], list[str]()
    troubles = iter(["no answer", "no answer", "401", None])

    def task() -> str:
        trouble = next(troubles)
        if trouble:
            raise CliError(trouble, "Wait.")
        return "done"

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def run(within: float) -> str:
        return patiently(task, within, clock=lambda: now[0], sleep=sleep, say=said.append)

    assert run(60) == "done"
    assert said == ["waiting: no answer\n", "waiting: 401\n"]
    troubles = iter(["no answer"])
    with pytest.raises(CliError, match="no answer"):
        run(0)


def test_a_proof_names_what_is_lost_and_what_is_doubled() -> None:
    """Each id that is missing or twice there is counted, and named."""
    assert judge({"a", "b", "c"}, Counter({"a": 1, "b": 2})) == (1, 1, ("c", "b"))


@pytest.mark.parametrize("lack", ["trades", "predictions", "candles", "lost", "duplicates"])
def test_a_proof_is_sound_only_if_nothing_lacks(lack: str) -> None:
    """No trades, no predictions, no candles, a loss or a double each spoil it."""
    whole = {"trades": 5, "documents": 5, "lost": 0, "duplicates": 0, "predictions": 5}
    whole |= {"candles": 1, "seconds_behind": 0.5}
    assert Proof(**whole).sound
    assert not Proof(**(whole | {lack: int(lack in {"lost", "duplicates"})})).sound
