"""The HTTP port of a process without a web framework: its metrics and its health answers.

The one module of the contracts that does input and output: how a process is asked is a convention
between processes, too.
"""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import make_wsgi_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


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
