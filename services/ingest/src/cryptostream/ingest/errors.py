"""What each failure asks for: one function decides, everything else obeys.

CryptostreamError
├── ConnectionLostError   the exchange is out of reach or the connection is dead (transient)
└── DeliveryError         Kafka will not take our messages (fatal)
"""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaError, KafkaException
from picows import WSError, WSInvalidURL
from pybit.exceptions import FailedRequestError, InvalidRequestError

from cryptostream.contracts.errors import CryptostreamError, Failure

#: Bybit's own codes for "too busy": server error, rate limit, server under load.
_BUSY_CODES: Final = frozenset({10000, 10006, 10016, 10018})
#: The message itself is at fault; the next one may do well.
_POISON_CODES: Final = frozenset(
    {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG, KafkaError.INVALID_RECORD}
)
_UNREACHABLE_CODES: Final = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 - librdkafka's local codes start so
        KafkaError._MSG_TIMED_OUT,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
    }
)


class ConnectionLostError(CryptostreamError):
    """The connection to the exchange is to be made anew; `cause` is fit for a metric label."""

    failure = Failure.TRANSIENT

    def __init__(self, cause: str, detail: str = "") -> None:
        super().__init__(f"{cause}: {detail}" if detail else cause)
        self.cause = cause


class DeliveryError(CryptostreamError):
    """Kafka will not take our messages, and trying on would lose them."""


def classify(error: BaseException) -> Failure:
    """Tell transient, poison and fatal failures apart; what nobody foresaw is fatal."""
    match error:
        case CryptostreamError():
            return error.failure
        case KafkaException():
            return _classify_kafka(error.args[0])
        case InvalidRequestError():
            return Failure.TRANSIENT if error.status_code in _BUSY_CODES else Failure.FATAL
        case WSInvalidURL():
            return Failure.FATAL
        case WSError() | OSError() | FailedRequestError():
            return Failure.TRANSIENT
        case _:
            return Failure.FATAL


def cause_of(error: Exception) -> str:
    """Name the cause of a lost connection by one of a few words, fit for a metric label."""
    return str(getattr(error, "cause", "closed"))


def _classify_kafka(error: KafkaError) -> Failure:
    if error.fatal():
        return Failure.FATAL
    if error.code() in _POISON_CODES:
        return Failure.POISON
    if error.retriable() or error.code() in _UNREACHABLE_CODES:
        return Failure.TRANSIENT
    return Failure.FATAL
