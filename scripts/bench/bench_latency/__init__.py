"""How long a trade takes from the exchange until a search finds it, with the whole stack running.

Each rate is one run of `cryptostream demo`, with alert rules that a simulated market meets; after
a warm-up a probe searches for trades. Run `python -m bench_latency` with `scripts/bench` in
PYTHONPATH.
"""
