"""Hand a mail to the mail server, now or later, for as long as the mail is good for something.

The tries of a mail server that is away say nothing about the mail, so they are not the queue's five: the task is put
off, for a pause that grows with the age of the mail.
"""

import random
import smtplib
from datetime import datetime, timedelta
from time import monotonic

import structlog
from django.core.mail import EmailMessage
from django.utils.timezone import now

from populace.infra.tasks.current import Again, enqueued_at
from populace.infra.telemetry import metrics

FIRST_S, LONGEST_S = 5.0, 900.0
"""Between two tries of a mail as long as it is old, but at least and at most this, half to one and a half times."""

REST, REST_LEAST_S = 2, 1.0
"""Times as long as a try took that a process leaves a failing server alone, so that it loses a third of its time to it
at most; and the least of that.
"""

log = structlog.get_logger(__name__)
_rests_until = 0.0  # monotonic; of this process


def deliver(mail: EmailMessage, *, lives: timedelta, subject: str) -> None:
    """Hand the mail over; or drop it, and say so in the log; raises Again where this task is to try another time.

    `lives` is how long after its task was enqueued it is of use; from then on it is dropped, unless the server takes it
    at once: it may have waited for a worker. Whom it is about, `subject`, is an id: the log never has an address, nor
    what the server says, which may repeat it.
    """
    began = monotonic()
    if began < _rests_until:
        return _put_off(lives, subject)
    try:
        mail.send(using="default")
    except OSError as error:  # smtplib's own are OSErrors
        _failed(error, monotonic() - began, subject)
        if is_refused(error):
            return _drop("refused", subject)
        return _put_off(lives, subject)
    return None


def _put_off(lives: timedelta, subject: str) -> None:
    since = enqueued_at() or now()
    if now() - since > lives:
        return _drop("expired", subject)
    raise Again(_next(since)) from None


def is_refused(error: OSError) -> bool:
    """Tell whether the server will never take this mail: no such mailbox (RFC 5321 section 4.2.1, 5yz)."""
    codes = _codes(error)
    return bool(codes) and min(codes) >= 500


def _codes(error: OSError) -> list[int]:
    """Return what the server answered to this mail; nothing where the trouble is the server's own."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return [code for code, _ in error.recipients.values()]
    return [error.smtp_code] if isinstance(error, smtplib.SMTPDataError) else []


def _failed(error: OSError, took_s: float, subject: str) -> None:
    """Count and tell a failed try; a server that is in trouble itself is left alone for a while."""
    global _rests_until
    codes = _codes(error)
    kind = "refused" if is_refused(error) else "deferred" if codes and 421 not in codes else "server"
    if kind == "server":
        _rests_until = monotonic() + max(REST * took_s, REST_LEAST_S)
    metrics.MAIL_FAILURES.labels(kind=kind).inc()
    log.warning("mail_failed", kind=kind, error=type(error).__name__, codes=codes, subject=subject)


def _next(since: datetime) -> datetime:
    age = (now() - since).total_seconds()
    pause = min(max(age, FIRST_S), LONGEST_S) * random.uniform(0.5, 1.5)  # noqa: S311
    return now() + timedelta(seconds=max(pause, _rests_until - monotonic()))


def _drop(why: str, subject: str) -> None:
    metrics.MAIL_DROPPED.labels(why=why).inc()
    log.error("mail_dropped", why=why, subject=subject)
