"""A small candlestick picture with the event marked, as PNG. Pure.

Drawn at twice its size and reduced, which smooths the edges. The font is Pillow's own.
"""

from __future__ import annotations

import io
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.alerts.model import Bar

WIDTH: Final = 800
HEIGHT: Final = 420
MAX_BARS: Final = 90
_SCALE: Final = 2
_LEFT, _RIGHT, _TOP, _BOTTOM = 20, 84, 54, 34
_VOLUME_SHARE: Final = 0.18
_GRID_LINES: Final = 5
_TIME_LABELS: Final = 5
_BACK, _GRID, _WORDS, _BRIGHT = "#12161f", "#232a38", "#8a94a8", "#e8ecf3"
_UP, _DOWN, _MARK = "#26b38a", "#ef5b5b", "#ffb020"
_VOLUME_UP, _VOLUME_DOWN = "#1c4a45", "#51292f"
_DAY_MS: Final = 86_400_000
_SMALL, _LARGE = 13, 19


class Heading(NamedTuple):
    """The words above the candles; `at_ms` is marked if it lies among them."""

    title: str
    subtitle: str = ""
    at_ms: int | None = None


class _Frame(NamedTuple):
    """Prices and slots as pixels of the doubled picture."""

    low: float
    high: float
    slot: float
    bottom: float
    base: float

    def x(self, place: float) -> float:
        """Give the middle of a slot."""
        return (_LEFT + (place + 0.5) * self.slot) * _SCALE

    def y(self, price: float) -> float:
        """Give a price's height."""
        share = (price - self.low) / (self.high - self.low)
        return (self.bottom - share * (self.bottom - _TOP)) * _SCALE


def draw(bars: Sequence[Bar], heading: Heading) -> bytes:
    """Draw the last `MAX_BARS` candles; raises `ValueError` if there is none."""
    shown = list(bars)[-MAX_BARS:]
    if not shown:
        raise ValueError("a picture needs a candle")
    image = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * _SCALE), _BACK)
    canvas = ImageDraw.Draw(image)
    frame = _frame(shown)
    _draw_grid(canvas, frame, shown)
    _draw_mark(canvas, frame, shown, heading.at_ms)
    _draw_bars(canvas, frame, shown)
    _draw_words(canvas, frame, shown, heading)
    small = image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    # Flat colours: a palette of 128 makes a third of the bytes and looks the same.
    packed = small.quantize(128, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    out = io.BytesIO()
    packed.save(out, "PNG", optimize=True)
    return out.getvalue()


def _frame(bars: Sequence[Bar]) -> _Frame:
    low, high = min(bar.low for bar in bars), max(bar.high for bar in bars)
    margin = (high - low) * 0.06 or abs(high) * 0.001 or 1.0
    base = HEIGHT - _BOTTOM
    bottom = base - (base - _TOP) * _VOLUME_SHARE
    slots = max(len(bars), 20)
    return _Frame(low - margin, high + margin, (WIDTH - _LEFT - _RIGHT) / slots, bottom, base)


def _draw_grid(canvas: ImageDraw.ImageDraw, frame: _Frame, bars: Sequence[Bar]) -> None:
    font = _font(_SMALL)
    end = (WIDTH - _RIGHT + 6) * _SCALE
    for price in ticks(frame.low, frame.high):
        y = frame.y(price)
        canvas.line([(_LEFT * _SCALE, y), (end, y)], fill=_GRID, width=_SCALE)
        words = price_label(price, frame.high - frame.low)
        canvas.text((end + 8, y), words, fill=_WORDS, font=font, anchor="lm")
    step = max(1, len(bars) // _TIME_LABELS)
    spans_days = bars[-1].start - bars[0].start > _DAY_MS
    for place in range(step // 2, len(bars), step):
        at = datetime.fromtimestamp(bars[place].start / 1000, UTC)
        words = f"{at:%d %b %H:%M}" if spans_days else f"{at:%H:%M}"
        spot = (frame.x(place), (frame.base + 16) * _SCALE)
        canvas.text(spot, words, fill=_WORDS, font=font, anchor="mm")


def _draw_bars(canvas: ImageDraw.ImageDraw, frame: _Frame, bars: Sequence[Bar]) -> None:
    half = max(1.0, frame.slot * 0.34) * _SCALE
    most = max(bar.volume for bar in bars) or 1.0
    tall = (frame.base - frame.bottom - 6) * _SCALE
    for place, bar in enumerate(bars):
        x, up = frame.x(place), bar.close >= bar.open
        top = frame.base * _SCALE - max(1.0, bar.volume / most * tall)
        canvas.rectangle(
            (x - half, top, x + half, frame.base * _SCALE),
            fill=_VOLUME_UP if up else _VOLUME_DOWN,
        )
        colour = _UP if up else _DOWN
        canvas.line([(x, frame.y(bar.high)), (x, frame.y(bar.low))], fill=colour, width=_SCALE)
        body = sorted((frame.y(bar.open), frame.y(bar.close)))
        canvas.rectangle((x - half, body[0], x + half, max(body[1], body[0] + 2)), fill=colour)


def _draw_mark(
    canvas: ImageDraw.ImageDraw, frame: _Frame, bars: Sequence[Bar], at_ms: int | None
) -> None:
    """Mark the candle in which the event happened: a lit column, and a wedge above it."""
    length = bars[-1].start - bars[-2].start if len(bars) > 1 else 60_000
    if at_ms is None or not bars[0].start <= at_ms < bars[-1].start + length:
        return
    place = max(number for number, bar in enumerate(bars) if bar.start <= at_ms)
    x, half = frame.x(place), max(4.0, frame.slot * 0.5) * _SCALE
    top, end = (_TOP - 4) * _SCALE, frame.base * _SCALE
    canvas.rectangle((x - half, top, x + half, end), fill="#3a3120")
    wedge = 7 * _SCALE
    canvas.polygon([(x - wedge, top - wedge), (x + wedge, top - wedge), (x, top + 4)], fill=_MARK)


def _draw_words(
    canvas: ImageDraw.ImageDraw, frame: _Frame, bars: Sequence[Bar], heading: Heading
) -> None:
    canvas.text(
        (_LEFT * _SCALE, 22 * _SCALE), heading.title, fill=_BRIGHT, font=_font(_LARGE), anchor="lm"
    )
    end = (WIDTH - 16) * _SCALE
    canvas.text((end, 22 * _SCALE), heading.subtitle, fill=_WORDS, font=_font(_SMALL), anchor="rm")
    last = bars[-1]
    colour = _UP if last.close >= last.open else _DOWN
    y, left = frame.y(last.close), (WIDTH - _RIGHT + 6) * _SCALE
    canvas.line([(frame.x(len(bars) - 1), y), (left, y)], fill=colour, width=_SCALE)
    canvas.rounded_rectangle((left, y - 22, WIDTH * _SCALE - 8, y + 22), 6, fill=colour)
    words = price_label(last.close, frame.high - frame.low)
    canvas.text((left + 8, y), words, fill="#ffffff", font=_font(_SMALL), anchor="lm")


def ticks(low: float, high: float) -> list[float]:
    """Give round prices between two others, some five of them."""
    raw = (high - low) / _GRID_LINES
    power = 10.0 ** math.floor(math.log10(raw))
    step = min((power * factor for factor in (1, 2, 2.5, 5, 10)), key=lambda one: abs(one - raw))
    first = math.ceil(low / step)
    return [step * count for count in range(first, math.floor(high / step) + 1)]


def price_label(price: float, span: float) -> str:
    """Write a price with as many decimals as tell the lines of the span apart."""
    decimals = 0
    while decimals < 8 and span < 20 * 10**-decimals:  # noqa: PLR2004 (Bybit's finest ticks)
        decimals += 1
    return f"{price:,.{decimals}f}"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * _SCALE)
