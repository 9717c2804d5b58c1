"""The live web page: candles, trades, predictions, pressure, lag.

One poller asks Elasticsearch what is new and Kafka how far the stream is behind; every viewer
gets the same pushed events. Imports run one way:
`model` <- `queries`, `parse`, `cursor`, `windows`, `market` (pure) <- `search`, `lag`,
`viewers`, `hub` (I/O) <- `server` <- `__main__` (wiring).
"""
