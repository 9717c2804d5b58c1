"""The newest trades of a symbol: Bybit's REST through pybit, within a budget that pods share.

The exchange allows 600 requests in 5 s to an address and answers 403 beyond, for 10 minutes
(https://bybit-exchange.github.io/docs/v5/rate-limit). Pods behind one address share half of it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from pybit.exceptions import FailedRequestError, InvalidRequestError
from pybit.unified_trading import HTTP

from cryptostream.contracts.errors import ContractError, Failure
from cryptostream.ingest.bucket import TokenBucket
from cryptostream.ingest.errors import classify
from cryptostream.ingest.stitch import Row, read_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptostream.ingest.backoff import Backoff

WINDOW_SECONDS: Final = 5.0
REQUESTS_PER_WINDOW: Final = 300
#: Spot gives at most 60 rows; derivatives up to 1,000.
SPOT_ROWS: Final = 60
OTHER_ROWS: Final = 1_000
REQUEST_SECONDS: Final = 3
THREADS: Final = 4
ATTEMPTS: Final = 3
#: A refusal of our address lasts so long; asking on would make it last longer.
FORBIDDEN_SECONDS: Final = 600.0
BUSY_SECONDS: Final = 5.0
#: Whoever waits longer for a turn does better without: the rows no longer reach back.
PATIENCE_SECONDS: Final = 20.0
_FORBIDDEN: Final = 403
_BUSY: Final = frozenset({429, 10006, 10018})
#: pybit takes an empty set for its default, sleeps by itself on those codes, and hides them.
_NO_RETRY_CODES: Final = frozenset({-1})
log = logging.getLogger(__name__)


class Recent:
    """Fetches recent trades; never raises what a retry or another day can mend.

    Args:
        rest_url: the exchange's base URL.
        category: Bybit's market type.
        backoff: the waits between attempts.
        members: how many instances share the budget now.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        rest_url: str,
        category: str,
        backoff: Backoff,
        *,
        members: Callable[[], int] = lambda: 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.requests = 0
        self._url = rest_url.rstrip("/")
        self._category = category
        self._backoff = backoff
        self._members = members
        self._clock = clock
        self._bucket = TokenBucket(REQUESTS_PER_WINDOW, WINDOW_SECONDS)
        self._closed_until = clock()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="recent")
        self._clients = threading.local()

    async def fetch(self, symbol: str) -> list[Row] | None:
        """Give the newest trades, newest first, or None if they can't be had now."""
        for _ in range(ATTEMPTS):
            if not await self._turn():
                return None
            self.requests += 1
            try:
                rows = await asyncio.get_running_loop().run_in_executor(
                    self._threads, self._get, symbol
                )
            except Exception as error:  # noqa: BLE001 - classified, not swallowed
                if not self._worth_another(symbol, error):
                    return None
            else:
                self._backoff.attempts = 0
                return rows
            await asyncio.sleep(self._backoff.next_delay())
        return None

    def close(self) -> None:
        """Begin no further request; those under way end by their time-out."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _turn(self) -> bool:
        """Wait for the budget; False if that would take too long."""
        self._bucket.share(REQUESTS_PER_WINDOW / max(1, self._members()))
        deadline = self._clock() + PATIENCE_SECONDS
        while True:
            now = self._clock()
            wait = self._closed_until - now
            if wait <= 0:
                wait = self._bucket.take(now)
                if wait <= 0:
                    return True
            if now + wait > deadline:
                return False
            await asyncio.sleep(wait)

    def _worth_another(self, symbol: str, error: Exception) -> bool:
        """Note what an error asks of the next requests; tell whether this one may be tried again.

        Raises the error itself if nobody foresaw it.
        """
        log.warning("recent_not_fetched", extra={"fields": {"symbol": symbol, "error": error}})
        code = getattr(error, "status_code", None)
        if isinstance(error, FailedRequestError) and code == _FORBIDDEN:
            self._closed_until = self._clock() + FORBIDDEN_SECONDS
        elif code in _BUSY:
            self._closed_until = self._clock() + BUSY_SECONDS
        failure = classify(error)
        if failure is Failure.FATAL and not isinstance(error, InvalidRequestError):
            raise error
        return failure is Failure.TRANSIENT

    def _get(self, symbol: str) -> list[Row]:
        limit = SPOT_ROWS if self._category == "spot" else OTHER_ROWS
        answer = self._client().get_public_trade_history(
            category=self._category, symbol=symbol, limit=limit
        )
        try:
            return read_rows(answer["result"]["list"])
        except (KeyError, TypeError) as error:
            raise ContractError("bad_recent_trades", "the answer has no list") from error

    def _client(self) -> HTTP:
        """Give this thread's client: its connections are no two threads' to share."""
        client: HTTP | None = getattr(self._clients, "http", None)
        if client is None:
            # One attempt only: pybit's own retries know no back-off.
            client = HTTP(
                testnet=False,
                timeout=REQUEST_SECONDS,
                max_retries=1,
                retry_codes=_NO_RETRY_CODES,
            )
            client.endpoint = self._url
            self._clients.http = client
        return client
