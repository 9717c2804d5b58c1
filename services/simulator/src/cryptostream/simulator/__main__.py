"""`python -m cryptostream.simulator serve | generate`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from cryptostream.contracts.errors import CryptostreamError, SettingsError
from cryptostream.contracts.logs import configure_logging
from cryptostream.contracts.settings import load_settings
from cryptostream.simulator.faults import read_script
from cryptostream.simulator.generate import START_MS, generate
from cryptostream.simulator.instruments import choose_instruments
from cryptostream.simulator.listen import listen, make_tls
from cryptostream.simulator.market import Market
from cryptostream.simulator.server import make_app
from cryptostream.simulator.settings import SimulatorSettings, split_names
from cryptostream.simulator.simulation import build

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
    script = read_script(Path(settings.faults)) if settings.faults else []
    simulation = build(settings, script)
    tls = make_tls(settings.tls_dir) if settings.tls_port else None
    fields = {"host": settings.host, "port": settings.port, "mode": simulation.mode}
    log.info("serving", extra={"fields": fields | {"tls_port": settings.tls_port}})
    asyncio.run(listen(make_app(simulation), settings, tls))
    log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
