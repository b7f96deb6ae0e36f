"""Attributes of imported people: merged by name, and held to the schema as the whole that they make."""

import pytest

from populace.users.attributes_actions import replace_schema
from populace.users.models import AttributeValue, User

pytestmark = pytest.mark.django_db

SCHEMA = {
    "properties": {"team": {"type": "string", "indexed": True}, "size": {"type": "integer"}},
    "required": ["team"],
    "additionalProperties": False,
}


def test_a_new_person_is_held_to_the_schema_and_every_fault_is_told(import_people, actor):
    """populace/bulk/importer.py:Importer._planned"""
    replace_schema(SCHEMA, by=actor)
    result = import_people(
        {"username": "ann", "attributes": {"size": "s3cr3t", "shoe": 1}},
        {"username": "bob", "attributes": {"team": "red"}},
        {"username": "carl"},
    )
    assert [row for row, *_ in result.errors] == [1, 3]
    for place in ("attributes/size: ", "attributes/shoe: ", "attributes/team: "):
        assert place in result.errors[0][2]
    assert "s3cr3t" not in result.errors[0][2]
    assert User.objects.get().username == "bob"
    assert AttributeValue.objects.get().value.endswith("red")


def test_a_change_is_held_to_it_as_the_whole_that_it_makes(import_people, actor, codes):
    import_people({"external_id": "7", "attributes": {"team": "red"}})
    replace_schema(SCHEMA, by=actor)
    result = import_people(
        {"external_id": "7", "first_name": "Ann"},
        {"external_id": "7", "attributes": {"size": 3}},
        {"external_id": "7", "attributes": {"team": None}},
    )
    assert (result.done, [row for row, _ in codes(result)]) == (2, [3])
    assert User.objects.get().attributes == {"team": "red", "size": 3}


def test_indexed_values_follow_a_change(import_people, actor):
    replace_schema(SCHEMA, by=actor)
    for team in ("red", "blue"):
        import_people({"external_id": "7", "attributes": {"team": team}})
        assert AttributeValue.objects.get().value.endswith(team)


def test_what_is_null_is_not_there_the_first_time_as_the_second(import_people, everything):
    person = {"external_id": "7", "attributes": {"a": None, "b": {"c": None, "d": 1.0}, "e": [None]}}
    import_people(person)
    assert User.objects.get().attributes == {"b": {"d": 1}, "e": [None]}
    before = everything()
    assert import_people(person).counts == {"unchanged": 1}
    assert everything() == before
