"""`python -m cryptostream.board`: wire the board together and serve it until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from contextlib import suppress

from aiohttp import web

from cryptostream.board.auth import basic_auth
from cryptostream.board.hub import Hub
from cryptostream.board.lag import LagReader
from cryptostream.board.metrics import Metrics
from cryptostream.board.search import Search, connect
from cryptostream.board.server import Board
from cryptostream.board.settings import BoardSettings
from cryptostream.board.viewers import Viewers
from cryptostream.contracts.errors import SettingsError
from cryptostream.contracts.logs import configure_logging
from cryptostream.contracts.settings import ElasticsearchSettings, KafkaSettings, load_settings

log = logging.getLogger("cryptostream.board")


async def serve(board: BoardSettings, elastic: ElasticsearchSettings, kafka: KafkaSettings) -> None:
    """Serve until SIGTERM or SIGINT; raises `SettingsError` if it can't begin."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    search = Search(connect(elastic))
    metrics, viewers = Metrics(), Viewers(board.max_viewers)
    hub = Hub(search, LagReader(kafka.bootstrap_servers), viewers, metrics, board.poll_ms)
    guards = [basic_auth(board.username, board.secret())] if board.username else []
    app = Board(hub, search, metrics, *guards, memory_url=board.memory_url).app()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
    try:
        await _listen(runner, board)
        await _run_until(stop, hub)
    finally:
        await runner.cleanup()
        await search.close()
    log.info("stopped")


async def _listen(runner: web.AppRunner, board: BoardSettings) -> None:
    await runner.setup()
    try:
        await web.TCPSite(runner, board.host, board.port).start()
    except OSError as error:
        raise SettingsError(
            f"BOARD_PORT: can't listen on {board.host}:{board.port} ({error.strerror}); "
            "stop what uses it or choose another port"
        ) from error
    host, port = runner.addresses[0][:2]
    log.info("listening", extra={"fields": {"url": f"http://{host}:{port}/"}})


async def _run_until(stop: asyncio.Event, hub: Hub) -> None:
    """Run the hub until `stop`; an error in it ends the process rather than freezing the page."""
    running = asyncio.create_task(hub.run())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        await running
    running.cancel()
    stopping.cancel()
    with suppress(asyncio.CancelledError):
        await running


def main() -> int:
    """Run the board; exit status 2 means that the configuration can't be used."""
    try:
        board = load_settings(BoardSettings)
        configure_logging(board.log_level)
        logging.getLogger("elastic_transport").setLevel(logging.ERROR)  # health says it once
        asyncio.run(
            serve(board, load_settings(ElasticsearchSettings), load_settings(KafkaSettings))
        )
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
