"""The charts of an evaluation: which numbers go into which picture. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptostream.models.intervals import auc
from cryptostream.models.labels import UNKNOWN
from cryptostream.models.plots import Axis, Series, bars, chart, padded
from cryptostream.models.scores import CHANCE, reliability

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptostream.models.evaluation import Report
    from cryptostream.models.labels import Labels
    from cryptostream.models.trades import Floats

ROC_POINTS: Final = 60
TIME_PARTS: Final = 12
#: A stretch with fewer answers says nothing by itself.
MIN_PART_ROWS: Final = 50
_DIAGONAL: Final = ((0.0, 0.0), (1.0, 1.0))
_SHARE: Final = (0.0, 1.0)


def auc_by_horizon(reports: Mapping[int, Report], kinds: Sequence[str]) -> str:
    """Draw each model's AUC with its interval, horizon by horizon."""
    horizons = sorted(reports)
    series = []
    for shift, kind in enumerate(kinds):
        found = [reports[horizon].scores[kind].auc for horizon in horizons]
        series.append(
            Series(
                kind,
                [at + 0.12 * (shift - (len(kinds) - 1) / 2) for at in range(len(horizons))],
                [one.value for one in found],
                [one.low for one in found],
                [one.high for one in found],
                line=False,
            )
        )
    ends = [value for one in series for value in (*one.low, *one.high)]
    x_range = (-0.5, len(horizons) - 0.5)
    ticks = [(float(at), f"{horizon / 1000:g} s") for at, horizon in enumerate(horizons)]
    return chart(
        "AUC of label A by horizon, 95 % block intervals",
        Axis("horizon", x_range, ticks),
        Axis("AUC", padded(ends, CHANCE)),
        series,
        guide=((x_range[0], CHANCE), (x_range[1], CHANCE)),
    )


def reliability_curve(report: Report, kinds: Sequence[str]) -> str:
    """Draw what was said against what was seen."""
    moved = report.samples.target != UNKNOWN
    series = []
    for kind in kinds:
        classes = reliability(report.samples.target[moved], report.p_up[kind][moved])
        series.append(Series(kind, [one.said for one in classes], [one.seen for one in classes]))
    ends = padded([value for one in series for value in (*one.x, *one.y)], CHANCE)
    return chart(
        "Reliability: on the dashed line, what is said is what is seen",
        Axis("probability said", ends),
        Axis("share seen", ends),
        series,
        guide=((ends[0], ends[0]), (ends[1], ends[1])),
    )


def roc_by_fold(report: Report, kind: str) -> str:
    """Draw one ROC curve for each test of the walk."""
    series = []
    for fold in np.unique(report.fold).tolist():
        rows = (report.fold == fold) & (report.samples.target != UNKNOWN)
        target, p_up = report.samples.target[rows], report.p_up[kind][rows]
        if len(np.unique(target)) > 1:
            name = f"test {fold + 1}: AUC {auc(target, p_up):.3f}"
            series.append(Series(name, *_roc(target, p_up)))
    return chart(
        f"ROC of the {kind} by test of the walk",
        Axis("false alarms", _SHARE),
        Axis("hits", _SHARE),
        series,
        guide=_DIAGONAL,
    )


def auc_over_time(report: Report, kind: str) -> str:
    """Draw the AUC of equally long stretches of the tests."""
    time_ms = report.samples.time_ms
    borders = np.linspace(time_ms[0], time_ms[-1] + 1, TIME_PARTS + 1)
    moved = report.samples.target != UNKNOWN
    x, y = [], []
    for start, end in pairwise(borders.tolist()):
        rows = moved & (time_ms >= start) & (time_ms < end)
        target = report.samples.target[rows]
        if len(target) >= MIN_PART_ROWS and len(np.unique(target)) > 1:
            x.append((start + end) / 2)
            y.append(auc(target, report.p_up[kind][rows]))
    x_range = (float(borders[0]), float(borders[-1]))
    ticks = [(at, _clock(at)) for at in np.linspace(*x_range, 4).tolist()]
    return chart(
        f"AUC of the {kind} over time",
        Axis("UTC", x_range, ticks),
        Axis("AUC", padded(y, CHANCE)),
        [Series(kind, x, y)],
        guide=((x_range[0], CHANCE), (x_range[1], CHANCE)),
    )


def importances(lost: Mapping[str, float]) -> str:
    """Draw what shuffling each feature costs, most important first."""
    ranked = sorted(lost.items(), key=lambda item: (-item[1], item[0]))
    return bars("Permutation importance: AUC lost when a feature is shuffled", ranked)


def _roc(target: Labels, p_up: Floats) -> tuple[list[float], list[float]]:
    order = np.argsort(-p_up, kind="stable")
    hits = np.concatenate(([0], np.cumsum(target[order] == 1)))
    alarms = np.concatenate(([0], np.cumsum(target[order] != 1)))
    at = np.unique(np.linspace(0, len(target), ROC_POINTS).astype(np.intp))
    return (alarms[at] / alarms[-1]).tolist(), (hits[at] / hits[-1]).tolist()


def _clock(time_ms: float) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%m-%d %H:%M")
