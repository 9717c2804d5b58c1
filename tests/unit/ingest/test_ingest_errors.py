"""Errors: one function says what each failure asks for."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException
from picows import WSHandshakeError, WSInvalidURL
from pybit.exceptions import FailedRequestError, InvalidRequestError

from cryptostream.contracts.errors import ContractError, Failure, SettingsError
from cryptostream.ingest.errors import (
    ConnectionLostError,
    DeliveryError,
    classify,
)


def kafka(code: int, **flags: bool) -> KafkaException:
    """Make what confluent-kafka raises."""
    return KafkaException(KafkaError(code, "text", **flags))


def pybit(kind: type[FailedRequestError | InvalidRequestError], status: int) -> Exception:
    """Make what pybit raises."""
    error: Exception = kind("GET /x", "m", status, "", None)
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionLostError("silence"), Failure.TRANSIENT),
        (DeliveryError("gone"), Failure.FATAL),
        (ContractError("bad_x", "y"), Failure.POISON),
        (SettingsError("x"), Failure.FATAL),
        (kafka(KafkaError._ALL_BROKERS_DOWN), Failure.TRANSIENT),
        (kafka(KafkaError._TRANSPORT), Failure.TRANSIENT),
        (kafka(KafkaError.NOT_ENOUGH_REPLICAS, retriable=True), Failure.TRANSIENT),
        (kafka(KafkaError.MSG_SIZE_TOO_LARGE), Failure.POISON),
        (kafka(KafkaError.TOPIC_AUTHORIZATION_FAILED), Failure.FATAL),
        (kafka(KafkaError._UNKNOWN_TOPIC), Failure.FATAL),
        (kafka(KafkaError._TRANSPORT, fatal=True), Failure.FATAL),
        (pybit(FailedRequestError, 403), Failure.TRANSIENT),
        (pybit(InvalidRequestError, 10006), Failure.TRANSIENT),
        (pybit(InvalidRequestError, 10001), Failure.FATAL),
        (WSHandshakeError("x"), Failure.TRANSIENT),
        (WSInvalidURL("http://x", "no scheme of ours"), Failure.FATAL),
        (ConnectionResetError(), Failure.TRANSIENT),
        (TimeoutError(), Failure.TRANSIENT),
        (KeyError("a bug"), Failure.FATAL),
        (MemoryError(), Failure.FATAL),
    ],
)
def test_every_failure_has_its_class(error: Exception, expected: Failure) -> None:
    """What may pass is retried, bad input is set aside, and what nobody foresaw is fatal."""
    assert classify(error) is expected
