"""The welcome mail: who gets one, in which language, and what it can never carry."""

from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.core import mail
from django.test import override_settings

from populace.audit.consequences import CONSEQUENCES
from populace.users.actions import create_user, erase_user
from populace.users.models import User
from populace.users.tasks import welcome

pytestmark = pytest.mark.django_db

EVENT = str(uuid4())


@pytest.fixture
def sent(settings):
    """Return the mails sent in this test."""
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
    mail.outbox = []
    return mail.outbox


def test_it_follows_from_a_creation():
    assert welcome in CONSEQUENCES["user.created"]


def test_it_tells_the_person_by_text_and_html(make_user, sent):
    person = make_user(first_name="Ann", email="Ann@Example.org", username="ann")
    welcome.call(EVENT, person["id"])
    (message,) = sent
    assert message.to == ["Ann@example.org"]
    assert message.subject == "Welcome, Ann"
    assert settings.PUBLIC_URL in message.body
    assert message.alternatives[0].mimetype == "text/html"
    assert '<html lang="en" dir="ltr">' in message.alternatives[0].content
    assert message.from_email == settings.DEFAULT_FROM_EMAIL


def test_a_repeat_has_the_same_message_id_and_another_event_has_not(make_user, sent):
    person = make_user()
    for event_id in (EVENT, EVENT, str(uuid4())):
        welcome.call(event_id, person["id"])
    first, again, other = (message.message()["Message-ID"] for message in sent)
    assert first == again == f"<{EVENT}.welcome@127.0.0.1>"
    assert other != first


@pytest.mark.parametrize(
    ("locale", "word"), [("de", "Guten Tag"), ("de-AT", "Guten Tag"), ("", "Hello"), ("tlh", "Hello"), ("fr", "Hello")]
)
def test_it_speaks_the_persons_language(make_user, sent, locale, word):
    welcome.call(EVENT, make_user(locale=locale)["id"])
    (message,) = sent
    assert word in message.body
    assert word in message.alternatives[0].content


def test_an_operators_template_wins(make_user, sent, tmp_path):
    folder = tmp_path / "users" / "mail"
    folder.mkdir(parents=True)
    (folder / "welcome.txt").write_text("Ours for {{ user.first_name }}")
    with override_settings(TEMPLATES=[settings.TEMPLATES[0] | {"DIRS": [tmp_path]}]):
        welcome.call(EVENT, make_user(first_name="Ann")["id"])
    assert sent[0].body == "Ours for Ann"


def test_a_name_is_text_in_both_parts(make_user, sent):
    welcome.call(EVENT, make_user(first_name="<b>Ann</b> & {{ x }}")["id"])
    (message,) = sent
    assert "<b>Ann</b> & {{ x }}" in message.body
    assert "&lt;b&gt;Ann&lt;/b&gt; &amp; {{ x }}" in message.alternatives[0].content


def test_no_value_of_a_person_reaches_the_headers(make_user, sent):
    """Guard: populace/users/tasks.py:_mail. The verb is called as no door would call it, without validation."""
    person = make_user(first_name="Ann\r\nBcc: everybody@example.org", email="ann@example.org")
    welcome.call(EVENT, person["id"])
    message = sent[0].message()
    assert message["Bcc"] is None
    assert sent[0].recipients() == ["ann@example.org"]


def test_a_foreign_domain_goes_where_the_address_was_claimed(make_user, sent):
    """Guard: populace/users/tasks.py:_address. IDNA 2003, which mail libraries use, would send to strasse.de."""
    welcome.call(EVENT, make_user(email="Ann@straße.de")["id"])
    assert sent[0].message()["To"] == "Ann@xn--strae-oqa.de"


def test_only_an_active_person_with_an_address_gets_one(make_user, actor, sent):
    service = make_user(kind="service")
    silent = make_user(email="")
    inactive = make_user(is_active=False)
    erased = make_user()
    erase_user(UUID(erased["id"]), by=actor)
    for person in (service, silent, inactive, erased):
        welcome.call(EVENT, person["id"])
    assert sent == []


def test_a_quiet_person_is_marked_so_in_the_outbox(actor):
    from populace.audit.models import Outbox

    create_user(by=actor, values={"username": "quiet"}, quiet=True)
    assert Outbox.objects.get(subject_id=User.objects.get(username="quiet").id).quiet
