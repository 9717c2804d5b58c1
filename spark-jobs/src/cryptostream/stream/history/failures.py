"""Failures of the servers and of Spark, as one line."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from elasticsearch import ApiError, TransportError
from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException

from cryptostream.contracts.errors import CryptostreamError, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CHARS: Final = 400


class HistoryFailedError(CryptostreamError):
    """A server or Spark failed; the same command may succeed later."""

    failure = Failure.TRANSIENT


@contextmanager
def explained() -> Iterator[None]:
    """Turn what clients and Spark raise into `HistoryFailedError`."""
    try:
        yield
    except (ApiError, TransportError) as error:
        raise HistoryFailedError(f"Elasticsearch failed: {error}"[:MAX_CHARS]) from error
    except (PySparkException, Py4JError) as error:
        raise HistoryFailedError(f"Spark failed: {_last_cause(str(error))}") from error


def _last_cause(text: str) -> str:
    """Find the line that says what went wrong in a task's or the JVM's stack trace."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line for line in lines if "Error:" in line or "Exception:" in line]
    return (causes or lines or ["unknown"])[-1][:MAX_CHARS]
