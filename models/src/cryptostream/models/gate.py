"""Whether a challenger may replace the champion. Pure.

Both are scored on the same newest window, which neither was trained on, and resampled by the same
blocks. A challenger passes only if all hold:

1. the null-world check is green: the pipeline finds nothing where nothing is to be found;
2. the window has enough blocks to say anything;
3. the champion has served for the minimum dwell, so that noise can't make models flap;
4. the lower bound of the log-loss gain, paired by blocks, is above 0;
5. AUC and calibration are no worse than the champion's by more than the tolerances.

Without a champion the first two decide, so that something is served; whether it has an edge is
another question, which its card answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptostream.models.intervals import Estimate

PASSED: Final = "passed"


@dataclass(frozen=True, slots=True)
class Rules:
    """The gate's bounds.

    Attributes:
        min_blocks: of the window; fewer make an interval mean little.
        dwell_ms: how long a champion serves at least.
        auc_tolerance: by how much a challenger's AUC may be below the champion's.
        calibration_tolerance: by how much its calibration error may be above.
    """

    min_blocks: int = 20
    dwell_ms: int = 3_600_000
    auc_tolerance: float = 0.002
    calibration_tolerance: float = 0.02


@dataclass(frozen=True, slots=True)
class Standing:
    """What one model scored on the window."""

    auc: float
    calibration_error: float


@dataclass(frozen=True, slots=True)
class Match:
    """A challenger beside the champion on one window.

    Attributes:
        gain: by how much the challenger's log loss a row is lower, paired by blocks.
        champion: None where nothing is served yet; `gain` then says nothing.
        served_ms: how long the champion has served.
        null_fault: what the null-world check found; empty if it is green.
    """

    challenger: Standing
    champion: Standing | None
    gain: Estimate | None
    blocks: int
    served_ms: int
    null_fault: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the challenger passed, and the first rule that it failed."""

    passed: bool
    reason: str


def judge(match: Match, rules: Rules) -> Verdict:
    """Apply the rules in their order."""
    fault = _fault(match, rules)
    return Verdict(not fault, fault or PASSED)


def _fault(match: Match, rules: Rules) -> str:
    if match.null_fault:
        return f"null_world: {match.null_fault}"
    if match.blocks < rules.min_blocks:
        return f"blocks: {match.blocks} in the window, {rules.min_blocks} are needed"
    if match.champion is None or match.gain is None:
        return ""
    if match.served_ms < rules.dwell_ms:
        return f"dwell: served {match.served_ms // 1000} s of {rules.dwell_ms // 1000} s"
    return _worse(match.challenger, match.champion, match.gain, rules)


def _worse(challenger: Standing, champion: Standing, gain: Estimate, rules: Rules) -> str:
    # Written so that NaN, which compares false, fails.
    if not gain.low > 0.0:
        return f"gain: {gain.value:.6f} a row, lower bound {gain.low:.6f}"
    if not challenger.auc >= champion.auc - rules.auc_tolerance:
        return f"auc: {challenger.auc:.4f} against {champion.auc:.4f}"
    worse = challenger.calibration_error - champion.calibration_error
    if not worse <= rules.calibration_tolerance:
        return f"calibration: the error is {worse:.4f} larger"
    return ""
