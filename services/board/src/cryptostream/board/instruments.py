"""What is traded where: the same symbol on two exchanges is two instruments. Pure.

An instrument's key is `exchange:category:symbol`. A bare symbol is taken as well, since that is
what people type and what links from elsewhere carry: see `resolve`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

#: What a bare symbol means while nothing else is known of it.
HOME: Final = ("bybit", "spot")


class Instrument(NamedTuple):
    """One symbol of one market of one exchange."""

    exchange: str
    category: str
    symbol: str

    @property
    def key(self) -> str:
        """Give `exchange:category:symbol`."""
        return ":".join(self)

    def filters(self) -> list[dict[str, Any]]:
        """Give the filters that find its documents."""
        return [{"term": {name: value}} for name, value in self._asdict().items()]


def read_key(key: str) -> Instrument:
    """Read a key."""
    exchange, category, symbol = key.split(":")
    return Instrument(exchange, category, symbol)


def resolve(name: str, known: Collection[str]) -> str:
    """Give the key that a name means: a key as it is, a bare symbol at home or where it is known.

    A symbol that no one has seen yet is expected at home.
    """
    if ":" in name:
        return name
    home = ":".join((*HOME, name))
    found = [key for key in known if key.endswith(f":{name}")]
    return home if home in found or not found else min(found)
