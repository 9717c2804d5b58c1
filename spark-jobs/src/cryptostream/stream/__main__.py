"""Wire the stream and run it until SIGTERM or a query's failure.

Exit status: 0 after SIGTERM or SIGINT, 1 when a query failed (the supervisor restarts the
process and Spark replays the open batch), 2 when the settings can't be used.
"""

from __future__ import annotations

import logging
import signal
import sys
from threading import Event
from typing import TYPE_CHECKING

from cryptostream.contracts.errors import SettingsError
from cryptostream.contracts.logs import configure_logging
from cryptostream.contracts.probes import serve
from cryptostream.contracts.settings import ElasticsearchSettings, KafkaSettings, load_settings
from cryptostream.stream.job import Job
from cryptostream.stream.settings import StreamSettings

if TYPE_CHECKING:
    from types import FrameType

log = logging.getLogger("cryptostream.stream")


def main() -> int:
    """Run the stream; gives the exit status."""
    configure_logging()
    for chatty in ("py4j", "elastic_transport"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    stop = Event()

    def request_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, request_stop)
    signal.signal(signal.SIGINT, request_stop)
    try:
        settings = load_settings(StreamSettings)
        kafka = load_settings(KafkaSettings)
        elasticsearch = load_settings(ElasticsearchSettings)
        ready = Event()
        serve(settings.metrics_host, settings.metrics_port, ready=ready.is_set)
        job = Job(settings, kafka, elasticsearch)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"STREAM_METRICS_PORT {settings.metrics_port} can't be used: {error}\n")
        return 2
    return job.run(stop=stop, ready=ready)


if __name__ == "__main__":
    sys.exit(main())
