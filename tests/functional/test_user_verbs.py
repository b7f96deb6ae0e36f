"""What the verbs about a person do, whoever calls them."""

import json
import threading
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from populace.audit.models import Event, Outbox
from populace.infra.db.guarded import OutsideVerb
from populace.users.actions import activate_user, create_user, create_users, deactivate_user, update_user
from populace.users.documents import USER_FIELDS
from populace.users.errors import IdentifierTaken, Invalid, NoIdentifier, UserNotFound, VersionMismatch
from populace.users.models import Identifier, User
from populace.users.reads import USER, user_id_of

pytestmark = pytest.mark.django_db


def keys_of(document):
    """What the person is found by; what their user name looks like is claimed beside it."""
    held = Identifier.objects.filter(user_id=document["id"]).exclude(key__startswith="confusable:")
    return sorted(held.values_list("key", flat=True))


def events_of(document):
    return list(Event.objects.filter(subject_id=document["id"]).order_by("at"))


@pytest.fixture
def update(actor):
    def update(document, *, expected=None, **values):
        return json.loads(update_user(UUID(document["id"]), by=actor, values=values, expected=expected))

    return update


def test_a_new_person_has_every_field_of_the_contract_in_its_order(make_user):
    person = make_user(username="Zoë", email="Zoe@Example.org", first_name="Zoë", attributes={"team": "blue"})
    assert tuple(person) == USER_FIELDS
    assert person | {"id": "", "date_joined": "", "updated_at": ""} == {
        "id": "",
        "kind": "person",
        "username": "Zoë",
        "email": "Zoe@Example.org",
        "email_verified": False,
        "external_id": "",
        "first_name": "Zoë",
        "last_name": "",
        "phone": "",
        "locale": "",
        "timezone": "",
        "is_active": True,
        "attributes": {"team": "blue"},
        "groups": [],
        "date_joined": "",
        "updated_at": "",
        "last_login": None,
        "version": 1,
    }
    assert keys_of(person) == ["email:zoe@example.org", "username:zoë"]
    assert json.loads(USER.one(id=UUID(person["id"]))) == person


def test_a_creation_leaves_one_event_and_one_outbox_row(make_user, actor):
    person = make_user(first_name="Ann", quiet=False, password_hash="$argon2id$secret")
    (event,) = events_of(person)
    (outbox,) = Outbox.objects.filter(event_id=event.id)
    assert (event.action, event.subject_kind, event.actor, event.request_id) == (
        "user.created",
        "user",
        actor.id,
        "test",
    )
    assert event.details["changes"]["first_name"] == {"old": None, "new": "Ann"}
    assert event.details["address"] == "192.0.2.1"
    assert "secret" not in json.dumps(event.details)
    assert (str(outbox.subject_id), outbox.action, outbox.quiet) == (person["id"], "user.created", False)


def test_one_identifier_is_enough_and_none_is_not(make_user, update):
    person = make_user(username="", email="", external_id="4711")
    assert keys_of(person) == ["external_id:4711"]
    with pytest.raises(NoIdentifier):
        make_user(username="", email="")
    with pytest.raises(NoIdentifier):
        update(person, external_id="")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ({"username": "ＡＤＭＩＮ"}, ["username"]),
        ({"email": "ADMIN@EXAMPLE.ORG"}, ["email"]),
        ({"username": "Admin", "email": "Admin@example.org"}, ["email", "username"]),
    ],
)
def test_a_taken_identifier_is_named_and_nothing_is_left(make_user, values, kinds):
    """A01, A04. Guard: populace/users/models.py:Identifier (its primary key)."""
    make_user(username="admin", email="admin@example.org")
    with pytest.raises(IdentifierTaken) as taken:
        make_user(**values)
    assert taken.value.kinds == kinds
    assert User.objects.count() == Event.objects.count() == Outbox.objects.count() == 1
    assert Identifier.objects.count() == 3


def test_inside_a_transaction_one_taken_identifier_is_enough(make_user):
    """PostgreSQL reads nothing more there, so it can tell one key only."""
    make_user(username="admin", email="admin@example.org")
    with pytest.raises(IdentifierTaken) as taken, transaction.atomic():
        make_user(username="Admin", email="Admin@example.org")
    assert taken.value.kinds
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_twins_at_once_one_is_made(actor):
    """A05. Guard: populace/users/models.py:Identifier (its primary key)."""
    outcomes = []

    def twin(name):
        try:
            create_user(by=actor, values={"username": name, "email": f"{name}@example.org"})
            outcomes.append("made")
        except IdentifierTaken as taken:
            outcomes.append(",".join(taken.kinds))
        finally:
            connection.close()

    threads = [threading.Thread(target=twin, args=(name,)) for name in ["Twin", "twin", "TWIN", "tWin"] * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["email,username"] * 11 + ["made"]
    assert User.objects.count() == Event.objects.count() == 1
    assert Identifier.objects.count() == 3


def test_many_people_are_made_in_one_write(actor):
    ids = create_users([{"username": f"u{n}", "email": f"u{n}@example.org"} for n in range(20)], by=actor, quiet=True)
    assert [str(User.objects.get(username=f"u{n}").id) for n in (0, 19)] == [str(ids[0]), str(ids[19])]
    assert Identifier.objects.count() == 60
    assert Event.objects.count() == Outbox.objects.filter(quiet=True).count() == 20
    assert create_users([], by=actor) == []


def test_a_batch_with_twins_is_refused_as_a_whole(actor):
    with pytest.raises(IdentifierTaken) as taken:
        create_users([{"username": "same"}, {"username": "SAME"}], by=actor)
    assert taken.value.kinds == ["username"]
    assert not User.objects.exists()


def test_an_update_changes_what_it_names_and_says_so(make_user, update):
    person = make_user(first_name="Ann", last_name="Lee", username="ann", email="ann@example.org")
    changed = update(person, first_name="Anna", username="anna")
    assert changed["updated_at"] > person["updated_at"]
    assert changed == person | {
        "first_name": "Anna",
        "username": "anna",
        "version": 2,
        "updated_at": changed["updated_at"],
    }
    assert keys_of(person) == ["email:ann@example.org", "username:anna"]
    event = events_of(person)[-1]
    assert event.action == "user.updated"
    assert event.details["changes"] == {
        "first_name": {"old": "Ann", "new": "Anna"},
        "username": {"old": "ann", "new": "anna"},
    }
    assert User.objects.get(pk=person["id"]).first_name_normal == "anna"


def test_an_update_that_changes_nothing_makes_no_event_and_no_version(make_user, update):
    person = make_user(first_name="Ann", attributes={"a": 1}, phone="+4312345678")
    assert update(person, first_name="Ann", attributes={"a": 1}, phone="+43 1 2345678") == person
    assert update(person) == person
    assert len(events_of(person)) == 1


def test_another_spelling_of_an_identifier_keeps_its_key(make_user, update):
    person = make_user(username="ann", email="ann@example.org", email_verified=True)
    with_case = update(person, username="Ann", email="Ann@Example.org")
    assert (with_case["username"], with_case["email"], with_case["email_verified"]) == ("Ann", "Ann@Example.org", False)
    assert keys_of(person) == ["email:ann@example.org", "username:ann"]
    assert events_of(person)[-1].details["changes"]["email_verified"] == {"old": True, "new": False}


def test_a_new_address_is_unverified_and_the_old_one_is_free(make_user, update):
    person = make_user(email="old@example.org", email_verified=True)
    changed = update(person, email="new@example.org")
    assert not changed["email_verified"]
    assert user_id_of("email", "old@example.org") is None
    assert str(user_id_of("email", "NEW@example.org")) == person["id"]
    assert make_user(email="old@example.org")["id"] != person["id"]


def test_an_update_to_a_taken_identifier_is_refused(make_user, update):
    make_user(username="first", email="first@example.org")
    second = make_user()
    with pytest.raises(IdentifierTaken) as taken:
        update(second, username="FIRST")
    assert taken.value.kinds == ["username"]


def test_attributes_are_merged(make_user, update):
    person = make_user(attributes={"a": 1, "b": {"c": 2, "d": 3}, "e": [1]})
    merged = update(person, attributes={"a": None, "b": {"c": None, "x": "y"}, "e": [2], "new": {"n": None}})
    assert merged["attributes"] == {"b": {"d": 3, "x": "y"}, "e": [2], "new": {}}
    assert update(person, attributes=None)["attributes"] == {}


def test_true_is_not_one_in_attributes(make_user, update):
    person = make_user(attributes={"flag": 1})
    assert update(person, attributes={"flag": True})["attributes"]["flag"] is True


def test_attributes_do_not_grow_past_their_bound_by_merging(make_user, update):
    person = make_user(attributes={"a": "x" * 10_000})
    with pytest.raises(Invalid) as refused:
        update(person, attributes={"b": "x" * 10_000})
    assert (refused.value.code, refused.value.field) == ("max_length", "attributes")


def test_a_stale_version_is_refused_and_writes_nothing(make_user, update):
    """A36. Guard: populace/users/actions.py:_changed."""
    person = make_user()
    update(person, first_name="one", expected=1)
    with pytest.raises(VersionMismatch):
        update(person, first_name="two", expected=1)
    assert update(person, expected=2)["first_name"] == "one"
    assert len(events_of(person)) == 2


@pytest.mark.django_db(transaction=True)
def test_two_who_change_different_fields_at_once_both_succeed_or_are_told(make_user, update):
    """A36. Guard: populace/users/actions.py:_changed."""
    person = make_user()
    refused = []

    def change(field):
        for number in range(10):
            try:
                update(person, **{field: f"{field}{number}"})
            except VersionMismatch:
                refused.append(field)
        connection.close()

    threads = [threading.Thread(target=change, args=(field,)) for field in ("first_name", "last_name")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = json.loads(USER.one(id=UUID(person["id"])))
    assert last["version"] == 21 - len(refused) == len(events_of(person))


def test_deactivating_and_activating_are_events_of_their_own(make_user, actor):
    person = make_user()
    user_id = UUID(person["id"])
    off = json.loads(deactivate_user(user_id, by=actor))
    assert (off["is_active"], off["version"]) == (False, 2)
    assert json.loads(deactivate_user(user_id, by=actor)) == off
    on = json.loads(activate_user(user_id, by=actor))
    assert (on["is_active"], on["version"]) == (True, 3)
    assert [event.action for event in events_of(person)] == ["user.created", "user.deactivated", "user.activated"]
    assert events_of(person)[1].details["changes"] == {"is_active": {"old": True, "new": False}}


def test_nobody_is_found_under_an_unknown_id(actor):
    for verb in (deactivate_user, activate_user):
        with pytest.raises(UserNotFound):
            verb(uuid4(), by=actor)
    with pytest.raises(UserNotFound):
        update_user(uuid4(), by=actor, values={"first_name": "x"})
    assert USER.one(id=uuid4()) is None


def test_a_person_is_found_by_any_spelling_of_an_identifier(make_user):
    person = make_user(username="Zoë", email="zoe@exämple.com", phone="+43 1 234 56 78", external_id="S-1")
    for kind, value in [
        ("username", "ZOË"),
        ("email", "Zoe@xn--exmple-cua.COM"),
        ("phone", "+43-1-2345678"),
        ("external_id", "S-1"),
    ]:
        assert str(user_id_of(kind, value)) == person["id"]
    assert user_id_of("external_id", "s-1") is None
    assert user_id_of("email", "no address") is None


def test_a_person_changes_by_verbs_only(make_user):
    user = User.objects.get(pk=make_user()["id"])
    for change in (user.save, user.delete, User.objects.all().delete, lambda: User.objects.update(first_name="x")):
        with pytest.raises(OutsideVerb):
            change()


@pytest.mark.parametrize("number", [1e300, 1e-300, 1e16, 10**30, -(10**30)])
def test_a_number_that_engines_write_out_or_round_is_refused(make_user, number):
    """populace/users/attributes.py:checked"""
    with pytest.raises(Invalid):
        make_user(attributes={"x": [number]})


@pytest.mark.parametrize("number", [0, 0.0, -1.5, 2**53 - 1, 2**63 - 1, 1e-15, 123456.789])
def test_a_portable_number_comes_back_as_it_was(make_user, number):
    assert make_user(attributes={"x": number})["attributes"] == {"x": number}


@pytest.mark.parametrize("number", [1.0, 1e15, 0.0, -0.0, -3.0])
def test_a_whole_number_is_the_same_with_and_without_a_fraction(make_user, update, number):
    """populace/users/attributes.py:checked"""
    person = make_user(attributes={"x": [number]})
    assert json.dumps(person["attributes"]) == json.dumps({"x": [int(number)]})
    assert update(person, attributes={"x": [number]}) == update(person, attributes={"x": [int(number)]}) == person
    assert len(events_of(person)) == 1
