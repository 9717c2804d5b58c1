"""Choosing where trades come from."""

from __future__ import annotations

import http.client
import urllib.request
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptostream.cli.plan import Feed

BYBIT_TIME_URL: Final = "https://api.bybit.com/v5/market/time"
ANSWER_SECONDS: Final = 3.0


def bybit_answers(url: str = BYBIT_TIME_URL, timeout: float = ANSWER_SECONDS) -> bool:
    """Tell whether the exchange's clock can be read from here."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 - https
            return bool(answer.status == http.client.OK)
    except (OSError, http.client.HTTPException):
        return False


def choose(answers: Callable[[], bool], say: Callable[[str], None]) -> Feed:
    """Take the real exchange if it answers, else the simulator, and say which."""
    say(f"feed: asking Bybit, for at most {ANSWER_SECONDS:.0f} s")
    if answers():
        say("feed: Bybit answers, taking its trades")
        return "bybit"
    say("feed: Bybit can't be reached from here, taking the simulator's trades")
    return "sim"
