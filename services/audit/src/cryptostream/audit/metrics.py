"""The audit's Prometheus metrics, and the HTTP port that serves them with the health answers."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import Counter, Gauge, make_wsgi_app

from cryptostream.contracts.metrics import metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def _name(what: str) -> str:
    return metric("audit", what)


MINUTES: Final = Counter(_name("minutes_total"), "Symbol minutes compared, by result", ["result"])
SHARE: Final = Gauge(
    _name("match_share"), "Of the last round's minutes with trades, those that match"
)
#: Bounded by the symbols that are compared, `AUDIT_TOP` at most.
DIVERGENCE: Final = Gauge(
    _name("worst_divergence_ratio"), "Of a symbol's last turn, the worst field", ["symbol"]
)
FAILURES: Final = Counter(_name("failures_total"), "Requests that failed", ["server"])
SKIPPED: Final = Gauge(_name("skipped_minutes"), "Symbol minutes that were never compared")
LAST_ROUND: Final = Gauge(_name("last_round_timestamp_seconds"), "When a round last ended well")


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Probes and scrapes every few seconds are no news."""


def serve(host: str, port: int, *, ready: Callable[[], bool]) -> None:
    """Serve /metrics, /livez and /readyz from a daemon thread; raises `OSError` if taken."""
    metrics_app = make_wsgi_app()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            exposition: Iterable[bytes] = metrics_app(environ, start_response)
            return exposition
        good = path == "/livez" or (path == "/readyz" and ready())
        start_response("200 OK" if good else "503 Service Unavailable", [])
        return [b"ok\n" if good else b"not ready\n"]

    server = make_server(host, port, app, handler_class=_Quiet)
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()
