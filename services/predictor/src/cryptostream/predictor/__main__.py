"""Serve the predictor: `python -m cryptostream.predictor`, settings from the environment.

BentoML's own application runs in this process under uvicorn. `bentoml serve` would put a
supervisor of 150 MB in front of it, whose work (restarts) is done from outside here.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from typing import Any, Final

from cryptostream.contracts.errors import CryptostreamError, SettingsError
from cryptostream.contracts.logs import configure_logging
from cryptostream.contracts.settings import load_settings
from cryptostream.predictor.settings import PredictorSettings

USAGE_STATUS: Final = 2
BACKLOG: Final = 256
#: Requests under way get this long after SIGTERM.
GRACE_SECONDS: Final = 5


def main() -> int:
    """Serve until SIGTERM or SIGINT; gives 0, or 2 with one line on standard error."""
    configure_logging()
    try:
        settings = load_settings(PredictorSettings)
        _prepare_environment()
        with _listen(str(settings.host), settings.port) as listener:
            _serve(settings, listener)
    except CryptostreamError as error:
        print(f"predictor: {error}", file=sys.stderr)  # noqa: T201 - told to who started it
        return USAGE_STATUS
    return 0


def _prepare_environment() -> None:
    """Set what libraries read when they are imported, which is therefore done later."""
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
        # Connections inherit it; asyncio sets it only on sockets that name their protocol, and
        # without it an answer in two parts waits 40 ms for the receiver's delayed ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise SettingsError(
            f"can't listen on {host}:{port}: {reason}; set PREDICTOR_PORT to a free port"
        ) from error
    return listener


def _serve(settings: PredictorSettings, listener: socket.socket) -> None:
    """Refuse to start on a model that doesn't load, then run BentoML's application."""
    import uvicorn  # noqa: PLC0415

    from cryptostream.predictor.pointer import load, read_pointer  # noqa: PLC0415
    from cryptostream.predictor.service import Predictor, is_failure  # noqa: PLC0415
    from cryptostream.predictor.wire import BoundedHttp  # noqa: PLC0415

    load(read_pointer(settings.pointer))
    logging.getLogger("bentoml._internal.server.http_app").addFilter(is_failure)
    service: Any = Predictor
    server = uvicorn.Server(
        uvicorn.Config(
            service.to_asgi(),
            http=BoundedHttp,
            loop="uvloop",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    # uvicorn gives these back and raises the signal once more when it is done; a clean stop
    # must end with status 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    server.run(sockets=[listener])


if __name__ == "__main__":
    sys.exit(main())
