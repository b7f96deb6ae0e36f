"""The console as tests use it: somebody with a role, signed in."""

import re

from populace.audit.models import Event

PASSWORD = "correct horse battery staple"
FORM = "application/x-www-form-urlencoded"
LOGIN, PEOPLE, GROUPS, EVENTS = "/console/login/", "/console/users/user/", "/console/groups/group/", "/console/events/"
STATEMENTS = 4  # session, person, permissions, page


def sign_in(client, name, password=PASSWORD, **headers):
    return client.post(LOGIN, {"username": name, "password": password}, headers=headers)


def page_of(person, tail="change"):
    return f"{PEOPLE}{person['id']}/{tail}/"


def actions_about(subject_id):
    return list(Event.objects.filter(subject_id=subject_id).order_by("at").values_list("action", flat=True))


def link(response, rel):
    found = re.search(rf'<a href="([^"]*)" rel="{rel}"', response.text)
    return found and found[1].replace("&amp;", "&")
