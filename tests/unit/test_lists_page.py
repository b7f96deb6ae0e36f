"""docs/reference/lists.md says what is served, no more and no less."""

import re
from pathlib import Path

from populace.users.api import Users
from populace.users.models import User
from populace.users.querysets import ATTRIBUTE, FILTERS, ORDERS, SEARCHED, SERVED, orders_for

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs/reference/lists.md").read_text()


def named(names):
    return ", ".join(f"`{name}`" for name in names) or "–"


def table():
    for line in SERVED:
        any_of = "any other filter" if line.any_of == (*FILTERS, ATTRIBUTE) else named(line.any_of)
        yield f"| {named(line.filters)} | {any_of} | {named(line.orders[::2])} |"


def test_the_table_of_the_page_is_the_table_of_the_code():
    shown = PAGE.partition("`-` |\n|---|---|---|\n")[2].partition("\n\n")[0]
    assert shown.splitlines() == [*table()]


def test_every_parameter_has_its_line():
    lines = re.findall(r"^\| (`.*?`) \| ", PAGE.partition("## What is served")[0], re.MULTILINE)
    shown = {name for line in lines for name in re.findall(r"`([a-z_]+)`", line)}
    assert shown == {name for name in Users.parameters if name != "attributes."} | {"limit", "fields"}


def test_no_order_is_served_downwards_alone():
    assert all(line.orders[1::2] == tuple(f"-{name}" for name in line.orders[::2]) for line in SERVED)


def test_each_walk_has_an_index_that_begins_with_its_columns():
    """Without one, PostgreSQL would still answer, from a sort: the plan tests would tell, this tells sooner."""
    indexes = {tuple(index.fields) for index in User._meta.indexes if index.condition is None}
    walks = {(column, "id") for column in (*ORDERS.values(), *SEARCHED)}
    walks |= {("is_active", "date_joined", "id"), ("email_domain", "date_joined", "id")}
    walks |= {("email_domain", "is_active", "date_joined", "id")}
    assert indexes == walks
    assert len(User._meta.indexes) + 1 <= 12


def test_what_is_not_in_the_table_has_no_order():
    assert orders_for(["is_active", "group"]) == ()
    assert orders_for(["joined_after", "updated_after"]) == ()
    assert orders_for(["nonsense"]) == ()
