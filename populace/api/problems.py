"""Everything that goes wrong becomes a problem detail (RFC 9457), here and nowhere else.

No answer repeats a value that was sent (it could be a secret), nor a trace. `type` names a page that we serve.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import singledispatch
from typing import Any, NamedTuple

import structlog
from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.db import DataError, InterfaceError, InternalError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions as drf

from populace.api.kinds import KINDS
from populace.bulk.errors import Beyond, JobNotFound, NotConfirmed, NotUndoable, TooManyJobs
from populace.credentials.errors import ExceedsToken, TokenNotFound, TooManyTokens
from populace.credentials.hashing import HashingBusy, PasswordRefused
from populace.groups.errors import Cycle, GroupNotFound, NameTaken
from populace.infra.db.causes import Cause, cause_of
from populace.infra.db.mariadb.errors import number_of
from populace.infra.db.pool import PoolExhausted, is_lost
from populace.infra.storage import Unavailable
from populace.infra.telemetry.logs import trace_of
from populace.infra.telemetry.metrics import DB_ERRORS
from populace.users.errors import (
    Forbidden,
    IdentifierTaken,
    Invalid,
    LastOwner,
    NoIdentifier,
    Refused,
    UserNotFound,
    VersionMismatch,
)

log = structlog.get_logger(__name__)

AUTHENTICATE = {"WWW-Authenticate": 'Bearer realm="populace"'}


class Fault(NamedTuple):
    """One refused value: a JSON pointer into the body (RFC 6901), a code, and why in words."""

    pointer: str
    code: str
    detail: str


class Problem(drf.APIException):
    """Something to tell the caller; `code` is one of KINDS."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or KINDS[code].page, code)
        self.code, self.status_code = code, KINDS[code].status
        self.errors, self.headers = errors, dict(headers or {})
        if self.status_code == 503:
            self.headers.setdefault("Retry-After", "1")

    def body(self, request: HttpRequest) -> dict[str, Any]:
        """Return the problem detail that is told of `request`, or of a part of it."""
        body: dict[str, Any] = {
            "type": f"/problems/{self.code}",
            "title": KINDS[self.code].title,
            "status": self.status_code,
            "detail": str(self.detail),
            "instance": getattr(request, "request_id", ""),
            "code": self.code,
        }
        if self.errors:
            body["errors"] = [fault._asdict() for fault in self.errors]
        return body

    def reply(self, request: HttpRequest) -> HttpResponse:
        """Return the answer to `request`."""
        return HttpResponse(
            json.dumps(self.body(request)).encode(),
            content_type="application/problem+json",
            status=self.status_code,
            headers=self.headers,
        )


def exception_handler(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """Answer whatever a view raised; DRF's EXCEPTION_HANDLER."""
    request = context["request"]
    problem = problem_of(error)
    if problem.code == "unavailable":
        DB_ERRORS.inc()
    # An overload is no fault, and its log would add to it; of a database that is gone it tells once.
    if problem.code == "internal" or (problem.code == "unavailable" and not is_lost()):
        log.error(problem.code, request_id=getattr(request, "request_id", ""), path=request.path, trace=trace_of(error))
    return problem.reply(request)


@singledispatch
def problem_of(error: Exception) -> Problem:
    """Return what to tell about `error`. Unknown ones are our fault, and tell nothing."""
    return Problem("internal")


@problem_of.register
def _(error: Problem) -> Problem:
    return error


@problem_of.register
def _(error: drf.APIException) -> Problem:
    """DRF's other refusals: too few of them reach us to say more than their status does."""
    by_status = {kind.status: code for code, kind in reversed(KINDS.items())}
    return Problem(by_status.get(error.status_code, "internal"))


@problem_of.register
def _(error: drf.ValidationError) -> Problem:
    return Problem("invalid", errors=list(_faults(error.detail, "")))


def _faults(detail: Any, pointer: str) -> Iterator[Fault]:
    """Flatten DRF's nested details: names and list positions become pointers (escaped as RFC 6901 section 3 says)."""
    if isinstance(detail, Mapping):
        for name, below in detail.items():
            own = "" if name == "non_field_errors" else "/" + str(name)[:200].replace("~", "~0").replace("/", "~1")
            yield from _faults(below, pointer + own)
    elif isinstance(detail, list | tuple):
        for number, below in enumerate(detail):
            yield from _faults(below, pointer if isinstance(below, str) else f"{pointer}/{number}")
    else:
        yield Fault(pointer, str(getattr(detail, "code", "invalid")), str(detail))


@problem_of.register(drf.NotAuthenticated)
@problem_of.register(drf.AuthenticationFailed)
def _(error: Exception) -> Problem:
    return Problem("unauthenticated", headers=AUTHENTICATE)


@problem_of.register
def _(error: drf.Throttled) -> Problem:
    return Problem("rate_limited", headers={"Retry-After": str(int(getattr(error, "wait", None) or 1))})


@problem_of.register(Forbidden)
@problem_of.register(drf.PermissionDenied)
@problem_of.register(DjangoPermissionDenied)
def _(error: Exception) -> Problem:
    return Problem("forbidden")


@problem_of.register(Http404)
@problem_of.register(UserNotFound)
@problem_of.register(GroupNotFound)
@problem_of.register(JobNotFound)
@problem_of.register(TokenNotFound)
def _(error: Exception) -> Problem:
    return Problem("not_found")


@problem_of.register
def _(error: RequestDataTooBig) -> Problem:
    return Problem("too_large")


@problem_of.register
def _(error: DisallowedHost) -> Problem:
    return Problem("invalid_host")


@problem_of.register
def _(error: IdentifierTaken) -> Problem:
    faults = [Fault(f"/{field}", code, KINDS[code].page) for field, code in error.refusals]
    return Problem(faults[0].code if faults else "identifier_taken", errors=faults)


@problem_of.register
def _(error: LastOwner) -> Problem:
    return Problem("last_owner")


@problem_of.register
def _(error: NameTaken) -> Problem:
    return Problem("name_taken", errors=[Fault("/name", "name_taken", KINDS["name_taken"].page)])


@problem_of.register
def _(error: Cycle) -> Problem:
    return Problem("cycle")


@problem_of.register
def _(error: TooManyJobs) -> Problem:
    return Problem("quota", "Twenty of your jobs wait or run already.")


@problem_of.register
def _(error: TooManyTokens) -> Problem:
    return Problem("quota")


@problem_of.register
def _(error: ExceedsToken) -> Problem:
    return Problem("scope", "The token would do more, or work for longer, than the one that asks.")


@problem_of.register
def _(error: NoIdentifier) -> Problem:
    detail = "A person needs at least one of user name, e-mail, phone and external id."
    return Problem("invalid", errors=[Fault("", "no_identifier", detail)])


@problem_of.register
def _(error: Invalid) -> Problem:
    faults = [Fault(f"/{each.field}" if each.field else "", each.code, each.detail) for each in (error, *error.more)]
    return Problem("invalid", errors=faults)


@problem_of.register
def _(error: Refused) -> Problem:
    return Problem(error.code, error.detail, errors=[Fault(f"/{error.parameter[:200]}", error.code, error.detail)])


@problem_of.register
def _(error: Unavailable) -> Problem:
    return Problem("storage_unavailable")


@problem_of.register
def _(error: PasswordRefused) -> Problem:
    return Problem("invalid", errors=[Fault("/password", error.code, error.detail)])


@problem_of.register
def _(error: NotConfirmed) -> Problem:
    return Problem("not_confirmed", f"{error.count:,} people are concerned: say so by confirm, {error.count}.")


@problem_of.register
def _(error: NotUndoable) -> Problem:
    return Problem("not_undoable", str(error))


@problem_of.register
def _(error: Beyond) -> Problem:
    detail = f"{error.count:,} of these people hold rights that the caller lacks. `partial` leaves them out."
    told = "They hold a right that the caller lacks."
    return Problem("forbidden", detail, errors=[Fault(f"/ids/{place}", "forbidden", told) for place in error.places])


@problem_of.register
def _(error: DataError) -> Problem:
    """The engine cannot store a value that passed every check of ours. Its message quotes the value."""
    return Problem("invalid")


@problem_of.register
def _(error: VersionMismatch) -> Problem:
    return Problem("precondition_failed")


@problem_of.register
def _(error: HashingBusy) -> Problem:
    return Problem("overloaded", headers={"Retry-After": str(error.retry_after_s)})


@problem_of.register
def _(error: PoolExhausted) -> Problem:
    return Problem("db_pool_exhausted")


BY_CAUSE = {
    Cause.DEADLOCK: "overloaded",
    Cause.LOCK_TIMEOUT: "db_lock_timeout",
    Cause.QUERY_TIMEOUT: "query_timeout",
    Cause.STORAGE_FULL: "storage_full",
    Cause.LOST: "unavailable",
}


@problem_of.register(OperationalError)
@problem_of.register(InterfaceError)
def _(error: OperationalError | InterfaceError) -> Problem:
    """The database is gone, or it ended a statement that took or waited too long (design section 4)."""
    cause = cause_of(error)
    if cause is None and number_of(error):  # MariaDB's driver calls every error operational that it does not know
        return Problem("internal")
    return Problem(BY_CAUSE[cause or Cause.LOST])


@problem_of.register
def _(error: InternalError) -> Problem:
    """A transaction that idled too long was ended from outside; any other is our fault."""
    return Problem("unavailable" if cause_of(error) is Cause.LOST else "internal")


def only_read(request: HttpRequest) -> HttpResponse | None:
    """Return the refusal of a method that reads nothing; for views that are plain functions."""
    if request.method in ("GET", "HEAD"):
        return None
    return Problem("method_not_allowed", headers={"Allow": "GET, HEAD"}).reply(request)


# Django's own error views (config/urls.py): paths that no view of ours answers.


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an unknown path."""
    return Problem("not_found").reply(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django calls suspicious; most often the Host header."""
    return (problem_of(exception) if isinstance(exception, DisallowedHost) else Problem("malformed")).reply(request)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer Django's PermissionDenied."""
    return Problem("forbidden").reply(request)


def internal(request: HttpRequest) -> HttpResponse:
    """Answer an exception that nobody caught; Django has logged it."""
    return Problem("internal").reply(request)
