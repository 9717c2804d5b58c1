"""`python -m cryptostream.audit truth | reconcile`: checks against the exchange.

    truth                                    compare closed minutes as long as it runs
    reconcile --day YYYY-MM-DD [--symbols A,B] [--fill] [--json]
                                             compare a day of trades with the public dumps

Exit status: 0 when all is well or after SIGTERM, 1 if trades are missing, a symbol could not be
compared or only a restart can help, 2 if the settings or arguments can't be used.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from datetime import UTC, date, datetime
from threading import Event
from typing import TYPE_CHECKING

from elasticsearch import ApiError, TransportError

from cryptostream.audit import reconcile
from cryptostream.audit.candles import Candles, connect
from cryptostream.audit.dumps import Dumps
from cryptostream.audit.fill import Filler
from cryptostream.audit.klines import Exchange
from cryptostream.audit.meter import Meter, now_ms
from cryptostream.audit.settings import AuditSettings
from cryptostream.audit.trades import Trades
from cryptostream.contracts.errors import CryptostreamError, SettingsError
from cryptostream.contracts.logs import configure_logging
from cryptostream.contracts.probes import serve
from cryptostream.contracts.settings import ElasticsearchSettings, KafkaSettings, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

log = logging.getLogger("cryptostream.audit")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chosen check and give the exit status."""
    options = _parser().parse_args(arguments)
    configure_logging()
    logging.getLogger("elastic_transport").setLevel(logging.WARNING)
    try:
        settings = load_settings(AuditSettings)
        elasticsearch = load_settings(ElasticsearchSettings)
        if options.check == "truth":
            return _truth(settings, elasticsearch)
        return _reconcile(settings, elasticsearch, options)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (CryptostreamError, ApiError, TransportError) as error:
        log.critical("gave_up", extra={"fields": {"error": error}})
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cryptostream.audit")
    checks = parser.add_subparsers(dest="check", required=True)
    checks.add_parser("truth", help="compare closed minutes as long as it runs")
    one = checks.add_parser("reconcile", help="compare a day of trades with the public dumps")
    one.add_argument("--day", type=date.fromisoformat, required=True, help="YYYY-MM-DD, UTC")
    one.add_argument(
        "--symbols",
        default="",
        help="separated by commas; else AUDIT_SYMBOLS, else every symbol stored that day",
    )
    one.add_argument("--fill", action="store_true", help="produce what is missing to Kafka")
    one.add_argument("--json", action="store_true", help="one line of JSON at the end")
    return parser


def _truth(settings: AuditSettings, elasticsearch: ElasticsearchSettings) -> int:
    stop = Event()

    def request_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, request_stop)
    candles = Candles(connect(elasticsearch), settings.exchange, settings.category)
    meter = Meter(settings, candles, Exchange(settings.rest_url, settings.category))
    try:
        serve(settings.metrics_host, settings.metrics_port, ready=meter.is_ready)
    except OSError as error:
        raise SettingsError(
            f"AUDIT_METRICS_PORT {settings.metrics_port} can't be used: {error}"
        ) from error
    meter.run(stop)
    return 0


def _reconcile(
    settings: AuditSettings, elasticsearch: ElasticsearchSettings, options: argparse.Namespace
) -> int:
    day: date = options.day
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    trades = Trades(connect(elasticsearch), settings.exchange, settings.category, start)
    filler = None
    if options.fill:
        kafka = load_settings(KafkaSettings)
        filler = Filler(kafka.bootstrap_servers, settings.exchange)
    check = reconcile.Reconciliation(
        settings,
        Dumps(settings.dumps_url, max_rows=settings.max_rows),
        trades,
        filler=filler,
        clock_ms=now_ms,
    )
    wanted = [name for name in options.symbols.split(",") if name] or settings.symbol_list
    reports = [check.compare(symbol, day) for symbol in wanted or trades.symbols()]
    sys.stdout.write(reconcile.table(reports) + "\n")
    if options.json:
        sys.stdout.write(reconcile.as_json(reports, day) + "\n")
    return 0 if reports and reconcile.is_whole(reports) else 1


if __name__ == "__main__":
    sys.exit(main())
