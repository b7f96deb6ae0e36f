"""Demo people: the same for the same number, never two alike, all of them valid."""

import unicodedata

from populace.cli.demo import person
from populace.users.documents import new_values


def test_no_two_demo_people_share_an_identifier():
    people = [person(number) for number in range(3000)]
    assert len({value["username"] for value in people}) == len({value["email"] for value in people}) == 3000


def test_a_number_always_gives_the_same_person():
    assert person(7) == person(7)


def test_demo_people_are_what_the_api_would_accept():
    for number in range(600):
        assert new_values(person(number)) == person(number)


def test_demo_names_come_in_several_scripts():
    scripts = {unicodedata.name(person(number)["last_name"][0]).split()[0] for number in range(10)}
    assert scripts == {"LATIN", "CYRILLIC", "GREEK", "ARABIC", "DEVANAGARI", "CJK"}


def test_demo_mail_can_reach_nobody():
    domains = {person(number)["email"].partition("@")[2] for number in range(100)}
    assert domains == {"example.org", "example.com", "example.net"}
