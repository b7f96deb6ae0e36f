"""What follows, outside the request, from what happened to a person."""

from datetime import timedelta
from time import monotonic
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.tasks import task
from django.template.loader import select_template
from django.utils.translation import get_supported_language_variant, override

from populace.infra.mail.delivery import deliver
from populace.users import attributes_index
from populace.users.models import User

WORK_S = 20  # seconds that one task works through people: less than its lease


WELCOME_LIVES = timedelta(days=3)
"""How long it is tried to send: its link does not expire, but whom nobody welcomed by then has found their way."""


@task(queue_name="mail")
def welcome(event_id: str, subject_id: str) -> None:
    """Send the welcome mail of one `user.created`: to persons with an e-mail who are active, in their language.

    Run twice it sends twice, with the same Message-ID, by which mailboxes drop the copy. Nobody there any more, or
    nobody to write to: does nothing.
    """
    user = User.objects.filter(pk=UUID(subject_id)).first()
    if user is None or user.kind != User.PERSON or not user.email or not user.is_active:
        return
    language = _language(user)
    with override(language):
        mail = _mail(user, language)
    mail.extra_headers = {"Message-ID": f"<{event_id}.welcome@{urlsplit(settings.PUBLIC_URL).hostname}>"}
    deliver(mail, lives=WELCOME_LIVES, subject=subject_id)


def _language(user: User) -> str:
    # Only languages Django knows: translations are kept per process and language, and people choose their own tags.
    try:
        return get_supported_language_variant(user.locale)
    except LookupError:
        return settings.LANGUAGE_CODE


def _mail(user: User, language: str) -> EmailMultiAlternatives:
    context = {"user": user, "url": settings.PUBLIC_URL}
    mail = EmailMultiAlternatives(
        subject=_one_line(_rendered("subject.txt", language, context)),
        body=_rendered("txt", language, context),
        to=[_address(user)],
    )
    mail.attach_alternative(_rendered("html", language, context), "text/html")
    return mail


def _one_line(text: str) -> str:
    """Return what a header shows as this text, whatever a template or a name brings.

    An invisible joiner keeps `=?` from being read as RFC 2047's beginning of encoded text, in which a line could end.
    """
    return " ".join(text.split()).replace("=?", "=\N{WORD JOINER}?")


def _rendered(part: str, language: str, context: dict[str, object]) -> str:
    """Return a part of the mail from users/mail/welcome.<language>.<part>, else from welcome.<part>."""
    names = [f"users/mail/welcome.{tag}.{part}" for tag in (language, language.partition("-")[0])]
    return str(select_template([*names, f"users/mail/welcome.{part}"]).render(context))


def _address(user: User) -> str:
    # The domain as it was compared when the address was claimed: mail libraries still map by IDNA 2003, to another
    # domain for some letters (ß). The local part byte for byte as typed.
    return f"{user.email.rpartition('@')[0]}@{user.email_domain}"


@task(queue_name="bulk")
def index_attributes(event_id: str, subject_id: str, version: int = 0, behind: str = str(UUID(int=0))) -> None:
    """Bring the values of indexed attributes in line with the stored schema, from the person behind this id on.

    Works for WORK_S, then goes on as another task; ends where the schema is not of this version (0: any) any more, for
    a newer one has a task of its own.
    """
    until, place = monotonic() + WORK_S, UUID(behind)
    while (schema := attributes_index.newest()) is not None and version in (0, schema.version):
        version = schema.version
        if not attributes_index.is_due(schema):
            later = index_attributes.using(run_after=schema.stored_at + attributes_index.SETTLED)
            later.enqueue(event_id, subject_id)
            return
        if attributes_index.clear_some(schema):
            pass
        elif (end := attributes_index.fill_some(schema, place)) is not None:
            place = end
        else:
            attributes_index.mark_filled(schema)
            return
        if monotonic() > until:
            index_attributes.enqueue(event_id, subject_id, version, str(place))
            return
