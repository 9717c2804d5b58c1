"""Asking a component whether it is well. Every question is bounded in time."""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

if TYPE_CHECKING:
    from cryptostream.cli.component import Probe

ASK_SECONDS: Final = 2.0


def trouble(probe: Probe, timeout: float = ASK_SECONDS) -> str | None:
    """Give None if the component is well, else what is amiss, in a few words."""
    if probe.kind == "http":
        return _http_trouble(probe.target, timeout)
    if probe.kind == "kafka":
        return _kafka_trouble(probe.target, timeout)
    return "not finished"


def _http_trouble(url: str, timeout: float) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=timeout):  # noqa: S310 - our own URL
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"status {error.code}"
    except urllib.error.URLError as error:
        return str(error.reason)
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__


def _kafka_trouble(address: str, timeout: float) -> str | None:
    host, _, port = address.split(",", maxsplit=1)[0].rpartition(":")
    try:
        # The client library logs each refused connection, so a closed port is found out first.
        socket.create_connection((host, int(port)), timeout=timeout).close()
        admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
        admin.list_topics(timeout=timeout)
    except (OSError, ValueError, KafkaException) as error:
        return str(error)
    return None
