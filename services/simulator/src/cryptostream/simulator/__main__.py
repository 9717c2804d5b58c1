"""`python -m cryptostream.simulator serve | generate`."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from cryptostream.contracts.errors import CryptostreamError, SettingsError
from cryptostream.contracts.logs import configure_logging
from cryptostream.contracts.settings import load_settings
from cryptostream.simulator.generate import START_MS, generate
from cryptostream.simulator.hub import Hub
from cryptostream.simulator.instruments import Instrument, choose_instruments
from cryptostream.simulator.ledger import Ledger
from cryptostream.simulator.market import Market
from cryptostream.simulator.player import Player
from cryptostream.simulator.replay import Replay, read_dumps, replay_instruments
from cryptostream.simulator.server import Simulation, make_app
from cryptostream.simulator.settings import SimulatorSettings, split_names

if TYPE_CHECKING:
    from cryptostream.simulator.tape import Feed

log = logging.getLogger(__name__)
USAGE_EXIT = 2


def main() -> int:
    """Run one of the two commands; give the exit status."""
    arguments = _parser().parse_args()
    try:
        if arguments.command == "generate":
            return _generate(arguments)
        return _serve(load_settings(SimulatorSettings))
    except CryptostreamError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE_EXIT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cryptostream.simulator", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="serve the exchange; settings from SIMULATOR_*")
    files = commands.add_parser("generate", help="write trades of the market model to files")
    files.add_argument("--trades", type=int, required=True, help="how many, over all symbols")
    files.add_argument("--seed", type=int, default=1)
    files.add_argument("--symbols", default="", help="comma-separated; default: the universe")
    files.add_argument("--rate", type=float, default=100.0, help="mean trades per second")
    files.add_argument("--impact", type=float, default=0.0, help="planted effect, 0 to 0.5")
    files.add_argument("--out", type=Path, required=True, help="folder for <SYMBOL>.csv")
    return parser


def _generate(arguments: argparse.Namespace) -> int:
    if arguments.trades < 1 or arguments.rate <= 0 or arguments.seed < 0:
        raise SettingsError("--trades and --rate must be positive, --seed not negative")
    if not 0 <= arguments.impact <= 0.5:  # noqa: PLR2004 - the bound of SIMULATOR_IMPACT
        raise SettingsError("--impact must be within 0 and 0.5")
    instruments = choose_instruments(split_names(arguments.symbols))
    market = Market(
        instruments,
        rate=arguments.rate,
        seed=arguments.seed,
        start_ms=START_MS,
        impact=arguments.impact,
    )
    try:
        rows = generate(market, instruments, arguments.trades, arguments.out)
    except OSError as error:
        raise SettingsError(f"--out {arguments.out} can't be written: {error}") from error
    sys.stdout.write(f"{rows} trades of {len(instruments)} symbols in {arguments.out}\n")
    return 0


def _serve(settings: SimulatorSettings) -> int:
    configure_logging(settings.log_level)
    # Until the server takes the signal over, while files are read, it must end cleanly as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    simulation = _simulate(settings)
    fields = {"host": settings.host, "port": settings.port, "mode": simulation.mode}
    log.info("serving", extra={"fields": fields})
    try:
        web.run_app(
            make_app(simulation),
            host=settings.host,
            port=settings.port,
            access_log=None,
            print=None,
            shutdown_timeout=2.0,
        )
    except OSError as error:
        raise SettingsError(
            f"Can't listen on {settings.host}:{settings.port}: {error.strerror}; "
            "set SIMULATOR_PORT to a free port"
        ) from error
    log.info("stopped")
    return 0


def _simulate(settings: SimulatorSettings) -> Simulation:
    """Build what is served; recorded files are read and checked here, before a port is open."""
    start_ms = time.time_ns() // 1_000_000
    instruments, feed = _feed(settings, start_ms)
    ledger, hub = Ledger(instruments, settings.ledger_max), Hub(settings.send_buffer_bytes)
    return Simulation(
        mode="replay" if settings.paths else "market",
        seed=settings.seed,
        start_grace_seconds=settings.start_grace_seconds,
        ledger=ledger,
        hub=hub,
        player=Player(feed, instruments, ledger, hub),
    )


def _feed(settings: SimulatorSettings, start_ms: int) -> tuple[tuple[Instrument, ...], Feed]:
    """Choose between recorded trades and the market model."""
    if settings.paths:
        dumps = read_dumps(settings.paths, settings.names)
        instruments = replay_instruments(dumps)
        return instruments, Replay(
            dumps, instruments, speed=settings.speed, seed=settings.seed, start_ms=start_ms
        )
    instruments = choose_instruments(settings.names)
    return instruments, Market(
        instruments,
        rate=settings.rate,
        speed=settings.speed,
        seed=settings.seed,
        start_ms=start_ms,
        impact=settings.impact,
    )


if __name__ == "__main__":
    sys.exit(main())
