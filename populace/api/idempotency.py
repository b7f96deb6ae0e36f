"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): a call sent twice takes effect once.

The receipt of a call is written in the transaction of its effect, unique per caller and key. A second call with the
key finds it and is answered from it, built anew of what there is by now. Whatever a second call fails with while both
run, it looks for the receipt once more before it tells: the first may just have made what it stumbles over.
"""

import re
from collections.abc import Callable
from hashlib import blake2b
from io import BytesIO
from typing import Any, NamedTuple
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.timezone import now
from rest_framework.request import Request

from populace.api.inflight import InFlight, alone
from populace.api.models import Receipt
from populace.api.parsers import body_of
from populace.api.problems import Problem
from populace.api.receipts import Kept, stored
from populace.infra.db.along import going_along
from populace.infra.db.write import write

NOTHING = UUID(int=0)
REPLAYED = {"Idempotency-Replayed": "true"}
_acceptable = re.compile(r"[\x20-\x7e]{1,255}").fullmatch


class Call(NamedTuple):
    """A call with a key. All but the caller are digests: keys hold what callers put there."""

    user_id: UUID
    key: UUID
    fingerprint: UUID
    subject_id: UUID
    """What the path names; NOTHING where it names nothing."""


def once(view: Any, handler: Callable[..., HttpResponseBase], request: Request, **place: str) -> HttpResponseBase:
    """Return what `handler` answers, or where the caller sent this call before, what `view.repeat` does.

    Raises Problem `malformed`, `idempotency_mismatch`, `idempotency_in_flight`, and what the handler raises.
    """
    call = call_of(view, request, place)
    if request._request.method == "DELETE" and call.subject_id == call.user_id:
        return handler(request, **place)  # who erases themselves will not ask again, and leaves no row behind
    try:
        with alone(int.from_bytes(_digest(call.user_id.bytes, call.key.bytes).bytes) >> 66):
            return _repeated(view, request, call) or _first(view, handler, request, call, place)
    except InFlight:
        raise Problem("idempotency_in_flight", headers={"Retry-After": "1"}) from None


def _first(
    view: Any, handler: Callable[..., HttpResponseBase], request: Request, call: Call, place: dict[str, str]
) -> HttpResponseBase:
    """Do it, and leave a receipt if it succeeds."""
    method = request._request.method or ""
    receipt = Receipt(**call._asdict(), status=view.success.get(method, 200), created_at=now())

    def told(first: Model) -> None:
        if receipt.status in (201, 202):
            receipt.subject_id = first.id  # type: ignore[attr-defined]  # whatever is made has one, and stands first

    try:
        with going_along(receipt, told) as along:
            response = handler(request, **place)
            if not along.written and response.status_code < 300:
                write([])  # it was so already
            return response
    except (OperationalError, InterfaceError):
        raise  # nothing can be looked up
    except Exception:
        if (again := _repeated(view, request, call)) is None:
            raise
        return again


def _repeated(view: Any, request: Request, call: Call) -> HttpResponse | None:
    kept: Kept | None = stored(call.user_id, call.key)
    if kept is None:
        return None
    if kept.fingerprint != call.fingerprint:
        raise Problem("idempotency_mismatch")
    response: HttpResponse = view.repeat(request, kept)
    for name, value in REPLAYED.items():
        response.headers[name] = value
    return response


def call_of(view: Any, request: Request, place: dict[str, str]) -> Call:
    """Return the call; raises Problem `malformed` for a key that is none, and what reading the body raises."""
    ours, user_id = request._request, request.user.user_id.decode()  # type: ignore[union-attr]
    key = ours.META["HTTP_IDEMPOTENCY_KEY"]
    if _acceptable(key) is None:
        raise Problem("malformed", "Idempotency-Key: 1 to 255 printable ASCII characters.")
    try:
        subject_id = UUID(place["id"])
    except (KeyError, ValueError):
        subject_id = NOTHING
    path = ours.path.rstrip("/").encode()
    fingerprint = _digest((ours.method or "").encode(), path, view.sent(request))
    return Call(UUID(user_id), _digest(key.encode()), fingerprint, subject_id)


def kept_body(request: HttpRequest) -> bytes:
    """Return the body, and leave it to be read again."""
    body = body_of(request)
    if "HTTP_TRANSFER_ENCODING" in request.META:
        request.META["wsgi.input"] = BytesIO(body)
    return body


def _digest(*parts: bytes) -> UUID:
    return UUID(bytes=blake2b(b"\0".join(parts), digest_size=16).digest())
