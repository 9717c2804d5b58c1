"""Bybit's public dumps over HTTP, decompressed as they come in."""

from __future__ import annotations

import gzip
import logging
import time
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from cryptostream.audit.errors import DumpError, UnreachableError, classify
from cryptostream.audit.rows import MAX_LINE_BYTES, read_rows
from cryptostream.contracts.errors import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    from cryptostream.audit.model import Row

log = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 30.0
ATTEMPTS: Final = 4
RETRY_SECONDS: Final = 2.0
_NOT_FOUND: Final = 404
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500


class Dumps:
    """The dumps of one server."""

    def __init__(
        self, base_url: str, *, max_rows: int, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._base = base_url.rstrip("/")
        self._max_rows = max_rows
        self._sleep = sleep

    def url(self, symbol: str, day: date) -> str:
        """Name the file of a symbol's day."""
        name = quote(symbol, safe="")
        return f"{self._base}/spot/{name}/{name}_{day:%Y-%m-%d}.csv.gz"

    def rows(self, symbol: str, day: date) -> list[Row] | None:
        """Give the rows of a day, or None if there is no such file.

        Raises `DumpError` for a file that can't be used, `UnreachableError` if the server gives
        none after several attempts.
        """
        url = self.url(symbol, day)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._read(url, day)
            except DumpError as error:
                raise DumpError(f"{url}: {error}") from error
            except HTTPError as error:
                if error.code == _NOT_FOUND:
                    return None
                if error.code != _TOO_MANY and error.code < _SERVER_ERROR:
                    raise UnreachableError(f"{url}: status {error.code}") from error
                why: Exception = error
            except Exception as error:  # classified, not swallowed
                if classify(error) is not Failure.TRANSIENT:
                    raise
                why = error
            log.warning("dump_not_fetched", extra={"fields": {"url": url, "why": why}})
            if attempt < ATTEMPTS:
                self._sleep(RETRY_SECONDS * attempt)
        raise UnreachableError(f"{url}: no answer after {ATTEMPTS} attempts: check AUDIT_DUMPS_URL")

    def _read(self, url: str, day: date) -> list[Row]:
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        request = Request(url, headers={"User-Agent": "cryptostream"})  # noqa: S310 - http(s) only
        rows: list[Row] = []
        try:
            with (
                urlopen(request, timeout=TIMEOUT_SECONDS) as answer,  # noqa: S310 - as above
                gzip.GzipFile(fileobj=answer) as file,
            ):
                for row in read_rows(_lines(file), int(start.timestamp() * 1000)):
                    rows.append(row)
                    if len(rows) > self._max_rows:
                        raise DumpError(f"more than {self._max_rows} rows: raise AUDIT_MAX_ROWS")
        except (gzip.BadGzipFile, zlib.error) as error:
            raise DumpError(f"no gzip: {error}") from error
        return rows


def _lines(file: gzip.GzipFile) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE_BYTES):
        yield line
