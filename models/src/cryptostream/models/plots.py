"""Small charts as SVG text, for a page that must need no other file. Pure.

Numbers are rounded to a tenth of a pixel, so equal data give equal bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH: Final = 460
HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 30, 42
#: At most so many ticks, at multiples of one of these steps, times a power of ten.
_TICKS: Final = 6
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
#: About what a letter of a key takes, in pixels, and what lies between two keys.
_LETTER: Final = 6.0
_BETWEEN: Final = 18
_COLOURS: Final = ("#2f6fde", "#d9822b", "#2e8b57", "#a34fbf", "#b0413e", "#5f6b7a")
_BAR: Final = 18
_NAMES: Final = 130

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """A line with marks, or marks with intervals where `low` and `high` are given."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    line: bool = True


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows, its range, and texts for its ticks where numbers won't do."""

    label: str
    range: Range
    ticks: Sequence[tuple[float, str]] = ()

    def marks(self) -> list[tuple[float, str]]:
        """Give the ticks' places and texts."""
        if self.ticks:
            return list(self.ticks)
        low, high = self.range
        least = (high - low) / (_TICKS - 1)
        power = 10.0 ** math.floor(math.log10(least))
        step = next(step * power for step in _STEPS if step * power >= least * (1 - 1e-9))
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        return [(step * at, f"{step * at:.6g}") for at in range(first, last + 1)]


def chart(
    title: str,
    x: Axis,
    y: Axis,
    series: Sequence[Series],
    *,
    guide: Sequence[tuple[float, float]] = (),
) -> str:
    """Draw series over two axes; `guide` is a dashed line such as the diagonal."""
    parts = [*_grid(x, y)]
    if guide:
        parts.append(_path(guide, x, y, "guide", "currentColor"))
    across = float(_LEFT)
    for number, one in enumerate(series):
        colour = _COLOURS[number % len(_COLOURS)]
        parts += _series(one, x, y, colour)
        parts.append(
            f'<text class="key" x="{across:.1f}" y="{_TOP - 14}" fill="{colour}">'
            f"{escape(one.name)}</text>"
        )
        across += len(one.name) * _LETTER + _BETWEEN
    return _svg(title, WIDTH, HEIGHT, parts)


def bars(title: str, values: Sequence[tuple[str, float]]) -> str:
    """Draw named values as bars to both sides of zero."""
    low, high = min(0.0, *(v for _, v in values)), max(0.0, *(v for _, v in values))
    scale = (WIDTH - _NAMES - 70) / ((high - low) or 1.0)
    zero = _NAMES - low * scale
    parts = []
    for row, (name, value) in enumerate(values):
        top = 4 + row * _BAR
        left = zero + min(value, 0.0) * scale
        parts.append(
            f'<text x="{_NAMES - 8}" y="{top + 12}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{left:.1f}" y="{top}" width="{abs(value) * scale:.1f}" height="{_BAR - 5}" '
            f'fill="{_COLOURS[0]}"/>'
            f'<text x="{zero + max(value, 0.0) * scale + 4:.1f}" y="{top + 12}">{value:+.4f}</text>'
        )
    return _svg(title, WIDTH, 8 + _BAR * len(values), parts)


def padded(values: Sequence[float], *also: float) -> Range:
    """Give a range that holds all finite values, with a little room."""
    known = [value for value in (*values, *also) if abs(value) != float("inf") and value == value]  # noqa: PLR0124 - NaN
    low, high = min(known), max(known)
    room = (high - low) * 0.08 or 0.01
    return low - room, high + room


def _svg(title: str, width: int, height: int, parts: Sequence[str]) -> str:
    return (
        f'<figure><svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg><figcaption>{escape(title)}</figcaption></figure>"
    )


def _place(x_value: float, y_value: float, x: Axis, y: Axis) -> tuple[float, float]:
    across = (x_value - x.range[0]) / (x.range[1] - x.range[0])
    up = (y_value - y.range[0]) / (y.range[1] - y.range[0])
    return (
        _LEFT + across * (WIDTH - _LEFT - _RIGHT),
        HEIGHT - _BOTTOM - up * (HEIGHT - _TOP - _BOTTOM),
    )


def _grid(x: Axis, y: Axis) -> list[str]:
    parts = []
    for value, text in x.marks():
        at = _place(value, y.range[0], x, y)[0]
        # A text in the middle of the right end would be cut off.
        anchor = "end" if at + len(text) * _LETTER / 2 > WIDTH else "middle"
        parts.append(
            f'<text x="{at:.1f}" y="{HEIGHT - _BOTTOM + 15}" text-anchor="{anchor}">'
            f"{escape(text)}</text>"
        )
    for value, text in y.marks():
        at = _place(x.range[0], value, x, y)[1]
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
            f'<text x="{_LEFT - 5}" y="{at + 4:.1f}" text-anchor="end">{escape(text)}</text>'
        )
    parts.append(
        f'<text x="{(WIDTH + _LEFT) / 2:.1f}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{escape(x.label)}</text>"
        f'<text transform="translate(12 {HEIGHT / 2:.1f}) rotate(-90)" text-anchor="middle">'
        f"{escape(y.label)}</text>"
    )
    return parts


def _series(one: Series, x: Axis, y: Axis, colour: str) -> list[str]:
    points = list(zip(one.x, one.y, strict=True))
    parts = [_path(points, x, y, "line", colour)] if one.line else []
    if one.low:
        for at, low, high in zip(one.x, one.low, one.high, strict=True):
            (left, bottom), (_, top) = _place(at, low, x, y), _place(at, high, x, y)
            parts.append(
                f'<line x1="{left:.1f}" x2="{left:.1f}" y1="{bottom:.1f}" y2="{top:.1f}" '
                f'stroke="{colour}" stroke-width="2"/>'
            )
    if one.low or not one.line:
        for point in points:
            left, top = _place(*point, x, y)
            parts.append(f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3.5" fill="{colour}"/>')
    return parts


def _path(points: Sequence[tuple[float, float]], x: Axis, y: Axis, kind: str, colour: str) -> str:
    places = (_place(*point, x, y) for point in points)
    line = " ".join(f"{left:.1f},{top:.1f}" for left, top in places)
    return f'<polyline class="{kind}" points="{line}" fill="none" stroke="{colour}"/>'
