"""The simulator's metrics, read off its state whenever they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from cryptostream.contracts.metrics import metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptostream.simulator.hub import Hub
    from cryptostream.simulator.ledger import Ledger
    from cryptostream.simulator.player import Ensemble


class _Collector:
    def __init__(self, ledger: Ledger, hub: Hub, player: Ensemble) -> None:
        self._ledger, self._hub, self._player = ledger, hub, player

    def collect(self) -> Iterator[Metric]:
        """Give the metrics' present values."""
        hub, player, ledger = self._hub, self._player, self._ledger
        for name, text, value in (
            ("trades_made_total", "Trades made, heard or not", ledger.made),
            ("trades_sent_total", "Trades sent to at least one subscriber", ledger.sent),
            ("slow_readers_total", "Connections cut off for reading too slowly", hub.slow_readers),
        ):
            yield CounterMetricFamily(metric("simulator", name), text, value=value)
        for name, text, value in (
            ("connections", "Open WebSocket connections", hub.connections),
            ("subscribers", "Connections that listen to a symbol", hub.subscribers()),
            ("behind_milliseconds", "How far the schedule was moved", player.behind_ms),
            ("ledger_trades", "Trades the ledger holds", ledger.held),
        ):
            yield GaugeMetricFamily(metric("simulator", name), text, value=value)


def render_metrics(ledger: Ledger, hub: Hub, player: Ensemble) -> bytes:
    """Write the metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Collector(ledger, hub, player))
    return generate_latest(registry)
