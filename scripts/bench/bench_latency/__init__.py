"""How long a trade takes from the exchange until a search finds it, with the whole stack running.

Each rate is one run of `cryptostream demo`, whose own probe searches. Run `python -m bench_latency`
with `scripts/bench` in PYTHONPATH.
"""
