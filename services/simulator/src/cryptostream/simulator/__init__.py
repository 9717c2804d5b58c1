"""An exchange that speaks Bybit v5: spot trades over WebSocket and REST on one port.

Imports run from left to right:

    instruments, tape -> arrivals -> market          tapes out of a seeded model
    instruments, tape -> dumps -> replay             tapes out of recorded trades
    instruments, tape -> ledger -> klines -> rest    the truth of what was sent; Bybit's REST
    ledger -> exports                                the same as daily dumps
    instruments -> listing                           symbols that come later
    frames, protocol, gate                           Bybit's WebSocket, as pure functions
    hub, faults -> turmoil -> tamper                 who listens, and what goes wrong
    outlet -> player -> simulation                   the clock's orders, and all of it together
    control -> server -> listen -> __main__          sockets and wiring
"""
