"""What came of each part of a batch: an id of what was made, or the problem. As it is answered, and as it is kept."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from populace.api.kinds import KINDS
from populace.api.problems import Fault, Problem

type Outcome = UUID | Problem

KEPT_MAX = 16 << 10
"""Characters of refusals in words that a receipt keeps; of those behind them it keeps the codes."""

GONE = "What this call had made is gone."


def results(outcomes: Sequence[Outcome], documents: Mapping[UUID, bytes], request: HttpRequest, member: str) -> bytes:
    """Return `{"results": [{"status", member | "error"}]}`; what no document is there for any more is `not_found`."""
    found = [_result(outcome, documents, request, member) for outcome in outcomes]
    return b'{"results":[' + b",".join(found) + b"]}"


def _result(outcome: Outcome, documents: Mapping[UUID, bytes], request: HttpRequest, member: str) -> bytes:
    if isinstance(outcome, UUID):
        if outcome in documents:
            return b'{"status":201,"%s":%s}' % (member.encode(), documents[outcome])
        outcome = Problem("not_found", GONE)
    return b'{"status":%d,"error":%s}' % (outcome.status_code, json.dumps(outcome.body(request)).encode())


def kept(outcomes: Sequence[Outcome]) -> list[Any]:
    """Return what a receipt keeps, as JSON: ids, codes and words that repeat no value."""
    found: list[Any] = []
    left = KEPT_MAX
    for outcome in outcomes:
        if isinstance(outcome, UUID):
            found.append(str(outcome))
            continue
        own = str(outcome.detail)
        told = [outcome.code, "" if own == KINDS[outcome.code].page else own, [list(each) for each in outcome.errors]]
        left -= len(json.dumps(told))
        found.append(told if left >= 0 else told[:1])
    return found


def outcomes_of(stored: Sequence[Any]) -> list[Outcome]:
    """Return the outcomes of what kept() returned."""
    return [UUID(each) if isinstance(each, str) else _problem(*each) for each in stored]


def _problem(code: str, detail: str = "", errors: Sequence[Sequence[str]] = ()) -> Problem:
    return Problem(code, detail, errors=[Fault(*each) for each in errors])
