"""The stream is told to stop while a batch can't end."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from elasticsearch import Elasticsearch
from support.eventually import eventually
from support.search_proxy import busy, search_proxy, well
from support.stream import running_stream
from support.stream_drill import check
from support.stream_truth import make_trades

if TYPE_CHECKING:
    from pathlib import Path

#: What the supervisor and a pod's grace period leave it, with a loaded machine's delays.
STOP_SECONDS = 20.0


def test_a_batch_that_waits_for_elasticsearch_does_not_hold_a_stop_up(
    kafka_bootstrap: str, elasticsearch_url: str, tmp_path: Path
) -> None:
    """It ends in time, with status 0, and the next start settles what was left, once."""
    client = Elasticsearch(elasticsearch_url, request_timeout=60)
    with (
        search_proxy(elasticsearch_url) as (proxy, url),
        running_stream(kafka_bootstrap, url, tmp_path) as stream,
    ):
        proxy.fault = busy(503)
        trades = make_trades(stream.exchange, 500)
        stream.produce(trades)
        eventually(lambda: proxy.met > 0, within=60)
        told = time.monotonic()
        assert stream.stop(signal.SIGTERM) == 0, stream.log
        assert time.monotonic() - told < STOP_SECONDS
        # The JVM's complaint about the end of its callback stands after it.
        assert "stopped_amid_batch" in (tmp_path / "stream.log").read_text(errors="replace")
        proxy.fault = well
        stream.start()
        check(client, stream, trades)
