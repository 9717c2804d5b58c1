"""Charts can be read: round ticks within the range, and no text beyond the edge."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from cryptostream.models.plots import WIDTH, Axis, Series, chart


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_few_and_within_the_range(low: float, length: float) -> None:
    """One to six ticks, each at the place that its text says."""
    axis = Axis("x", (low, low + length))
    marks = axis.marks()
    assert 1 <= len(marks) <= 6
    for place, text in marks:
        assert low - length * 1e-6 <= place <= low + length * (1 + 1e-6)
        assert abs(float(text) - place) <= max(abs(place) * 1e-5, 1e-12)


def test_ticks_are_round() -> None:
    """An axis from 0.456 to 0.685 is marked at multiples of 0.05."""
    texts = [text for _, text in Axis("AUC", (0.456, 0.685)).marks()]
    assert texts == ["0.5", "0.55", "0.6", "0.65"]


def test_no_text_runs_beyond_the_right_edge() -> None:
    """A long text at the axis' end stands to the left of its tick."""
    axis = Axis("UTC", (0.0, 1.0), ((0.0, "06-22 02:41"), (1.0, "06-22 23:59")))
    drawn = chart("t", axis, Axis("y", (0.0, 1.0)), [Series("a", (0.0, 1.0), (0.0, 1.0))])
    (found,) = re.findall(r'<text x="([\d.]+)"[^>]*text-anchor="(\w+)">06-22 23:59<', drawn)
    assert float(found[0]) <= WIDTH
    assert found[1] == "end"
