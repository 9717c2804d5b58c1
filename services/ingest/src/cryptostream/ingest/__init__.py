"""Exchange to Kafka: subscribe, decode, validate, produce, and survive every interruption.

protocol, parse, sharding              pure: what frames and symbols mean
subscriptions, liveness, backoff       pure state: the clock and the dice are arguments
errors                                 what each failure asks for
connection, sink, instruments, server  thin input and output
service                                the whole, from start to the last delivery
__main__                               wiring only
"""
