"""Which symbols are silent although they should not be. Pure.

A subscribed topic can go quiet on a connection that is otherwise well. A symbol's frames are
taken as a Poisson process at its usual rate; it is silent once the chance of no frame for so
long falls below `CHANCE`, with room for markets that trade in bursts:

    patience = max(least, BURSTINESS * ln(1 / CHANCE) / rate, BURSTINESS * longest quiet lately)

At one frame a second that is 22 s. A symbol whose patience would be longer than
`most` is never called silent: nothing could be told from its quiet. The usual rate is
the lower one of a fast and a slow average, so a market that calms down is believed at once and
a burst is not. Times are seconds of one monotonic clock, given by the caller.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

CHANCE: Final = 1e-6
BURSTINESS: Final = 1.6
FAST_SECONDS: Final = 60.0
SLOW_SECONDS: Final = 600.0
#: The longest quiet fades with this time constant.
QUIET_SECONDS: Final = 1800.0
#: What was called silent and stays silent is called so again after twice the time, at most so.
AGAIN_CAP_SECONDS: Final = 3600.0
#: So many silent symbols accuse the connection; of few busy ones half is enough.
SEVERAL: Final = 3
#: A connection is accused again after twice the time, from and to these.
ACCUSE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class SilenceLimits:
    """When a silence is found, at the earliest and the latest; seconds and frames.

    A rate counts as known after `known_seconds` and `known_frames` of a symbol.
    """

    least: float = 10.0
    most: float = 60.0
    known_seconds: float = 120.0
    known_frames: int = 60


DEFAULT_SILENCE: Final = SilenceLimits()


@dataclass(frozen=True, slots=True)
class Silence:
    """A symbol that brought nothing for `seconds`, much longer than usual."""

    symbol: str
    seconds: float


class _Rate:
    """Frames per second as an exponentially weighted average that starts without a bias."""

    __slots__ = ("_seconds", "_seen", "_value")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen = self._value = 0.0

    def fold(self, frames: int, elapsed: float) -> None:
        keep = math.exp(-elapsed / self._seconds)
        self._value = keep * self._value + (1.0 - keep) * frames / elapsed
        self._seen = keep * self._seen + (1.0 - keep)

    @property
    def value(self) -> float:
        return self._value / self._seen if self._seen else 0.0


class _Symbol:
    """What is known of one symbol."""

    __slots__ = ("alarms", "fast", "folded", "frames", "last", "longest", "observed", "slow")

    def __init__(self, now: float) -> None:
        self.fast, self.slow = _Rate(FAST_SECONDS), _Rate(SLOW_SECONDS)
        self.last = self.folded = now
        self.frames = self.alarms = 0
        self.observed = self.longest = 0.0

    def heard(self, frames: int, now: float) -> None:
        # Quiet time enters the rate only once it has ended, so a silence can't excuse itself.
        elapsed = now - self.folded
        if elapsed <= 0.0:
            return
        self.fast.fold(frames, elapsed)
        self.slow.fold(frames, elapsed)
        self.longest = max(elapsed, self.longest * math.exp(-elapsed / QUIET_SECONDS))
        self.frames += frames
        self.observed += elapsed
        self.last = self.folded = now
        self.alarms = 0

    def resume(self, now: float) -> None:
        self.last = self.folded = now

    def patience(self, limits: SilenceLimits) -> float:
        if self.frames < limits.known_frames or self.observed < limits.known_seconds:
            return math.inf
        rate = min(self.fast.value, self.slow.value)
        usual = max(math.log(1.0 / CHANCE) / rate, self.longest)
        seconds = max(limits.least, BURSTINESS * usual)
        return seconds if seconds <= limits.most else math.inf

    def alarm_after(self, limits: SilenceLimits) -> float:
        patience = self.patience(limits)
        # The cap bounds the repetitions, and never makes the first alarm earlier.
        return min(patience * 2.0 ** min(self.alarms, 32), max(patience, AGAIN_CAP_SECONDS))


class SilenceWatch:
    """Watches the symbols that one connection brings."""

    def __init__(self, limits: SilenceLimits = DEFAULT_SILENCE) -> None:
        self._limits = limits
        self._counts: dict[str, int] = {}
        self._symbols: dict[str, _Symbol] = {}
        self._watched: set[str] = set()
        self._accuse_from = -math.inf
        self._accuse_pause = ACCUSE_SECONDS

    @property
    def silent(self) -> int:
        """Count the watched symbols that were called silent and are so still."""
        return sum(self._symbols[symbol].alarms > 0 for symbol in self._watched)

    def heard(self, symbol: str) -> None:
        """Count a frame of the symbol. In the hot path: the clock is looked at in `check`."""
        counts = self._counts
        counts[symbol] = counts.get(symbol, 0) + 1

    def watch(self, symbols: Iterable[str], now: float) -> None:
        """Expect these symbols from now on; what is known of their rates stays."""
        for symbol in symbols:
            self._symbols.setdefault(symbol, _Symbol(now)).resume(now)
            self._watched.add(symbol)

    def pause(self) -> None:
        """Expect nothing until `watch`: the connection is gone."""
        self._watched.clear()
        self._counts.clear()

    def forget(self, symbols: Iterable[str]) -> None:
        """Expect these symbols no more, and drop what is known of them."""
        for symbol in symbols:
            self._watched.discard(symbol)
            self._symbols.pop(symbol, None)

    def check(self, now: float) -> list[Silence]:
        """Take in what was heard since the last check and give what has fallen silent."""
        counts, self._counts = self._counts, {}
        for symbol, frames in counts.items():
            if symbol in self._watched:
                self._symbols[symbol].heard(frames, now)
        found = []
        for symbol in sorted(self._watched):
            state = self._symbols[symbol]
            quiet = now - state.last
            if quiet > self._limits.least and quiet > state.alarm_after(self._limits):
                state.alarms += 1
                found.append(Silence(symbol, quiet))
        return found

    def accuses_connection(self, now: float) -> bool:
        """Tell, after an alarm, whether so many are silent that it can't be their topics alone.

        A market that halts as a whole looks the same, so the next accusation waits ever longer.
        """
        known = [self._symbols[symbol] for symbol in self._watched]
        busy = sum(symbol.patience(self._limits) < math.inf for symbol in known)
        silent = self.silent
        if silent < max(2, min(SEVERAL, busy // 2)) or now < self._accuse_from:
            return False
        if now > self._accuse_from + AGAIN_CAP_SECONDS:
            self._accuse_pause = ACCUSE_SECONDS
        self._accuse_from = now + self._accuse_pause
        self._accuse_pause = min(AGAIN_CAP_SECONDS, 2.0 * self._accuse_pause)
        return True
