"""`python -m cryptostream.alerts`: wire the alerts together and deliver until SIGTERM.

Exit status: 0 after SIGTERM, 1 if only a restart can help, 2 if the settings can't be used.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from contextlib import AsyncExitStack

import httpx

from cryptostream.alerts.redact import hide
from cryptostream.alerts.service import Service
from cryptostream.alerts.settings import AlertsSettings
from cryptostream.contracts.errors import SettingsError
from cryptostream.contracts.logs import configure_logging
from cryptostream.contracts.probes import serve
from cryptostream.contracts.settings import ElasticsearchSettings, KafkaSettings, load_settings

log = logging.getLogger("cryptostream.alerts")


def now_ms() -> int:
    """Give the wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


async def run(
    settings: AlertsSettings, kafka: KafkaSettings, elasticsearch: ElasticsearchSettings
) -> None:
    """Deliver until SIGTERM or SIGINT; raises `SettingsError` if it can't begin."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        # No proxy of the environment: the token must go to the one address that was set.
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        service = Service(settings, kafka, elasticsearch, client, now_ms)
        stack.push_async_callback(service.close)
        _serve(settings, service)
        await service.run(stop)
    log.info("stopped")


def _serve(settings: AlertsSettings, service: Service) -> None:
    for name, port, opens in (
        ("ALERTS_PORT", settings.port, lambda: service.door.open(settings.host, settings.port)),
        (
            "ALERTS_METRICS_PORT",
            settings.metrics_port,
            lambda: serve(
                settings.metrics_host, settings.metrics_port, ready=lambda: service.is_ready
            ),
        ),
    ):
        try:
            opens()
        except OSError as error:
            raise SettingsError(
                f"{name}: {port} can't be listened on ({error.strerror}); stop what uses it or "
                "choose another port"
            ) from error


def main() -> int:
    """Run the service and give the exit status."""
    try:
        settings = load_settings(AlertsSettings)
        configure_logging(settings.log_level)
        hide(settings.token(), settings.alertmanager_token)
        asyncio.run(
            run(settings, load_settings(KafkaSettings), load_settings(ElasticsearchSettings))
        )
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except Exception:
        log.critical("gave_up", exc_info=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
