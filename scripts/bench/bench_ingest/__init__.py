"""CPU per trade from WebSocket frame to Kafka-acknowledged record: ours and three others.

Every client is a process of its own, reads the same pre-rendered frames over TLS and writes to
the same real broker. Run `python -m bench_ingest` with `scripts/bench` and `tests` in PYTHONPATH.
"""
