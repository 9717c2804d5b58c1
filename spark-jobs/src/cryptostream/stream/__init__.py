"""The stream: Kafka trades -> deduplicated, featured and predicted documents, and candles.

Imports run one way: `schema`, `transforms`, `documents`, `book`, `breaker` (no I/O) <-
`bulk`, `predictor`, `snapshots`, `dead_letters` (I/O) <- `trades`, `candles` (queries) <-
`__main__` (wiring).
"""
