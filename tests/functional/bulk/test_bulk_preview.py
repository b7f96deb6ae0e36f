"""A bulk action looked at before it is done, and confirmed."""

from uuid import UUID, uuid4

import pytest
from django.utils.timezone import now

from populace.audit.actors import SYSTEM
from populace.bulk import confirming
from populace.bulk.chosen import chosen_of
from populace.bulk.models import Job
from tests.support.bulk import AT, BULK, ask, done, inactive

pytestmark = pytest.mark.django_db


def test_a_preview_tells_and_does_nothing(client, crowd, make_user):
    client.post(f"/api/v1/users/{crowd[0]}/deactivate")
    own = client.get("/api/v1/tokens").json()["results"][0]["owner"]
    client.patch(f"/api/v1/users/{own}", {"email": f"me@{AT}"})
    shown = ask(client, preview=True, status=200)
    assert (shown["count"], shown["changed"], shown["must_be_confirmed"]) == (8, 6, False)
    assert {person["id"] for person in shown["samples"]} == set(crowd[1:])
    assert shown["samples"][0].keys() == {"id", "username", "email", "first_name", "last_name"}
    assert {(one["code"], one["count"]) for one in shown["excluded"]} == {("oneself", 1), ("already", 1)}
    assert all(one["reason"] for one in shown["excluded"])
    assert (Job.objects.count(), inactive()) == (0, {crowd[0]})


def test_a_preview_shows_twenty_at_most(client, make_user):
    for number in range(22):
        make_user(email=f"p{number}@{AT}")
    shown = ask(client, preview=True, status=200)
    assert (shown["count"], len(shown["samples"])) == (22, 20)


def test_a_preview_tells_who_may_more(client_of, token, crowd, give_role):
    """What is left out is what the job then leaves out. Guard: populace/bulk/preview.py:_conditions."""
    manager = client_of(token("admin", role="manager"))
    for one in crowd[:2]:
        give_role(UUID(one), "owner")
    asked = {"ids": [*crowd, str(uuid4())], "filter": None, "partial": True}
    shown = ask(manager, "erase", preview=True, status=200, **asked)
    assert {one["code"]: one["count"] for one in shown["excluded"]} == {"not_found": 1, "forbidden": 2}
    _, came = done(manager, "erase", **asked)
    assert came[2] == {"changed": shown["changed"], "already": 0, "refused": 3}


def test_a_preview_of_all_owners_keeps_one(crowd, give_role):
    from populace.bulk.preview import preview_of

    for one in crowd[:2]:
        give_role(UUID(one), "owner")
    shown = preview_of(chosen_of("erase", filter={"domain": AT}), by=SYSTEM)
    assert (shown.excluded, shown.changed) == ({"last_owner": 1}, 6)


def test_many_people_are_confirmed_by_their_number(client, crowd, small):
    """Guard: populace/bulk/confirming.py:confirmed."""
    shown = client.post(BULK, {"action": "deactivate", "filter": {"domain": AT}})
    assert (shown.status_code, shown.json()["code"]) == (409, "not_confirmed")
    assert "7 people" in shown.json()["detail"]
    for wrong in (6, 8, "6", "yes", ""):
        ask(client, confirm=wrong, status=409)
    assert Job.objects.count() == 0
    for right in (7, "7"):
        assert ask(client, confirm=right)["kind"] == "bulk_action"


def test_a_number_that_is_said_counts_however_few_they_are(client, crowd):
    """Guard: populace/bulk/confirming.py:confirmed (`unsaid`)."""
    for wrong in (len(crowd) + 1, str(len(crowd) - 1), "1.2.of-another-call"):
        assert ask(client, status=409, confirm=wrong)["code"] == "not_confirmed"
    assert ask(client, status=400, confirm=None)["code"] == "invalid"
    ask(client, confirm=len(crowd))


def test_or_by_the_previews_token(client, crowd, small, make_user):
    """Who joins behind the preview is not concerned. Guard: populace/bulk/confirming.py:_opened (`at`)."""
    token = ask(client, preview=True, status=200)["confirm"]
    late = make_user(email=f"late@{AT}")["id"]
    ask(client, confirm=7, status=409)  # they are eight by now
    _, came = done(client, confirm=token)
    assert came[2] == {"changed": 7, "already": 0, "refused": 0}
    assert late not in inactive()


def test_a_token_is_good_for_one_call_of_one_caller(client, client_of, token, crowd, small, monkeypatch):
    """Guard: populace/bulk/confirming.py:_signature, _opened (TOKEN_S)."""
    confirm = ask(client, preview=True, status=200)["confirm"]
    for body in ({"filter": {"domain": AT, "is_active": True}}, {"action": "erase"}):
        ask(client, confirm=confirm, status=409, **body)
    ask(client_of(token("admin")), confirm=confirm, status=409)
    ask(client, confirm="9" + confirm, status=409)
    ask(client, confirm=confirm, partial=True)
    later = now().timestamp() + confirming.TOKEN_S + 1
    monkeypatch.setattr(confirming.time, "time", lambda: later)
    ask(client, confirm=confirm, status=409)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "explode", "filter": {}}, "/action"),
        ({"filter": {}}, "/action"),
        ({"action": "erase"}, "/filter"),
        ({"action": "erase", "filter": {}, "ids": []}, "/filter"),
        ({"action": "erase", "ids": []}, "/ids"),
        ({"action": "erase", "ids": ["x"]}, "/ids/0"),
        ({"action": "erase", "ids": [str(uuid4())] * 1001}, "/ids"),
        ({"action": "erase", "filter": []}, "/filter"),
        ({"action": "erase", "filter": {"is_active": "maybe"}}, "/filter/is_active"),
        ({"action": "erase", "filter": {"is_active": None}}, "/filter/is_active"),
        ({"action": "erase", "filter": {"password": "x"}}, "/filter/password"),
        ({"action": "erase", "filter": {"order": "email"}}, "/filter/order"),
        ({"action": "erase", "filter": {"attributes.x": 1}}, "/filter/attributes.x"),
        ({"action": "erase", "filter": {}, "group": str(uuid4())}, "/group"),
        ({"action": "add_to_group", "filter": {}}, "/group"),
        ({"action": "add_to_group", "filter": {}, "group": str(uuid4())}, "/group"),
        ({"action": "erase", "filter": {}, "values": {"locale": "de"}}, "/values"),
        ({"action": "update", "filter": {}}, "/values"),
        ({"action": "update", "filter": {}, "values": {"email": "a@b.example"}}, "/values/email"),
        ({"action": "update", "filter": {}, "values": {"is_active": False}}, "/values/is_active"),
        ({"action": "update", "filter": {}, "values": {"locale": "no such"}}, "/values/locale"),
        ({"action": "erase", "filter": {}, "partial": "yes"}, "/partial"),
        ({"action": "erase", "filter": {}, "preview": 1}, "/preview"),
        ({"action": "erase", "filter": {}, "confirm": []}, "/confirm"),
        ({"action": "erase", "filter": {}, "quiet": True}, "/quiet"),
    ],
)
def test_what_is_wrong_is_pointed_at(client, body, pointer):
    response = client.post(BULK, body)
    assert response.status_code == 400, response.content
    assert response.json()["errors"][0]["pointer"] == pointer
    assert Job.objects.count() == 0
