"""What the pulses of all symbols share. Pure."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptostream.contracts.messages import Alert
    from cryptostream.stream.rules import Rules

#: A window is cut into so many slots; it slides by one slot, and grows with each trade.
SLOTS: Final = 10
TRADE_RULES: Final = (
    "volume_shock", "price_shock", "whale", "one_sided_flow", "silence", "prediction_streak",
)  # fmt: skip


class Desk:
    """What all pulses share: the rules, constants made from them, and where alerts are put."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.told: list[Alert] = []
        self.slot_ms = rules.window.seconds * 1_000 // SLOTS
        self.flow_keep = exp(-self.slot_ms / 1_000 / rules.one_sided_flow.seconds)
        self.flow_share = rules.one_sided_flow.threshold
        self.streak_level = rules.prediction_streak.threshold

    def covered(self, symbol: str) -> frozenset[str]:
        """Name the trade rules that are on for a symbol."""
        rules = self.rules
        return frozenset(name for name in TRADE_RULES if getattr(rules, name).covers(symbol))
