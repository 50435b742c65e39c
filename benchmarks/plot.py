"""A line plot as SVG, without a plotting library."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 40, 50
COLORS = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce")
TICKS = 6
SVG_TAG = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
    ' font-family="sans-serif" font-size="12">'
)

Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """A named line through points in ascending order."""

    name: str
    points: Sequence[Point]


def svg(title: str, x_label: str, curves: Sequence[Curve]) -> str:
    """Draw the curves with axes, grid and legend; the last one is dashed, on top of the others."""
    xs = [x for curve in curves for x, _ in curve.points]
    ys = [y for curve in curves for _, y in curve.points]
    x_ticks, y_ticks = _ticks(0.0, max(xs)), _ticks(min(0.0, *ys), max(ys))
    frame = _Frame(x_ticks[0], x_ticks[-1], y_ticks[0], y_ticks[-1])
    parts = [
        SVG_TAG,
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-size="15">{title}</text>',
        *(_grid(frame, x_ticks, y_ticks)),
        f'<text x="{WIDTH / 2:.0f}" y="{HEIGHT - 10}" text-anchor="middle">{x_label}</text>',
    ]
    for number, curve in enumerate(curves):
        parts += _drawn(frame, curve, number, is_last=number == len(curves) - 1)
    return "\n".join([*parts, "</svg>\n"])


@dataclass(frozen=True)
class _Frame:
    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        share = (value - self.x_low) / (self.x_high - self.x_low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / TICKS
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [step * n for n in range(math.floor(low / step), math.ceil(high / step) + 1)]


def _grid(frame: _Frame, x_ticks: Sequence[float], y_ticks: Sequence[float]) -> list[str]:
    left, right = frame.x(frame.x_low), frame.x(frame.x_high)
    top, bottom = frame.y(frame.y_high), frame.y(frame.y_low)
    parts = []
    for tick in x_ticks:
        x = frame.x(tick)
        parts.append(_line(x, top, x, bottom))
        label = f'<text x="{x:.1f}" y="{bottom + 18:.1f}" text-anchor="middle">{tick:g}</text>'
        parts.append(label)
    for tick in y_ticks:
        y = frame.y(tick)
        parts.append(_line(left, y, right, y))
        parts.append(f'<text x="{left - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    return parts


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#e5e7eb"/>'


def _drawn(frame: _Frame, curve: Curve, number: int, *, is_last: bool) -> list[str]:
    color = COLORS[number % len(COLORS)]
    dashes = ' stroke-dasharray="7 4"' if is_last else ""
    points = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in curve.points)
    stroke = f'fill="none" stroke="{color}" stroke-width="2"{dashes}'
    y = TOP + 16 + 18 * number
    return [
        f'<polyline points="{points}" {stroke}/>',
        f'<line x1="{LEFT + 12}" y1="{y}" x2="{LEFT + 42}" y2="{y}" {stroke}/>',
        f'<text x="{LEFT + 50}" y="{y + 4}">{curve.name}</text>',
    ]
