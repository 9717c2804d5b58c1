"""What indicators and rolling windows cost: CPU microseconds a call, the best of five runs.

PYTHONPATH=tests .venv/bin/python scripts/bench/analysis.py; the last line is JSON.
"""
# ruff: noqa: INP001 - a script of its own

from __future__ import annotations

import json
import random
import sys
import time
from typing import TYPE_CHECKING

from support.candles import random_walk

from cryptostream.stream.indicators import Indicators
from cryptostream.stream.rolling import Rolling

if TYPE_CHECKING:
    from collections.abc import Callable

START_MS = 1_795_000_200_000
DAY_MS = 86_400_000
RUNS = 5


def best(run: Callable[[], object], calls: int) -> float:
    """Give CPU microseconds per call of a run that makes so many."""
    took = []
    for _ in range(RUNS):
        began = time.process_time()
        run()
        took.append(time.process_time() - began)
    return round(min(took) / calls * 1e6, 2)


def fed(wait_ms: int, count: int) -> Rolling:
    """Give the windows of a symbol that trades every so many milliseconds."""
    draw, rolling = random.Random(1), Rolling()  # noqa: S311 - a market, not a secret
    for number in range(count):
        rolling.add(START_MS + number * wait_ms, draw.uniform(99, 101), 1.0, 1)
    return rolling


def main() -> None:
    """Measure each call and print a table."""
    candles = random_walk(1_000, seed=1)
    warm = Indicators()
    for candle in candles[:100]:
        warm.update(candle)
    state, rest = warm.state(), candles[100:]

    def update() -> None:
        indicators = Indicators(state)
        for candle in rest:
            indicators.update(candle)

    full, reference = fed(5_000, 2 * DAY_MS // 5_000), fed(5_000, 2 * DAY_MS // 5_000)
    now = START_MS + 2 * DAY_MS

    def ask(other: Rolling | None) -> None:
        """Ask as a round over all symbols does: each has new trades, the reference is one."""
        for _ in range(100):
            full.add(now, 100.0, 1.0, 1)
            full.statistics(now + 1, other)

    found = {
        "update_us": best(update, len(rest)),
        "values_us": best(lambda: [warm.values(rest[0]) for _ in range(1_000)], 1_000),
        "add_busy_us": best(lambda: fed(200, 50_000), 50_000),
        "add_thin_us": best(lambda: fed(20_000, 10_000), 10_000),
        "statistics_us": best(lambda: ask(None), 100),
        "correlated_us": best(lambda: ask(reference), 100),
        "indicators_bytes": len(json.dumps(state)),
        "rolling_bytes": len(json.dumps(full.state())),
    }
    for name, value in found.items():
        sys.stdout.write(f"{name:18}{value:>12,}\n")
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
