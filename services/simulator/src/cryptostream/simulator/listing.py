"""A symbol that is listed while the exchange runs: what a request says of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from cryptostream.simulator.instruments import UNIVERSE, Instrument

_KNOWN: Final = {instrument.symbol: instrument for instrument in UNIVERSE}


class ListingError(ValueError):
    """The request describes no instrument; says which part of it."""


class Listing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to list.

    Attributes:
        symbol: its name; that of a known instrument brings its tick and lot along.
        rate: mean trades per second.
        price: where it starts, quote units.
        price_decimals: prices are multiples of 10 ** -price_decimals.
        size_decimals: sizes are multiples of 10 ** -size_decimals base units.
    """

    symbol: Annotated[str, Meta(pattern="^[A-Z0-9]{2,30}$")]
    rate: Annotated[float, Meta(gt=0, le=10_000)] = 5.0
    price: Annotated[float, Meta(ge=1e-6, le=1e6)] = 1.0
    price_decimals: Annotated[int, Meta(ge=0, le=8)] = 4
    size_decimals: Annotated[int, Meta(ge=0, le=6)] = 2


def parse_listing(raw: bytes) -> tuple[Instrument, float]:
    """Read a listing; give its instrument and its rate in trades per second.

    Raises:
        ListingError: it is no JSON, or a field is unknown or out of its range.
    """
    try:
        listing = msgspec.json.decode(raw, type=Listing)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise ListingError(str(error)) from error
    known = _KNOWN.get(listing.symbol)
    if known is not None:
        return known, listing.rate
    ticks = int(Decimal(str(listing.price)) * 10**listing.price_decimals)
    if not ticks:
        raise ListingError(f"price {listing.price} is below one tick")
    return Instrument(
        symbol=listing.symbol,
        price_decimals=listing.price_decimals,
        size_decimals=listing.size_decimals,
        start_ticks=ticks,
    ), listing.rate
