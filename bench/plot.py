"""One picture: lines over a logarithmic x, as SVG without anything beside it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from math import ceil, floor, log10
from pathlib import Path

WIDTH, HEIGHT = 1000, 540
LEFT, RIGHT, TOP, BOTTOM = 70, 310, 30, 60

# Okabe and Ito's colours, told apart by most people with any colour vision; then the same with dashes.
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"]

type Line = Sequence[tuple[float, float]]


def svg(lines: Mapping[str, Line], x_name: str, y_name: str) -> str:
    """Return a picture of named lines of (x, y); y begins at 0, names stand at the right with their last y."""
    xs = sorted({x for line in lines.values() for x, _ in line})
    step = nice(max(y for line in lines.values() for _, y in line) / 5)
    most = step * ceil(max(y for line in lines.values() for _, y in line) / step)
    low, high = log10(xs[0]), log10(xs[-1]) if len(xs) > 1 else log10(xs[0]) + 1

    def at(x: float, y: float) -> tuple[float, float]:
        across = (log10(x) - low) / (high - low) * (WIDTH - LEFT - RIGHT)
        return LEFT + across, HEIGHT - BOTTOM - y / most * (HEIGHT - TOP - BOTTOM)

    parts = [grid(at, xs, [n * step for n in range(round(most / step) + 1)], x_name, y_name)]
    # The legend is in the order of the lines' ends, so that it reads as the picture does.
    for place, name in enumerate(sorted(lines, key=lambda name: -lines[name][-1][1])):
        parts.append(drawn(at, name, lines[name], list(lines).index(name), place))
    style = "text{font:13px system-ui,sans-serif;fill:#222}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
    title = f"{escape(y_name)} by {escape(x_name)}"
    background = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    return f"{head}>\n<title>{title}</title>\n<style>{style}</style>\n{background}\n{'\n'.join(parts)}\n</svg>\n"


def nice(rough: float) -> float:
    """Return the next of 1, 2, 5 times a power of ten from `rough` upwards."""
    power = 10 ** floor(log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


def grid(at, xs: Sequence[float], ys: Sequence[float], x_name: str, y_name: str) -> str:
    """Return the lines behind, with their numbers, and what the axes are."""
    parts = []
    for y in ys:
        (left, height), (right, _) = at(xs[0], y), at(xs[-1], y)
        parts.append(f'<path d="M{left:.1f} {height:.1f}H{max(right, left + 1):.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8:.1f}" y="{height + 4:.1f}" text-anchor="end">{y:g}</text>')
    for x in xs:
        across, bottom = at(x, 0)
        parts.append(f'<path d="M{across:.1f} {TOP}V{bottom:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{across:.1f}" y="{bottom + 20:.1f}" text-anchor="middle">{x:,.0f}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 15}" text-anchor="middle">{escape(x_name)} (logarithmic)</text>')
    parts.append(f'<text x="{LEFT - 50}" y="{TOP - 12}">{escape(y_name)}</text>')
    return "\n".join(parts)


def drawn(at, name: str, line: Line, number: int, place: int) -> str:
    """Return one line with a dot at each value, and its entry in the legend."""
    colour, dash = COLOURS[number % len(COLOURS)], ' stroke-dasharray="6 4"' if number >= len(COLOURS) else ""
    places = [at(x, y) for x, y in line]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places)
    left, height = WIDTH - RIGHT + 20, TOP + 14 + place * 22
    return (
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>{dots}'
        f'<path d="M{left} {height - 4}h26" stroke="{colour}" stroke-width="2"{dash}/>'
        f'<circle cx="{left + 13}" cy="{height - 4}" r="3.5" fill="{colour}"/>'
        f'<text x="{left + 34}" y="{height}">{escape(name)}: {line[-1][1]:.2f}</text>'
    )


def save(text: str, name: str) -> Path:
    """Write the picture to bench/results/<date>-<name>.svg and return the file."""
    from bench.report import RESULTS

    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{datetime.now(UTC).date()}-{name}.svg"
    file.write_text(text)
    return file.relative_to(RESULTS.parent.parent)
