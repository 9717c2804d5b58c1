"""Exchange to Kafka: subscribe, decode, validate, produce, and survive every interruption.

protocol, parse, sharding              pure: what frames and symbols mean
subscriptions, liveness, backoff       pure state: the clock and the dice are arguments
budget, silence, handover              likewise: connections left, silent symbols, moves
errors                                 what each failure asks for
connection, dial, intake, sink         thin input and output of one connection
feeds, assigner                        which connection and which instance reads what
instruments, server                    the exchange's listings, our own HTTP port
service                                the whole, from start to the last delivery
__main__                               wiring only
"""
