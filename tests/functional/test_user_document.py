"""What the API takes of a person, and how it refuses the rest: the serializer kept per process."""

import json
from uuid import uuid4

import pytest
from rest_framework.exceptions import ValidationError

from populace.users.documents import NEW, PATCH, check_read_only
from populace.users.models import User


def codes_of(serializer, data):
    with pytest.raises(ValidationError) as refused:
        serializer.run_validation(data)
    return {name: [detail.code for detail in details] for name, details in refused.value.detail.items()}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"username": "a b"}, "invalid"),
        ({"username": 5}, "invalid"),
        ({"username": True}, "invalid"),
        ({"username": ["a"]}, "invalid"),
        ({"username": "me"}, "reserved"),
        ({"username": "x" * 65}, "max_length"),
        ({"email": "a@b@c.org"}, "invalid"),
        ({"email": "a@example.org\r\nBcc: x@example.org"}, "invalid"),
        ({"external_id": "x" * 256}, "max_length"),
        ({"first_name": "x" * 201}, "max_length"),
        ({"first_name": "a\nb"}, "invalid"),
        ({"last_name": "a\x7fb"}, "invalid"),
        ({"last_name": "a\u2028b"}, "invalid"),
        ({"last_name": "\ud800"}, "invalid"),
        ({"phone": "12345"}, "invalid"),
        ({"locale": "de_AT"}, "invalid"),
        ({"locale": "d" * 36}, "max_length"),
        ({"timezone": "Europe/Atlantis"}, "invalid"),
        ({"timezone": "../../etc/passwd"}, "invalid"),
        ({"attributes": []}, "invalid"),
        ({"attributes": "{}"}, "invalid"),
        ({"attributes": {"a": "x" * 16_384}}, "max_length"),
        ({"attributes": {"a": "\0"}}, "invalid"),
        ({"attributes": {"a\0": 1}}, "invalid"),
        ({"attributes": {"a": "\ud800"}}, "invalid"),
        ({"attributes": {"a": float("nan")}}, "invalid"),
        ({"attributes": {"a": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}}, "invalid"),
        ({"is_active": False}, "read_only"),
        ({"email_verified": True}, "read_only"),
        ({"id": str(uuid4())}, "read_only"),
        ({"groups": []}, "read_only"),
        ({"version": 1}, "read_only"),
        ({"is_superuser": True}, "unknown_field"),
        ({"last_sign_in_at": None}, "unknown_field"),
        ({"": 1}, "unknown_field"),
    ],
)
def test_a_bad_value_is_refused_with_its_code(data, code):
    """A02, A30. Guard: populace/users/documents.py:UserDocument."""
    assert codes_of(NEW, data) == codes_of(PATCH, data) == {next(iter(data)): [code]}


def test_all_faults_are_told_at_once():
    assert codes_of(NEW, {"username": "a b", "nope": 1, "version": 2}) == {
        "username": ["invalid"],
        "nope": ["unknown_field"],
        "version": ["read_only"],
    }
    assert len(codes_of(NEW, {f"x{n}": n for n in range(1000)})) == 20


def test_what_a_person_is_is_settled_at_the_start():
    assert NEW.run_validation({"kind": "service"}) == {"kind": "service"}
    assert codes_of(NEW, {"kind": "robot"}) == {"kind": ["invalid_choice"]}
    assert codes_of(PATCH, {"kind": "service"}) == {"kind": ["read_only"]}


def test_the_refusal_of_a_choice_does_not_repeat_it():
    """populace/users/documents.py:UserDocument.kind"""
    with pytest.raises(ValidationError) as refused:
        NEW.run_validation({"kind": "robot" * 1000})
    assert "robot" not in str(refused.value.detail)


@pytest.mark.parametrize("blank", [" ", "   ", "\u00a0", "\u3000"])
def test_blanks_are_no_external_id(blank):
    """populace/users/identifiers.py:external_id"""
    assert codes_of(NEW, {"external_id": blank}) == {"external_id": ["invalid"]}


def test_null_means_none():
    assert PATCH.run_validation({"first_name": None, "username": None, "phone": ""}) == {
        "first_name": "",
        "username": "",
        "phone": "",
    }
    assert PATCH.run_validation({"attributes": None}) == {"attributes": None}


def test_good_values_pass_as_typed():
    values = {
        "first_name": " می\u200cخواهم ",
        "locale": "zh-Hant-TW",
        "timezone": "Europe/Vienna",
        "email": "A@EXAMPLE.org",
    }
    assert PATCH.run_validation(values) == values
    assert NEW.run_validation(values) == values
    assert PATCH.run_validation({"phone": "+43 1 2345678"}) == {"phone": "+4312345678"}


@pytest.mark.django_db
def test_a_client_may_send_back_what_it_read(make_user):
    """A30. Guard: populace/users/documents.py:check_read_only."""
    person = make_user(first_name="Ann")
    document = json.dumps(person).encode()
    rest = check_read_only(person | {"first_name": "Anna"}, document)
    assert PATCH.run_validation(rest)["first_name"] == "Anna"
    assert "version" not in rest
    assert check_read_only({"first_name": "x", "nope": 1}, None) == {"first_name": "x", "nope": 1}
    for name, value in [("version", True), ("is_active", 1), ("kind", "service"), ("groups", None), ("id", "x")]:
        with pytest.raises(ValidationError) as refused:
            check_read_only({name: value}, document)
        assert refused.value.detail[name][0].code == "read_only"


@pytest.mark.django_db
def test_what_is_read_is_what_the_serializer_says(make_user):
    for values in (
        {"first_name": 'Zoë "x" \\ 😀', "attributes": {"n": [1, {"b": None}]}},
        {"kind": "service", "locale": "de"},
    ):
        person = make_user(**values)
        assert json.loads(json.dumps(NEW.to_representation(User.objects.get(pk=person["id"])))) == person
