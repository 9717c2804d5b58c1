"""Checks of what was stored against what the exchange says.

Two of them: the truth meter compares closed minutes with the exchange's own candles as long as it
runs; the reconciliation compares a day's trades with the exchange's public dump, and can fill in
what is missing. Imports run one way:
`model` <- `compare`, `rotation`, `join`, `rows` (pure) <- `candles`, `klines`, `trades`, `dumps`,
`fill` (I/O) <- `meter`, `reconcile` <- `__main__` (wiring).
"""
