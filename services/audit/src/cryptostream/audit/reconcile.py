"""The daily reconciliation: a day's documents against the exchange's public dumps."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from cryptostream.audit.errors import DumpError, UnreachableError
from cryptostream.audit.fill import trade_of
from cryptostream.audit.join import Joined, join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import date

    from cryptostream.audit.dumps import Dumps
    from cryptostream.audit.fill import Filler
    from cryptostream.audit.model import Stored
    from cryptostream.audit.settings import AuditSettings
    from cryptostream.audit.trades import Trades

Status = Literal["compared", "no_dump", "bad_dump", "unreachable"]
_COLUMNS = ("dump", "matched", "missing", "extra", "filled")


@dataclass(frozen=True, slots=True)
class Report:
    """How one symbol's day compares; counts of trades. Why it was not compared is in `detail`."""

    symbol: str
    status: Status
    dump: int = 0
    matched: int = 0
    missing: int = 0
    extra: int = 0
    filled: int = 0
    detail: str = ""


class Reconciliation:
    """Compares symbol by symbol, with one symbol's dump in memory at a time."""

    def __init__(
        self,
        settings: AuditSettings,
        dumps: Dumps,
        trades: Trades,
        *,
        filler: Filler | None,
        clock_ms: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._dumps = dumps
        self._trades = trades
        self._filler = filler
        self._clock_ms = clock_ms

    def compare(self, symbol: str, day: date) -> Report:
        """Compare one symbol, and fill in what is missing if there is a filler.

        Raises `UnreachableError` if Kafka does not take what is filled in, and what the
        Elasticsearch client raises.
        """
        try:
            rows = self._dumps.rows(symbol, day)
        except DumpError as error:
            return Report(symbol, "bad_dump", detail=str(error))
        except UnreachableError as error:
            return Report(symbol, "unreachable", detail=str(error))
        if rows is None:
            return Report(symbol, "no_dump", detail=self._dumps.url(symbol, day))
        joined = join(rows, self._trades.of(symbol))
        return Report(
            symbol,
            "compared",
            dump=len(rows),
            matched=joined.matched,
            missing=len(joined.missing),
            extra=joined.extra,
            filled=self._fill(symbol, joined),
            detail=_examples(joined.examples),
        )

    def _fill(self, symbol: str, joined: Joined) -> int:
        if self._filler is None or not joined.missing:
            return 0
        of = (self._settings.exchange, self._settings.category, symbol, self._clock_ms())
        return self._filler.send(trade_of(row, *of) for row in joined.missing)


def _examples(stored: Iterable[Stored]) -> str:
    ids = [one.trade_id for one in stored]
    return f"extra: {', '.join(ids[:3])}" if ids else ""


def is_whole(reports: Sequence[Report]) -> bool:
    """Tell whether every symbol was compared and none has a trade missing."""
    return all(report.status == "compared" and not report.missing for report in reports)


def table(reports: Sequence[Report]) -> str:
    """Render the reports as text, one line a symbol and a total."""
    lines = [_line("symbol", "status", _COLUMNS, "")]
    for one in reports:
        counts = [f"{getattr(one, name):,}" for name in _COLUMNS]
        lines.append(_line(one.symbol, one.status, counts, one.detail))
    sums = [f"{sum(getattr(one, name) for one in reports):,}" for name in _COLUMNS]
    return "\n".join([*lines, _line("total", "", sums, "")])


def _line(symbol: str, status: str, counts: Sequence[str], detail: str) -> str:
    columns = "".join(f"{count:>12}" for count in counts)
    return f"{symbol:<16}{status:<12}{columns}  {detail}".rstrip()


def as_json(reports: Sequence[Report], day: date) -> str:
    """Render the reports as one line of JSON."""
    return json.dumps(
        {
            "day": day.isoformat(),
            "whole": is_whole(reports),
            **{name: sum(getattr(one, name) for one in reports) for name in _COLUMNS},
            "symbols": [asdict(one) for one in reports],
        }
    )
