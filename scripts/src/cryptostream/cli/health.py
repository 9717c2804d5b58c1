"""Asking a component whether it is well. Every question is bounded in time."""

from __future__ import annotations

import http
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
        answer = _http_answer(probe.target, timeout)
        if isinstance(answer, str):
            return answer
        return None if answer == http.HTTPStatus.OK else f"status {answer}"
    if probe.kind == "kafka":
        return _kafka_trouble(probe.target, timeout)
    return "not finished"


def answers(probe: Probe, timeout: float = ASK_SECONDS) -> bool:
    """Tell whether the component says anything, be it that it is not well."""
    if probe.kind == "http":
        return isinstance(_http_answer(probe.target, timeout), int)
    return trouble(probe, timeout) is None


def _http_answer(url: str, timeout: float) -> int | str:
    """Give the status of its answer, or why there is none."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 - our own URL
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)
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
