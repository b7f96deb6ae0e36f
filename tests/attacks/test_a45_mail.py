"""A45: the welcome mail has one recipient and one set of headers, whatever a person is called."""

import email
import re
from collections import Counter
from email.policy import default
from html import escape

import pytest

from tests.support.installation import Installation
from tests.support.marks import MARKS
from tests.support.missing import missing
from tests.support.plugin import Session
from tests.support.processes import wait_until
from tests.support.sql import rows

USERS = "/api/v1/users"


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """Not the other attacks' installation: a worker sends mail, into files."""
    if Session.missing:
        missing(Session.missing)
    made = Installation(tmp_path_factory.mktemp("town"))
    made.start_web()
    made.start_worker()
    yield made
    made.stop()


ADDRESSES = [
    "-oX/tmp/x@x.com",
    "a@x.com,b@y.com",
    "a@x.com;b@y.com",
    "a@x.com b@y.com",
    "a@x.com\tb@y.com",
    "<a@x.com>",
    "Ann <a@x.com>",
    '"Ann" <a@x.com>',
    "a@x.com (comment)",
    "a@(comment)x.com",
    '"a b"@x.com',
    '"a\\"@evil.com>,<b"@x.com',
    "a@x.com>",
    "a@x.com\r\nRCPT TO:<b@y.com>",
    "a@x.com%0aBcc:b@y.com",
    "@relay.com:a@x.com",
    "a%b@x.com",
    "a!b@x.com",
    "a@[127.0.0.1]",
    "a@b@x.com",
    "|/bin/sh@x.com",
    "/etc/passwd@x.com",
    "`id`@x.com",
    "=?utf-8?q?a=0d=0a?=@x.com",
    "+ADw-@x.com",
    "a@x.com.",
    "a@x",
]


@pytest.fixture
def letters(town):
    """Return `letters(count) -> messages`: this many have come since the test began."""
    folder = town.var / "mail"

    def kept():
        texts = [path.read_bytes() for path in sorted(folder.glob("*"))] if folder.exists() else []
        parts = [part for text in texts for part in re.split(rb"(?m)^-{79}\n", text)]
        return [part for part in parts if part.strip()]

    wait_until(lambda: not waiting(town), "the letters of earlier tests")
    before = Counter(kept())  # not how many: files of one second are in no order

    def new(count):
        wait_until(lambda: len(kept()) >= before.total() + count and not waiting(town), f"{count} letters")
        return [email.message_from_bytes(part, policy=default) for part in (Counter(kept()) - before).elements()]

    return new


def waiting(town):
    """Tell whether the feed or the mail still has something to do."""
    outbox, tasks = "SELECT count(*) FROM audit_outbox WHERE NOT quiet", "SELECT count(*) FROM tasks_taskrow"
    return sum(rows(town.env["DATABASE_URL"], sql)[0][0] for sql in (outbox, f"{tasks} WHERE state = 0 AND lane = 0"))


HEADERS = {
    *("content-type", "mime-version", "subject", "from", "to", "date", "message-id"),
}


def check_letter(message, address):
    assert {name.lower() for name in message} == HEADERS
    assert max(Counter(name.lower() for name in message).values()) == 1
    [recipient] = message["To"].addresses
    assert recipient.addr_spec == address
    assert recipient.display_name == ""
    assert "\n" not in message["Subject"]
    return message


def test_a45_an_address_names_one_recipient_or_nobody(town, letters):
    """Guard: populace/users/identifiers.py:email_normal, populace/users/tasks.py:_address."""
    made = [address for address in ADDRESSES if town.http.post(USERS, json={"email": address}).status_code == 201]
    refused = set(ADDRESSES) - set(made)
    assert {"a@x.com,b@y.com", "Ann <a@x.com>", '"a b"@x.com', "a@b@x.com", "=?utf-8?q?a=0d=0a?=@x.com"} <= refused
    came = letters(len(made))
    assert sorted(message["To"].addresses[0].addr_spec for message in came) == sorted(made)
    for message in came:
        check_letter(message, message["To"].addresses[0].addr_spec)


def test_a45_a_name_is_text_in_the_letter(town, letters):
    """Guard: populace/users/tasks.py:_rendered, where names are values of a template and never a part of it."""
    for number, mark in enumerate(MARKS):
        body = {"first_name": mark, "last_name": mark, "email": f"mark{number}@example.com"}
        assert town.http.post(USERS, json=body).status_code == 201, mark
    came = letters(len(MARKS))
    assert len(came) == len(MARKS)
    by_address = {message["To"].addresses[0].addr_spec: message for message in came}
    for number, mark in enumerate(MARKS):
        message = check_letter(by_address[f"mark{number}@example.com"], f"mark{number}@example.com")
        assert message["Subject"].replace("\N{WORD JOINER}", "") == f"Welcome, {mark}"
        assert f"Hello {mark}," in message.get_body(["plain"]).get_content()
        assert f"Hello {escape(mark)}," in message.get_body(["html"]).get_content()
