"""A row about somebody who is there: by its external id it changes that person, else `on_conflict` decides."""

import pytest

from populace.audit.actors import Actor
from populace.audit.models import Event, Outbox
from populace.groups.models import Membership
from populace.users.models import Identifier, User
from tests.support.imports import numbers

pytestmark = pytest.mark.django_db

ANN = {"external_id": "7", "username": "ann", "email": "ann@example.org", "attributes": {"team": "red", "size": 3}}


@pytest.fixture
def ann(import_people):
    import_people(ANN)
    return User.objects.get()


def events(action="user.updated") -> list:
    return list(Event.objects.filter(action=action).order_by("id").values_list("details__changes", flat=True))


def keys() -> list[str]:
    return sorted(Identifier.objects.values_list("key", flat=True))


def test_a_known_external_id_changes_that_person_and_the_event_tells_what_differs(import_people, ann):
    result = import_people(ANN | {"last_name": "Lee", "username": "anna", "attributes": {"team": "blue"}})
    assert numbers(result) == {"done": 1, "skipped": 0, "failed": 0, "updated": 1}
    user = User.objects.get()
    assert (user.id, user.version, user.username, user.last_name_normal) == (ann.id, 2, "anna", "lee")
    assert user.attributes == {"team": "blue", "size": 3}
    assert keys() == ["confusable:anna", "email:ann@example.org", "external_id:7", "username:anna"]
    assert events() == [
        {
            "username": {"old": "ann", "new": "anna"},
            "last_name": {"old": "", "new": "Lee"},
            "attributes": {"old": {"team": "red", "size": 3}, "new": {"team": "blue", "size": 3}},
        }
    ]
    assert set(Outbox.objects.filter(action__startswith="user.").values_list("quiet", flat=True)) == {True}


def test_what_a_row_does_not_name_stays_and_null_empties(import_people, ann):
    import_people({"external_id": "7", "username": None})
    user = User.objects.get()
    assert (user.username, user.email) == ("", "ann@example.org")
    assert keys() == ["email:ann@example.org", "external_id:7"]


def test_what_is_so_already_makes_no_event_and_no_version(import_people, ann):
    result = import_people(ANN | {"is_active": True, "email_verified": False})
    assert numbers(result) == {"done": 0, "skipped": 1, "failed": 0, "unchanged": 1}
    assert (User.objects.get().version, events()) == (1, [])


@pytest.mark.parametrize("on_conflict", ["skip", "update", "fail"])
def test_the_external_id_goes_before_on_conflict(import_people, ann, on_conflict):
    assert import_people({"external_id": "7", "first_name": "Ann"}, on_conflict=on_conflict).done == 1
    assert User.objects.get().first_name == "Ann"


def test_the_password_of_somebody_who_is_there_is_never_replaced(import_people, ann):
    result = import_people(ANN | {"password": "another one"})
    assert (result.counts, User.objects.get().password) == ({"unchanged": 1}, "!")


def test_update_changes_whoever_holds_an_identifier_and_gives_them_the_external_id(import_people, make_user):
    there = make_user(username="ann", email="ann@example.org")
    result = import_people(ANN, on_conflict="update")
    assert result.counts["updated"] == 1
    user = User.objects.get()
    assert (str(user.id), user.external_id) == (there["id"], "7")


def test_somebody_with_another_external_id_is_another_person(import_people, ann, everything, codes):
    """populace/users/batches.py:_settled"""
    before = everything()
    for on_conflict, code in (("update", "external_id_differs"), ("fail", "email_taken")):
        result = import_people(ANN | {"external_id": "8"}, on_conflict=on_conflict)
        assert codes(result) == [(1, code)]
    assert everything() == before


def test_an_identifier_of_a_third_person_is_a_bad_row(import_people, ann, make_user, codes):
    make_user(username="bob", email="bob@example.org")
    for on_conflict in ("skip", "update", "fail"):
        result = import_people({"external_id": "7", "email": "bob@example.org"}, on_conflict=on_conflict)
        assert codes(result) == [(1, "email_taken")]
    assert User.objects.get(external_id="7").email == "ann@example.org"


def test_what_somebody_is_stays(import_people, ann, codes):
    assert codes(import_people({"external_id": "7", "kind": "service"})) == [(1, "read_only")]
    assert User.objects.get().kind == "person"


def test_the_last_identifier_stays(import_people, make_user, codes):
    make_user(username="ann", email="")
    result = import_people({"username": "ann", "external_id": "7"}, on_conflict="update")
    assert result.done == 1
    assert codes(import_people({"external_id": "7", "username": ""})) == []


def test_a_person_is_shut_out_and_let_in_again_by_the_verbs(import_people, ann):
    for active, action in ((False, "user.deactivated"), (True, "user.activated")):
        result = import_people(ANN | {"is_active": active})
        assert result.counts["updated"] == 1
        assert User.objects.get().is_active is active
        assert len(events(action)) == 1
    assert import_people({"external_id": "7"}).counts == {"unchanged": 1}


def test_the_last_owner_stays(import_people, ann, give_role, codes):
    """populace/bulk/importer.py:_set_active"""
    give_role(ann.id, "owner")
    result = import_people({"email": "b@example.org"}, ANN | {"is_active": False}, {"email": "c@example.org"})
    assert codes(result) == [(2, "last_owner")]
    assert User.objects.get(external_id="7").is_active
    assert result.done == 2


def test_another_email_is_verified_only_if_the_row_says_so(import_people, ann):
    def verified(**row):
        import_people({"external_id": "7"} | row)
        return User.objects.get().email_verified

    assert verified(email="ann@example.org", email_verified=True)
    assert verified(email="ann@example.org", email_verified=False)  # it was verified here, or by an earlier file
    assert not verified(email="a.lee@example.org")
    assert verified(email="lee@example.org", email_verified=True)
    assert [change["email_verified"] for change in events() if "email_verified" in change] == [
        {"old": False, "new": True},
        {"old": True, "new": False},
        {"old": False, "new": True},
    ]


def test_who_may_do_less_than_the_person_changes_nothing(import_people, ann, give_role, actor, codes):
    """populace/users/batches.py:_Batch.change (may_act)"""
    give_role(ann.id, "owner")
    helper = Actor(id=actor.id, permissions=frozenset({"users:write"}))
    result = import_people({"external_id": "7", "first_name": "X"}, {"email": "b@example.org"}, by=helper)
    assert codes(result) == [(1, "forbidden")]
    assert User.objects.get(external_id="7").first_name == ""


def test_two_rows_of_one_file_about_one_person_follow_each_other(import_people):
    result = import_people(
        {"external_id": "1", "email": "a@example.org"},
        {"external_id": "1", "first_name": "Ann"},
        {"external_id": "2", "email": "b@example.org"},
        {"external_id": "1", "email": "c@example.org"},
        {"external_id": "3", "email": "a@example.org"},
        {"email": "b@example.org"},
    )
    assert (result.done, result.skipped, result.failed, result.counts["updated"]) == (5, 1, 0, 2)
    assert sorted(User.objects.values_list("external_id", "email", "first_name")) == [
        ("1", "c@example.org", "Ann"),
        ("2", "b@example.org", ""),
        ("3", "a@example.org", ""),
    ]


def test_groups_are_added_and_none_is_left(import_people, ann):
    import_people({"external_id": "7", "groups": ["one", "two"]})
    assert import_people({"external_id": "7", "groups": ["two", "Two"]}).counts == {"unchanged": 1}
    assert import_people({"external_id": "7", "groups": ["three"]}).counts == {"updated": 1}
    assert sorted(Membership.objects.values_list("group__name", flat=True)) == ["one", "three", "two"]
    assert len(events("group.member_added")) == 3
    assert User.objects.get().version == 1
