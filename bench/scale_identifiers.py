"""Lists by an identifier, which hold one person at most: the token, the identifier, the person; never a join."""

from collections.abc import Iterator

from django.db import connection

from bench.scale_pages import PATH, Asker, Line, Place, told, walks
from bench.scale_people import RARE_DOMAIN, rare
from bench.scale_wire import ask
from populace.users.identifiers import NORMAL, key_of
from populace.users.querysets import IDENTIFIERS, ORDERS
from populace.users.reads import IDENTIFIER, USER, user_id_of
from tests.support.plans import explain

STATEMENTS = 3
READ = 10  # rows: the person, their roles and groups
RARE = 7  # who is looked for


def lines(asker: Asker) -> Iterator[Line]:
    """Yield the table's lines: each identifier in every order, alone and beside every other filter."""
    somebody = rare(RARE)
    for name in IDENTIFIERS:
        for more in {}, {"is_active": "true", "domain": RARE_DOMAIN}:
            yield line(asker, {name: somebody[name], **more}, name, somebody[name])


def line(asker: Asker, parameters: dict[str, str], name: str, value: str) -> Line:
    """Ask in every order; both look-ups are explained."""
    id = user_id_of(name, value)
    assert id
    orders = [{}, *({"order": sign + order} for order in ORDERS for sign in ("", "-"))]
    answers = [ask(asker.client, asker.url(PATH, {**parameters, **order}, Place("", (), ()))) for order in orders]
    faults = [
        f"{answer.status}, {answer.wire}"
        for answer in answers
        if [one["id"] for one in answer.body.get("results", ())] != [str(id)]
        or answer.wire.statements > STATEMENTS
        or answer.wire.parsed
    ]
    plans = []
    for generic in True, False:
        plans.append(explain(IDENTIFIER, connection, generic=generic, run=True, key=key_of(name, NORMAL[name](value))))
        plans.append(explain(USER, connection, generic=generic, run=True, id=id))
    for plan in plans:
        if plan.sorted > 1 or sum(plan.read.values()) > READ or "users_" in " ".join(plan.scanned):
            faults.append(told(plan, AssertionError()))
    return Line(
        what=" ".join(f"{name}={value}" for name, value in parameters.items()) + ", any order",
        place="",
        indexes=", ".join(sorted({index for plan in plans for index in walks(plan)})),
        read=max(sum(plan.read.values()) for plan in plans),
        buffers=max(plan.buffers for plan in plans),
        plan_ms=max(plan.ms for plan in plans),
        answer_ms=max(answer.ms for answer in answers),
        statements=max(answer.wire.statements for answer in answers),
        fault="; ".join(faults),
    )
