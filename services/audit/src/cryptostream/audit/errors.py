"""What each failure asks for: one function decides, everything else obeys.

CryptostreamError
├── UnreachableError   a server gives no answer, or none that can be used
└── DumpError          a dump can't be used
"""

from __future__ import annotations

from http.client import HTTPException
from typing import Final

from elasticsearch import ApiError, SerializationError, TransportError
from pybit.exceptions import FailedRequestError, InvalidRequestError

from cryptostream.contracts.errors import CryptostreamError, Failure

#: Bybit's own codes for "too busy": server error, rate limit, server under load.
_BUSY_CODES: Final = frozenset({10000, 10006, 10016, 10018})
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500


class UnreachableError(CryptostreamError):
    """A server gives no answer that can be used; the text names it."""

    failure = Failure.TRANSIENT


class DumpError(CryptostreamError):
    """A dump can't be used; the text names it and why."""

    failure = Failure.POISON


def classify(error: BaseException) -> Failure:
    """Tell transient, poison and fatal failures apart; what nobody foresaw is fatal."""
    match error:
        case CryptostreamError():
            return error.failure
        case InvalidRequestError():
            return Failure.TRANSIENT if error.status_code in _BUSY_CODES else Failure.POISON
        case ApiError():
            busy = error.status_code == _TOO_MANY or error.status_code >= _SERVER_ERROR
            return Failure.TRANSIENT if busy else Failure.FATAL
        case (
            TransportError()
            | SerializationError()
            | FailedRequestError()
            | HTTPException()
            | EOFError()
            | OSError()
        ):
            return Failure.TRANSIENT
        case _:
            return Failure.FATAL
