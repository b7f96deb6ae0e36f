"""The page and the picture of the growing database."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench import plot
from bench.growth_cases import CASES, Growing
from bench.report import aligned, facts, save, spread
from bench.stage import Stage
from bench.wrk import Sample, middle

if TYPE_CHECKING:
    from bench.growth import Step

HEAD = ["case", "people", "p50 ms", "p99 ms", "CPU µs server", "CPU µs database", "rows shown", "p50 by the first's"]
SHOWN_LEAST = 0.01
"""Tables and indexes with less than this share of the disk stand together as the rest."""


def ratios(step: "Step", case: str) -> list[float]:
    """Return, round by round, p50 by that of the first size's database; empty at the first size."""
    first = step.samples.get((case, "first"), [])
    return [own.p50_ms / other.p50_ms for own, other in zip(own_of(step, case), first, strict=False)]


def own_of(step: "Step", case: str) -> list[Sample]:
    return step.samples.get((case, "populace"), [])


def line(step: "Step", case: str) -> list[str]:
    if case in step.faults:
        return [case, f"{step.size:,}", step.faults[case], *[""] * 5]
    m = middle(step.samples[case, "populace"])
    times = spread(found) if (found := ratios(step, case)) else ""
    figures = [f"{m.p50_ms:.2f}", f"{m.p99_ms:.2f}", f"{m.server_us:,.0f}", f"{m.database_us:,.0f}"]
    return [case, f"{step.size:,}", *figures, f"{step.shown[case]:g}", times]


def verdict(growing: Growing, last: "Step") -> list[str]:
    """Return the lines about what a case has to reach at the last size."""
    name, size = growing.name, f"{last.size:,}"
    samples = own_of(last, name)
    if name in last.faults:
        return [f"- {name}: {last.faults[name]}" + (": MISSED" if growing.most_ms or growing.most else "")]
    lines = []
    if found := ratios(last, name):
        goal = judged(found, growing.most)
        lines.append(f"- {name}: p50 at {size} by that of the first size {spread(found)}{goal}")
    if growing.most_ms:
        ms = [sample.p50_ms for sample in samples]
        lines.append(f"- {name}: p50 at {size} {spread(ms)} ms{judged(ms, growing.most_ms)}")
    return lines


def judged(values: list[float], most: float | None) -> str:
    """Return whether the median reaches a goal; nothing without one."""
    return "" if most is None else f", goal at most {most:g}: {'reached' if median(values) <= most else 'MISSED'}"


def disk(steps: "Sequence[Step]") -> str:
    """Return a table of megabytes by table and index, the largest at the last size first."""
    last = steps[-1].disk
    large = [name for name, size in last.items() if size >= SHOWN_LEAST * sum(last.values())]
    rows = [["table or index", *(f"MB at {step.size:,}" for step in steps)]]
    for name in large:
        rows.append([name, *(f"{step.disk.get(name, 0) / 1e6:,.1f}" for step in steps)])
    rest = [sum(size for name, size in step.disk.items() if name not in large) for step in steps]
    rows.append(["all others", *(f"{size / 1e6:,.1f}" for size in rest)])
    rows.append(["together", *(f"{sum(step.disk.values()) / 1e6:,.1f}" for step in steps)])
    rows.append(["bytes for each of the people", *(f"{sum(s.disk.values()) / s.size:,.0f}" for s in steps)])
    rows.append(["loaded in s", *(f"{step.loaded_s:,.0f}" for step in steps)])
    return aligned(rows, texts=1)


def page(steps: "Sequence[Step]", rounds: int, seconds: float, told: str, picture: str) -> str:
    """Return all of it as Markdown."""
    rows = [HEAD] + [line(step, growing.name) for growing in CASES for step in steps]
    verdicts = [text for growing in CASES for text in verdict(growing, steps[-1])]
    samples = [sample for step in steps for got in step.samples.values() for sample in got]
    others = median(sample.others for sample in samples)
    return f"""One database, grown in place; {rounds} rounds of {seconds:g} s, order turned each round; one connection,
one request after another, each about somebody else. One granian process with one thread on the first core, PostgreSQL
and wrk on the second. Medians. "By the first's": beside a copy of the database at the first size, asked in turn.

![p50 by number of people]({picture})

{aligned(rows, texts=1)}

Median [lowest-highest] of the rounds:

{"\n".join(verdicts)}

{disk(steps)}

{told}. Strangers used {others:.0%} of the machine (median).
"""


def write(
    stage: Stage, steps: "Sequence[Step]", rounds: int, seconds: float, name: str
) -> tuple[str, tuple[Path, Path]]:
    """Write the page and the picture of the sizes so far; return the page and both files."""
    lines = {
        growing.name: [
            (step.size, middle(samples).p50_ms)
            for step in steps
            if growing.name not in step.faults and (samples := own_of(step, growing.name))
        ]
        for growing in CASES
    }
    drawn = plot.svg({name: points for name, points in lines.items() if points}, "people", "p50, ms")
    svg = plot.save(drawn, name)
    text = page(steps, rounds, seconds, facts(stage), svg.name)
    return text, (save(text, name), svg)
