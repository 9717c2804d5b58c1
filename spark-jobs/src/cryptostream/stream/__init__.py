"""The stream: Kafka trades -> deduplicated, featured and predicted documents, and candles.

Imports run one way: `records`, `book`, `documents`, `breaker` and, for Spark's planner alone,
`schema`, `transforms` (no I/O) <- `bulk`, `predictor`, `journal`, `dead_letters` (I/O) <- `trades`,
`candles` (queries) <- `job` <- `__main__` (wiring).
"""
