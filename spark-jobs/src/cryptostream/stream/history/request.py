"""What a run of the history job is asked for. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cryptostream.contracts.errors import CryptostreamError
from cryptostream.contracts.trade import MAX_TIME_MS, MIN_TIME_MS
from cryptostream.stream.rolling import FINEST_MS, WINDOWS

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES: Final = ("elasticsearch", "kafka")
#: More moments than these, of each symbol, are a mistake in the step rather than a wish.
MAX_MOMENTS: Final = 20_000
_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_STEP: Final = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_SYMBOL: Final = re.compile(r"[A-Za-z0-9_.@+-]{1,64}")


class HistoryError(CryptostreamError):
    """The job can't do what was asked; one line says why and what to do about it."""


@dataclass(frozen=True, slots=True)
class Request:
    """A range, and what is wanted of it.

    Attributes:
        from_ms: epoch milliseconds; no moment lies there, the first is one step later.
        to_ms: the last moment, if a whole number of steps leads there.
        step_ms: from moment to moment, a multiple of the finest bucket.
        windows: of `rolling.WINDOWS`, in its order.
        symbols: sorted; empty takes all that traded.
        source: where the trades are.
        reference: the symbol that correlations are with.
    """

    from_ms: int
    to_ms: int
    step_ms: int
    windows: tuple[str, ...]
    symbols: tuple[str, ...]
    source: str
    reference: str

    @property
    def run(self) -> str:
        """Name the run by what was asked: the same question overwrites its earlier answer."""
        asked = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(asked.encode()).hexdigest()[:16]

    @property
    def read_from_ms(self) -> int:
        """Give where reading starts: the first moment's longest window must be whole."""
        longest = max(length * count for length, count in map(WINDOWS.__getitem__, self.windows))
        return self.from_ms - longest

    def moments(self) -> Iterator[int]:
        """Give the times of the documents; each window ends at one."""
        return iter(range(self.from_ms + self.step_ms, self.to_ms + 1, self.step_ms))

    def require(self, found: set[str]) -> None:
        """Raise `HistoryError` if no symbol was found, or not one that was named."""
        if not found:
            raise HistoryError(f"{self.source} has no trades in this range")
        if missing := sorted(set(self.symbols) - found):
            raise HistoryError(f"{self.source} has no trades of {','.join(missing)} in this range")


def parse_request(
    *,
    from_time: str,
    to_time: str,
    symbols: str = "",
    source: str = "elasticsearch",
    windows: str = ",".join(WINDOWS),
    step: str = "5m",
    reference: str = "BTCUSDT",
) -> Request:
    """Read what was typed; raises `HistoryError`."""
    request = Request(
        from_ms=_time("--from", from_time),
        to_ms=_time("--to", to_time),
        step_ms=_step(step),
        windows=_windows(windows),
        symbols=_symbols("--symbols", symbols),
        source=source,
        reference="".join(_symbols("--reference", reference)[:1]),
    )
    if source not in SOURCES:
        raise HistoryError(f"--source was {source!r}; say {' or '.join(SOURCES)}")
    if request.to_ms < request.from_ms + request.step_ms:
        raise HistoryError("the range is empty: --to must lie at least one --step after --from")
    moments = (request.to_ms - request.from_ms) // request.step_ms
    if moments > MAX_MOMENTS:
        raise HistoryError(f"{moments} moments are more than {MAX_MOMENTS}; take a longer --step")
    return request


def _time(option: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise HistoryError(f"{option} was {text[:80]!r}; write 2026-11-22T00:00 (UTC)") from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    time_ms = round(aware.timestamp() * 1000)
    if not MIN_TIME_MS <= time_ms <= MAX_TIME_MS:
        raise HistoryError(f"{option} was {text[:80]!r}, which is not within this century")
    return time_ms


def _step(text: str) -> int:
    found = _STEP.fullmatch(text)
    step_ms = int(found[1]) * _UNITS_MS[found[2]] if found else 0
    if not step_ms or step_ms % FINEST_MS:
        raise HistoryError(f"--step was {text[:80]!r}; write a multiple of 10s, as 10s, 5m or 1h")
    return step_ms


def _windows(text: str) -> tuple[str, ...]:
    asked = {part.strip() for part in text.split(",") if part.strip()}
    if not asked or not asked <= set(WINDOWS):
        raise HistoryError(f"--windows was {text[:80]!r}; name some of {','.join(WINDOWS)}")
    return tuple(name for name in WINDOWS if name in asked)


def _symbols(option: str, text: str) -> tuple[str, ...]:
    asked = sorted({part.strip() for part in text.split(",") if part.strip()})
    for symbol in asked:
        if _SYMBOL.fullmatch(symbol) is None:
            raise HistoryError(f"{option} was {text[:80]!r}; name them as in BTCUSDT,ETHUSDT")
    return tuple(asked)
