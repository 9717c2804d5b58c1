"""Exchanges beside Bybit, read through ccxt pro into `<exchange>-trades`.

convert, venues, continuity   pure: one exchange's fields, its limits, what its ids prove
client                        thin: the part of ccxt that is used, imported when first needed
reader                        one connection, made anew for as long as the process runs
topic, history                the topic of the trades, and what an earlier run left in it
settings, metrics, service    the process around the readers
"""
