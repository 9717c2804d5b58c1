# ruff: noqa: INP001 - a script of its own
"""What the alert rules cost a trade, beside the feature vector of the same trades.

    PYTHONPATH=tests .venv/bin/python scripts/bench/watch.py

The last line is JSON: `watch_us`, `features_us`, `ratio`, `state_bytes` (a symbol), `alerts`.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Final

from support.tape import merged, tape

from cryptostream.contracts.features import State, initial_state, step
from cryptostream.stream.rules import load_rules
from cryptostream.stream.watch import Watch

if TYPE_CHECKING:
    from cryptostream.stream.records import Record

SYMBOLS: Final = 400
RATE: Final = 1_000.0
SECONDS: Final = 200.0
#: The first part fills the baselines of the busy symbols; only the rest is timed.
WARM_SHARE: Final = 0.5
BATCH: Final = 200


def market() -> list[Record]:
    """Make trades of symbols whose rates fall like 1 / rank."""
    weights = [1 / rank for rank in range(1, SYMBOLS + 1)]
    scale = RATE / sum(weights)
    return merged(
        *(
            tape(f"S{number}USDT", rate=weight * scale, seconds=SECONDS)
            for number, weight in enumerate(weights)
        )
    )


def run_watch(watch: Watch, records: list[Record]) -> int:
    """Let the watch see trades in batches; give how many alerts it had."""
    alerts = 0
    for start in range(0, len(records), BATCH):
        batch = records[start : start + BATCH]
        for number, record in enumerate(batch):
            watch.trade(record, 0.4 + number % 10 / 50)
        alerts += len(watch.due(batch[-1].kafka_time))
    return alerts


def run_features(states: dict[str, State], records: list[Record]) -> None:
    """Compute the feature vector of each trade."""
    for record in records:
        trade = record.trade
        state = states.setdefault(trade.symbol, initial_state())
        step(state, trade.trade_time, record.price, record.size, 1 if trade.side == "buy" else -1)


def main() -> None:
    """Time both over the same trades and print the result."""
    records = market()
    cut = int(len(records) * WARM_SHARE)
    warm, timed = records[:cut], records[cut:]
    watch, states = Watch(load_rules()), dict[str, State]()
    run_watch(watch, warm)
    run_features(states, warm)
    began = time.process_time()
    alerts = run_watch(watch, timed)
    between = time.process_time()
    run_features(states, timed)
    watch_us = (between - began) / len(timed) * 1e6
    features_us = (time.process_time() - between) / len(timed) * 1e6
    state = json.dumps(watch.state(), separators=(",", ":"))
    result = {
        "watch_us": round(watch_us, 2),
        "features_us": round(features_us, 2),
        "ratio": round(watch_us / features_us, 2),
        "state_bytes": len(state) // SYMBOLS,
        "alerts": alerts,
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
