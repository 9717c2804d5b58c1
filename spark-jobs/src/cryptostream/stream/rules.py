"""The alert rules: one declarative file, held to its schema before the stream starts.

The package ships `rules.toml`; `STREAM_RULES` names another file, which must hold every table.
What each rule means, and how its numbers were chosen: docs/alert-rules.md.
"""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError

from cryptostream.contracts.errors import SettingsError
from cryptostream.contracts.messages import Interval, Severity

SHIPPED: Final = Path(__file__).with_name("rules.toml")
_MAX_PROBLEMS: Final = 20

_Names = Annotated[tuple[str, ...], Strict(strict=False)]
_Intervals = Annotated[tuple[Interval, ...], Strict(strict=False), Field(min_length=1)]
_Positive = Annotated[float, Field(gt=0, le=1e15)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Window(_Table):
    """The window in which volume and price shocks are looked for, and its baseline.

    Attributes:
        seconds: length of the sliding window; a tenth of it is the step in which it slides.
        baseline: how many of the symbol's last windows with trades make its baseline.
    """

    seconds: Annotated[int, Field(ge=1, le=300)]
    baseline: Annotated[int, Field(ge=20, le=1_000)]


class Rule(_Table):
    """What every rule has.

    Attributes:
        threshold: its meaning and unit are the rule's own.
        min_samples: samples that the symbol's baseline must have; no alert before.
        cooldown_seconds: at least so long between two alerts of this rule about one symbol.
        include: patterns of symbols (`*USDT`); only these are watched.
        exclude: patterns of symbols that are not, even if included.
        min_turnover: quote units a minute that are usual for the symbol; others are left alone.
    """

    enabled: bool
    severity: Severity
    threshold: _Positive
    min_samples: Annotated[int, Field(ge=1, le=1_000_000)]
    cooldown_seconds: Annotated[int, Field(ge=1, le=86_400)]
    include: _Names = ("*",)
    exclude: _Names = ()
    min_turnover: Annotated[float, Field(ge=0, le=1e15)] = 0.0

    def covers(self, symbol: str) -> bool:
        """Tell whether the rule is on for a symbol."""
        return (
            self.enabled
            and any(fnmatchcase(symbol, pattern) for pattern in self.include)
            and not any(fnmatchcase(symbol, pattern) for pattern in self.exclude)
        )

    @property
    def cooldown_ms(self) -> int:
        """Give the cooldown in milliseconds."""
        return self.cooldown_seconds * 1_000


class VolumeShock(Rule):
    """Turnover of the window; `threshold` is a robust z-score of its logarithm.

    Attributes:
        min_spread: the least spread (a standard deviation, in natural logarithms) assumed.
    """

    min_spread: _Positive


class PriceShock(Rule):
    """Return over the window; `threshold` is a robust z-score.

    Attributes:
        min_spread_bps: the least spread (a standard deviation, in basis points) assumed.
    """

    min_spread_bps: _Positive


class Whale(Rule):
    """One trade; `threshold` counts steps from the symbol's median notional to its 99th percentile.

    The steps are taken on a logarithmic scale: 2 is as far above the percentile as that is above
    the median. `min_samples` are trades.

    Attributes:
        min_notional: quote units; smaller trades are no whales, whatever the symbol.
    """

    threshold: Annotated[float, Field(gt=1, le=20)]
    min_notional: Annotated[float, Field(ge=0, le=1e15)]


class OneSidedFlow(Rule):
    """Takers of one side only; `threshold` is the imbalance, by turnover and by count, in (0, 1].

    Attributes:
        seconds: time constant of the flow that is looked at.
        min_trades: so many trades it must hold.
    """

    threshold: Annotated[float, Field(gt=0, le=1)]
    seconds: Annotated[int, Field(ge=1, le=3_600)]
    min_trades: Annotated[int, Field(ge=2, le=100_000)]


class Silence(Rule):
    """No trade of a busy symbol for `threshold` seconds.

    Attributes:
        busy_share: a symbol is busy if it traded in this share of its recent windows.
        outage_share: if more of the busy symbols than this are silent at once, the feed is, and
            none is reported: gaps tell of that.
    """

    threshold: Annotated[float, Field(ge=1, le=86_400)]
    busy_share: Annotated[float, Field(gt=0, lt=1)]
    outage_share: Annotated[float, Field(gt=0, le=1)]


class PredictionStreak(Rule):
    """`length` predictions in a row with a probability of `threshold` or more for one direction."""

    threshold: Annotated[float, Field(gt=0.5, lt=1)]
    length: Annotated[int, Field(ge=2, le=100_000)]


class CandleRule(Rule):
    """A rule about final candles; `min_samples` are candles of the interval with the indicator."""

    intervals: _Intervals


class RsiExtreme(CandleRule):
    """RSI(14) at `threshold` or above, or at 100 - `threshold` or below.

    Attributes:
        margin: it must come back by so much before it can be extreme again.
    """

    threshold: Annotated[float, Field(gt=50, lt=100)]
    margin: Annotated[float, Field(gt=0, le=50)]


class RsiCross(CandleRule):
    """RSI(14) falls below `threshold` from above it, or rises above 100 - `threshold`."""

    threshold: Annotated[float, Field(gt=50, lt=100)]


class BollingerBreak(CandleRule):
    """Close at `threshold` or more of Bollinger's standard deviations from the middle band.

    Attributes:
        calm: it must come back within so many before it can break out again.
    """

    calm: Annotated[float, Field(gt=0)]


class Rules(_Table):
    """The whole file: one table a rule."""

    version: Literal[1]
    window: Window
    volume_shock: VolumeShock
    price_shock: PriceShock
    whale: Whale
    one_sided_flow: OneSidedFlow
    silence: Silence
    prediction_streak: PredictionStreak
    rsi_extreme: RsiExtreme
    rsi_cross: RsiCross
    bollinger_break: BollingerBreak


def load_rules(path: Path = SHIPPED) -> Rules:
    """Read a rules file; raises `SettingsError` that names every wrong rule and field."""
    try:
        return parse_rules(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"STREAM_RULES: {path} can't be used: {error}") from error


def parse_rules(text: str) -> Rules:
    """Read rules from TOML; raises `ValueError` that names every wrong rule and field."""
    content = tomllib.loads(text)
    try:
        return Rules.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg']} (was {str(item['input'])[:60]})"
            for item in error.errors()[:_MAX_PROBLEMS]
        )
        raise ValueError(problems) from error
