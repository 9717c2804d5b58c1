"""Changes messages on their way out: twice, in the wrong order, late, or broken."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptostream.simulator.turmoil import Turmoil

#: A message held for the symbol's next one goes out after this time without one.
REORDER_MS: Final = 1000
#: Messages held back at most; further ones go out at once.
MAX_HELD: Final = 10_000
_BROKEN: Final = (
    lambda payload: payload[: len(payload) // 2],
    lambda payload: payload.replace(b'"p":"', b'"p":"x', 1),
    lambda payload: payload.replace(b'"data":[', b'"data":{', 1),
    lambda payload: b"\xff\xfe" + payload,
    lambda payload: payload.replace(b'"T":', b'"t":', 1),
)


class Tamper:
    """Passes messages on, some of them changed; what it holds back is bounded in time and number.

    A broken message comes beside the good one, so that no trade is lost by it.
    """

    def __init__(self, turmoil: Turmoil) -> None:
        self._turmoil = turmoil
        self._next: dict[str, tuple[int, bytes]] = {}
        self._held: list[tuple[int, int, str, bytes | None]] = []
        self._counter = 0

    @property
    def idle(self) -> bool:
        """Whether messages can go out as they are."""
        return not (self._turmoil.tampering or self._held or self._next)

    def change(self, symbol: str, payload: bytes, now_ms: int) -> list[bytes]:
        """Give the messages to send now in the place of one."""
        take = self._turmoil.take
        if len(self._held) < MAX_HELD:
            late = take("late", (symbol,))
            if late is not None:
                self._hold(now_ms + late.delay_ms, symbol, payload)
                return []
            if symbol not in self._next and take("reorder", (symbol,)):
                number = self._hold(now_ms + REORDER_MS, symbol, None)
                self._next[symbol] = number, payload
                return []
        out = [payload]
        if take("duplicate", (symbol,)):
            out.append(payload)
        if take("malformed", (symbol,)):
            self._counter += 1
            out.append(_BROKEN[self._counter % len(_BROKEN)](payload))
        if symbol in self._next:
            out.append(self._next.pop(symbol)[1])
        return out

    def due(self, now_ms: int) -> list[tuple[str, bytes]]:
        """Give the held messages whose time has come, with their symbols."""
        out: list[tuple[str, bytes]] = []
        while self._held and self._held[0][0] <= now_ms:
            _, number, symbol, payload = heappop(self._held)
            if payload is not None:
                out.append((symbol, payload))
            elif symbol in self._next and self._next[symbol][0] == number:
                out.append((symbol, self._next.pop(symbol)[1]))
        return out

    def _hold(self, until_ms: int, symbol: str, payload: bytes | None) -> int:
        self._counter += 1
        heappush(self._held, (until_ms, self._counter, symbol, payload))
        return self._counter
