"""What a fault does to requests, kept for the report of `make faults`."""

import time
from collections import Counter
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import httpx


@dataclass
class Incident:
    """One fault: what was `injected`, each request `sent` meanwhile, and how long until all was well again."""

    test: str
    injected: str = ""
    sent: list[tuple[str, float]] = field(default_factory=list)  # what came, and in how many seconds
    back_s: float | None = None
    rounds: int = 1
    note: str = ""
    outcome: str = ""
    took_s: float = 0.0

    def send(self, client: httpx.Client, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request that the fault may touch, and note what came of it."""
        started = time.monotonic()
        try:
            answer = client.request(method, path, **options)
        except httpx.TransportError as error:
            self.sent.append((type(error).__name__, time.monotonic() - started))
            raise
        self.sent.append((what(answer), time.monotonic() - started))
        return answer

    @property
    def came(self) -> str:
        """Return how many of each answer."""
        return ", ".join(f"{number} x {kind}" for kind, number in Counter(kind for kind, _ in self.sent).most_common())

    def ms(self, share: float) -> str:
        """Return within how many milliseconds this share of the requests was answered."""
        if not self.sent:
            return ""
        found = sorted(seconds for _, seconds in self.sent)
        return f"{found[ceil(share * len(found)) - 1] * 1000:,.0f}"


def what(answer: httpx.Response) -> str:
    """Return an answer's status, and where it is a problem its code."""
    is_problem = answer.headers.get("Content-Type") == "application/problem+json"
    return f"{answer.status_code} {answer.json()['code']}" if is_problem else str(answer.status_code)


def table(incidents: list[Incident]) -> str:
    """Return the report's table in Markdown."""
    head = "| test | rounds | injected | what came | p99 ms | max ms | back after s | outcome | took s |\n"
    head += "|---|--:|---|---|--:|--:|--:|---|--:|\n"
    lines = [
        f"| `{one.test}` | {one.rounds} | {one.injected} | {'; '.join(filter(None, (one.came, one.note)))} "
        f"| {one.ms(0.99)} | {one.ms(1)} | {'' if one.back_s is None else f'{one.back_s:.1f}'} "
        f"| {one.outcome} | {one.took_s:.0f} |"
        for one in incidents
    ]
    return head + "\n".join(lines) + "\n"
