"""Exchange to Kafka: subscribe, decode, validate, produce, and survive every interruption.

protocol, parse, sharding              pure: what frames and symbols mean
subscriptions, liveness, backoff       pure state: the clock and the dice are arguments
budget, bucket, silence, handover      likewise: connections and requests left, silence, moves
errors                                 what each failure asks for
connection, dial, intake, sink         thin input and output of one connection
feeds, assigner                        which connection and which instance reads what
assignment, weights, membership        pure: who owns what, who is alive
roster, tenure, leases, peers          the other instances: their leases, what they receive
gaps, track, spans, stitch             pure: what was missed, and what closes it
ledger, recent, observer, gap_metrics  gaps kept, told, and closed through REST
instruments, server                    the exchange's listings, our own HTTP port
exchanges, adapters                    further exchanges, through ccxt
service                                the whole, from start to the last delivery
__main__                               wiring only
"""
