"""Trades per second of the stream, beside reading alone, Elasticsearch alone and the obvious way.

All on fresh servers, one after the other in one run, from one topic that is filled before. Run
`python -m bench_stream` with `scripts/bench` and `tests` in PYTHONPATH.
"""
