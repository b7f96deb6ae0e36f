"""GET /api/v1/users: what the contract says of lists of people."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from populace.groups.models import Group, Membership
from populace.users.documents import USER_FIELDS
from populace.users.models import User
from populace.users.querysets import EQUAL, FILTERS, IDENTIFIERS, ORDERS, RANGES, orders_for

pytestmark = pytest.mark.django_db

USERS = "/api/v1/users"
T0 = datetime(2026, 1, 1, tzinfo=UTC)
VALUES = {
    "email": "ann@example.com",
    "external_id": "x",
    "username": "ann",
    "domain": "example.com",
    "is_active": "true",
    "group": "01900000-0000-7000-8000-000000000000",
    **dict.fromkeys(RANGES, "2026-01-01"),
}


def at(minutes):
    return T0 + timedelta(minutes=minutes)


def url(**parameters):
    return f"{USERS}?{urlencode(parameters)}"


def ids(response):
    assert response.status_code == 200, response.content
    return [person["id"] for person in response.json()["results"]]


def walk(client, path, member="next"):
    """Return the ids of all pages from `path` on, following `next` or `previous`."""
    pages = []
    while path:
        response = client.get(path)
        pages.append(ids(response))
        path = response.json()[member]
    return pages


def flat(pages):
    return list(itertools.chain.from_iterable(pages))


@pytest.fixture
def people(make_user, client):
    """Twelve people with ties in every order, and the client's own; the ids of the twelve."""
    made = []
    for n in range(12):
        person = make_user(last_name=f"Name{n // 4}", first_name="Ann", email=f"p{n}@{'ab'[n % 2]}.example")
        # What no verb sets: a test of order needs ties.
        User._base_manager.filter(id=person["id"]).update(
            date_joined=at(n // 3), updated_at=at(n // 2), last_sign_in_at=at(n // 5), is_active=n % 4 != 0
        )
        made.append(person["id"])
    return made


@pytest.fixture
def group(people):
    """A group of the even ones; its id."""
    made = Group._base_manager.bulk_create([Group(name="even", name_normal="even")])[0]
    rows = [Membership(user_id=id, group=made, since=T0) for id in people[::2]]
    Membership._base_manager.bulk_create(rows)
    return str(made.id)


def test_a_list_is_pages_of_the_same_documents_newest_first(client, people):
    response = client.get(USERS)
    assert response["Content-Type"] == "application/json"
    body = response.json()
    assert list(body) == ["results", "next", "previous"]
    assert (body["next"], body["previous"]) == (None, None)
    assert body["results"][-12:] == [client.get(f"{USERS}/{id}").json() for id in ids(response)[-12:]]
    joined = [person["date_joined"] for person in body["results"]]
    assert joined == sorted(joined, reverse=True)
    assert client.get(f"{USERS}/").json() == body
    assert client.head(USERS).status_code == 200


@pytest.mark.parametrize("order", [sign + name for name in ORDERS for sign in ("", "-")])
@pytest.mark.parametrize("limit", [1, 5, 20])
def test_every_order_is_walked_to_the_end_and_back(client, people, order, limit):
    rows = User._base_manager.order_by("id")
    column = ORDERS[order.removeprefix("-")]
    expected = sorted(rows, key=lambda user: (getattr(user, column), user.id), reverse=order.startswith("-"))
    expected = [str(user.id) for user in expected]
    pages = walk(client, url(order=order, limit=limit))
    assert flat(pages) == expected
    assert {len(page) for page in pages[:-1]} <= {limit}
    last = url(order=order, limit=limit)
    while following := client.get(last).json()["next"]:
        last = following
    assert flat(walk(client, last, "previous")[::-1]) == expected


def test_next_and_previous_keep_every_other_parameter(client, people):
    given = {"domain": "a.example", "is_active": "true", "limit": "1", "fields": "id,email", "count": "exact"}
    first = client.get(url(**given)).json()
    for link in (first["next"], client.get(first["next"]).json()["previous"]):
        assert link.startswith(f"{USERS}?")
        parameters = dict(parse_qsl(urlsplit(link).query))
        assert parameters.pop("cursor")
        assert parameters == given
    second = client.get(first["next"]).json()
    assert client.get(second["previous"]).json() == first


@pytest.mark.parametrize("limit", ["1", "19", "20", "21", "50", "51", "101", "200"])
def test_a_limit_is_kept(client, people, limit):
    assert len(ids(client.get(url(limit=limit)))) == min(int(limit), User._base_manager.count())


@pytest.mark.parametrize("limit", ["0", "201", "-1", "", "1.5", "1e2", "+5", " 5", "٥", "9" * 5000])
def test_another_limit_is_refused(client, limit):
    response = client.get(url(limit=limit))
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert response.json()["errors"][0]["pointer"] == "/limit"


@pytest.mark.parametrize(
    ("parameters", "chosen"),
    [
        ({"is_active": "false"}, [8, 4, 0]),
        ({"is_active": "false", "order": "date_joined"}, [0, 4, 8]),
        ({"domain": "B.Example"}, [11, 9, 7, 5, 3, 1]),
        ({"domain": "a.example", "is_active": "true"}, [10, 6, 2]),
        ({"joined_after": at(2).isoformat(), "domain": "a.example"}, [10]),
        ({"joined_after": "2026-01-01", "joined_before": "2026-01-01T00:02:00Z"}, [5, 4, 3]),
        ({"joined_before": "2026-01-01T01:01:00+01:00", "order": "date_joined"}, [0, 1, 2]),
        ({"last_login_before": "2026-01-01T00:01:00Z"}, [4, 3, 2, 1, 0]),
        ({"last_login_after": "2026-01-01T00:01:00Z", "order": "last_login"}, [10, 11]),
        ({"updated_after": "2026-01-01T00:00:59.999999Z", "updated_before": "2026-01-01T00:02:00Z"}, [3, 2]),
    ],
    ids=str,
)
def test_a_filter_chooses(client, people, parameters, chosen):
    assert ids(client.get(url(**parameters))) == [people[n] for n in chosen]
    assert flat(walk(client, url(**parameters, limit=1))) == [people[n] for n in chosen]


def test_a_group_is_listed_in_the_order_of_ids(client, people, group):
    assert ids(client.get(url(group=group))) == people[::2]
    assert flat(walk(client, url(group=group, order="-id", limit=2))) == people[::2][::-1]
    assert ids(client.get(url(group=uuid4()))) == []


def test_who_never_signed_in_is_last_and_in_no_range(client, people, make_user):
    never = make_user()["id"]
    assert never in ids(client.get(url(order="-last_login")))[12:]
    assert ids(client.get(url(order="last_login")))[0] not in people
    for bound in ("last_login_before", "last_login_after"):
        assert never not in ids(client.get(url(**{bound: "2026-06-01"}, limit=200)))


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_one_person_is_found_by_an_identifier_in_any_spelling_order_and_company(client, make_user, name):
    person = make_user(username="Änn", email="Ann@Bücher.example", external_id="X 1")
    spelled = {"username": "ÄNN", "email": "ann@BÜCHER.example", "external_id": "X 1"}[name]
    for order in [sign + order for order in ORDERS for sign in ("", "-")]:
        response = client.get(url(**{name: spelled, "order": order}))
        assert (ids(response), response.json()["next"], response.json()["previous"]) == ([person["id"]], None, None)
    beside = {"is_active": "true", "domain": "bücher.example", "joined_after": "2020-01-01", "count": "exact"}
    assert client.get(url(**{name: spelled}, **beside)).json()["count"] == {"value": 1, "kind": "exact"}
    for other in ({"is_active": "false"}, {"domain": "b.example"}, {"last_login_after": "2020-01-01"}):
        assert ids(client.get(url(**{name: spelled}, **other))) == []
    assert ids(client.get(url(**{name: spelled}, group=uuid4()))) == []
    assert ids(client.get(url(**{name: "nobody"}))) == []
    assert ids(client.get(url(**{name: spelled}, **{other: "nobody" for other in IDENTIFIERS if other != name}))) == []
    assert client.get(url(**{name: ""})).json()["code"] == "invalid"


PAIRS = [*itertools.combinations([None, *sorted(set(FILTERS) - set(IDENTIFIERS))], 2)]


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_what_no_index_serves_is_refused_with_the_orders_that_are(client, pair):
    names = [name for name in pair if name]
    served = orders_for(names)
    for order in (None, *ORDERS, "-id"):
        response = client.get(url(**{name: VALUES[name] for name in names}, **({"order": order} if order else {})))
        if order in served or (order is None and served):
            assert response.status_code == 200
            continue
        assert (response.status_code, response.json()["code"]) == (400, "order_not_served")
        for name in served or [orders_for([name])[0] for name in names]:
            assert name in response.json()["detail"]


def test_without_an_order_the_default_is_one_that_is_served(client):
    for names in (["joined_after"], ["last_login_before"], ["updated_after", "updated_before"], ["group"], [*EQUAL]):
        assert client.get(url(**{name: VALUES[name] for name in names})).status_code == 200


def test_fields_are_cut_out_as_they_are_written(client, make_user):
    person = make_user(attributes={"n": 1234567890123456789, "f": 0.1, 'a"}': [{"groups": "]}"}], "é": "\\"})
    stored = json.dumps(client.get(f"{USERS}/{person['id']}").json()["attributes"])
    response = client.get(url(email=person["email"], fields="version,id,attributes"))
    [found] = response.json()["results"]
    assert found == {name: person[name] for name in ("id", "attributes", "version")}
    assert json.dumps(found["attributes"]) == stored
    assert list(found) == ["id", "attributes", "version"]
    for name in USER_FIELDS:
        assert client.get(url(email=person["email"], fields=name)).json()["results"] == [{name: person[name]}]
    everything = client.get(url(email=person["email"], fields=",".join(USER_FIELDS)))
    assert everything.json()["results"] == [person]


@pytest.mark.parametrize("kind", ["estimate", "capped", "exact"])
def test_a_count_comes_with_its_kind(client, people, group, kind, monkeypatch):
    with connection.cursor() as cursor:
        if connection.vendor != "mysql":  # has no statement for all tables, and no estimate
            cursor.execute("ANALYZE")
    monkeypatch.setattr("populace.users.statistics._kept", {})
    monkeypatch.setattr("populace.users.counts._remembered", {})
    everybody = User._base_manager.count()
    for parameters, number in (
        ({}, everybody),
        ({"is_active": "false"}, 3),
        ({"domain": "a.example"}, 6),
        ({"group": group}, 6),
        ({"joined_after": at(0).isoformat(), "joined_before": at(2).isoformat()}, 3),
        ({"q": "p1"}, 3),
        ({"email": "p1@b.example"}, 1),
    ):
        count = client.get(url(**parameters, count=kind, limit=1)).json()["count"]
        assert count["kind"] == kind
        # Of a range or a prefix the statistics know about how many; twelve people are few to know from.
        slack = 4 if kind == "estimate" and {"joined_after", "q"} & set(parameters) else 0
        assert abs(count["value"] - number) <= slack, parameters
    assert "count" not in client.get(url(count="none")).json()
    assert client.get(url(count="all")).json()["code"] == "invalid"


def test_a_capped_count_stops(client, people, monkeypatch):
    monkeypatch.setattr("populace.users.counts.CAP", 5)
    assert client.get(url(count="capped")).json()["count"] == {"value": 5, "kind": "capped"}


@pytest.mark.parametrize(
    ("path", "statements"),
    [
        (USERS, 1),
        (url(order="email", limit=200, fields="id"), 1),
        (url(q="ann"), 1),
        (url(group=VALUES["group"]), 1),
        (url(count="estimate"), 1),
        (url(count="exact"), 2),
        (url(email="a@b.example"), 2),  # token, identifier; the document where there is somebody
        (url(limit="0"), 1),
    ],
)
def test_a_list_and_its_token_are_one_statement(client, path, statements):
    client.get(path)  # a first estimate reads the statistics
    with CaptureQueriesContext(
        connection,
    ) as seen:
        client.get(path)
    assert len(seen) == statements, [query["sql"] for query in seen]


def test_only_who_may_read_people_learns_anything(client_of, token):
    for path in (USERS, url(order="password"), url(cursor="x"), url(nonsense="1"), url(count="exact")):
        assert client_of(None).get(path).status_code == 401
        response = client_of(token("groups:read", "users:write")).get(path)
        assert (response.status_code, response.json()["code"]) == (403, "scope")
        response = client_of(token("users:read", role=None)).get(path)
        assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert client_of(token("users:read")).get(USERS).status_code == 200


def test_a_query_beside_a_post_is_refused(client):
    response = client.post(url(limit="1"), {"email": "a@b.example"})
    assert (response.status_code, response.json()["code"]) == (400, "unknown_parameter")


def test_a_field_that_is_none_is_told_with_the_nearest(client):
    problem = client.get(url(fields="id,emial")).json()
    assert (problem["code"], problem["errors"][0]["pointer"]) == ("unknown_parameter", "/fields")
    assert problem["detail"].endswith("the nearest is email.")


def test_a_query_may_hold_utf_8_that_is_not_escaped(client, make_user):
    """As many clients send it; PEP 3333 hands such bytes over as Latin-1."""
    person = make_user(first_name="Jürgen")["id"]
    raw = "q=Jürgen".encode().decode("latin-1")
    assert ids(client.get("/api/v1/users", QUERY_STRING=raw)) == [person]
    assert client.get("/api/v1/users", QUERY_STRING="q=\xff").json()["code"] == "malformed"
