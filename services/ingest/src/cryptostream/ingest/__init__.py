"""Exchange to Kafka: subscribe, decode, validate, produce, and survive every interruption.

protocol, parse, sharding, backoff, errors   pure; the clock and the dice are arguments
connection, sink, instruments, server        thin input and output
__main__                                     wiring only
"""
