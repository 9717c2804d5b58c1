"""The stream: Kafka trades -> documents with features and predictions, candles, alerts.

Imports run one way: `bars`, `candlesticks`, `clock`, `indicators`, `rolling`, `rules`, `watch`,
`dedup`, `records`, `documents` <- `engine` <- `snapshot`, `wal` (all without I/O) <- `bulk`,
`predictor`, `journal`, `dead_letters`, `alerts` (I/O) <- `trades`, `messages` (queries) <- `job` <-
`__main__` (wiring).
"""
