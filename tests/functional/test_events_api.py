"""/api/v1/events: the log as the contract describes it."""

import json
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from populace.audit import reads
from populace.audit.dispatch import dispatch
from populace.audit.documents import EVENT_FIELDS, EventDocument
from populace.audit.models import Event
from populace.audit.reads import events
from populace.infra.db.ids import new_id
from populace.users.actions import erase_user, update_user
from tests.support.events import AT

pytestmark = pytest.mark.django_db

EVENTS = "/api/v1/events"


def ids(response):
    assert response.status_code == 200, response.content
    return [event["id"] for event in response.json()["results"]]


def walked(client, path):
    """Follow `next` to the end; the ids of each page."""
    pages = []
    while path:
        response = client.get(path)
        pages.append(ids(response))
        path = response.json()["next"]
        assert response.json()["previous"] is None
    return pages


def test_an_event_has_the_contracts_fields_in_their_order(client, make_user, actor):
    person = make_user(first_name="Ann")
    update_user(UUID(person["id"]), by=actor, values={"first_name": "Zoë"})
    (updated, created) = client.get(f"{EVENTS}?subject={person['id']}").json()["results"]
    assert list(updated) == list(EVENT_FIELDS)
    assert updated | {"id": "", "at": ""} == {
        "id": "",
        "at": "",
        "action": "user.updated",
        "actor": str(actor.id),
        "subject": person["id"],
        "subject_kind": "user",
        "changes": {"first_name": {"old": "Ann", "new": "Zoë"}},
        "request_id": "test",
        "address": "192.0.2.1",
    }
    assert created["action"] == "user.created"
    assert created["at"] == person["date_joined"]


def test_the_compiled_document_is_what_the_serializer_shows(make_user, happen):
    make_user(first_name='quo"te\u2028', attributes={"a": [1, None, {"b": "ü"}], "c": True})
    happen(1)
    for event in Event.objects.all():
        place = {"place": event.at, "id": UUID(int=(1 << 128) - 1), "far": event.at, "far_id": UUID(int=0)}
        ((document, *_),) = events(("subject",)).result({"subject": event.subject_id, **place}, 21)
        assert json.loads(document) == json.loads(json.dumps(EventDocument(event).data))


def test_an_erased_person_leaves_events_without_values(client, make_user, actor):
    person = make_user()
    erase_user(UUID(person["id"]), by=actor)
    shown = client.get(f"{EVENTS}?subject={person['id']}").json()["results"]
    assert [(event["action"], event["changes"], event["address"]) for event in shown] == [
        ("user.erased", {}, "192.0.2.1"),
        ("user.created", None, None),
    ]


@pytest.mark.parametrize("name", ["subject", "actor", "action"])
def test_each_filter_walks_to_its_end_newest_first_without_gap_or_double(client, happen, name):
    value = {"subject": uuid4(), "actor": uuid4(), "action": "thing.done"}[name]
    column = {"subject": "subject_id"}.get(name, name)
    mine = happen(7, **{column: value})
    for other in (UUID(int=0), UUID(int=(1 << 128) - 1)):  # neighbours in the index
        happen(3, **({column: other} if name != "action" else {column: "thing.don" if other.int else "thing.donf"}))
    assert walked(client, f"{EVENTS}?{name}={value}&limit=3") == [mine[:3], mine[3:6], mine[6:]]
    assert walked(client, f"{EVENTS}?{name}={value}") == [mine]


def test_events_of_one_moment_have_an_order(client, happen):
    actor = new_id()
    made = sorted((happen(1, actor=actor)[0] for _ in range(5)), reverse=True)
    assert walked(client, f"{EVENTS}?actor={actor}&limit=2") == [made[:2], made[2:4], made[4:]]


def test_new_events_do_not_shift_the_pages_behind_them(client, happen):
    actor = new_id()
    old = happen(4, actor=actor)
    first = client.get(f"{EVENTS}?actor={actor}&limit=2").json()
    happen(3, actor=actor, at=AT + timedelta(days=1))
    assert ids(client.get(first["next"])) == old[2:]


def test_from_is_in_and_to_is_not(client, happen):
    actor = new_id()
    days = [happen(1, actor=actor, at=AT + timedelta(days=day))[0] for day in range(4)]
    query = "&from=2026-05-05T03:02:01.123456Z&to=2026-05-07T03:02:01.123456Z"
    assert walked(client, f"{EVENTS}?actor={actor}{query}&limit=1") == [[days[2]], [days[1]]]
    assert ids(client.get(f"{EVENTS}?actor={actor}&from=2026-05-07T05:02:01.123456%2B02:00")) == [days[3]]
    assert ids(client.get(f"{EVENTS}?actor={actor}&to=2026-05-04")) == []
    assert ids(client.get(f"{EVENTS}?actor={actor}&from=2026-05-07&to=2026-05-05")) == []


def test_several_filters_must_all_fit(client, happen):
    subject, actor = new_id(), new_id()
    both = happen(5, subject_id=subject, actor=actor, action="a.b")
    happen(5, subject_id=subject, action="a.b")
    happen(5, actor=actor, action="a.b")
    happen(5, subject_id=subject, actor=actor, action="c.d")
    for query in (f"subject={subject}&actor={actor}&action=a.b", f"action=a.b&subject={subject}&actor={actor}"):
        assert walked(client, f"{EVENTS}?{query}&limit=2") == [both[:2], both[2:4], both[4:]]
    assert len(ids(client.get(f"{EVENTS}?actor={actor}&action=c.d"))) == 5


def test_a_page_of_several_filters_ends_early_and_goes_on(client, happen, monkeypatch):
    """Nothing is unbounded: populace/audit/reads.py:Sifted."""
    monkeypatch.setattr(reads, "EXAMINED", 10)
    events.cache_clear()
    actor = new_id()
    oldest = happen(2, actor=actor, action="a.b")
    happen(25, actor=actor, action="c.d", at=AT + timedelta(days=1))
    newest = happen(2, actor=actor, action="a.b", at=AT + timedelta(days=2))
    pages = walked(client, f"{EVENTS}?actor={actor}&action=a.b")
    events.cache_clear()
    assert [page for page in pages if page] == [newest, oldest]
    assert pages[1] == []


def test_everything_comes_in_the_order_of_the_feed(client, make_user):
    people = [make_user()["id"] for _ in range(5)]
    while dispatch():
        pass
    pages = walked(client, f"{EVENTS}?limit=2")
    shown = [event for page in pages for event in page]
    assert len(shown) == len(set(shown)) == Event.objects.count()
    newest = client.get(f"{EVENTS}?limit=200").json()["results"]
    assert [event["subject"] for event in newest if event["subject"] in people] == people[::-1]


def test_a_feed_entry_whose_event_is_gone_is_passed_over(client, make_user):
    people = [make_user()["id"] for _ in range(6)]
    while dispatch():
        pass
    Event._base_manager.filter(subject_id__in=people[1:5]).delete()
    left = [event for page in walked(client, f"{EVENTS}?limit=2") for event in page]
    assert set(left) == {str(id) for id in Event.objects.values_list("id", flat=True)}


def test_fields_cut_the_document(client, make_user):
    person = make_user()
    (event,) = client.get(f"{EVENTS}?subject={person['id']}&fields=action,subject").json()["results"]
    assert event == {"action": "user.created", "subject": person["id"]}


@pytest.mark.parametrize(
    ("query", "code", "pointer"),
    [
        ("actr=1", "unknown_parameter", "/actr"),
        ("q=x", "unknown_parameter", "/q"),
        ("order=at", "unknown_parameter", "/order"),
        ("subject=x", "invalid", "/subject"),
        ("actor=", "invalid", "/actor"),
        ("action=DROP%20TABLE", "invalid", "/action"),
        ("action=" + "a" * 65, "invalid", "/action"),
        ("action=a.b&from=yesterday", "invalid", "/from"),
        ("action=a.b&to=2026-13-01", "invalid", "/to"),
        ("from=2026-01-01", "order_not_served", "/from"),
        ("to=2026-01-01", "order_not_served", "/to"),
        ("limit=0", "invalid", "/limit"),
        ("limit=201", "invalid", "/limit"),
        ("cursor=x", "invalid_cursor", None),
    ],
)
def test_what_is_not_served_is_refused_by_name(client, query, code, pointer):
    response = client.get(f"{EVENTS}?{query}")
    assert (response.status_code, response.json()["code"]) == (400, code)
    if pointer:
        assert response.json()["errors"][0]["pointer"] == pointer
    if code == "unknown_parameter":
        assert "the nearest is" in response.json()["detail"]


def test_a_cursor_is_good_for_its_list_and_its_caller_alone(client, happen, token, client_of):
    actor, other = new_id(), new_id()
    happen(3, actor=actor)
    link = client.get(f"{EVENTS}?actor={actor}&limit=1").json()["next"]
    assert client.get(link.replace(str(actor), str(other))).json()["code"] == "invalid_cursor"
    assert client_of(token("admin")).get(link).json()["code"] == "invalid_cursor"


def test_it_needs_the_permission_events_read(client_of, token, make_user):
    assert client_of(None).get(EVENTS).status_code == 401
    assert client_of(token("users:read")).get(EVENTS).json()["code"] == "scope"
    assert client_of(token("admin", role="viewer")).get(EVENTS).json()["code"] == "forbidden"
    assert client_of(token("events:read", role="auditor")).get(EVENTS).status_code == 200


def test_a_page_is_one_statement_with_the_token(client, happen, django_assert_num_queries):
    actor = new_id()
    happen(3, actor=actor)
    client.get(f"{EVENTS}?actor={actor}")  # reads what the caller may do, which is kept for a second
    with django_assert_num_queries(1):
        client.get(f"{EVENTS}?actor={actor}")
