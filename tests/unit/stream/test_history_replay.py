"""The past replayed through the stream's own statistics."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest

from cryptostream.contracts.mappings import PROPERTIES
from cryptostream.stream.history.replay import Row, distinct, history_action, replay, tape_of
from cryptostream.stream.history.request import Request
from cryptostream.stream.rolling import Rolling

FROM_MS = 1_795_305_600_000
MINUTE_MS = 60_000
WARM_MS = FROM_MS - 3_600_000
REQUEST = Request(
    FROM_MS, FROM_MS + 1_800_000, 5 * MINUTE_MS, ("5m", "1h"), (), "elasticsearch", "BTCUSDT"
)


def tape(symbol: str, *, seed: int, count: int = 900, exchange: str = "bybit") -> list[Row]:
    """Make a sorted walk of trades from an hour before the range to its end."""
    draw, time_ms, price, rows = random.Random(seed), WARM_MS, 100.0, []
    for number in range(count):
        time_ms += draw.randint(0, 2 * 5_400_000 // count)
        price *= 1 + draw.gauss(0, 1e-4)
        rows.append(
            Row(exchange, "spot", symbol, time_ms, number, 0, number, f"t{number}", price, 1.5, 1)
        )
    return rows


def documents(rows: list[Row], **options: Any) -> list[dict[str, Any]]:
    """Replay rows over the usual request."""
    options = {"since_ms": WARM_MS, "tapes": {}, **options}
    return list(replay(sorted(rows), options.pop("request", REQUEST), **options))


def rolled(rows: list[Row], until_ms: int) -> Rolling:
    """Feed the trades before a time into the stream's own statistics."""
    rolling = Rolling(since_ms=WARM_MS)
    for row in rows:
        if row.trade_time < until_ms:
            rolling.add(row.trade_time, row.price, row.size, row.side)
    return rolling


def test_each_moment_says_what_the_stream_would_have_said() -> None:
    """Same trades, same function, same numbers; correlation included."""
    ours, btc = tape("ETHUSDT", seed=1), tape("BTCUSDT", seed=2)
    found = documents([*ours, *btc], tapes={("bybit", "spot"): list(tape_of(btc))})
    eth = {(one["time"], one["window"]): one for one in found if one["symbol"] == "ETHUSDT"}
    assert len(eth) == 12
    for moment in REQUEST.moments():
        now, reference = rolled(ours, moment), rolled(btc, moment)
        for expected in now.statistics(moment, reference)[:2]:
            one = eth[moment, expected["window"]]
            assert {name: one[name] for name in expected} == expected
            assert "correlation" in one
            assert one["reference"] == "BTCUSDT"


def test_the_reference_is_not_compared_with_itself() -> None:
    """A correlation of one says nothing."""
    btc = tape("BTCUSDT", seed=2)
    found = documents(btc, tapes={("bybit", "spot"): list(tape_of(btc))})
    assert found
    assert not any("correlation" in one or "reference" in one for one in found)


def test_each_market_has_a_reference_of_its_own() -> None:
    """One exchange's prices say nothing of another's."""
    other = tape("ETHUSDT", seed=3, exchange="kraken")
    found = documents(other, tapes={("bybit", "spot"): list(tape_of(tape("BTCUSDT", seed=2)))})
    assert not any("reference" in one for one in found)


def test_a_trade_that_is_there_twice_counts_once() -> None:
    """Two readers of one exchange write the same trade twice; order does not help it."""
    rows = tape("ETHUSDT", seed=4)
    twice = sorted([*rows, *(row._replace(offset=row.offset + 10_000) for row in rows[::3])])
    assert list(distinct(twice)) == rows
    assert documents(twice) == documents(rows)


def test_a_symbol_is_told_of_from_its_first_trade_on() -> None:
    """Before it nothing is known; after its last one silence is a fact."""
    rows = [row for row in tape("ETHUSDT", seed=5) if 0 <= row.trade_time - FROM_MS < 600_000]
    found = [one for one in documents(rows) if one["window"] == "5m"]
    assert [one["time"] - FROM_MS for one in found] == [
        minutes * MINUTE_MS for minutes in (5, 10, 15, 20, 25, 30)
    ]
    assert [one["trades"] > 0 for one in found] == [True, True, False, False, False, False]


def test_windows_that_began_before_the_data_are_not_warm() -> None:
    """A source that keeps a day can't tell of the day before."""
    found = documents(tape("ETHUSDT", seed=6), since_ms=FROM_MS)
    assert [one["warm"] for one in found if one["window"] == "5m"] == [True] * 6
    assert not any(one["warm"] for one in found if one["window"] == "1h")


def test_documents_fit_the_mapping_and_overwrite_themselves() -> None:
    """A rerun gives the same ids in the same indices; no field is undeclared."""
    rows = [*tape("ETHUSDT", seed=7), *tape("XRPUSDT", seed=8)]
    first, second = (list(map(history_action, documents(rows))) for _ in range(2))
    assert first == second
    headers = [orjson.loads(one.header)["index"] for one in first]
    assert len({(one["_index"], one["_id"]) for one in headers}) == len(first) == 24
    assert {one["_index"] for one in headers} == {"crypto-history-2026.11.22"}
    for one in first:
        assert set(orjson.loads(one.body)) <= set(PROPERTIES["history"])


@pytest.mark.parametrize("count", [0, 1, 2, 500])
def test_the_tape_closes_every_bucket_alike(count: int) -> None:
    """Playing the last trade of each finest bucket gives the closes of playing all."""
    rows = tape("BTCUSDT", seed=9, count=max(count, 1))[:count]
    now = FROM_MS + 1_800_000
    thin = Rolling()
    for time_ms, price in tape_of(rows):
        thin.add(time_ms, price, 1.0, 1)
    other = rolled(tape("ETHUSDT", seed=10), now)
    expected = other.statistics(now, rolled(rows, now))
    assert [one.get("correlation") for one in other.statistics(now, thin)] == [
        one.get("correlation") for one in expected
    ]
