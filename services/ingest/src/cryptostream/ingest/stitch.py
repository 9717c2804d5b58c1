"""Join a gap's two ends with the newest trades that REST gives. Pure.

`GET /v5/market/recent-trade` gives the newest trades without a hole, 60 of them on spot, and
nothing older. So the rows prove a gap's beginning complete if one of them was received before
it or is older than it, and its end if one of them was received after it, or if nothing came
and none is newer.
Spot ids grow within a partition of the exchange only: rows are ordered by (time, seq).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.trade import Side, Trade

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cryptostream.contracts.messages import Gap, GapState
    from cryptostream.ingest.parse import Source

#: The exchange's clock and ours agree within this.
CLOCKS_MS: Final = 1_000
#: REST may show a trade so much later than the stream.
LATE_MS: Final = 2_000
_SIDES: Final[dict[str, Side]] = {"Buy": "buy", "Sell": "sell"}
_NOBODY: Final[frozenset[str]] = frozenset()


class Row(msgspec.Struct, frozen=True, gc=False):
    """One row of recent-trade, with REST's own names; numbers come as strings."""

    execId: str  # noqa: N815 - the exchange's name
    symbol: str
    price: str
    size: str
    side: Literal["Buy", "Sell"]
    time: int
    isBlockTrade: bool = False  # noqa: N815
    isRPITrade: bool = False  # noqa: N815
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Ids:
    """What we had of a symbol: before the gap, after it, and in all."""

    before: Collection[str] = _NOBODY
    after: Collection[str] = _NOBODY
    known: Collection[str] = _NOBODY


@dataclass(frozen=True, slots=True)
class Stitch:
    """What the rows say of a gap.

    Attributes:
        missed: the rows that we never had, oldest first.
        state: `repaired` if both ends overlap, `partly_repaired` if only the end does.
        repaired_from: since when the trades are complete; the gap's end if they are not.
    """

    missed: tuple[Row, ...]
    state: GapState
    repaired_from: int


def read_rows(rows: object) -> list[Row]:
    """Read the list of an answer; raises `ContractError`."""
    try:
        return msgspec.convert(rows, list[Row], strict=False)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise ContractError("bad_recent_trades", str(error)[:200]) from error


def stitch(gap: Gap, ids: Ids, rows: Sequence[Row], *, asked_ms: int) -> Stitch:
    """Say which of the rows were missed and what they prove.

    Args:
        gap: an ended gap.
        ids: what we had of the symbol.
        rows: as REST gave them after the gap's end, newest first.
        asked_ms: when they were asked for.
    """
    ordered = list(reversed(rows))
    ordered.sort(key=lambda row: (row.time, row.seq))
    missed = _missed(gap, ids, ordered, max(gap.to_time, asked_ms - CLOCKS_MS))
    if not ordered or not _joins_end(gap, ids, ordered, settled=asked_ms >= gap.to_time + LATE_MS):
        return Stitch(missed, "open", gap.to_time)
    oldest = ordered[0].time
    if oldest < gap.from_time or any(row.execId in ids.before for row in ordered):
        return Stitch(missed, "repaired", gap.from_time)
    if oldest >= gap.to_time:
        return Stitch(missed, "open", gap.to_time)
    # Of the oldest row's own millisecond the exchange may have more than the rows hold.
    return Stitch(missed, "partly_repaired", oldest + 1)


def _missed(gap: Gap, ids: Ids, ordered: Sequence[Row], until_ms: int) -> tuple[Row, ...]:
    """Give the rows that we never had: in the gap, or among those that we had.

    A late trade belongs before others that came in. What is new after the gap is still to come,
    unless it is so old that it should have: the exchange may grant before it sends.
    """
    places = range(len(ordered))
    first_known = min((i for i in places if ordered[i].execId in ids.known), default=len(ordered))
    first_after = min((i for i in places if ordered[i].execId in ids.after), default=0)
    return tuple(
        row
        for i, row in enumerate(ordered)
        if row.execId not in ids.known
        and (i > first_known or row.time >= gap.from_time)
        and (i < first_after or row.time <= until_ms)
    )


def _joins_end(gap: Gap, ids: Ids, ordered: Sequence[Row], *, settled: bool) -> bool:
    """Tell whether the rows reach what came in after the gap.

    If nothing came, there must be nothing to come: no row is newer, and REST had time to tell.
    """
    if ids.after:
        return any(row.execId in ids.after for row in ordered)
    return settled and ordered[-1].time <= gap.to_time + CLOCKS_MS


def trades_of(rows: Sequence[Row], source: Source, now_ms: int) -> list[Trade]:
    """Turn rows into stitched trades; raises `ContractError` for what breaks the contract.

    REST does not say when a trade was pushed: `exchange_time` is its match time.
    """
    return [
        Trade(
            exchange=source.exchange,
            category=source.category,
            symbol=row.symbol,
            trade_id=row.execId,
            price=row.price,
            size=row.size,
            side=_SIDES[row.side],
            trade_time=row.time,
            exchange_time=row.time,
            ingest_time=now_ms,
            seq=row.seq,
            block_trade=row.isBlockTrade,
            rpi=row.isRPITrade,
            origin="stitched",
            shard=source.shard,
        )
        for row in rows
    ]
