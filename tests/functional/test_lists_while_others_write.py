"""Walking all pages while others write: a row that nobody touches is neither skipped nor shown twice."""

import random
from datetime import timedelta
from itertools import count

import pytest
from django.utils import timezone

from populace.groups.models import Group, Membership
from populace.users.models import User
from populace.users.querysets import ORDERS
from tests.functional.test_lists import flat, ids, url

pytestmark = pytest.mark.django_db

NAMES = ["ann", "bea", "cem", "dan"]


def someone(dice, number):
    """A person in the midst of the others, in every order."""
    then = timezone.now() - timedelta(minutes=dice.randrange(40))
    name = dice.choice(NAMES)
    return User(
        username_normal=f"{name}{number}",
        email_normal=f"{name}{number}@example.com",
        email_domain="example.com",
        last_name_normal=dice.choice(NAMES),
        first_name_normal=dice.choice(NAMES),
        date_joined=then,
        updated_at=then,
        last_sign_in_at=then,
    )


@pytest.fixture
def crowd(client):
    """Sixty people in a group; (dice, group, add). `add(n)` makes more, in the group."""
    dice, numbers = random.Random(7), count()
    group = Group._base_manager.bulk_create([Group(name="all", name_normal="all")])[0]

    def add(many):
        made = User._base_manager.bulk_create([someone(dice, next(numbers)) for _ in range(many)])
        Membership._base_manager.bulk_create(
            [Membership(user=user, group=group, since=user.date_joined) for user in made]
        )
        return [str(user.id) for user in made]

    add(60)
    return dice, group, add


LISTS = [{"order": sign + order} for order in ORDERS for sign in ("", "-")]
LISTS += [{"is_active": "true", "domain": "example.com"}, {"group": "?"}, {"group": "?", "order": "-id"}, {"q": "a"}]
LISTS += [{"q": "an a", "is_active": "true"}]


@pytest.mark.parametrize("member", ["next", "previous"])
@pytest.mark.parametrize("parameters", LISTS, ids=str)
def test_an_untouched_row_is_shown_exactly_once(client, crowd, parameters, member):
    dice, group, add = crowd
    if "group" in parameters:
        parameters = parameters | {"group": group.id}
    whole = ids(client.get(url(**parameters, limit=200)))
    touched = set(dice.sample(whole, 15))
    order = iter(sorted(touched))
    path = url(**parameters, limit=4)
    if member == "previous":
        while following := client.get(path).json()["next"]:
            path = following
    pages = []
    while path:
        response = client.get(path)
        pages.append(ids(response) if member == "next" else ids(response)[::-1])
        path = response.json()[member]
        touched |= set(add(2))
        for id, changed in zip(order, (True, False), strict=False):
            row = User._base_manager.filter(id=id)
            if changed:
                fresh = someone(dice, 1000 + len(pages))
                row.update(**{name: getattr(fresh, name) for name in (*ORDERS.values(), "first_name_normal")})
            else:
                Membership._base_manager.filter(user_id=id)._raw_delete("default")
                row._raw_delete("default")
    shown = flat(pages)
    expected = [id for id in whole if id not in touched][:: 1 if member == "next" else -1]
    assert [id for id in shown if id not in touched] == expected


@pytest.mark.parametrize("order", ["id", "-id"])
def test_an_empty_page_leads_back_to_the_end_it_lies_at(client, crowd, order):
    _, group, _ = crowd
    everybody = url(group=group.id, order=order)
    whole = ids(client.get(f"{everybody}&limit=200"))
    first = client.get(f"{everybody}&limit=5").json()
    second = client.get(first["next"]).json()

    Membership._base_manager.filter(user_id__in=whole[10:])._raw_delete("default")
    third = client.get(second["next"]).json()
    assert (third["results"], third["next"]) == ([], None)
    assert ids(client.get(third["previous"])) == whole[5:10]

    Membership._base_manager.filter(user_id__in=whole[:5])._raw_delete("default")
    emptied = client.get(second["previous"]).json()
    assert (emptied["results"], emptied["previous"]) == ([], None)
    assert ids(client.get(emptied["next"])) == whole[5:10]
