"""An exchange that speaks Bybit v5: spot trades over WebSocket and REST on one port.

instruments, tape            what is traded, and a stretch of orders as columns
arrivals <- market           a seeded market model: tapes out of nothing
dumps <- replay              recorded trades: tapes out of files
ledger <- klines             the truth of what was sent, and what follows from it
protocol, frames, rest       Bybit's words; pure, bytes in and bytes out
exchange <- hub, pump        state and the clock
server <- __main__           sockets and wiring
"""
