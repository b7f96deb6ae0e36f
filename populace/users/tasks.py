"""What follows, outside the request, from what happened to a person."""

from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.tasks import task
from django.template.loader import select_template
from django.utils.translation import get_supported_language_variant, override

from populace.users.models import User


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
    mail.send(using="default")


def _language(user: User) -> str:
    # Only languages Django knows: translations are kept per process and language, and people choose their own tags.
    try:
        return get_supported_language_variant(user.locale)
    except LookupError:
        return settings.LANGUAGE_CODE


def _mail(user: User, language: str) -> EmailMultiAlternatives:
    context = {"user": user, "url": settings.PUBLIC_URL}
    mail = EmailMultiAlternatives(
        # A header is one line, whatever a template or a name brings.
        subject=" ".join(_rendered("subject.txt", language, context).split()),
        body=_rendered("txt", language, context),
        to=[_address(user)],
    )
    mail.attach_alternative(_rendered("html", language, context), "text/html")
    return mail


def _rendered(part: str, language: str, context: dict[str, object]) -> str:
    """Return a part of the mail from users/mail/welcome.<language>.<part>, else from welcome.<part>."""
    names = [f"users/mail/welcome.{tag}.{part}" for tag in (language, language.partition("-")[0])]
    return str(select_template([*names, f"users/mail/welcome.{part}"]).render(context))


def _address(user: User) -> str:
    # The domain as it was compared when the address was claimed: mail libraries still map by IDNA 2003, to another
    # domain for some letters (ß). The local part byte for byte as typed.
    return f"{user.email.rpartition('@')[0]}@{user.email_domain}"
