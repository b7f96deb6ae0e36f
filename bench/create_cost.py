"""`make bench-create`: which part of a create's database CPU is the event's. See docs/reference/bench.md.

From the environment: ROWS (people, 1,000,000), CREATES (a sample, 2,000), ROUNDS (9), SAVE (create).
"""

import os
import sys
from statistics import median

from bench.report import aligned, facts, save, spread
from bench.run import number
from bench.stage import say, stage

MOST = 0.25
KINDS = {"person and identifiers": 0, "with the event": 1, "with event and outbox row": 2}
"""What is written, and how many of the two rows of what happened go with it."""


def inside(creates: int, rounds: int) -> None:
    """Measure in turn and print the page; runs in a process that has Populace's settings."""
    import django

    django.setup()
    from bench import creating

    creating.own_cores()
    costs: dict[str, list[creating.Cost]] = {kind: [] for kind in KINDS}
    for turn in range(rounds + 1):
        for kind in list(KINDS)[:: 1 if turn % 2 else -1]:
            batch = [creating.person(events=KINDS[kind]) for _ in range(creates + creating.WARM_UP)]
            got = creating.cost_of(batch)
            costs[kind] += [got] if turn else []
        say(f"round {turn} of {rounds} done" if turn else "warmed up")
    rows = [["what is written", "CPU µs", "WAL bytes", "a second"]]
    for kind, found in costs.items():
        m = creating.middle(found)
        rows.append([kind, f"{m.cpu_us:,.0f}", f"{m.wal:,.0f}", f"{m.per_second:,.0f}"])
    without, _, whole = costs.values()
    shares = [1 - less.cpu_us / all_.cpu_us for less, all_ in zip(without, whole, strict=True)]
    verdict = "reached" if median(shares) <= MOST else "MISSED"
    print(f"""{rounds} rounds of {creates:,} creates one after another, order turned each round. One statement each,
sent by populace/infra/db/write.py; CPU of its backend alone. Medians.

{aligned(rows, texts=1)}

- event and outbox row: share of a create's CPU in the database {spread(shares)}, goal at most {MOST}: {verdict}
""")


def main() -> None:
    with stage(number("ROWS", 1_000_000), naive=False) as made:
        env = {"CREATES": str(number("CREATES", 2000)), "ROUNDS": str(number("ROUNDS", 9))}
        text = made.run("populace", [sys.executable, "-m", "bench.create_cost", "inside"], **env)
        text = f"{made.rows:,} people. {text}\n{facts(made)}.\n"
    print(text)
    say(f"written to {save(text, os.environ.get('SAVE') or 'create')}")


if __name__ == "__main__":
    if sys.argv[1:] == ["inside"]:
        inside(number("CREATES", 2000), number("ROUNDS", 9))
    else:
        main()
