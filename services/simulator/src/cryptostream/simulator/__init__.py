"""An exchange that speaks Bybit v5: spot trades over WebSocket and REST on one port.

Imports run from left to right:

    instruments, tape -> arrivals -> market          tapes out of a seeded model
    instruments, tape -> dumps -> replay             tapes out of recorded trades
    instruments, tape -> ledger -> klines -> rest    the truth of what was sent; Bybit's REST
    frames, protocol                                 Bybit's WebSocket, as pure functions
    hub -> player                                    who listens, and the clock's orders
    server -> __main__                               sockets and wiring
"""
