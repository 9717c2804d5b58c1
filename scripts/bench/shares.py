"""What it costs to hand trades to the executors, beside what they do: CPU µs a trade, best of five.

PYTHONPATH=tests .venv/bin/python scripts/bench/shares.py; the last line is JSON.
"""
# ruff: noqa: INP001 - a script of its own

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec
from support.stream_tape import a_market, an_engine

from cryptostream.stream.bulk import Outcome
from cryptostream.stream.collector import no_collections
from cryptostream.stream.executors import Share, cut
from cryptostream.stream.predictor import Prediction
from cryptostream.stream.records import Record
from cryptostream.stream.settle import Settler, Trades

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COUNT = 20_000
RUNS = 5


class Nowhere:
    """A sink and a predictor that answer at once."""

    def write(self, actions: Sequence[Any], *, refresh: bool = True) -> Outcome:  # noqa: ARG002
        """Take all."""
        return Outcome(written=len(actions))

    def predict(self, vectors: Sequence[Sequence[float]]) -> list[Prediction]:
        """Score all alike."""
        return [Prediction(0.5, "m:1")] * len(vectors)


def best(run: Callable[[], object]) -> float:
    """Give CPU microseconds per trade."""
    took = []
    for _ in range(RUNS):
        with no_collections():
            began = time.process_time()
            run()
            took.append(time.process_time() - began)
    return round(min(took) / COUNT * 1e6, 2)


def main() -> None:
    """Measure each part and print it."""
    tape = sorted(a_market(COUNT), key=Record.order)
    trades = Trades(tape, an_engine().features(tape), 0)
    encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(Share).decode
    sent = [encode(share) for share in cut(trades, tasks=2)]
    settler = Settler(writer=Nowhere(), predictor=Nowhere())
    found = {
        "send_us": best(lambda: [encode(share) for share in cut(trades, tasks=2)]),
        "receive_us": best(lambda: [decode(one) for one in sent]),
        "settle_us": best(lambda: settler.write(trades, settler.predict(trades.features))),
        "bytes": round(sum(map(len, sent)) / COUNT),
    }
    for name, value in found.items():
        sys.stdout.write(f"{name:12}{value:>8,}\n")
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
