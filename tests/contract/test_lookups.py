"""Pages and prefixes: the same rows on every engine, in the order of bytes."""

import pytest
from django.db import connection
from django.db.models import Q

from populace.infra.db.compiled import Compiled, Param
from populace.infra.db.lookups import RowGreater, RowLess, after, prefix_bounds, starts_with
from populace.users.models import User

NAMES = ["", "a", "a%", "a_b", "aa", "ab", "Z", "z", "é", "éa", "e\u0301", "漢", "🙂", "\U0010fffd", "a\\", "a'"]


@pytest.fixture
def people(db):
    """Two people of each name, so that the second column decides, too."""
    people = [User(last_name_normal=name) for name in NAMES * 2]
    User._base_manager.bulk_create(people)
    return sorted(people, key=lambda person: (person.last_name_normal.encode(), person.id))


def walk(descending, condition):
    """Read all people in pages of three."""
    sign, seen = "-" if descending else "", []
    rows = User.objects.order_by(f"{sign}last_name_normal", f"{sign}id")
    while page := list(rows.filter(condition(seen[-1]) if seen else Q())[:3]):
        seen += page
    return seen


@pytest.mark.parametrize("descending", [False, True])
def test_pages_meet_without_gap_or_overlap(people, descending):
    def behind(person):
        return after({"last_name_normal": person.last_name_normal, "id": person.id}, descending=descending)

    assert walk(descending, behind) == people[:: -1 if descending else 1]


@pytest.mark.parametrize("descending", [False, True])
def test_the_form_for_mariadb_means_the_same(people, descending, engine):
    class Expanded(RowLess if descending else RowGreater):
        def as_sql(self, compiler, connection):
            return self.as_mysql(compiler, connection)

    def behind(person):
        row = after({"last_name_normal": person.last_name_normal, "id": person.id}, descending=descending)
        return Expanded(row.lhs, row.rhs)

    assert walk(descending, behind) == people[:: -1 if descending else 1]
    assert " OR " in str(User.objects.filter(behind(people[0])).query)


def test_a_compiled_page_is_one_statement_with_the_engines_comparison(people):
    columns = {name: Param(name, User._meta.get_field(name)) for name in ("last_name_normal", "id")}
    rows = User.objects.filter(after(columns, descending=False)).order_by(*columns).values_list("id")
    page = Compiled(rows, limits=(5,))
    last = people[3]
    found = page.all(limit=5, last_name_normal=last.last_name_normal, id=last.id)
    assert found == [str(person.id).encode() for person in people[4:9]]
    row = " OR " if connection.vendor == "mysql" else '("users_user"."last_name_normal", "users_user"."id") > ('
    assert row in page.plan(connection, 5).text


@pytest.mark.parametrize("prefix", ["", "a", "a%", "a_", "a\\", "é", "🙂", "nobody", "\U0010fffd"])
def test_a_prefix_is_taken_as_it_is_written(people, prefix):
    expected = [person for person in people if person.last_name_normal.startswith(prefix)]
    order = ("last_name_normal", "id")
    assert list(User.objects.filter(starts_with("last_name_normal", prefix)).order_by(*order)) == expected
    bounds = tuple(Param(name, User._meta.get_field("last_name_normal")) for name in ("low", "high"))
    compiled = Compiled(User.objects.filter(starts_with("last_name_normal", bounds)).order_by(*order).values_list("id"))
    low, high = prefix_bounds(prefix)
    assert compiled.all(low=low, high=high) == [str(person.id).encode() for person in expected]
