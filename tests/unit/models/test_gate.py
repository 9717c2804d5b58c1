"""A challenger replaces the champion only for good reasons, each of which can fail alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cryptostream.models.gate import PASSED, Match, Rules, Standing, judge
from cryptostream.models.intervals import Estimate

RULES = Rules(min_blocks=20, dwell_ms=60_000, auc_tolerance=0.002, calibration_tolerance=0.02)
GOOD = Match(
    challenger=Standing(0.54, 0.010),
    champion=Standing(0.53, 0.010),
    gain=Estimate(0.002, 0.0001, 0.004),
    blocks=20,
    served_ms=60_000,
    null_fault="",
)


def test_a_better_challenger_passes() -> None:
    """With all rules kept the challenger passes."""
    verdict = judge(GOOD, RULES)
    assert (verdict.passed, verdict.reason) == (True, PASSED)


@pytest.mark.parametrize(
    ("match", "reason"),
    [
        (replace(GOOD, null_fault="AUC 0.6"), "null_world"),
        (replace(GOOD, blocks=19), "blocks"),
        (replace(GOOD, served_ms=59_999), "dwell"),
        (replace(GOOD, gain=Estimate(0.002, 0.0, 0.004)), "gain"),
        (replace(GOOD, gain=Estimate(0.002, float("nan"), 0.004)), "gain"),
        (replace(GOOD, challenger=Standing(0.5279, 0.01)), "auc"),
        (replace(GOOD, challenger=Standing(float("nan"), 0.01)), "auc"),
        (replace(GOOD, challenger=Standing(0.54, 0.031)), "calibration"),
        (replace(GOOD, challenger=Standing(0.54, float("nan"))), "calibration"),
    ],
)
def test_each_rule_refuses_alone(match: Match, reason: str) -> None:
    """A challenger that fails one rule is refused, and the rule is named."""
    verdict = judge(match, RULES)
    assert not verdict.passed
    assert verdict.reason.startswith(f"{reason}:")


def test_the_tolerances_are_allowed() -> None:
    """Slightly worse AUC and calibration are let pass for a sure gain."""
    assert judge(replace(GOOD, challenger=Standing(0.528, 0.03)), RULES).passed


def test_without_a_champion_something_is_served() -> None:
    """The first model needs no gain, but a green null world and enough blocks."""
    first = replace(GOOD, champion=None, gain=None, served_ms=0)
    assert judge(first, RULES).passed
    assert not judge(replace(first, null_fault="AUC 0.6"), RULES).passed
    assert not judge(replace(first, blocks=1), RULES).passed
